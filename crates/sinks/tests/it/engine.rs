//! What the engine does with each answer: nothing is lost, nothing is stuck, and everything is said.

use crate::support::{Scripted, Trail, csv, eventually, named, quick};
use pgattest_parse::audit_log::TornReason;
use pgattest_sinks::engine::{Cursor, Options, Standing, dead_letters};
use pgattest_sinks::{Answer, Batch, Limits, Part, Refusal, What};
use pgattest_trail::{Leaf, PieceKind};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

fn holds(batch: &Batch, number: u64) -> bool {
    batch.items.iter().any(|item| item.record.number == number)
}

#[test]
fn every_record_arrives_once_in_order_with_what_tells_it_apart() {
    let trail = Trail::new();
    trail.many(57, 12);
    let sink = Scripted::willing();
    let running = trail.deliver("siem", sink.clone());
    eventually("57 records", || sink.kept().len() == 57);
    trail.many(3, 3);
    eventually("those sealed later", || sink.kept().len() == 60);
    running.drain();

    assert_eq!(sink.kept(), (0..60).collect::<Vec<_>>());
    let kept = sink.kept.lock().unwrap();
    assert!(kept.iter().all(|record| {
        record.session.as_deref() == Some("6907c5a2.1267")
            && record.logged_at.is_some()
            && record.instance.as_ref() == "production"
            && record.what == What::Record
    }));
    assert_eq!(kept[11].block, 0);
    assert_eq!(kept[12].block, 1);
    drop(kept);
    assert!(
        sink.came
            .lock()
            .unwrap()
            .iter()
            .all(|batch| batch.len() <= 10)
    );
    let cursor = trail.cursor("siem");
    assert_eq!((cursor.next, cursor.delivered, cursor.dead), (60, 60, 0));
    assert_eq!(trail.watermark("siem"), Some(60));
    let status = trail.status("siem").unwrap();
    assert_eq!((status.standing, status.lag()), (Standing::Stopped, 0));
    let metrics = trail.context.metrics.render();
    for line in [
        "pgattest_trail_sink_watermark{sink=\"siem\",kind=\"scripted\"} 60",
        "pgattest_trail_sink_lag_records{sink=\"siem\",kind=\"scripted\"} 0",
        "pgattest_trail_sink_delivered_records_total{sink=\"siem\",kind=\"scripted\"} 60",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }

    // After an orderly stop nothing comes twice.
    trail.many(2, 2);
    trail.drain("siem", sink.clone());
    assert_eq!(sink.kept(), (0..62).collect::<Vec<_>>());
}

#[test]
fn a_sink_that_is_down_stays_behind_and_slows_no_other() {
    let trail = Trail::new();
    let down = Arc::new(AtomicBool::new(true));
    let seen = down.clone();
    let slow = Scripted::new(move |_| {
        if seen.load(Ordering::SeqCst) {
            Answer::again("connection refused")
        } else {
            Answer::Durable
        }
    });
    let well = Scripted::willing();
    let first = trail.deliver("slow", slow.clone());
    let second = trail.deliver("well", well.clone());
    trail.many(40, 7);
    eventually("the other sink has everything", || well.kept().len() == 40);
    // Far more attempts than any retry window of a client has.
    eventually("100 attempts", || slow.came.lock().unwrap().len() > 100);
    eventually("the status says so", || {
        trail.status("slow").is_some_and(|status| {
            status.standing == Standing::Retrying
                && status.lag() == 40
                && status.waiting_since.is_some()
                && status
                    .last_error
                    .is_some_and(|error| error.reason == "connection refused")
        })
    });
    assert!(slow.kept().is_empty());
    down.store(false, Ordering::SeqCst);
    eventually("it catches up", || slow.kept().len() == 40);
    first.drain();
    second.drain();
    assert_eq!(slow.kept(), (0..40).collect::<Vec<_>>());
    assert!(
        dead_letters(&trail.dir(), &named("slow"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_poisoned_record_is_halved_down_to_the_dead_letter() {
    let trail = Trail::new();
    let sink = Scripted::new(|batch| {
        if holds(batch, 7) || holds(batch, 23) {
            Answer::refused("event 1 is malformed")
        } else {
            Answer::Durable
        }
    });
    trail.many(30, 15);
    trail.drain("siem", sink.clone());

    let others: Vec<u64> = (0..30).filter(|n| ![7, 23].contains(n)).collect();
    assert_eq!(sink.kept(), others, "all others, once, in order");
    let letters = dead_letters(&trail.dir(), &named("siem")).unwrap();
    let dead: Vec<_> = letters.iter().flat_map(|letter| &letter.records).collect();
    assert_eq!(
        dead.iter().map(|record| record.number).collect::<Vec<_>>(),
        [7, 23]
    );
    assert!(dead[0].text().contains("select 7"));
    // Each file is in the tree, by its digest.
    let mut named_by_leaves = 0;
    for leaf in trail.leaves() {
        if let Leaf::DeadLetter {
            file,
            sha256,
            records,
            reason,
            ..
        } = leaf
        {
            let bytes = std::fs::read(trail.dir().join("dead-letters").join(file)).unwrap();
            assert_eq!(sha256, hex::encode(Sha256::digest(bytes)));
            assert_eq!(records.len(), 1);
            assert_eq!(reason, "event 1 is malformed");
            named_by_leaves += 1;
        }
    }
    assert_eq!(named_by_leaves, 2);
    let cursor = trail.cursor("siem");
    assert_eq!((cursor.next, cursor.delivered, cursor.dead), (30, 28, 2));
    let metrics = trail.context.metrics.render();
    assert!(metrics.contains("sink_dead_letter_records_total{sink=\"siem\",kind=\"scripted\"} 2"));
    assert!(
        trail
            .told
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.starts_with("error:") && line.contains("--redeliver siem")),
        "it is said what to do"
    );
}

#[test]
fn a_sink_that_refuses_everything_is_taken_for_misconfigured_first() {
    let trail = Trail::new();
    let wrong = Arc::new(AtomicBool::new(true));
    let seen = wrong.clone();
    let sink = Scripted::new(move |_| {
        if seen.load(Ordering::SeqCst) {
            Answer::refused("400")
        } else {
            Answer::Durable
        }
    });
    trail.many(8, 8);
    let options = Options {
        misconfigured_delay: Duration::from_hours(1),
        ..quick()
    };
    let running = trail.deliver_with("siem", sink.clone(), options);
    eventually("it says so", || {
        trail
            .status("siem")
            .is_some_and(|status| status.standing == Standing::Misconfigured)
    });
    running.halt();
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
    wrong.store(false, Ordering::SeqCst);
    trail.drain("siem", sink.clone());
    assert_eq!(sink.kept(), (0..8).collect::<Vec<_>>());

    // And when it stays so, nobody waits forever: everything is in dead letters.
    let never = Scripted::new(|_| Answer::refused("400"));
    trail.drain("never", never);
    let letters = dead_letters(&trail.dir(), &named("never")).unwrap();
    let dead: usize = letters.iter().map(|letter| letter.records.len()).sum();
    assert_eq!(dead, 8);
}

#[test]
fn what_a_person_must_put_right_stops_the_sink_until_it_is() {
    let trail = Trail::new();
    trail.many(5, 5);
    let seen = Arc::new(AtomicU32::new(0));
    let sink = Scripted::new(move |_| {
        if seen.fetch_add(1, Ordering::SeqCst) < 3 {
            Answer::misconfigured("HTTP 403: the API key is not accepted")
        } else {
            Answer::Durable
        }
    });
    *sink.cannot_open.lock().unwrap() = true;
    let running = trail.deliver("siem", sink.clone());
    eventually("the missing secret is named", || {
        trail.status("siem").is_some_and(|status| {
            status.standing == Standing::Misconfigured
                && status
                    .last_error
                    .is_some_and(|error| error.reason.contains("`TOKEN` is not set"))
        })
    });
    *sink.cannot_open.lock().unwrap() = false;
    eventually("all is delivered", || sink.kept().len() == 5);
    running.drain();
    assert!(
        *sink.opened.lock().unwrap() >= 5,
        "it is opened anew each time, so that a new secret is read"
    );
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn answers_about_some_of_the_items_are_heeded_item_by_item() {
    let trail = Trail::new();
    trail.many(40, 40);
    let calls = Arc::new(AtomicU32::new(0));
    let sink = Scripted::new(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        // 0..10: four are there, then the connection breaks.
        0 => Answer::First {
            durable: 4,
            rest: Box::new(Answer::again("cut")),
        },
        // 4..10, and 22..30.
        1 | 4 => Answer::Durable,
        // 10..20: two are refused for good.
        2 => Answer::DurableBut(vec![
            Refusal {
                index: 1,
                reason: "too old".into(),
            },
            Refusal {
                index: 9,
                reason: "too new".into(),
            },
        ]),
        // 20..30: one durable, one refused, the rest not told.
        3 => Answer::First {
            durable: 1,
            rest: Box::new(Answer::FirstRefused {
                reason: "no".into(),
                rest: Box::new(Answer::again("cut")),
            }),
        },
        // 30..40: three are lost there, and nobody says which.
        _ => Answer::DurableSome {
            refused: 3,
            reason: "partial success".into(),
        },
    });
    trail.drain("siem", sink.clone());
    let kept: Vec<u64> = (0..30).filter(|n| ![11, 19, 21].contains(n)).collect();
    assert_eq!(sink.kept(), kept);
    let dead: Vec<u64> = dead_letters(&trail.dir(), &named("siem"))
        .unwrap()
        .iter()
        .flat_map(|letter| letter.records.iter().map(|record| record.number))
        .collect();
    let all: Vec<u64> = [11, 19, 21].into_iter().chain(30..40).collect();
    assert_eq!(dead, all, "what may be lost there is kept here");
    let cursor = trail.cursor("siem");
    assert_eq!((cursor.next, cursor.dead), (40, 13));
}

#[test]
fn a_long_record_goes_in_parts_and_a_torn_piece_goes_marked() {
    let trail = Trail::new();
    let long = "ä".repeat(9_000);
    trail.records(&["before", &long, "after"]);
    trail.torn(b"half a rec\xff\x00ord\n");
    let mut sink = Scripted::willing();
    sink.limits = Limits {
        record_bytes: 2_000,
        bytes: 5_000,
        ..Limits::default()
    };
    trail.drain("siem", sink.clone());
    let kept = sink.kept.lock().unwrap();
    let parts: Vec<_> = kept.iter().filter(|record| record.number == 1).collect();
    assert!(parts.len() > 9);
    let of = u32::try_from(parts.len()).unwrap();
    assert!(
        (1..)
            .zip(&parts)
            .all(|(index, part)| part.part == Some(Part { index, of }))
    );
    let together: String = parts.iter().map(|part| part.text()).collect();
    assert!(together.contains(&long));
    let torn = kept.last().unwrap();
    assert_eq!(torn.what, What::Torn("glued"));
    assert!(torn.is_lossy());
    assert_eq!(torn.bytes, b"half a rec\xff\x00ord\n");
    drop(kept);
    assert_eq!(sink.kept().first(), Some(&0));
    assert_eq!(
        Cursor::load(&trail.dir(), &named("siem"))
            .unwrap()
            .delivered,
        4,
        "records are counted, not parts"
    );
}

#[test]
fn a_sink_of_whole_blocks_gets_each_block_as_it_is_stored() {
    let trail = Trail::new();
    trail.many(25, 9);
    let blocks = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = blocks.clone();
    let mut sink = Scripted::new(move |batch| {
        let block = batch.block.as_ref().unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(&block.frame)),
            block.manifest.stored_sha256
        );
        assert_eq!(batch.items.len(), block.manifest.records as usize);
        assert!(block.checkpoint.lines().count() > 3);
        seen.lock()
            .unwrap()
            .push((block.manifest.block, block.leaf_index));
        Answer::Durable
    });
    sink.limits.whole_blocks = true;
    trail.drain("s3", sink.clone());
    assert_eq!(*blocks.lock().unwrap(), [(0, 0), (1, 1), (2, 2)]);
    assert_eq!(sink.kept(), (0..25).collect::<Vec<_>>());
}

#[test]
fn checkpoints_travel_with_the_records() {
    let trail = Trail::new();
    trail.many(5, 5);
    let sink = Scripted::willing();
    let options = Options {
        checkpoint: Duration::from_nanos(1),
        ..quick()
    };
    trail.deliver_with("siem", sink.clone(), options).drain();
    let kept = sink.kept.lock().unwrap();
    let last = kept.last().unwrap();
    assert_eq!(last.what, What::Checkpoint);
    let note = pgattest_ledger::SignedCheckpoint::parse(&last.bytes).unwrap();
    let key = pgattest_ledger::SigningKey::from_seed(&[7; 32]).public_key();
    assert_eq!(note.verify(&key).unwrap().size, last.number);
    drop(kept);
    assert_eq!(trail.cursor("siem").next, 5, "a checkpoint is no record");
}

#[test]
fn a_block_that_is_damaged_stops_nothing_behind_it() {
    let trail = Trail::new();
    for text in ["first", "second", "third"] {
        trail.records(&[text]);
    }
    let Some(Leaf::Block(leaf)) = trail.leaves().into_iter().nth(1) else {
        panic!("the second leaf is a block")
    };
    let path = trail.dir().join(&leaf.segment);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[usize::try_from(leaf.position + leaf.stored / 2).unwrap()] ^= 0xff;
    std::fs::write(&path, bytes).unwrap();

    let sink = Scripted::willing();
    trail.drain("siem", sink.clone());
    assert_eq!(sink.kept(), [0, 2]);
    assert!(trail.leaves().iter().any(|leaf| matches!(
        leaf,
        Leaf::Gap { reason, .. } if reason.contains("block 1 is damaged") && reason.contains("siem")
    )));
    assert_eq!(trail.status("siem").unwrap().skipped, 1);
}

#[test]
fn a_sink_that_waits_for_an_hour_ends_at_once_when_told() {
    let trail = Trail::new();
    trail.many(3, 3);
    let sink = Scripted::new(|_| Answer::again("no"));
    let options = Options {
        last_delay: Duration::from_hours(1),
        first_delay: Duration::from_hours(1),
        ..quick()
    };
    let running = trail.deliver_with("siem", sink.clone(), options);
    eventually("it waits", || sink.came.lock().unwrap().len() == 1);
    running.halt();
    assert_eq!(trail.cursor("siem").next, 0, "nothing is confirmed");
}

#[test]
fn a_piece_without_a_record_around_it_is_a_record_number_all_the_same() {
    let trail = Trail::new();
    trail.seal(&[
        (PieceKind::Torn(TornReason::CutShort), b"x\n".to_vec()),
        (PieceKind::Record, csv(1, "select 1")),
    ]);
    let sink = Scripted::willing();
    trail.drain("siem", sink.clone());
    assert_eq!(sink.kept(), [0, 1]);
}
