//! The clock of the server set back while it runs.

use super::scene::{Collector, catch_up, configure, csv_files, logs_all, rotate, wait_until};
use super::sealed::{assert_journal_is_the_log, assert_verified, holds};
use crate::support::Desk;
use std::collections::BTreeMap;

const HOURS: u32 = 2;

#[test]
fn a_clock_set_back_and_put_right_loses_nothing_and_is_told() {
    let (desk, cluster) = (
        Desk::new(),
        logs_all("100MB").own_clock().start_blocking().unwrap(),
    );
    configure(&desk, &cluster);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut collector = Collector::start(&desk);
    // One session that lives through all of it, and others that begin at each time.
    let client = runtime.block_on(cluster.client("postgres")).unwrap();
    let work = |text: &str| {
        for number in 0..20 {
            let sql = format!("select '{text} {number}'");
            runtime.block_on(client.simple_query(&sql)).unwrap();
            cluster.query_text_blocking("postgres", &sql).unwrap();
        }
    };
    work("before it");
    wait_until("what came before it", || holds(&desk, "before it 19"));
    cluster.set_clock(HOURS * 3600).unwrap();
    work("set back");
    // The next file is named after a time before that of the first one.
    let first = csv_files(&cluster);
    let named = rotate(&cluster);
    assert!(named.first() < first.first(), "{named:?}");
    work("in a file of its own");
    cluster.set_clock(0).unwrap();
    work("put right");
    drop(client);
    drop(runtime);
    cluster.stop().unwrap();
    wait_until("what came last", || holds(&desk, "put right 19"));
    collector.kill();
    catch_up(&desk);
    assert_journal_is_the_log(&desk, &cluster);
    assert_verified(&desk);

    let arguments = ["trail", "completeness", "--journal", "journal"];
    let answer = desk.run(&[&arguments[..], &["--format", "json"]].concat());
    answer.assert_code(1);
    let said: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
    for finding in said["findings"].as_array().unwrap() {
        *kinds.entry(finding["kind"].as_str().unwrap()).or_default() += 1;
    }
    assert!(kinds.contains_key("clock-back"), "{answer}");
    let others = ["clock-back", "collector-down", "torn"];
    assert!(kinds.keys().all(|kind| others.contains(kind)), "{answer}");
}
