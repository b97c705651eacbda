//! Records that are sealed later than those behind them.

use super::made::{Log, Made, kinds};
use pgattest_trail::completeness::{Kind, Options};

#[test]
fn what_seems_to_be_from_before_the_log_begins_may_come_late_once() {
    for ends in [false, true] {
        let mut log = Log::default();
        // The first file is sealed after the second one, in which the log seems to begin.
        log.session(10, 100, 3);
        log.say(1, 50, 4, 11, "statement: select 1");
        if ends {
            log.say(1, 50, 5, 12, "disconnection: session time: 0:00:00.1");
        }
        for line in 1..=3 {
            log.say(1, 50, line, 9, "statement: select 0");
        }
        let result = log.track(Options::default());
        assert_eq!(
            result.of(Kind::LineReuse).count(),
            0,
            "{}",
            result.to_text()
        );
        assert_eq!(result.of(Kind::Hole).count(), 0);
        log.say(1, 50, 2, 9, "statement: select 0");
        let result = log.track(Options::default());
        assert_eq!(result.of(Kind::LineReuse).count(), 1);
    }
}

#[test]
fn a_session_that_was_told_to_be_cut_off_is_not_when_its_end_comes_late() {
    let options = || Options {
        log_disconnections: Some(true),
        ..Options::default()
    };
    let mut log = Log::default();
    log.session(1, 100, 5);
    let end = log.0.split_off(3);
    // The process belongs to another session by now.
    log.session(20, 100, 3);
    let result = log.track(options());
    assert_eq!(kinds(&result), [Kind::Unfinished]);
    assert_eq!(result.findings[0].lines, Some((3, 3)));

    // A part of the rest comes, and the end does not.
    log.0.push(end[0].clone());
    let result = log.track(options());
    assert_eq!(kinds(&result), [Kind::Unfinished]);
    assert_eq!(result.findings[0].lines, Some((4, 4)));
    assert!(result.findings[0].detail.contains(" after line 4: "));

    // Nor does it before the server begins anew, which ends what had begun again.
    let mut restarted = Log(log.0.clone());
    restarted.server(40, 50, "database system is ready to accept connections");
    let result = restarted.track(options());
    let told: Vec<_> = result.of(Kind::Unfinished).collect();
    let cut = told.iter().find(|finding| finding.lines == Some((4, 4)));
    assert!(
        cut.is_some_and(|cut| cut.detail.contains(" after line 4: process 100 belongs to")),
        "{}",
        result.to_text()
    );

    // Before and after the other session's end.
    for at in [log.0.len(), log.0.len() - 2] {
        let mut log = Log(log.0.clone());
        log.0
            .splice(at..at, end.iter().skip(1).cloned())
            .for_each(drop);
        let result = log.track(options());
        assert_eq!(kinds(&result), [], "{}", result.to_text());
        let population = &result.populations["csvlog"];
        assert_eq!((population.unfinished, population.disconnected), (0, 2));
    }
}

#[test]
fn records_that_come_late_fill_the_hole_that_they_left() {
    // While the session goes on, and after its end, each in another order.
    for behind in [12, 30] {
        let mut log = Log::default();
        log.session(1, 100, 10);
        log.session(2, 101, 10);
        let behind = behind.min(log.0.len());
        let late: Vec<Made> = [6, 4, 7, 5].map(|at| log.0[at].clone()).to_vec();
        let lines: Vec<u64> = late.iter().map(|made| made.line).collect();
        assert_eq!(lines, [7, 5, 8, 6]);
        for filled in 0..=4 {
            let mut part = Log::default();
            let kept = |(at, made): (usize, &Made)| (!(4..8).contains(&at)).then(|| made.clone());
            part.0 = log.0.iter().enumerate().filter_map(kept).collect();
            let at = (behind - 4).min(part.0.len());
            part.0
                .splice(at..at, late.iter().take(filled).cloned())
                .for_each(drop);
            let result = part.track(Options::default());
            let missing: Vec<_> = result
                .of(Kind::Hole)
                .map(|hole| hole.lines.unwrap())
                .collect();
            let expected: &[(u64, u64)] = match filled {
                0 => &[(5, 8)],
                1 => &[(5, 6), (8, 8)],
                2 => &[(6, 6), (8, 8)],
                3 => &[(6, 6)],
                _ => &[],
            };
            let mut missing = missing;
            missing.sort_unstable();
            assert_eq!(missing, expected, "{}", result.to_text());
            assert_eq!(result.of(Kind::LineReuse).count(), 0);
            let population = &result.populations["csvlog"];
            assert_eq!(population.missing_lines, 4 - filled as u64);
            let whole = u64::from(filled == 4);
            assert_eq!(population.sessions - population.gapless, 1 - whole);
        }
    }
}
