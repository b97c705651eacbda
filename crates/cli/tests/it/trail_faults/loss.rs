//! A load of which every record is known beforehand, and whether what is missing of it is told.

use super::scene::{log_dir, pgbench};
use crate::support::{Desk, python};
use pgattest_testkit::Cluster;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;

/// Statements of each session of the load.
const STATEMENTS: u32 = 1500;

/// Sessions of a load.
pub(super) const SESSIONS: usize = 4;

/// Numbered statements, each so long that it reaches the server's logger in parts.
pub(super) fn load(desk: &Desk, cluster: &Cluster) -> Child {
    let filler = "x".repeat(4000);
    let script = desk.write(
        "numbered.sql",
        format!("\\set n :n + 1\nselect 'n:n {filler} end';\n"),
    );
    pgbench(
        cluster,
        &[
            "-n",
            "-c",
            &SESSIONS.to_string(),
            "-t",
            &STATEMENTS.to_string(),
            "-D",
            "n=0",
            "-f",
            &script.display().to_string(),
        ],
    )
}

/// How the sessions of a load ended.
pub(super) enum End {
    /// They ran all their statements.
    OfItself,
    /// The server ended them at some statement.
    CutOff,
}

/// What is known of a session.
#[derive(Debug, Default, Eq, PartialEq)]
struct Known {
    /// Line numbers that are missing, each.
    missing: BTreeSet<u64>,
    /// The last one that is there, when the session's end is not.
    last: Option<u64>,
}

/// What `trail completeness` says of the sessions of the load is what the files lack, number by number. Gives how many records they
/// lack, and of how many sessions the end.
#[track_caller]
pub(super) fn assert_loss_is_told(
    desk: &Desk,
    cluster: &Cluster,
    sessions: usize,
    end: &End,
) -> (usize, usize) {
    let lost = lost(cluster, end);
    assert_eq!(lost.len(), sessions, "sessions that logged a statement");
    let arguments = ["trail", "completeness", "--journal", "journal"];
    let answer = desk.run(&[&arguments[..], &["--format", "json"]].concat());
    let said: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let mut told: BTreeMap<String, Known> = lost
        .keys()
        .map(|session| (session.clone(), Known::default()))
        .collect();
    for finding in said["findings"].as_array().unwrap() {
        let session = finding["session"].as_str();
        let Some(known) = session.and_then(|session| told.get_mut(session)) else {
            continue;
        };
        let line = |index: usize| finding["lines"][index].as_u64().unwrap();
        match finding["kind"].as_str().unwrap() {
            "hole" => {
                for number in line(0)..=line(1) {
                    assert!(known.missing.insert(number), "told twice: {finding}");
                }
            }
            "unfinished" => known.last = Some(line(0)),
            kind => panic!("{kind}: {finding}"),
        }
    }
    for (session, known) in &lost {
        let told = &told[session];
        let differ = |a: &Known, b: &Known| {
            let numbers: Vec<u64> = a.missing.difference(&b.missing).copied().collect();
            format!(
                "{} ({:?}..{:?})",
                numbers.len(),
                numbers.first(),
                numbers.last()
            )
        };
        assert!(
            told == known,
            "{session}: missing and not told {}, told and not missing {}; last {:?}, told {:?}",
            differ(known, told),
            differ(told, known),
            known.last,
            told.last
        );
    }
    let missing = lost.values().map(|known| known.missing.len()).sum();
    let unfinished = lost.values().filter(|known| known.last.is_some()).count();
    println!(
        "{missing} records missing in {sessions} sessions, {unfinished} of them without an end"
    );
    assert_eq!(
        answer.code,
        Some(i32::from(missing + unfinished > 0)),
        "{answer}"
    );
    (missing, unfinished)
}

/// How many records the files lack, by Python.
pub(super) fn records_lost(cluster: &Cluster) -> usize {
    let lost = lost(cluster, &End::OfItself);
    lost.values().map(|known| known.missing.len()).sum()
}

/// What the files lack, by Python.
#[track_caller]
fn lost(cluster: &Cluster, end: &End) -> BTreeMap<String, Known> {
    let mut files: Vec<_> = std::fs::read_dir(log_dir(cluster))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    let output = python()
        .args(["-c", include_str!("missing.py")])
        .arg(STATEMENTS.to_string())
        .arg(match end {
            End::OfItself => "ended",
            End::CutOff => "cut-off",
        })
        .args(files)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    print!("{}", String::from_utf8_lossy(&output.stderr));
    let sessions: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    sessions
        .into_iter()
        .map(|(session, lacks)| {
            let numbers = lacks["missing"].as_array().unwrap();
            let known = Known {
                missing: numbers.iter().map(|it| it.as_u64().unwrap()).collect(),
                last: lacks["last"].as_u64(),
            };
            (session, known)
        })
        .collect()
}
