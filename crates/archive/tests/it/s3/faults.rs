//! A process that dies at every point, and a service that fails in every way: the archive is as it was or as it will be.

use super::{Away, SHORT, at};
use crate::support::{Kept, NOW, make, numbers, rows};
use pgattest_archive::Archive;
use pgattest_archive::compact::compact;
use pgattest_archive::make::MakeOptions;
use pgattest_archive::verify::verify;
use pgattest_evidence::DiskStep;
use pgattest_testkit::receivers::front::{Answer, Fault};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CHILD: [&str; 5] = [
    "PGATTEST_TEST_S3_ENDPOINT",
    "PGATTEST_TEST_S3_BUCKET",
    "PGATTEST_TEST_S3_DIR",
    "PGATTEST_TEST_S3_STEP",
    "PGATTEST_TEST_S3_WORK",
];

fn small() -> MakeOptions {
    MakeOptions {
        batch_records: 30,
        ..MakeOptions::default()
    }
}

/// Acts at one point.
fn hooked(
    archive: Archive,
    at: usize,
    act: impl Fn() -> std::io::Result<()> + Send + Sync + 'static,
) -> Archive {
    let passed = AtomicUsize::new(0);
    archive.with_hook(Arc::new(move |_: &DiskStep| {
        if passed.fetch_add(1, Ordering::SeqCst) == at {
            return act();
        }
        Ok(())
    }))
}

/// Not a test by itself: what the others start in a process of its own.
#[test]
#[ignore = "is started by other tests"]
fn work_in_a_child() {
    let [endpoint, bucket, dir, step, work] =
        CHILD.map(|name| std::env::var(name).expect("started by another test"));
    let dir = PathBuf::from(dir);
    let archive = Archive::at(&at(&endpoint, &bucket, &dir), "main")
        .unwrap()
        .with_lease(SHORT);
    // Nothing is cleaned up, as when the power fails.
    let archive = hooked(archive, step.parse().unwrap(), || std::process::abort());
    if work == "compact" {
        compact(&archive, &Kept::default(), 256 << 20, NOW).unwrap();
    } else {
        let reader = pgattest_trail::JournalReader::open(&dir.join("journal")).unwrap();
        make(&archive, &reader, small()).unwrap();
    }
}

/// Whether the child died; one that is told to die later than its last point does not.
fn die_at(away: &Away, step: usize, work: &str) -> bool {
    let folder = away.place.folder.path();
    let step = step.to_string();
    let values: [&str; 5] = [
        &away.s3.front.url(),
        &away.s3.bucket,
        folder.to_str().unwrap(),
        &step,
        work,
    ];
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "s3::faults::work_in_a_child", "--ignored"])
        .envs(CHILD.iter().zip(values))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    // It is dead for certain: its lock need not be waited for, as a stranger has to.
    away.s3.delete(&Away::key(".lock")).unwrap();
    !status.success()
}

fn cleared(away: &Away) {
    for path in away.paths() {
        away.s3.delete(&Away::key(&path)).unwrap();
    }
}

#[test]
fn killed_at_every_point_of_making_it_nothing_is_twice_and_nothing_is_missing() {
    let away = Away::new(60);
    away.place.make(small());
    let wanted = rows(&away.place.archive());
    let archive = away.archive();
    let mut deaths = 0;
    for step in 0.. {
        cleared(&away);
        if !die_at(&away, step, "make") {
            break;
        }
        deaths += 1;
        let found = rows(&archive);
        assert_eq!(found, wanted[..found.len()], "after step {step}");
        make(&archive, &away.place.reader(), small()).unwrap();
        assert_eq!(rows(&archive), wanted, "after step {step}");
        assert!(archive.layout().unwrap().incomplete.is_empty());
        let verified = verify(&archive, None, Some((0, 60))).unwrap();
        assert_eq!(verified.faults, [], "after step {step}");
    }
    assert!(deaths > 15, "{deaths} points");
}

#[test]
fn killed_at_every_point_of_merging_no_row_is_lost_or_twice() {
    let away = Away::new(120);
    let archive = away.archive();
    let mut deaths = 0;
    for step in 0.. {
        cleared(&away);
        make(&archive, &away.place.reader(), small()).unwrap();
        let wanted = rows(&archive);
        away.s3.delete(&Away::key(".lock")).unwrap();
        if !die_at(&away, step, "compact") {
            break;
        }
        deaths += 1;
        assert_eq!(rows(&archive), wanted, "after step {step}");
        assert_eq!(numbers(&archive).len(), 120, "after step {step}");
        make(&archive, &away.place.reader(), small()).unwrap();
        compact(&archive, &Kept::default(), 256 << 20, NOW).unwrap();
        assert_eq!(rows(&archive), wanted, "after step {step}");
        assert!(archive.layout().unwrap().superseded.is_empty());
    }
    assert!(deaths > 8, "{deaths} points");
}

#[test]
fn an_upload_that_was_begun_by_a_dead_run_is_given_up_and_nobody_elses_is() {
    let away = Away::new(40);
    let begun = Away::key("dt=2026-01-01/r000000000000-000000000040.1of2.parquet");
    away.s3.begin_upload(&begun).unwrap();
    let others = begun.replace("instance=main", "instance=other");
    away.s3.begin_upload(&others).unwrap();
    let made = make(
        &away.archive(),
        &away.place.reader(),
        MakeOptions::default(),
    )
    .unwrap();
    assert_eq!(
        made.removed,
        ["dt=2026-01-01/r000000000000-000000000040.1of2.parquet"]
    );
    let left = away.s3.uploads().unwrap();
    assert_eq!(left.len(), 1);
    assert!(left[0].contains("instance=other"), "{left:?}");
}

#[test]
fn a_service_that_fails_in_every_way_costs_time_and_nothing_else() {
    let away = Away::new(60);
    let archive = away.archive();
    let slow = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>slow</Message></Error>";
    let faults = [
        Fault::ResetAfter,
        Fault::Answer(Answer::new(503, slow).with("content-type", "application/xml")),
        Fault::ResetAfter,
        Fault::Half,
    ];
    // Each request meets one fault, and is spared when it is sent again; in two runs each meets a lost answer.
    for turn in 0..2 {
        cleared(&away);
        let turned = faults.iter().cycle().skip(turn);
        let each = turned.flat_map(|fault| [Some(fault.clone()), None]);
        away.s3.front.fail_later(each.take(400));
        let before = away.s3.front.seen().len();
        make(&archive, &away.place.reader(), small()).unwrap();
        let seen = away.s3.front.seen().split_off(before);
        let failed = seen.iter().filter(|(_, status)| matches!(status, 0 | 503));
        assert!(failed.count() > 10, "{} requests", seen.len());
        away.s3.front.fail_later([]);
        let verified = verify(&archive, None, Some((0, 60))).unwrap();
        assert_eq!((verified.faults, verified.records), (vec![], 60));
        let lines = away.s3.get(&Away::key("_archived.jsonl")).unwrap().unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().count(), 3, "each once: {lines}");
    }
}

#[test]
fn a_failure_at_any_point_lets_go_of_the_lock_and_the_next_run_completes_it() {
    let away = Away::new(60);
    away.place.make(small());
    let wanted = rows(&away.place.archive());
    for step in 0.. {
        cleared(&away);
        let archive = hooked(away.archive(), step, || {
            Err(std::io::ErrorKind::StorageFull.into())
        });
        let Err(error) = make(&archive, &away.place.reader(), small()) else {
            assert!(step > 15, "{step} points");
            break;
        };
        assert!(error.to_string().starts_with("cannot "), "{step}: {error}");
        // Not a minute later: now.
        make(&away.archive(), &away.place.reader(), small()).unwrap();
        assert_eq!(rows(&away.archive()), wanted, "after step {step}");
    }
    assert!(is_clean(std::env::temp_dir().as_path()));
}

/// Nothing with a name of ours is left where files are filled.
fn is_clean(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .all(|name| !name.starts_with("r0000000000"))
}
