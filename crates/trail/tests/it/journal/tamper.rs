//! Whatever is changed in a journal is found, with its place.

use super::support::{
    Place, block_at, file, fill, key, next_block, options, report, report_with, verify_all,
};
use pgattest_trail::verify::{ProblemKind, Report};
use pgattest_trail::{Journal, JournalError, Leaf};
use rstest::rstest;
use std::path::{Path, PathBuf};

/// The files of a journal, relative to it, that match.
fn files(place: &Place, matches: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    fn collect(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, all);
            } else {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    collect(&place.dir(), &mut all);
    all.retain(|path| matches(path.strip_prefix(place.dir()).unwrap().to_str().unwrap()));
    all.sort();
    all
}

fn flip(path: &Path, place: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let place = place.min(bytes.len() - 1);
    bytes[place] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[track_caller]
fn problem(report: &Report, kind: ProblemKind) -> &pgattest_trail::verify::Problem {
    assert!(!report.verified);
    report
        .problems
        .iter()
        .find(|problem| problem.kind == kind)
        .unwrap_or_else(|| panic!("{kind:?} not in {:#?}", report.problems))
}

#[rstest]
// The sidecar's frame is at the front of a block, the records' behind it.
#[case::sidecar(
    "segments/000000000000.zst",
    10,
    ProblemKind::Block,
    "block 0 (records 0 to 2)"
)]
#[case::block(
    "segments/000000000000.zst",
    80,
    ProblemKind::Block,
    "block 0 (records 0 to 2)"
)]
#[case::entry("tile/entries/000", 1000, ProblemKind::Tree, "tile/0/000")]
#[case::tile("tile/0/000", 4000, ProblemKind::Tree, "tile/0/000")]
#[case::tile_above("tile/1/000.p/1", 0, ProblemKind::Tree, "tile/1/000.p/1")]
#[case::root("checkpoint", 60, ProblemKind::Checkpoint, "checkpoint")]
#[case::state("state.json", 200, ProblemKind::Cache, "state.json")]
fn a_flipped_bit_is_found_where_it_is(
    #[case] name: &str,
    #[case] at: usize,
    #[case] kind: ProblemKind,
    #[case] place: &str,
) {
    let journal = Place::filled(300);
    verify_all(&journal).unwrap();
    flip(&journal.dir().join(name), at);
    let report = report(&journal.dir());
    assert_eq!(
        problem(&report, kind).place,
        place,
        "{:#?}",
        report.problems
    );
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let journal = Place::filled(9);
    // Partial tiles of earlier checkpoints are kept and are part of nothing; the lock and the intent say nothing that is evidence.
    let covered = files(&journal, |name| {
        !(name == "lock" || name == "intent" || name.contains(".p/") && !name.ends_with(".p/9"))
    });
    assert!(covered.len() >= 5, "{covered:?}");
    for path in covered {
        let length = usize::try_from(path.metadata().unwrap().len()).unwrap();
        for place in (0..length).step_by(length / 23 + 1).chain([length - 1]) {
            let before = std::fs::read(&path).unwrap();
            flip(&path, place);
            let found = report(&journal.dir());
            assert!(!found.verified, "byte {place} of {}", path.display());
            assert!(!found.problems[0].place.is_empty());
            std::fs::write(&path, before).unwrap();
        }
    }
    verify_all(&journal).unwrap();
}

#[test]
fn every_problem_is_reported_not_only_the_first() {
    let journal = Place::filled(30);
    for segment in files(&journal, |name| name.starts_with("segments/")) {
        flip(&segment, 20);
    }
    flip(&journal.dir().join("tile/0/000.p/30"), 70);
    let report = report(&journal.dir());
    let segments = files(&journal, |name| name.starts_with("segments/")).len();
    assert!(report.problems.len() > segments, "{:#?}", report.problems);
}

#[test]
fn another_key_is_not_believed() {
    let journal = Place::filled(3);
    let request = pgattest_trail::verify::Request {
        keys: &[pgattest_evidence::SigningKey::from_seed(&[1; 32]).public_key()],
        earlier: &[],
        witnesses: &[],
        second_keys: &[],
        records: None,
        heartbeat_ms: 0,
    };
    let report = pgattest_trail::verify::verify(&journal.dir(), &request).unwrap();
    problem(&report, ProblemKind::Checkpoint);
    assert_eq!(report.signed_by, None);
    let nobody = pgattest_trail::verify::Request {
        keys: &[],
        ..request
    };
    assert!(
        !pgattest_trail::verify::verify(&journal.dir(), &nobody)
            .unwrap()
            .verified
    );
}

#[test]
fn a_journal_that_was_cut_off_does_not_continue_the_checkpoint_kept_elsewhere() {
    let journal = Place::filled(30);
    let earlier = std::fs::read(journal.dir().join("checkpoint")).unwrap();
    let before = journal.copy();
    fill(&mut journal.open(), 5);
    let report = report_with(&journal.dir(), std::slice::from_ref(&earlier));
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.continues, [30]);
    // The whole journal was taken back to a state of its own past: by itself it is right.
    let later = std::fs::read(journal.dir().join("checkpoint")).unwrap();
    verify_all(&before).unwrap();
    let report = report_with(&before.dir(), std::slice::from_ref(&later));
    let found = problem(&report, ProblemKind::Continuation);
    assert!(found.problem.contains("was set back"), "{found:?}");
    // Another history under the same key.
    let other = Place::new();
    let mut writer = other.open();
    for at in 0..40 {
        writer.note(&Leaf::Heartbeat { at }).unwrap();
    }
    writer.commit().unwrap();
    let report = report_with(&other.dir(), &[later]);
    let found = problem(&report, ProblemKind::Continuation);
    assert!(
        found.problem.contains("is not its continuation"),
        "{found:?}"
    );
}

#[test]
fn a_checkpoint_that_was_set_back_is_refused_by_the_writer() {
    for steps_back in [1, 2, 5] {
        let journal = Place::filled(20);
        let mut checkpoints = Vec::new();
        let mut writer = journal.open();
        for _ in 0..5 {
            checkpoints.push(std::fs::read(journal.dir().join("checkpoint")).unwrap());
            writer.note(&Leaf::Heartbeat { at: 0 }).unwrap();
            writer.commit().unwrap();
        }
        drop(writer);
        let earlier = &checkpoints[checkpoints.len() - steps_back];
        std::fs::write(journal.dir().join("checkpoint"), earlier).unwrap();
        // Without its cache, too.
        let _ = std::fs::remove_file(journal.dir().join("state.json"));
        let Err(error) = Journal::open(&journal.dir(), key(), options()) else {
            panic!("{steps_back} steps back were accepted")
        };
        assert!(matches!(error, JournalError::SetBack { .. }), "{error}");
    }
    let journal = Place::filled(3);
    std::fs::remove_file(journal.dir().join("checkpoint")).unwrap();
    assert!(matches!(
        Journal::open(&journal.dir(), key(), options()),
        Err(JournalError::SetBack { .. })
    ));
}

#[test]
fn tiles_and_segments_that_do_not_fit_the_checkpoint_are_refused_by_the_writer() {
    for name in ["tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"] {
        let journal = Place::filled(300);
        flip(&journal.dir().join(name), 3);
        assert!(
            matches!(
                Journal::open(&journal.dir(), key(), options()),
                Err(JournalError::Damaged { .. })
            ),
            "{name}"
        );
    }
    let journal = Place::filled(30);
    let last = files(&journal, |name| name.starts_with("segments/"))
        .pop()
        .unwrap();
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(
        Journal::open(&journal.dir(), key(), options()),
        Err(JournalError::Damaged { .. })
    ));
}

#[test]
fn a_hole_in_a_source_shows_unless_it_was_declared() {
    let journal = Place::new();
    let mut writer = journal.open();
    writer.append(&next_block(&writer, 0, 3)).unwrap();
    let end = writer.sealed(&file(0)).unwrap();
    writer.append(&block_at(file(0), end + 7, 3, 1)).unwrap();
    writer.commit().unwrap();
    let report = report(&journal.dir());
    let found = problem(&report, ProblemKind::Source);
    assert!(
        found.problem.contains("begins at byte") && found.place == "leaf 1",
        "{found:?}"
    );

    let journal = Place::new();
    let mut writer = journal.open();
    writer.append(&next_block(&writer, 0, 3)).unwrap();
    writer
        .note(&Leaf::Gap {
            at: 0,
            file: Some(file(0)),
            offset: Some(end),
            length: Some(7),
            reason: "truncated".to_owned(),
        })
        .unwrap();
    writer.append(&block_at(file(0), end + 7, 3, 1)).unwrap();
    writer.commit().unwrap();
    assert_eq!(verify_all(&journal).unwrap().gaps, 1);
}

#[test]
fn a_running_collector_that_was_silent_shows_and_a_stopped_one_does_not() {
    let start = |at| Leaf::Start {
        at,
        version: "1".to_owned(),
        configuration: String::new(),
        sources: Vec::new(),
        instance: "db".to_owned(),
    };
    let minute = 60_000;
    let journal = Place::new();
    let mut writer = journal.open();
    for leaf in [
        start(0),
        Leaf::Heartbeat { at: minute },
        Leaf::Stop {
            at: 2 * minute,
            reason: "asked".to_owned(),
        },
        start(90 * minute),
        Leaf::Heartbeat { at: 91 * minute },
        // Killed, and started again.
        start(99 * minute),
    ] {
        writer.note(&leaf).unwrap();
    }
    writer.commit().unwrap();
    let found = verify_all(&journal).unwrap();
    let outages: Vec<_> = found
        .outages
        .iter()
        .map(|outage| {
            (
                outage.from / minute,
                outage.to / minute,
                outage.reason.as_deref(),
            )
        })
        .collect();
    assert_eq!(outages, [(2, 90, Some("asked")), (91, 99, None)]);

    // What was begun long before and is finished now.
    writer
        .note(&Leaf::Archived {
            at: minute,
            file: "instance=main/dt=2026-01-01/r0-1.1of1.parquet".to_owned(),
            sha256: "00".repeat(32),
            first: 0,
            count: 1,
        })
        .unwrap();
    writer.note(&Leaf::Heartbeat { at: 100 * minute }).unwrap();
    writer.commit().unwrap();
    let found = verify_all(&journal).unwrap();
    assert_eq!(found.clock_set_back, 0);

    writer.note(&Leaf::Heartbeat { at: 103 * minute }).unwrap();
    writer.commit().unwrap();
    let report = report(&journal.dir());
    let found = problem(&report, ProblemKind::Silence);
    assert!(found.problem.contains("for 180 seconds"), "{found:?}");
}

#[test]
fn what_nobody_sealed_shows_among_the_segments() {
    let journal = Place::filled(30);
    let segments = files(&journal, |name| name.starts_with("segments/"));
    std::fs::write(journal.dir().join("segments/000000000001.zst"), b"x").unwrap();
    let found = report(&journal.dir());
    assert_eq!(
        problem(&found, ProblemKind::Segment).place,
        "segments/000000000001.zst"
    );
    std::fs::remove_file(journal.dir().join("segments/000000000001.zst")).unwrap();
    let mut longer = std::fs::read(&segments[0]).unwrap();
    longer.push(0);
    std::fs::write(&segments[0], longer).unwrap();
    problem(&report(&journal.dir()), ProblemKind::Segment);
    std::fs::remove_file(&segments[0]).unwrap();
    let found = report(&journal.dir());
    let found = problem(&found, ProblemKind::Block);
    assert!(
        found.problem.contains("no leaf says that it was pruned"),
        "{found:?}"
    );
}

#[test]
fn a_range_is_proven_without_reading_the_rest() {
    let journal = Place::filled(300);
    let total = journal.reader().next_record().unwrap();
    let check = |records| {
        pgattest_trail::verify::verify(
            &journal.dir(),
            &pgattest_trail::verify::Request {
                keys: &[key().public_key()],
                earlier: &[],
                witnesses: &[],
                second_keys: &[],
                records: Some(records),
                heartbeat_ms: 0,
            },
        )
        .unwrap()
    };
    let report = check(50..60);
    assert!(report.verified, "{:#?}", report.problems);
    assert!(
        (10..=16).contains(&report.records_checked),
        "{}",
        report.records_checked
    );
    assert!(check(total - 1..total).verified);
    problem(&check(total - 1..total + 1), ProblemKind::Numbering);
    problem(&check(total..total + 1), ProblemKind::Numbering);
    // Of what is damaged, only what was asked for is looked at.
    for segment in files(&journal, |name| name.starts_with("segments/"))
        .into_iter()
        .skip(20)
    {
        flip(&segment, usize::MAX);
    }
    assert!(check(0..3).verified);
    problem(&check(total - 1..total), ProblemKind::Block);
    flip(&journal.dir().join("tile/entries/000"), 500);
    problem(&check(0..3), ProblemKind::Tree);
}
