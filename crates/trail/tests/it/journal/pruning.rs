//! What need not be kept goes; its proofs stay.

use super::support::{Place, fill, key, next_block, options, records, verify_all};
use pgattest_trail::{Journal, JournalError, Leaf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn segments(place: &Place) -> usize {
    std::fs::read_dir(place.dir().join("segments"))
        .unwrap()
        .count()
}

#[test]
fn old_payload_goes_in_whole_segments_and_everything_else_stays_proven() {
    let place = Place::filled(60);
    let before = segments(&place);
    let mut journal = place.open();
    let pruning = journal.prune(30, 365).unwrap().unwrap();
    assert!(pruning.segments > 2 && pruning.bytes > 600, "{pruning:?}");
    assert!(pruning.oldest_leaf <= 30 && pruning.oldest_record > 0);
    assert_eq!(
        segments(&place),
        before - usize::try_from(pruning.segments).unwrap()
    );
    assert_eq!(
        journal.prune(30, 365).unwrap(),
        None,
        "there is nothing left to prune"
    );

    let report = verify_all(&place).unwrap();
    assert!(report.blocks_pruned > 0 && report.blocks_checked > 0);
    let reader = place.reader();
    assert_eq!(
        reader.oldest().unwrap(),
        (pruning.oldest_record, pruning.oldest_leaf)
    );
    let (_, first) = reader.find_record(0).unwrap().unwrap();
    assert!(matches!(reader.block(&first), Err(JournalError::Pruned(0))));
    let (_, kept) = reader.find_record(pruning.oldest_record).unwrap().unwrap();
    reader.block(&kept).unwrap();
    // Without the hint the leaves say it.
    std::fs::remove_file(place.dir().join("pruned")).unwrap();
    assert!(matches!(reader.block(&first), Err(JournalError::Pruned(0))));
    fill(&mut journal, 3);
    drop(journal);
    place.open();
}

#[test]
fn the_last_segment_is_never_pruned() {
    let place = Place::filled(20);
    let mut journal = place.open();
    journal.prune(u64::MAX, 1).unwrap().unwrap();
    assert_eq!(segments(&place), 1);
    fill(&mut journal, 3);
    drop(journal);
    verify_all(&place).unwrap();
    place.open();
}

#[test]
fn a_hold_stops_pruning_until_it_is_lifted() {
    let place = Place::filled(60);
    let hold = |active| Leaf::Hold {
        at: 0,
        name: "case 17".to_owned(),
        active,
        reason: "counsel".to_owned(),
    };
    let mut journal = place.open();
    journal.note(&hold(true)).unwrap();
    let error = journal.prune(30, 365).unwrap_err();
    assert!(
        error.to_string().contains("`case 17` is in force"),
        "{error}"
    );
    // It is remembered from the leaves alone.
    drop(journal);
    std::fs::remove_file(place.dir().join("state.json")).unwrap();
    let mut journal = place.open();
    assert_eq!(journal.holds().collect::<Vec<_>>(), ["case 17"]);
    assert!(journal.prune(30, 365).is_err());
    journal.note(&hold(false)).unwrap();
    assert!(journal.prune(30, 365).unwrap().is_some());
}

#[test]
fn a_pruning_that_was_interrupted_goes_on_when_the_journal_is_opened() {
    let template = Place::filled(60);
    let total = records(&template.reader()).len();
    for die_at in (0..40).step_by(2) {
        let place = template.copy();
        let passed = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&passed);
        let opened = Journal::open_with_faults(
            &place.dir(),
            key(),
            options(),
            Arc::new(move |_| {
                if seen.fetch_add(1, Ordering::SeqCst) >= die_at {
                    return Err(std::io::Error::other("the power failed"));
                }
                Ok(())
            }),
        );
        if let Ok(mut journal) = opened {
            let _ = journal.prune(30, 365);
        }
        let mut journal = place.open();
        let report = verify_all(&place).unwrap_or_else(|error| panic!("{die_at}: {error}"));
        let before = segments(&place);
        let again = journal.prune(30, 365).unwrap();
        if report.blocks_pruned > 0 {
            assert_eq!(again, None, "{die_at}");
            assert_eq!(segments(&place), before);
        } else {
            assert!(again.is_some(), "{die_at}");
        }
        assert_eq!(journal.next_record(), total as u64);
        journal.append(&next_block(&journal, 0, 1)).unwrap();
        journal.commit().unwrap();
    }
}
