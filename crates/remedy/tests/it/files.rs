//! New rules that shut people out, and files that somebody else changed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pgattest_remedy::{ApplyError, ServerFiles, apply, resume, undo};
use pgattest_testkit::Tls;
use pgattest_wire::{ConnectOptions, ProcessEnv};

use crate::support::{HBA, NEW_HBA, Seen, Site, chain, cluster};

/// Passes every look at the rules, and nobody without the password gets in.
const LOCKS_OUT: &str = "host all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n";

async fn put_back(files: ServerFiles, text: &str, why: &str) {
    let (cluster, site) = cluster(15).await;
    let before = site.snapshot().await;
    let plan = site.plan(vec![site.hba_change(text)]).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = files;
    request.prove_within = Duration::from_secs(1);
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    let said = chain(&error);
    assert!(said.contains(why), "{said}");
    assert_eq!(site.snapshot().await, before);
    assert!(site.lets_us_in().await);
    let guards =
        "SELECT count(*)::text FROM pg_stat_activity WHERE application_name LIKE 'pgattest guard%'";
    assert_eq!(cluster.query_value("postgres", guards).await.unwrap(), "0");
    // Nothing is left to take back.
    let undone = undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!((undone.taken_back.len(), undone.left.len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_would_shut_us_out_are_never_loaded() {
    put_back(
        ServerFiles::ThroughServer,
        "local all all trust\n",
        "would be refused by the new rules",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_shut_us_out_are_taken_back() {
    put_back(
        ServerFiles::ThroughServer,
        LOCKS_OUT,
        "could not log in within 1 seconds",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_shut_us_out_are_taken_back_locally() {
    put_back(
        ServerFiles::Local,
        LOCKS_OUT,
        "could not log in within 1 seconds",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_the_server_cannot_read_are_never_loaded() {
    put_back(
        ServerFiles::Local,
        "host all all everywhere nonsense\n",
        "pg_hba.conf:1",
    )
    .await;
}

/// The tool is killed with SIGKILL after rules were loaded that shut everybody out: the server puts the old ones back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_puts_the_file_back_when_the_tool_is_killed() {
    for (major, files) in [(13, "server"), (18, "local")] {
        let (_cluster, site) = cluster(major).await;
        let before = site.snapshot().await;
        let marker = site.folder.with_extension("reached");
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files::lock_out_in_a_child", "--ignored"])
            .env("PGATTEST_TEST_DSN", &site.dsn)
            .env("PGATTEST_TEST_DATA", &site.data)
            .env("PGATTEST_TEST_FOLDER", &site.folder)
            .env("PGATTEST_TEST_FILES", files)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_mins(1);
        while !marker.exists() {
            assert!(
                Instant::now() < deadline,
                "{major}: the child did not get there"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            !site.lets_us_in().await,
            "{major}: the rules shut nobody out"
        );
        // No more than the time to prove, the margin, and what a busy machine takes.
        let deadline = Instant::now() + Duration::from_mins(1);
        while !site.lets_us_in().await {
            assert!(Instant::now() < deadline, "{major}: locked out");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(site.snapshot().await, before, "{major}");
        let plan = site.plan(vec![site.hba_change(LOCKS_OUT)]).await;
        let options = site.options();
        let request = site.request(&plan, &options);
        undo(&request, &mut Seen::default()).await.unwrap();
        assert_eq!(site.snapshot().await, before, "{major}");
    }
}

/// Not a test by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is started by another test"]
async fn lock_out_in_a_child() {
    let text = |name| std::env::var(name).expect("started by another test");
    let site = Site {
        dsn: text("PGATTEST_TEST_DSN"),
        data: text("PGATTEST_TEST_DATA").into(),
        folder: text("PGATTEST_TEST_FOLDER").into(),
    };
    let plan = site.plan(vec![site.hba_change(LOCKS_OUT)]).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.prove_within = Duration::from_secs(1);
    if text("PGATTEST_TEST_FILES") == "local" {
        request.files = ServerFiles::Local;
    }
    let marker = site.folder.with_extension("reached");
    request.faults = Some(Arc::new(move |point| {
        if point.name == "after the reload" {
            fs::write(&marker, "").unwrap();
            // Until somebody kills us.
            loop {
                std::thread::park();
            }
        }
        Ok(())
    }));
    let _ = apply(&request, &mut Seen::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_edited_between_plan_and_apply() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(vec![site.hba_change(NEW_HBA)]).await;
    let edited = format!("{HBA}# mine\n");
    cluster.write_hba(&edited).unwrap();
    let options = site.options();
    let error = apply(&site.request(&plan, &options), &mut Seen::default())
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains("does not hold what the plan was made from"),
        "{}",
        chain(&error)
    );
    assert_eq!(site.snapshot().await.last().unwrap(), &edited);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_somebody_edited_since_is_not_taken_back() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(site.changes()).await;
    let options = site.options();
    let request = site.request(&plan, &options);
    apply(&request, &mut Seen::default()).await.unwrap();
    let edited = format!("{NEW_HBA}\n# mine\n");
    cluster.write_hba(&edited).unwrap();
    let undone = undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(undone.taken_back.len(), plan.changes.len() - 1);
    let [left] = undone.left.as_slice() else {
        panic!("{:?}", undone.left)
    };
    assert!(left.why.contains("before-hba"), "{}", left.why);
    assert_eq!(
        fs::read_to_string(site.folder.join("before-hba")).unwrap(),
        HBA
    );
    assert_eq!(site.snapshot().await.last().unwrap(), &edited);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owner_mode_and_link_stay_and_copies_are_kept() {
    let (cluster, site) = cluster(15).await;
    let path = cluster.data_dir().join("pg_hba.conf");
    let real = cluster.data_dir().join("rules.txt");
    fs::rename(&path, &real).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    let like = fs::metadata(&real).unwrap();
    let plan = site.plan(vec![site.hba_change(NEW_HBA)]).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.files = ServerFiles::Local;
    apply(&request, &mut Seen::default()).await.unwrap();
    let now = fs::metadata(&real).unwrap();
    assert_eq!(
        (like.uid(), like.gid(), like.mode()),
        (now.uid(), now.gid(), now.mode())
    );
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), NEW_HBA);
    let copies: Vec<_> = fs::read_dir(cluster.data_dir())
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("rules.txt.pgattest-"))
        .collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(fs::read_to_string(&copies[0]).unwrap(), HBA);
    assert_eq!(fs::metadata(&site.folder).unwrap().mode() & 0o777, 0o700);
    // Going on with what is applied changes nothing.
    resume(&request, &mut Seen::default()).await.unwrap();
}

/// Rules that close clear text are shown to: the same login without TLS is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_text_is_shown_to_be_refused() {
    let cluster = pgattest_testkit::Cluster::builder(15)
        .tls(Tls::new())
        .hba(HBA)
        .start()
        .await
        .unwrap();
    let site = Site {
        dsn: cluster.dsn_tls("postgres", pgattest_testkit::SUPERUSER_PASSWORD, "postgres"),
        data: cluster.data_dir(),
        folder: cluster.scratch_dir().join("plan"),
    };
    let text = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhost all all all reject\n";
    let plan = site.plan(vec![site.hba_change(text)]).await;
    let options = ConnectOptions::resolve(Some(&site.dsn), &ProcessEnv).unwrap();
    let request = site.request(&plan, &options);
    let mut seen = Seen::default();
    apply(&request, &mut seen)
        .await
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert!(
        seen.0
            .contains(&"proved postgres logged in under the new rules; the same login without TLS was refused".to_owned()),
        "{:?}",
        seen.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_that_cannot_be_set_refuses_the_step() {
    let (cluster, site) = cluster(15).await;
    let before = site.snapshot().await;
    cluster
        .execute("postgres", "DROP EXTENSION plpgsql")
        .await
        .unwrap();
    let plan = site.plan(vec![site.hba_change(NEW_HBA)]).await;
    let options = site.options();
    let error = apply(&site.request(&plan, &options), &mut Seen::default())
        .await
        .unwrap_err();
    let ApplyError::Step { source, .. } = &error else {
        panic!("{}", chain(&error))
    };
    assert!(
        matches!(**source, ApplyError::NoGuard { .. }),
        "{}",
        chain(&error)
    );
    assert_eq!(site.snapshot().await, before);
}
