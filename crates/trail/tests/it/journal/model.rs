//! The journal against a simple model: a list of what was added, of which a commit makes all durable.

use super::support::{Place, file, key, next_block, options, record_text, verify_all};
use pgattest_evidence::DiskStep;
use pgattest_trail::{Journal, JournalError, Leaf};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is done to a journal.
#[derive(Clone, Debug)]
enum Act {
    /// A block of so many records, of one of three files.
    Append(u64, u64),
    /// A leaf with this time.
    Note(i64),
    Commit,
    /// Let go, and opened again.
    Reopen,
    /// Opened again, on a disk that fails at this step and ever after.
    ReopenToFail(usize),
    /// Payload before the leaf that stands at so many of sixteenths.
    Prune(u64),
}

/// What a leaf is, as far as the model goes.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Held {
    Records(Vec<Vec<u8>>),
    Heartbeat(i64),
    Pruned,
}

#[derive(Debug, Default)]
struct Model {
    committed: Vec<Held>,
    added: Vec<Held>,
}

impl Model {
    fn commit(&mut self) {
        self.committed.append(&mut self.added);
    }

    /// A journal was opened: it holds what was committed, and of a commit that failed all or nothing.
    #[track_caller]
    fn opened(&mut self, place: &Place, failed: bool) {
        let held = held(place);
        if failed && held.len() > self.committed.len() {
            self.commit();
            // Pruning is a commit of its own before its leaf, and ends after it.
            if held.len() == self.committed.len() + 1 {
                self.committed.push(Held::Pruned);
            }
        }
        self.added.clear();
        self.assert_is(&held);
    }

    /// Every leaf is as it was committed; of payload that was pruned nothing is compared.
    #[track_caller]
    fn assert_is(&self, held: &[Option<Held>]) {
        assert_eq!(held.len(), self.committed.len());
        let last_prune = self.committed.iter().rposition(|it| *it == Held::Pruned);
        for (at, (held, model)) in held.iter().zip(&self.committed).enumerate() {
            match held {
                Some(held) => assert_eq!(held, model, "leaf {at}"),
                None => assert!(last_prune.is_some_and(|prune| at < prune), "leaf {at}"),
            }
        }
    }
}

/// What the leaves hold, as a reader sees it; `None`: a block whose payload is pruned.
#[track_caller]
fn held(place: &Place) -> Vec<Option<Held>> {
    let reader = place.reader();
    reader
        .leaves(0)
        .map(|leaf| match leaf.unwrap().1 {
            Leaf::Block(leaf) => match reader.block(&leaf) {
                Ok(block) => {
                    let records = block.iter().map(|(_, bytes)| bytes.to_vec()).collect();
                    Some(Held::Records(records))
                }
                Err(JournalError::Pruned(_)) => None,
                Err(error) => panic!("{error}"),
            },
            Leaf::Heartbeat { at } => Some(Held::Heartbeat(at)),
            Leaf::Pruned { .. } => Some(Held::Pruned),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..3_u64, 1..5_u64).prop_map(|(file, records)| Act::Append(file, records)),
        2 => any::<i64>().prop_map(Act::Note),
        4 => Just(Act::Commit),
        1 => Just(Act::Reopen),
        2 => (0..90_usize).prop_map(Act::ReopenToFail),
        1 => (0..17_u64).prop_map(Act::Prune),
    ]
}

/// Opens the journal; `None` when the disk failed while it did.
fn open(place: &Place, fail_at: Option<usize>) -> Option<Journal> {
    let Some(fail_at) = fail_at else {
        return Some(place.open());
    };
    let passed = AtomicUsize::new(0);
    let hook = Arc::new(move |_: &DiskStep| {
        if passed.fetch_add(1, Ordering::SeqCst) >= fail_at {
            return Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
        }
        Ok(())
    });
    Journal::open_with_faults(&place.dir(), key(), options(), hook).ok()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_a_journal_holds_what_was_committed(acts in prop::collection::vec(act(), 1..40)) {
        let place = Place::new();
        let mut journal = place.open();
        let mut model = Model::default();
        for act in acts {
            match done(&mut journal, &mut model, &act) {
                Next::GoOn => {}
                // Nothing but opening anew tells what is durable after an error.
                Next::Failed => {
                    drop(journal);
                    journal = place.open();
                    model.opened(&place, true);
                }
                Next::Open(fail_at) => {
                    drop(journal);
                    journal = match open(&place, fail_at) {
                        Some(journal) => journal,
                        None => place.open(),
                    };
                    model.opened(&place, false);
                }
            }
        }
        drop(journal);
        drop(place.open());
        model.opened(&place, false);
        verify_all(&place).unwrap();
    }
}

/// What comes after an act.
enum Next {
    GoOn,
    Failed,
    /// Opened anew; the step that fails.
    Open(Option<usize>),
}

fn done(journal: &mut Journal, model: &mut Model, act: &Act) -> Next {
    let succeeded = match *act {
        Act::Append(number, count) => {
            let block = next_block(journal, number, count);
            let first = journal.next_record();
            let records = (first..first + count).map(|it| record_text(&file(number), it));
            let added = Held::Records(records.collect());
            let appended = journal.append(&block).is_ok();
            if appended {
                model.added.push(added);
            }
            appended
        }
        Act::Note(at) => {
            model.added.push(Held::Heartbeat(at));
            journal.note(&Leaf::Heartbeat { at }).is_ok()
        }
        Act::Commit => {
            let committed = journal.commit().is_ok();
            if committed {
                model.commit();
            }
            committed
        }
        Act::Prune(sixteenths) => {
            let before = journal.checkpoint().size * sixteenths / 16;
            let pruned = journal.prune(before, 365);
            if let Ok(pruning) = &pruned {
                model.commit();
                model
                    .committed
                    .extend(pruning.as_ref().map(|_| Held::Pruned));
            }
            pruned.is_ok()
        }
        Act::Reopen => return Next::Open(None),
        Act::ReopenToFail(step) => return Next::Open(Some(step)),
    };
    if succeeded { Next::GoOn } else { Next::Failed }
}
