//! What is written is read back.

use super::support::{
    Place, block_at, decompressed, file, fill, key, next_block, options, record_text, records,
};
use pgattest_trail::{Journal, JournalError, JournalReader, Leaf};

#[test]
fn what_was_committed_is_read_by_another_in_order() {
    let place = Place::new();
    let mut journal = place.open();
    let first = next_block(&journal, 0, 3);
    journal.append(&first).unwrap();
    journal.note(&Leaf::Heartbeat { at: 5 }).unwrap();
    assert_eq!(place.reader().size(), 0, "nothing before the commit");
    let checkpoint = journal.commit().unwrap();
    let second = next_block(&journal, 0, 2);
    journal.append(&second).unwrap();

    let mut reader = place.reader();
    assert_eq!(reader.size(), checkpoint.size);
    let leaves: Vec<_> = reader.leaves(0).collect::<Result<_, _>>().unwrap();
    let [(0, Leaf::Block(leaf)), (1, Leaf::Heartbeat { at: 5 })] = leaves.as_slice() else {
        panic!("{leaves:?}");
    };
    assert_eq!(reader.block(leaf).unwrap(), first);
    assert_eq!((leaf.records, leaf.torn, leaf.redacted), (3, 1, 1));

    journal.commit().unwrap();
    assert_eq!(reader.refresh().unwrap(), 3);
    assert_eq!(reader.next_record().unwrap(), 5);
    let Leaf::Block(leaf) = reader.entry(2).unwrap().leaf else {
        panic!()
    };
    assert_eq!(reader.block(&leaf).unwrap(), second);
    assert_eq!(
        journal.commit().unwrap().size,
        3,
        "nothing new is no new leaf"
    );
}

#[test]
fn a_journal_that_was_left_goes_on_where_it_was() {
    let place = Place::filled(20);
    let before = records(&place.reader());
    let mut journal = place.open();
    assert_eq!(journal.next_record(), before.len() as u64);
    assert_eq!(journal.files().len(), 2);
    let ends: Vec<_> = (0..2).map(|number| journal.sealed(&file(number))).collect();
    fill(&mut journal, 100);
    drop(journal);
    let all = records(&place.reader());
    assert_eq!(all[..before.len()], before);
    // Without its cache, the writer knows the same.
    std::fs::remove_file(place.dir().join("state.json")).unwrap();
    let journal = place.open();
    assert_eq!(journal.next_record(), all.len() as u64);
    for (number, end) in (0..).zip(ends) {
        assert!(journal.sealed(&file(number)) > end);
    }
    assert_eq!(journal.sealed(&file(9)), None);
}

#[test]
fn standard_tools_give_the_log_back_byte_for_byte() {
    let place = Place::filled(30);
    assert!(
        std::fs::read_dir(place.dir().join("segments"))
            .unwrap()
            .count()
            > 3
    );
    assert_eq!(
        decompressed(&place.dir()),
        records(&place.reader()).concat()
    );
}

#[test]
fn every_record_is_found_by_its_number() {
    let place = Place::new();
    let mut journal = place.open();
    fill(&mut journal, 280);
    // A long silence must not make the search a walk.
    for at in 0..300 {
        journal.note(&Leaf::Heartbeat { at }).unwrap();
    }
    fill(&mut journal, 30);
    let reader = place.reader();
    let total = journal.next_record();
    for number in (0..total).step_by(13).chain([0, total - 1]) {
        let (index, leaf) = reader.find_record(number).unwrap().unwrap();
        assert_eq!(reader.entry(index).unwrap().leaf, Leaf::Block(leaf.clone()));
        let block = reader.block(&leaf).unwrap();
        let place = usize::try_from(number - leaf.first_record).unwrap();
        assert_eq!(
            block.iter().nth(place).unwrap().1,
            record_text(&leaf.file, number)
        );
        assert_eq!(reader.find_block(leaf.block).unwrap().unwrap().0, index);
    }
    assert_eq!(reader.find_record(total).unwrap(), None);
    assert_eq!(reader.find_record(u64::MAX).unwrap(), None);
}

#[test]
fn nothing_is_sealed_twice() {
    let place = Place::new();
    let mut journal = place.open();
    let block = next_block(&journal, 0, 3);
    journal.append(&block).unwrap();
    let again = journal.append(&block).unwrap_err();
    assert!(
        again.to_string().contains("which is sealed up to byte"),
        "{again}"
    );
    // A hole is not refused, it shows when the journal is verified; and behind a declared gap a file may begin again.
    let end = block.offset + block.source_length;
    journal
        .append(&block_at(file(0), end + 10, journal.next_record(), 1))
        .unwrap();
    journal
        .note(&Leaf::Gap {
            at: 0,
            file: Some(file(0)),
            offset: Some(end + 90),
            length: None,
            reason: "truncated".to_owned(),
        })
        .unwrap();
    assert_eq!(journal.sealed(&file(0)), Some(end + 90));
    journal
        .append(&block_at(file(0), 0, journal.next_record(), 1))
        .unwrap();
    journal.commit().unwrap();
    assert_eq!(place.reader().size(), 4);
}

#[test]
fn a_block_that_contradicts_itself_is_refused_and_changes_nothing() {
    let place = Place::new();
    let mut journal = place.open();
    let good = next_block(&journal, 0, 3);
    let mut short = good.clone();
    short.bytes.pop();
    let mut empty = good.clone();
    (empty.pieces, empty.bytes) = (Vec::new(), Vec::new());
    for bad in [short, empty] {
        assert!(matches!(
            journal.append(&bad),
            Err(JournalError::Refused { .. })
        ));
    }
    journal.append(&good).unwrap();
    assert_eq!(journal.commit().unwrap().size, 1);
}

#[test]
fn there_is_one_writer() {
    let place = Place::new();
    let journal = place.open();
    assert!(matches!(
        Journal::open(&place.dir(), key(), options()),
        Err(JournalError::Locked(_))
    ));
    drop(journal);
    place.open();
}

#[test]
fn another_key_another_name_and_no_journal_are_told() {
    let place = Place::filled(3);
    let other = pgattest_evidence::SigningKey::from_seed(&[8; 32]);
    let Err(error) = Journal::open(&place.dir(), other, options()) else {
        panic!("another key was accepted")
    };
    assert!(
        error.to_string().contains("with the key that signs it"),
        "{error}"
    );
    let named = pgattest_trail::JournalOptions {
        origin: Some("example.org/trail".to_owned()),
        ..options()
    };
    assert!(Journal::open(&place.dir(), key(), named).is_err());
    assert!(matches!(
        JournalReader::open(place.folder.path()),
        Err(JournalError::Absent(_))
    ));
}

#[test]
fn leaves_from_other_threads_are_durable_when_they_return() {
    let place = Place::new();
    let mut journal = place.open();
    let sender = journal.leaf_sender();
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let sender = sender.clone();
            let dir = place.dir();
            std::thread::spawn(move || {
                let leaf = Leaf::Watermark {
                    at: 0,
                    sink: format!("sink {number}"),
                    next: number,
                };
                sender.send(leaf.clone(), true).unwrap();
                let reader = JournalReader::open(&dir).unwrap();
                assert!(reader.leaves(0).any(|found| found.unwrap().1 == leaf));
            })
        })
        .collect();
    while place.reader().size() < 4 {
        if journal.has_leaves_waiting() {
            journal.commit().unwrap();
        }
        std::thread::yield_now();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    // What no leaf can say fails where it is said; and nobody waits for a writer that has gone.
    let long = Leaf::Stop {
        at: 0,
        reason: "x".repeat(70_000),
    };
    assert!(matches!(
        sender.send(long, false),
        Err(JournalError::Leaf(_))
    ));
    drop(journal);
    assert!(matches!(
        sender.send(Leaf::Heartbeat { at: 0 }, true),
        Err(JournalError::Ended)
    ));
}

#[test]
fn a_commit_of_many_leaves_writes_each_tile_once() {
    let place = Place::new();
    let written = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&written);
    let mut journal = Journal::open_with_faults(
        &place.dir(),
        key(),
        options(),
        std::sync::Arc::new(move |step| {
            if step.action == "create"
                && step
                    .path
                    .components()
                    .any(|part| part.as_os_str() == "tile")
            {
                seen.lock().unwrap().push(step.path.clone());
            }
            Ok(())
        }),
    )
    .unwrap();
    for at in 0..1000 {
        journal.note(&Leaf::Heartbeat { at }).unwrap();
    }
    journal.commit().unwrap();
    // Three full and one partial bundle, as many tiles, and one tile above them.
    assert_eq!(written.lock().unwrap().len(), 9);
}
