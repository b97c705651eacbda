//! Nothing is left behind: no process, no directory.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pgattest_testkit::{Cluster, PgBouncer, PoolMode, Standby};

/// Processes whose working directory is `directory` or below: every process of
/// a server works in its data directory.
fn processes_in(directory: &Path) -> Vec<PathBuf> {
    std::fs::read_dir("/proc")
        .expect("Linux has /proc")
        .flatten()
        .filter(|entry| {
            std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory))
        })
        .map(|entry| entry.path())
        .collect()
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !done() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_dropped_cluster_leaves_nothing() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let standby = Standby::of(&cluster).await.unwrap();
    let pooler = PgBouncer::start(&cluster, PoolMode::Session).await.unwrap();
    // A session still open, and one in the middle of a statement.
    let _open = cluster.client("postgres").await.unwrap();
    let busy = cluster.client("postgres").await.unwrap();
    let busy =
        tokio::spawn(async move { busy.simple_query("SELECT pg_sleep(3600)").await.is_err() });

    let directories = [
        cluster.scratch_dir().to_owned(),
        standby.scratch_dir().to_owned(),
        pooler.socket_dir().to_owned(),
    ];
    for directory in &directories {
        assert!(
            !processes_in(directory).is_empty(),
            "{}",
            directory.display()
        );
    }
    drop(pooler);
    drop(standby);
    drop(cluster);
    for directory in &directories {
        assert_eq!(processes_in(directory), Vec::<PathBuf>::new());
        assert!(
            !directory.exists(),
            "{} is still there",
            directory.display()
        );
    }
    assert!(busy.await.unwrap(), "a statement outlived its server");
}

#[test]
fn a_cluster_that_did_not_start_leaves_nothing() {
    let neighbour = Cluster::builder(15).start_blocking().unwrap();
    let mark = format!("mark of {}", std::process::id());
    let refused = Cluster::builder(15)
        .setting("app.mark", &mark)
        .setting("shared_buffers", "none")
        .start_blocking();
    assert!(refused.is_err());

    let run = neighbour.scratch_dir().parent().unwrap();
    let left: Vec<PathBuf> = std::fs::read_dir(run)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|directory| {
            std::fs::read_to_string(directory.join("data/postgresql.conf"))
                .is_ok_and(|conf| conf.contains(&mark))
        })
        .collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

/// Not a test: the process that the next one kills. It starts a cluster from a
/// thread that ends, tells where it is, and waits for ever.
#[test]
#[ignore = "only run by a_killed_test_process_takes_its_servers_along"]
fn victim() {
    if std::env::var_os("PGATTEST_TESTKIT_VICTIM").is_none() {
        return;
    }
    let cluster = std::thread::spawn(|| Cluster::builder(15).start_blocking().unwrap())
        .join()
        .unwrap();
    assert_eq!(
        cluster.query_text_blocking("postgres", "SELECT 1").unwrap(),
        [[Some("1".to_owned())]],
        "the server ended with the thread that started it"
    );
    println!("\ndirectory={}", cluster.scratch_dir().display());
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_test_process_takes_its_servers_along_and_the_next_one_cleans_up() {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "traces::victim", "--ignored", "--nocapture"])
        .env("PGATTEST_TESTKIT_VICTIM", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let directory = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("directory=").map(PathBuf::from))
        .expect("the victim tells its directory");
    assert!(!processes_in(&directory).is_empty());

    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the server is gone", || processes_in(&directory).is_empty());
    assert!(directory.exists(), "nobody was left to remove it");

    // Whichever process starts a cluster next removes it; another test may have
    // been that one already.
    let cleaner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::a_cluster_works_without_a_runtime"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(cleaner.success());
    assert!(
        !directory.exists(),
        "{} is still there",
        directory.display()
    );
}
