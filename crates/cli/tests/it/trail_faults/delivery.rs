//! The collector killed between a receiver's confirmation and its own cursor: nothing is missing there, and what comes twice is told by
//! its number.
//!
//! The cursor is held where it is by a folder that has the name of the file it is written to first. The collector then has what it was
//! waiting for, the receiver's word, and cannot write it down; there it is killed. What is on its disk is what a kill between the two
//! leaves.

use super::scene::Collector;
use crate::support::start;
use crate::trail_desk::{TrailDesk, wait};
use pgattest_testkit::receivers::{KafkaCluster, Protocol, Rsyslog, Vault};
use pgattest_trail::Leaf;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Kills, each of a collector that has more records than the one before.
const KILLS: u64 = 3;
/// Records for each.
const RECORDS: u64 = 400;

/// A desk with a sink `siem`.
fn desk(sink: &str) -> TrailDesk {
    TrailDesk::new(&format!("[sink.siem]\n{sink}"))
}

/// The server logs some records in a session of their own.
fn log(desk: &TrailDesk, session: u64) {
    let texts: Vec<String> = (0..RECORDS)
        .map(|number| format!("AUDIT: SESSION,{number},1,READ,SELECT,,,select {number},<none>"))
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    desk.log(&format!("6b03e095.{session}"), &texts);
}

/// The number of the first record that is not confirmed, as it is on the disk.
fn cursor(desk: &TrailDesk) -> u64 {
    let Ok(text) = fs::read(desk.desk.path("journal/sinks/siem.json")) else {
        return 0;
    };
    serde_json::from_slice::<Value>(&text).unwrap()["next"]
        .as_u64()
        .unwrap()
}

/// Runs a collector, has the server log something, and kills the collector when the sink has confirmed what the cursor does not have.
fn die_after_confirmation(desk: &TrailDesk, session: u64) {
    let command = ["trail", "run", "--config", "trail.toml"];
    let mut collector = Collector::of(&desk.desk, desk.desk.command(&command));
    let status = desk.desk.path("journal/sinks/siem.status.json");
    wait("the sink is open", || {
        fs::read_to_string(&status).is_ok_and(|text| text.contains("\"standing\":\"delivering\""))
    });
    let held = desk.desk.path("journal/sinks/siem.json.new");
    fs::create_dir(&held).unwrap();
    let before = cursor(desk);
    log(desk, session);
    wait("a confirmation that cannot be written down", || {
        collector.has_said("siem.json.new`: Is a directory")
    });
    collector.kill();
    fs::remove_dir(&held).unwrap();
    // The next collector's word is waited for.
    fs::remove_file(&status).unwrap();
    assert_eq!(cursor(desk), before, "the cursor moved");
}

/// How often each number came.
fn times(numbers: &[u64]) -> BTreeMap<u64, u32> {
    let mut times = BTreeMap::new();
    for number in numbers {
        *times.entry(*number).or_default() += 1;
    }
    times
}

/// Kills again and again, and counts what the receiver has (`arrived`: the numbers, each as often as it came): everything, and twice
/// exactly what it had confirmed and the collector had not written down.
fn at_least_once(desk: &TrailDesk, mut arrived: impl FnMut() -> Vec<u64>) {
    let mut twice = BTreeSet::new();
    for kill in 0..KILLS {
        die_after_confirmation(desk, kill);
        let unwritten = times(&arrived()).split_off(&cursor(desk));
        assert!(!unwritten.is_empty(), "nothing had been confirmed");
        assert!(unwritten.values().all(|times| *times == 1));
        twice.extend(unwritten.into_keys());
        desk.run_once();
        assert_eq!(cursor(desk), (kill + 1) * RECORDS);
    }
    let all = KILLS * RECORDS;
    let expected: BTreeMap<u64, u32> = (0..all)
        .map(|number| (number, if twice.contains(&number) { 2 } else { 1 }))
        .collect();
    assert_eq!(times(&arrived()), expected);
    assert_told(desk, all);
}

/// The journal and the command say that the sink has everything.
fn assert_told(desk: &TrailDesk, all: u64) {
    assert_eq!(cursor(desk), all);
    let mark = desk.leaves().into_iter().rev().find_map(|leaf| match leaf {
        Leaf::Watermark { next, .. } => Some(next),
        _ => None,
    });
    assert_eq!(mark, Some(all));
    desk.trail_ends("sinks", &[], 0)
        .assert_says(&format!("up to {all} of {all}"));
    desk.trail_ends("verify", &[], 0);
}

#[test]
fn relp_gets_a_batch_twice_and_every_record() {
    let rsyslog = Rsyslog::start(Protocol::RelpTls).unwrap();
    let desk = desk(&rsyslog.sink("relp", ""));
    at_least_once(&desk, || rsyslog.numbers());
}

#[test]
fn kafka_gets_a_batch_twice_and_every_record() {
    let mut cluster = KafkaCluster::start("audit", 3).unwrap();
    let desk = desk(&format!(
        "kind = \"kafka\"\nbrokers = {:?}\ntopic = \"audit\"\nplaintext = true\n",
        cluster.brokers
    ));
    at_least_once(&desk, || {
        let read: Vec<Value> = serde_json::from_str(&cluster.order("read").unwrap()).unwrap();
        let records = read
            .iter()
            .filter(|message| message["headers"]["kind"] == "record");
        records
            .map(|message| message["headers"]["seq"].as_str().unwrap().parse().unwrap())
            .collect()
    });
}

/// The cursor of a file holds the file's length: what is beyond is cut off, so nothing is there twice. Also in a file that is new, or
/// that took the place of one that was moved away.
#[test]
fn a_file_has_every_record_once() {
    let desk = desk("kind = \"file\"\npath = \"copy.jsonl\"\n");
    let numbers = |name: &str| -> Vec<u64> {
        let text = fs::read_to_string(desk.desk.path(name)).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["kind"] == "record")
            .map(|line| line["seq"].as_u64().unwrap())
            .collect()
    };
    for kill in 0..KILLS {
        if kill == 1 {
            fs::rename(desk.desk.path("copy.jsonl"), desk.desk.path("moved.jsonl")).unwrap();
        }
        die_after_confirmation(&desk, kill);
        let written = numbers("copy.jsonl");
        assert!(
            written.last() >= Some(&cursor(&desk)),
            "nothing was written"
        );
        desk.run_once();
        assert_eq!(cursor(&desk), (kill + 1) * RECORDS);
    }
    let moved = numbers("moved.jsonl");
    assert_eq!(moved.len() as u64, RECORDS);
    let all = [moved, numbers("copy.jsonl")].concat();
    assert!(all.iter().copied().eq(0..KILLS * RECORDS), "{all:?}");
    assert_told(&desk, KILLS * RECORDS);
}

/// A block is an object of one name: the same one is found there and compared, and no second version is made.
#[tokio::test(flavor = "multi_thread")]
async fn s3_has_every_block_once() {
    let vault = Vault::start().await.unwrap();
    let desk = desk(&vault.sink());
    let mut unwritten = 0;
    for kill in 0..KILLS {
        die_after_confirmation(&desk, kill);
        let first = format!("records/{:020}.zst", cursor(&desk));
        let versions = vault.versions().unwrap();
        unwritten += versions
            .iter()
            .filter(|version| version.key.ends_with(&first))
            .count();
        desk.run_once();
        assert_eq!(cursor(&desk), (kill + 1) * RECORDS);
    }
    assert_eq!(unwritten as u64, KILLS, "each had written its block");
    let versions = vault.versions().unwrap();
    let names: BTreeSet<&str> = versions.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(names.len(), versions.len(), "an object has two versions");
    assert!(
        versions
            .iter()
            .all(|it| it.lock.as_deref() == Some("COMPLIANCE"))
    );
    let records = versions
        .iter()
        .filter(|version| version.key.contains("/records/"))
        .map(|version| &version.content);
    let unpacked = start(Path::new("/usr/bin/zstd"))
        .arg("-dc")
        .args(records)
        .output()
        .unwrap();
    assert!(
        unpacked.stdout == fs::read(desk.desk.path("log/postgresql.csv")).unwrap(),
        "what lies there is not the log"
    );
    assert_told(&desk, KILLS * RECORDS);
}
