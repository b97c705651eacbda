//! One writer: refused, taken over from the dead, noticed when it is lost.

use super::{Away, SHORT};
use crate::support::{Kept, NOW, make, numbers};
use pgattest_archive::make::{MakeOptions, catch_up};
use pgattest_archive::{Archive, ArchiveError};
use pgattest_testkit::receivers::front::{Answer, Fault};
use std::time::{Duration, Instant};

fn said(away: &Away) -> serde_json::Value {
    serde_json::from_slice(&away.s3.get(&Away::key(".lock")).unwrap().unwrap()).unwrap()
}

/// Does this while an archive is being made, whose lock is held then.
fn while_made(away: &Away, archive: &Archive, mut act: impl FnMut()) -> Result<(), ArchiveError> {
    let options = MakeOptions {
        batch_records: 20,
        ..MakeOptions::default()
    };
    let mut acted = false;
    catch_up(
        archive,
        &away.place.reader(),
        &Kept::default(),
        options,
        NOW,
        &mut |_, _| {
            if !std::mem::replace(&mut acted, true) {
                act();
            }
        },
    )
    .map(drop)
}

#[test]
fn a_second_writer_is_refused_and_told_who_writes() {
    let away = Away::new(40);
    let mut refused = None;
    while_made(&away, &away.archive(), || {
        refused = make(
            &away.archive(),
            &away.place.reader(),
            MakeOptions::default(),
        )
        .err();
        assert_eq!(said(&away)["released"], false);
    })
    .unwrap();
    let text = refused.unwrap().to_string();
    assert!(
        text.contains("another process writes to the archive at `s3://example-archive/"),
        "{text}"
    );
    let us = format!("process {} since", std::process::id());
    assert!(text.contains(&us), "{text}");
    assert!(text.contains("61 s after"), "{text}");
    // It was let go of: the next one need not wait.
    assert_eq!(said(&away)["released"], true);
    make(
        &away.archive(),
        &away.place.reader(),
        MakeOptions::default(),
    )
    .unwrap();
    assert_eq!(numbers(&away.archive()), (0..40).collect::<Vec<_>>());
}

#[test]
fn a_lock_is_renewed_as_long_as_it_is_held() {
    let away = Away::new(40);
    let archive = away.archive().with_lease(SHORT * 4);
    while_made(&away, &archive, || {
        let deadline = Instant::now() + Duration::from_mins(1);
        let renewed = |times: u64| {
            while said(&away)["renewals"].as_u64().unwrap() < times {
                assert!(Instant::now() < deadline, "{}", said(&away));
            }
        };
        renewed(1);
        // A renewal whose answer is lost is one.
        away.s3.front.fail([Fault::ResetAfter, Fault::Silence]);
        renewed(6);
        assert_eq!(away.s3.front.faults_left(), 0);
        let other = away.archive().with_lease(SHORT);
        let error = make(&other, &away.place.reader(), MakeOptions::default()).unwrap_err();
        assert!(matches!(error, ArchiveError::Locked { .. }), "{error}");
    })
    .unwrap();
    assert_eq!(numbers(&away.archive()), (0..40).collect::<Vec<_>>());
}

#[test]
fn the_lock_of_a_dead_writer_is_taken_over_once_it_no_longer_counts() {
    let away = Away::new(40);
    let dead = serde_json::json!({
        "holder": "0", "by": "a host, process 1", "since": NOW, "renewals": 0, "counts": 1_000, "released": false
    });
    away.s3
        .put(&Away::key(".lock"), dead.to_string().into_bytes())
        .unwrap();
    let error = make(
        &away.archive(),
        &away.place.reader(),
        MakeOptions::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("a host, process 1"), "{error}");
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match make(
            &away.archive(),
            &away.place.reader(),
            MakeOptions::default(),
        ) {
            Ok(_) => break,
            Err(ArchiveError::Locked { .. }) => assert!(Instant::now() < deadline),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(numbers(&away.archive()), (0..40).collect::<Vec<_>>());
}

#[test]
fn whoever_lost_the_lock_writes_nothing_more() {
    let away = Away::new(60);
    let archive = away.archive().with_lease(SHORT);
    let other = serde_json::json!({
        "holder": "another", "by": "a host, process 1", "since": NOW, "renewals": 0, "counts": 60_000, "released": false
    });
    let lost = while_made(&away, &archive, || {
        away.s3
            .put(&Away::key(".lock"), other.to_string().into_bytes())
            .unwrap();
        // Until the holder has looked, and was told that it is no longer its own.
        let deadline = Instant::now() + Duration::from_mins(1);
        let is_told = || {
            let seen = away.s3.front.seen();
            seen.iter()
                .rev()
                .any(|(request, status)| request.header("if-match").is_some() && *status == 412)
        };
        while !is_told() {
            assert!(Instant::now() < deadline);
        }
    });
    let error = lost.unwrap_err();
    assert!(matches!(error, ArchiveError::LockLost { .. }), "{error}");
    assert_eq!(away.parquet(), Vec::<String>::new());
    assert_eq!(said(&away), other, "what is another's is left alone");
}

#[test]
fn a_service_without_conditional_writes_is_refused() {
    let away = Away::judged(20, |request| {
        let is_put = request.method == "PUT" && request.target.contains(".lock");
        is_put.then(|| Answer::new(200, "").with("etag", "\"1\""))
    });
    let error = make(
        &away.archive(),
        &away.place.reader(),
        MakeOptions::default(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("If-None-Match"), "{error}");
    assert_eq!(away.parquet(), Vec::<String>::new());
}

#[test]
fn a_request_that_nobody_answers_is_not_waited_for_once_it_is_to_end() {
    let away = Away::new(20);
    let archive = away.archive().stopping_when(|| true);
    away.s3.front.fail([Fault::Silence]);
    // Otherwise it would be S3 that is complained of, after twenty seconds, five times.
    let error = archive.layout().unwrap_err();
    assert!(matches!(error, ArchiveError::Service(_)), "{error}");
}
