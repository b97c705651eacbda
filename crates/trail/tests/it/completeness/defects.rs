//! A log made for the purpose, with every defect there is, and any set of records taken out of it.

use super::made::{BEGIN, Log, Made, kinds};
use super::{CSVLOG, holes, track};
use pgattest_parse::audit_log::{Format, TornReason};
use pgattest_trail::completeness::changes::{Comparison, Counted, Snapshot, Snapshots};
use pgattest_trail::completeness::input::LiveSessions;
use pgattest_trail::completeness::{Kind, Options, State, Tracker, Weight};
use proptest::prelude::*;

#[test]
fn a_whole_log_has_no_finding() {
    let mut log = Log::default();
    log.server(0, 1, "starting PostgreSQL 15.18");
    for pid in 100..120 {
        log.session(i64::from(pid), pid, 5);
    }
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), []);
    let population = &result.populations["csvlog"];
    assert_eq!((population.sessions, population.gapless), (21, 21));
    assert_eq!(
        (
            population.disconnected,
            population.received,
            population.authorized
        ),
        (20, 20, 20)
    );
}

#[test]
fn a_hole_is_told_with_its_numbers_and_the_records_around_it() {
    let mut log = Log::default();
    log.session(1, 100, 10);
    log.0.drain(5..9);
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::Hole]);
    let hole = &result.findings[0];
    assert_eq!((hole.lines, hole.count), (Some((6, 9)), 4));
    assert_eq!(
        (hole.weight, hole.records.clone()),
        (Weight::Loss, vec![4, 5])
    );
    assert!(
        hole.detail.contains("lines 6 to 9") && hole.detail.contains("app in shop from 10.0.0.1")
    );
    assert_eq!(result.populations["csvlog"].missing_lines, 4);
}

#[test]
fn what_was_logged_before_the_log_begins_is_no_hole_and_is_counted() {
    let mut log = Log::default();
    log.session(10, 100, 3);
    log.say(
        1,
        50,
        70,
        11,
        "AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>",
    );
    log.say(1, 50, 71, 12, "disconnection: session time: 0:00:00.1");
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), []);
    assert_eq!(result.populations["csvlog"].began_before, 1);

    // In the same second nobody can tell: it is said so.
    let mut log = Log::default();
    log.session(10, 100, 3);
    log.say(
        10,
        101,
        2,
        10,
        "connection authorized: user=app database=shop",
    );
    let result = log.track(Options::default());
    assert_eq!(result.findings[0].weight, Weight::Suspicion);
    assert_eq!(holes(&result), [(format!("{:x}.65", BEGIN + 10), 1, 1)]);
}

#[test]
fn another_form_counts_from_one_by_itself() {
    let mut tracker = Tracker::new(Options::default());
    let mut log = Log::default();
    log.session(1, 100, 10);
    for (number, made) in (0..).zip(&log.0) {
        tracker.decoded(number, &CSVLOG, &made.record());
        // jsonlog was turned on in the middle of the session.
        if made.line > 7 {
            let mut record = made.record();
            record.line = Some(made.line - 7);
            tracker.decoded(1000 + number, &Format::Jsonlog, &record);
        }
    }
    let result = tracker.finish();
    assert_eq!(kinds(&result), []);
    assert_eq!(result.populations["jsonlog"].gapless, 1);
}

#[test]
fn a_line_that_comes_again_is_told_once_for_a_run_of_them() {
    let mut log = Log::default();
    log.session(1, 100, 10);
    let again: Vec<Made> = log.0.get(2..7).unwrap().to_vec();
    log.0.extend(again);
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::LineReuse]);
    let reuse = &result.findings[0];
    assert_eq!((reuse.lines, reuse.count), (Some((3, 7)), 5));
    assert_eq!(reuse.records, [13, 17]);
}

#[test]
fn a_session_whose_process_is_another_ones_was_cut_off() {
    let mut log = Log::default();
    log.session(1, 100, 3);
    log.session(2, 101, 3);
    // Its disconnection and its last statement are gone.
    log.0.truncate(log.0.len() - 2);
    log.session(9, 101, 3);
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::Unfinished]);
    let unfinished = &result.findings[0];
    assert_eq!(
        unfinished.session.as_deref(),
        Some(format!("{:x}.65", BEGIN + 2).as_str())
    );
    assert_eq!(unfinished.lines, Some((4, 4)));
    assert_eq!(result.populations["csvlog"].unfinished, 1);

    // Without any disconnection in the log nothing can be said of it, unless the setting is known.
    log.0
        .retain(|made| !made.message.starts_with("disconnection"));
    let silent = log.track(Options::default());
    assert_eq!(silent.of(Kind::Unfinished).count(), 0);
    assert!(
        silent
            .not_assessed
            .iter()
            .any(|why| why.contains("log_disconnections"))
    );
    let told = log.track(Options {
        log_disconnections: Some(true),
        ..Options::default()
    });
    assert_eq!(told.of(Kind::Unfinished).count(), 1);
}

#[test]
fn a_restart_ends_what_was_open_and_the_live_sessions_tell_of_the_rest() {
    let mut log = Log::default();
    log.server(0, 1, "starting PostgreSQL 15.18");
    log.session(1, 100, 3);
    log.session(2, 101, 3);
    log.0.pop();
    log.server(50, 2, "starting PostgreSQL 15.18");
    log.session(60, 102, 3);
    log.0.pop();
    log.session(61, 103, 3);
    log.0.pop();
    let open = log.track(Options::default());
    assert_eq!(kinds(&open), [Kind::Unfinished]);
    assert!(open.findings[0].detail.contains("the server began anew"));
    assert_eq!(open.populations["csvlog"].open, 2);

    let live = LiveSessions {
        at: (BEGIN + 100) * 1000,
        sessions: [format!("{:x}.67", BEGIN + 61)].into(),
    };
    let told = log.track(Options {
        live: Some(live),
        ..Options::default()
    });
    assert_eq!(kinds(&told), [Kind::Unfinished, Kind::Unfinished]);
    assert!(
        told.findings[1]
            .detail
            .contains("not among the sessions that were alive")
    );
    assert_eq!(told.populations["csvlog"].open, 1);
}

#[test]
fn connections_without_an_outcome_are_told_by_client() {
    let mut log = Log::default();
    for pid in 200..205 {
        log.say(1, pid, 1, 1, "connection received: host=10.0.0.1 port=1");
    }
    log.say(2, 300, 1, 2, "connection received: host=10.0.0.1 port=1");
    log.say(
        2,
        300,
        2,
        2,
        "password authentication failed for user \"app\"",
    );
    log.0.last_mut().unwrap().state = "28P01";
    let early = log.track(Options::default());
    assert_eq!(early.of(Kind::NoOutcome).count(), 0);
    assert_eq!(early.populations["csvlog"].undecided, 5);

    log.session(1_000, 301, 1);
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::NoOutcome]);
    assert_eq!(result.findings[0].count, 5);
    let population = &result.populations["csvlog"];
    assert_eq!(
        (population.no_outcome, population.connections_refused),
        (5, 1)
    );
    assert_eq!(population.fatal["28P01"], 1);
}

#[test]
fn an_hour_of_silence_is_told_against_the_same_hours_of_other_days() {
    let busy = |hour: i64| if hour % 24 < 6 { 5 } else { 100 };
    let mut log = Log::default();
    for hour in 0..24 * 9 {
        let silent = hour == 24 * 8 + 12 || hour == 24 * 8 + 13;
        for record in 0..if silent { 3 } else { busy(hour) } {
            log.say(
                0,
                100,
                u64::try_from(log.0.len()).unwrap() + 1,
                hour * 3600 + record,
                "x",
            );
        }
    }
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::Silence]);
    let silence = &result.findings[0];
    assert_eq!(silence.count, 2);
    assert!(
        silence.detail.contains("6 records in 2 hours"),
        "{}",
        silence.detail
    );
    assert!(silence.detail.contains("median"));
}

#[test]
fn a_clock_that_went_back_is_told_once() {
    let mut log = Log::default();
    log.session(1_000, 100, 3);
    log.session(10, 101, 3);
    let result = log.track(Options::default());
    assert_eq!(kinds(&result), [Kind::ClockBack]);
    assert!(result.findings[0].detail.contains("990 seconds"));
}

#[test]
fn torn_pieces_are_told() {
    let mut tracker = Tracker::new(Options::default());
    tracker.torn(7, &CSVLOG, TornReason::Glued, 99);
    let result = tracker.finish();
    assert_eq!(kinds(&result), [Kind::Torn]);
    assert_eq!(result.findings[0].records, [7]);
    assert_eq!(result.populations["csvlog"].torn, 1);
}

/// A superuser turns it off for a while, for a role for good, and in a session; then the server is restarted without it.
#[test]
fn auditing_that_is_off_is_told_from_and_to() {
    let mut log = Log::default();
    log.server(0, 1, "starting PostgreSQL 15.18");
    log.session(1, 100, 3);
    log.say(
        5,
        101,
        1,
        5,
        "AUDIT: SESSION,1,1,DDL,ALTER SYSTEM,,,alter system set pgaudit.log = 'none',<none>",
    );
    log.say(0, 1, 2, 6, "parameter \"pgaudit.log\" changed to \"none\"");
    log.0.last_mut().unwrap().backend = "postmaster";
    log.say(
        0,
        1,
        3,
        9,
        "parameter \"pgaudit.log\" changed to \"ddl,role,write\"",
    );
    log.0.last_mut().unwrap().backend = "postmaster";
    log.say(
        5,
        101,
        2,
        10,
        "AUDIT: SESSION,2,1,ROLE,ALTER ROLE,,,alter role etl set pgaudit.log = '',<none>",
    );
    log.say(
        5,
        101,
        3,
        11,
        "AUDIT: SESSION,3,1,MISC,SET,,,set pgaudit.log = 'none',<none>",
    );
    log.say(5, 101, 4, 12, "disconnection: session time: 0:00:07");
    log.say(20, 102, 1, 20, "AUDIT: SESSION,1,1,DDL,ALTER SYSTEM,,,alter system set shared_preload_libraries = '',<none>");
    log.server(30, 2, "starting PostgreSQL 15.18");
    for pid in 200..230 {
        log.session(40, pid, 0);
    }
    let result = log.track(Options::default());
    let told: Vec<(Weight, Vec<u64>, bool)> = result
        .of(Kind::AuditingWeakened)
        .map(|finding| {
            (
                finding.weight,
                finding.records.clone(),
                finding.to.is_some(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (Weight::Loss, vec![8, 9], true),
            (Weight::Loss, vec![10], false),
            (Weight::Loss, vec![11, 12], true),
            (Weight::Loss, vec![14], false),
        ],
        "{}",
        result.to_text()
    );
    let silent: Vec<_> = result.of(Kind::AuditingSilent).collect();
    assert_eq!((silent.len(), silent[0].count), (1, 30));
}

fn snapshots(changed: [u64; 4]) -> Snapshots {
    let table = |name: &str, root: Option<&str>, changed| Counted {
        oid: None,
        name: format!("public.{name}"),
        root: root.map(|root| format!("public.{root}")),
        changed,
    };
    let snapshot = |at: i64, counts: [u64; 4]| Snapshot {
        at: (BEGIN + at) * 1000,
        database: "shop".to_owned(),
        reset: None,
        tables: vec![
            table("t", None, counts[0]),
            table("quiet", None, counts[1]),
            table("part_1", Some("whole"), counts[2]),
            table("part_2", Some("whole"), counts[3]),
        ],
    };
    Snapshots {
        before: snapshot(5, [100, 100, 100, 100]),
        after: snapshot(500, changed.map(|changed| 100 + changed)),
        slack: 1_000,
    }
}

#[test]
fn rows_changed_are_compared_with_rows_audited() {
    let mut log = Log::default();
    log.session(1, 100, 1);
    log.session(100, 101, 7);
    log.session(900, 102, 1);
    let compare = |changed| {
        log.track(Options {
            changes: vec![snapshots(changed)],
            ..Options::default()
        })
    };
    let result = compare([70, 0, 3, 4]);
    let tables: Vec<_> = result
        .tables
        .iter()
        .map(|table| (table.table.as_str(), table.result))
        .collect();
    assert_eq!(
        tables,
        [
            ("public.quiet", Comparison::Covered),
            ("public.t", Comparison::Covered),
            ("public.whole", Comparison::Unaudited),
        ]
    );
    assert_eq!(
        result
            .of(Kind::RowsUnaudited)
            .map(|finding| finding.count)
            .collect::<Vec<_>>(),
        [7]
    );
    assert_eq!(
        compare([71, 0, 0, 0]).tables[1].result,
        Comparison::FewerRows
    );

    // Counters that were reset, or a log that does not reach over the time, are no pass.
    let mut reset = snapshots([70, 0, 0, 0]);
    reset.after.reset = Some("2026".to_owned());
    let result = log.track(Options {
        changes: vec![reset],
        ..Options::default()
    });
    assert!(
        result
            .tables
            .iter()
            .all(|table| table.result == Comparison::Unknown)
    );
    log.0.retain(|made| made.time < (BEGIN + 500) * 1000);
    let result = log.track(Options {
        changes: vec![snapshots([70, 0, 0, 0])],
        ..Options::default()
    });
    assert_eq!(result.tables, []);
    assert!(
        result
            .not_assessed
            .iter()
            .any(|why| why.contains("do not reach"))
    );
}

#[test]
fn memory_is_bounded_by_open_sessions() {
    let mut tracker = Tracker::new(Options::default());
    let mut number = 0;
    for round in 0..2_000_u32 {
        let mut log = Log::default();
        log.session(i64::from(round), 100 + round, 3);
        for made in &log.0 {
            tracker.decoded(number, &CSVLOG, &made.record());
            number += 1;
        }
    }
    assert_eq!(tracker.state().open_sessions(), 0);
}

/// Interleaved sessions, all of them whole.
fn whole_log() -> Log {
    let mut log = Log::default();
    log.server(0, 1, "starting PostgreSQL 15.18");
    let mut sessions: Vec<Log> = (0..8)
        .map(|index: u32| {
            let mut log = Log::default();
            log.session(1 + i64::from(index), 100 + index, u64::from(index) * 3);
            log.0.reverse();
            log
        })
        .collect();
    // Three and eight have no common divisor: everybody gets a turn.
    for turn in 0.. {
        if sessions.iter().all(|session| session.0.is_empty()) {
            break;
        }
        if let Some(made) = sessions[turn * 3 % 8].0.pop() {
            log.0.push(made);
        }
    }
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is taken out: exactly the holes between what is left are told, and no session is called whole that is not, except at
    /// its end, where nothing tells.
    #[test]
    fn exactly_what_was_taken_out_is_missing(taken in proptest::collection::vec(any::<bool>(), 140)) {
        let log = whole_log();
        // The first record stays: it says when the log begins.
        let kept: Vec<&Made> = log.0.iter().enumerate()
            .filter(|(index, _)| *index == 0 || !taken.get(*index).copied().unwrap_or(false))
            .map(|(_, made)| made)
            .collect();
        let result = track(Options::default(), kept.iter().map(|made| made.record()));
        let mut expected = Vec::new();
        let mut sessions: Vec<&str> = kept.iter().map(|made| made.session.as_str()).collect();
        sessions.sort_unstable();
        sessions.dedup();
        for session in sessions {
            let mut next = 1;
            for made in kept.iter().filter(|made| made.session == session) {
                if made.line > next {
                    expected.push((session.to_owned(), next, made.line - 1));
                }
                next = made.line + 1;
            }
        }
        expected.sort();
        let missing: u64 = expected.iter().map(|(_, from, to)| to - from + 1).sum();
        prop_assert_eq!(holes(&result), expected);
        prop_assert_eq!(result.populations["csvlog"].missing_lines, missing);
        // What else is told is only that an end is missing.
        prop_assert!(result.findings.iter().all(|finding| matches!(finding.kind, Kind::Hole | Kind::Unfinished)));
    }

    /// Stopped after any record, saved, and gone on with: the same result.
    #[test]
    fn a_state_can_be_saved_after_any_record(at in 0_usize..120, taken in 0_usize..120) {
        let mut log = whole_log();
        log.0.remove(taken.min(log.0.len() - 1));
        let whole = log.track(Options::default());
        let mut tracker = Tracker::new(Options::default());
        for (number, made) in (0..).zip(&log.0) {
            tracker.decoded(number, &CSVLOG, &made.record());
            if usize::try_from(number).unwrap() == at {
                let saved = serde_json::to_string(tracker.state()).unwrap();
                let state: State = serde_json::from_str(&saved).unwrap();
                tracker = Tracker::resume(Options::default(), state);
            }
        }
        prop_assert_eq!(tracker.finish(), whole);
    }
}
