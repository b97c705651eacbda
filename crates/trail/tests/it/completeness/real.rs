//! Real PostgreSQL: what it loses is told exactly, and what it does not lose is not.

use super::CSVLOG;
use pgattest_testkit::Cluster;
use pgattest_trail::completeness::changes::{Comparison, SNAPSHOT_QUERY, Snapshot, Snapshots};
use pgattest_trail::completeness::{Completeness, Kind, Options, Tracker, source};
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn cluster() -> Cluster {
    Cluster::builder(15)
        .csvlog()
        .preload("pgaudit")
        .extension("pgaudit")
        .setting("pgaudit.log", "all")
        .setting("pgaudit.log_relation", "on")
        .setting("pgaudit.log_rows", "on")
        .setting("log_connections", "on")
        .setting("log_disconnections", "on")
        .setting("log_timezone", "UTC")
        .start_blocking()
        .unwrap()
}

/// The log files, in the order in which they were written.
fn files(cluster: &Cluster) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(cluster.data_dir().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    files
}

fn look(cluster: &Cluster, options: Options) -> Completeness {
    let mut tracker = Tracker::new(options);
    source::log_files(&mut tracker, &files(cluster), &CSVLOG).unwrap();
    tracker.finish()
}

/// Looks until something is there, with a generous deadline.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

/// The children of the server whose title says this.
fn process(cluster: &Cluster, title: &str) -> Option<i32> {
    let server = cluster.pid()?;
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(") ")?;
            let parent: u32 = rest.split(' ').nth(1)?.parse().ok()?;
            let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
            (parent == server && line.contains(title)).then_some(pid)
        })
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    // It may be gone already.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Each statement is one record, so what is missing is known without looking at a line number.
#[test]
fn the_syslogger_killed_under_load_loses_exactly_what_is_told() {
    const STATEMENTS: u64 = 2_000;
    let cluster = cluster();
    let load: Vec<String> = (0..STATEMENTS).map(|n| format!("SELECT {n};")).collect();
    let load = load.join("\n");
    let before = look(&cluster, Options::default());
    assert_eq!(before.of(Kind::Hole).count(), 0, "{}", before.to_text());
    let mut kills = 0_u64;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| cluster.execute_blocking("postgres", &load).unwrap()))
            .collect();
        let mut last = 0;
        while workers.iter().any(|worker| !worker.is_finished()) {
            if let Some(pid) = process(&cluster, "logger").filter(|pid| *pid != last) {
                kill(pid);
                last = pid;
                kills += 1;
            }
        }
    });
    assert!(kills > 0);
    // A last session, whose disconnection says that the log is written up to here.
    cluster
        .execute_blocking("postgres", "SELECT 'the end of the log'")
        .unwrap();
    let result = eventually("the last session's end", || {
        let result = look(&cluster, Options::default());
        let text: String = files(&cluster)
            .iter()
            .map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned())
            .collect();
        let end = text.find("SELECT 'the end of the log'")?;
        text.get(end..)?
            .contains("disconnection: session time")
            .then_some(result)
    });
    let population = &result.populations["csvlog"];
    let missing: u64 = result
        .of(Kind::Hole)
        .filter(|hole| {
            hole.detail.contains("postgres in postgres")
                || hole.lines.is_some_and(|(from, _)| from == 1)
        })
        .map(|hole| hole.count)
        .sum();
    let audits = std::iter::once(0)
        .chain(files(&cluster).iter().map(|file| {
            let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
            text.lines()
                .filter(|line| line.contains(",READ,SELECT,,,SELECT ") && !line.contains("the end"))
                .count()
        }))
        .sum::<usize>();
    let lost = 2 * STATEMENTS - u64::try_from(audits).unwrap();
    // Beside statements, records of connecting and the server's own may be lost, too.
    assert!(
        missing >= lost,
        "{lost} statements lost, {missing} lines told missing\n{}",
        result.to_text()
    );
    assert!(
        population.missing_lines - lost <= kills * 4,
        "{lost} statements lost, {} lines missing after {kills} kills\n{}",
        population.missing_lines,
        result.to_text()
    );
}

#[test]
fn a_killed_backend_is_unfinished_and_a_terminated_one_is_not() {
    let cluster = cluster();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let terminated = cluster.client("postgres").await.unwrap();
        let pid: i32 = terminated
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        cluster
            .execute("postgres", &format!("SELECT pg_terminate_backend({pid})"))
            .await
            .unwrap();
        let killed = cluster.client("postgres").await.unwrap();
        let pid: i32 = killed
            .query_one("SELECT pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0);
        kill(pid);
        eventually("the crash", || {
            cluster
                .csv_log()
                .contains("all server processes terminated; reinitializing")
                .then_some(())
        });
        // The server recovers and lets somebody in again.
        let until = Instant::now() + Duration::from_mins(1);
        while cluster
            .query_text("postgres", "SELECT 'after the crash'")
            .await
            .is_err()
        {
            assert!(Instant::now() < until, "the server does not come back");
        }
    });
    let result = eventually("the end of the session after the crash", || {
        let result = look(&cluster, Options::default());
        let text = cluster.csv_log();
        let end = text.find("after the crash")?;
        text.get(end..)?
            .contains("disconnection: session time")
            .then_some(result)
    });
    let unfinished: Vec<_> = result.of(Kind::Unfinished).collect();
    assert_eq!(unfinished.len(), 1, "{}", result.to_text());
    assert_eq!(result.of(Kind::Hole).count(), 0, "{}", result.to_text());
}

#[test]
fn what_a_superuser_does_with_auditing_off_shows_by_its_rows() {
    let cluster = cluster();
    let snapshot = || -> Snapshot {
        // The counters of a session that has ended are up to date.
        let rows = cluster
            .query_text_blocking("postgres", SNAPSHOT_QUERY)
            .unwrap();
        serde_json::from_str(rows[0][0].as_deref().unwrap()).unwrap()
    };
    let run = |sql: &str| cluster.execute_blocking("postgres", sql).unwrap();
    run("CREATE TABLE seen (id int); CREATE TABLE unseen (id int); CREATE TABLE partly (id int)");
    run(
        "CREATE TABLE whole (id int) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (100)",
    );
    run(
        "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int REFERENCES parent ON DELETE CASCADE);
         INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1), (1), (2);
         CREATE TABLE renamed (id int); INSERT INTO renamed VALUES (1);
         CREATE TABLE anew (id int); INSERT INTO anew SELECT generate_series(1, 9); CREATE TABLE copied (id int)",
    );
    let before = snapshot();
    run(
        "INSERT INTO seen SELECT generate_series(1, 10); UPDATE seen SET id = id; DELETE FROM seen WHERE id < 4",
    );
    run("INSERT INTO whole SELECT generate_series(1, 5)");
    run("INSERT INTO partly VALUES (1), (2)");
    run("DELETE FROM parent; INSERT INTO renamed VALUES (2); ALTER TABLE renamed RENAME TO named");
    run(
        "INSERT INTO named VALUES (3); DROP TABLE anew; CREATE TABLE anew (id int); INSERT INTO anew VALUES (1)",
    );
    run("ALTER SYSTEM SET pgaudit.log = 'none'; SELECT pg_reload_conf()");
    eventually("the reload", || {
        cluster
            .csv_log()
            .contains("parameter \"\"pgaudit.log\"\" changed to \"\"none\"\"")
            .then_some(())
    });
    run("INSERT INTO unseen VALUES (1), (2), (3); INSERT INTO partly VALUES (3)");
    run("ALTER SYSTEM SET pgaudit.log = 'all'; SELECT pg_reload_conf()");
    eventually("the reload", || {
        cluster
            .csv_log()
            .contains("parameter \"\"pgaudit.log\"\" changed to \"\"all\"\"")
            .then_some(())
    });
    let after = snapshot();
    // The record of a copy tells neither its table nor its rows. Its text tells the table.
    run("COPY copied FROM PROGRAM 'seq 3'");
    run("SET pgaudit.log = 'none'; INSERT INTO unseen SELECT generate_series(1, 4)");
    let later = snapshot();
    run("SELECT 'later'");
    let copied = Snapshots {
        before: after.clone(),
        after: later,
        slack: 0,
    };
    let changes = Snapshots {
        before,
        after,
        slack: 0,
    };
    let result = eventually("the last record", || {
        cluster.csv_log().contains("SELECT 'later'").then(|| {
            look(
                &cluster,
                Options {
                    changes: vec![changes.clone(), copied.clone()],
                    ..Options::default()
                },
            )
        })
    });
    let tables: Vec<_> = result
        .tables
        .iter()
        .map(|table| (table.table.as_str(), table.changed, table.result))
        .collect();
    let (tables, of_the_copy) = tables.split_at(tables.len() / 2);
    let changed: Vec<_> = of_the_copy
        .iter()
        .filter(|(_, changed, _)| *changed != Some(0))
        .copied()
        .collect();
    assert_eq!(
        changed,
        [
            ("public.copied", Some(3), Comparison::StatementsOnly),
            ("public.unseen", Some(4), Comparison::Unaudited),
        ],
        "{}",
        result.to_text()
    );
    assert_eq!(
        tables,
        [
            ("public.anew", Some(1), Comparison::Covered),
            // What a foreign key deletes, pgaudit records with its own table.
            ("public.child", Some(3), Comparison::Covered),
            ("public.copied", Some(0), Comparison::Covered),
            ("public.named", Some(2), Comparison::Covered),
            ("public.parent", Some(2), Comparison::Covered),
            ("public.partly", Some(3), Comparison::FewerRows),
            ("public.seen", Some(23), Comparison::Covered),
            ("public.unseen", Some(3), Comparison::Unaudited),
            ("public.whole", Some(5), Comparison::Covered),
        ],
        "{}",
        result.to_text()
    );
    let off: Vec<_> = result.of(Kind::AuditingWeakened).collect();
    assert_eq!(off.len(), 1, "{}", result.to_text());
    assert!(off[0].from < off[0].to && off[0].detail.contains("switched off"));
    assert_eq!(result.of(Kind::Hole).count(), 0);
}
