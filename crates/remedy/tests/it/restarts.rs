//! Restarts: never guessed, waited for, or by the user's own command; and settings that do not take.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use pgattest_model::plan::{Action, Change, SettingValue, Stage, Undo};
use pgattest_remedy::{ApplyError, Phase, Restart, apply, resume, status, undo};
use pgattest_testkit::Cluster;

use crate::support::{Seen, Site, blank, chain, cluster, setting, sql};

fn changes() -> Vec<Change> {
    vec![
        setting("log", Stage::Settings, "log_connections", "on"),
        setting(
            "track",
            Stage::RestartSettings,
            "track_commit_timestamp",
            "on",
        ),
        Change {
            action: Action::Restart,
            undo: Undo::None("a restart is not taken back".to_owned()),
            ..blank("restart", Stage::Restart)
        },
        setting("after", Stage::SettingsAfterRestart, "log_statement", "ddl"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_before_a_restart_and_goes_on_after_it() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(changes()).await;
    let options = site.options();
    let request = site.request(&plan, &options);
    for turn in 0..2 {
        let applied = if turn == 0 {
            apply(&request, &mut Seen::default()).await
        } else {
            resume(&request, &mut Seen::default()).await
        }
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert!(applied.waits_for_restart);
        assert_eq!(applied.done, ["log", "track"]);
        let state = status(&site.folder).unwrap().unwrap();
        assert_eq!(state.phase, Phase::WaitingForRestart);
    }
    let value = |name: &'static str| {
        let cluster = &cluster;
        async move {
            cluster
                .query_value("postgres", &format!("SHOW {name}"))
                .await
                .unwrap()
        }
    };
    assert_eq!(value("log_statement").await, "none");
    cluster.restart().unwrap();
    let applied = resume(&request, &mut Seen::default()).await.unwrap();
    assert!(!applied.waits_for_restart);
    assert_eq!(applied.done, ["log", "track", "restart", "after"]);
    assert_eq!(value("log_statement").await, "ddl");
    assert_eq!(value("track_commit_timestamp").await, "on");

    let undone = undo(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(undone.needs_restart, ["track_commit_timestamp"]);
    assert_eq!(undone.left.len(), 1);
    assert_eq!(undone.left[0].why, "a restart is not taken back");
    assert_eq!(value("log_statement").await, "none");
    let left = cluster
        .query_value("postgres", "SELECT count(*)::text FROM pg_file_settings WHERE sourcefile ~ 'auto.conf$' AND name <> 'log_line_prefix'")
        .await
        .unwrap();
    assert_eq!(left, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_a_command_and_by_waiting() {
    for by_command in [true, false] {
        let (cluster, site) = cluster(15).await;
        let plan = site.plan(changes()).await;
        let options = site.options();
        let mut request = site.request(&plan, &options);
        let asked = site.folder.with_extension("asked");
        let begun = site.folder.join("journal.jsonl");
        request.restart = if by_command {
            Restart::Command(format!("touch '{}'", asked.display()))
        } else {
            Restart::Wait {
                limit: Duration::from_mins(1),
            }
        };
        let restart = async {
            let deadline = Instant::now() + Duration::from_mins(1);
            let due = || {
                asked.exists()
                    || !by_command
                        && fs::read_to_string(&begun)
                            .is_ok_and(|text| text.contains("\"restarting\""))
            };
            while !due() {
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::task::block_in_place(|| cluster.restart()).unwrap();
        };
        let mut seen = Seen::default();
        let (applied, ()) = tokio::join!(apply(&request, &mut seen), restart);
        let applied = applied.unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert_eq!(applied.done, ["log", "track", "restart", "after"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_fails_is_an_error_and_can_be_gone_on_from() {
    let (cluster, site) = cluster(15).await;
    let plan = site.plan(changes()).await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    request.restart = Restart::Command("exit 3".to_owned());
    let error = apply(&request, &mut Seen::default()).await.unwrap_err();
    assert!(
        chain(&error).contains("exit status: 3"),
        "{}",
        chain(&error)
    );
    cluster.restart().unwrap();
    let applied = resume(&request, &mut Seen::default()).await.unwrap();
    assert_eq!(applied.done.len(), 4);
}

/// As Patroni and operators do: they write what was set over again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_somebody_overrides_is_explained_and_taken_back() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let site = Site {
        dsn: cluster.dsn_as("postgres", "postgres"),
        data: cluster.data_dir(),
        folder: cluster.scratch_dir().join("plan"),
    };
    let plan = site
        .plan(vec![setting(
            "log",
            Stage::Settings,
            "log_connections",
            "on",
        )])
        .await;
    let options = site.options();
    let mut request = site.request(&plan, &options);
    // Somebody's controller writes the file again, at once.
    let auto = cluster.data_dir().join("postgresql.auto.conf");
    request.faults = Some(std::sync::Arc::new(move |point| {
        if point.name == "before the reload" {
            fs::write(&auto, "# Do not edit this file manually!\n")?;
        }
        Ok(())
    }));
    let mut seen = Seen::default();
    let error = apply(&request, &mut seen).await.unwrap_err();
    let ApplyError::Step { source, .. } = &error else {
        panic!("{}", chain(&error))
    };
    assert!(
        matches!(**source, ApplyError::NotInForce { .. }),
        "{}",
        chain(&error)
    );
    assert!(chain(&error).contains("Patroni"), "{}", chain(&error));
    assert_eq!(seen.0, ["start log", "rolled back log"]);
}

/// As the plan for pgaudit does: a library that only a restart loads, and what needs it.
fn preloaded() -> Vec<Change> {
    let preload = |value| Action::Setting {
        name: "shared_preload_libraries".to_owned(),
        value,
    };
    vec![
        Change {
            action: preload(Some(SettingValue::List(vec!["pgaudit".to_owned()]))),
            undo: Undo::By(preload(None)),
            ..blank("preload", Stage::RestartSettings)
        },
        Change {
            action: Action::Restart,
            undo: Undo::By(Action::Restart),
            ..blank("restart", Stage::Restart)
        },
        setting("classes", Stage::SettingsAfterRestart, "pgaudit.log", "ddl"),
        sql(
            "extension",
            Stage::AfterRestart,
            Some("shop"),
            &["CREATE EXTENSION pgaudit;"],
            &["DROP EXTENSION pgaudit;"],
        ),
    ]
}

async fn loaded(cluster: &Cluster) -> [String; 2] {
    let value = async |query| cluster.query_value("shop", query).await.unwrap();
    [
        value("SHOW shared_preload_libraries").await,
        value("SELECT count(*)::text FROM pg_extension WHERE extname = 'pgaudit'").await,
    ]
}

/// Restarts the server when the command of [`asking`] asks for it.
async fn restarted_when_asked(cluster: &Cluster, asked: &Path) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !asked.exists() {
        assert!(Instant::now() < deadline, "nobody asked for a restart");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::task::block_in_place(|| cluster.restart()).unwrap();
    fs::remove_file(asked).unwrap();
}

fn asking(asked: &Path) -> Restart {
    Restart::Command(format!("touch '{}'", asked.display()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restart_loaded_is_gone_after_taking_back() {
    let (cluster, site) = cluster(15).await;
    let options = site.options();
    let asked = site.folder.with_extension("asked");
    for allowed in [true, false] {
        let plan = site.plan(preloaded()).await;
        let mut request = site.request(&plan, &options);
        request.restart = asking(&asked);
        let mut seen = Seen::default();
        let (applied, ()) = tokio::join!(
            apply(&request, &mut seen),
            restarted_when_asked(&cluster, &asked)
        );
        assert_eq!(applied.unwrap().done.len(), 4);
        assert_eq!(loaded(&cluster).await, ["pgaudit", "1"]);

        let taken_back = if allowed {
            let (undone, ()) = tokio::join!(
                undo(&request, &mut seen),
                restarted_when_asked(&cluster, &asked)
            );
            let undone = undone.unwrap_or_else(|error| panic!("{}", chain(&error)));
            assert_eq!(undone.needs_restart, Vec::<String>::new());
            assert_eq!(undone.left, []);
            undone.taken_back
        } else {
            request.restart = Restart::No;
            let undone = undo(&request, &mut seen).await.unwrap();
            assert_eq!(undone.needs_restart, ["shared_preload_libraries"]);
            assert_eq!(undone.left, []);
            cluster.restart().unwrap();
            undone.taken_back
        };
        let mut expected = vec!["extension", "classes", "preload"];
        expected.extend(allowed.then_some("restart"));
        assert_eq!(taken_back, expected);
        assert_eq!(loaded(&cluster).await, ["", "0"]);
        assert_eq!(status(&site.folder).unwrap().unwrap().phase, Phase::Undone);
        fs::remove_dir_all(&site.folder).unwrap();
    }
}

/// Nobody went on after the restart: what it loaded is unloaded by another one all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_that_nobody_told_of_is_taken_back_too() {
    let (cluster, site) = cluster(15).await;
    let options = site.options();
    let asked = site.folder.with_extension("asked");
    let plan = site.plan(preloaded()).await;
    let mut request = site.request(&plan, &options);
    let applied = apply(&request, &mut Seen::default()).await.unwrap();
    assert!(applied.waits_for_restart);
    cluster.restart().unwrap();
    assert_eq!(loaded(&cluster).await, ["pgaudit", "0"]);
    request.restart = Restart::Command("exit 3".to_owned());
    let error = undo(&request, &mut Seen::default()).await.unwrap_err();
    assert!(
        chain(&error).contains("exit status: 3"),
        "{}",
        chain(&error)
    );
    // Half taken back is not half applied.
    let error = resume(&request, &mut Seen::default()).await.unwrap_err();
    assert!(matches!(error, ApplyError::WrongState { .. }), "{error}");
    request.restart = asking(&asked);
    let mut seen = Seen::default();
    let (undone, ()) = tokio::join!(
        undo(&request, &mut seen),
        restarted_when_asked(&cluster, &asked)
    );
    let undone = undone.unwrap_or_else(|error| panic!("{}", chain(&error)));
    assert_eq!(undone.taken_back, ["restart"]);
    assert_eq!(undone.needs_restart, Vec::<String>::new());
    assert_eq!(loaded(&cluster).await, ["", "0"]);
}
