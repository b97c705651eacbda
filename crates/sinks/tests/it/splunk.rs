//! Splunk's HTTP Event Collector, against a stub of its documented contract.

use crate::stub::splunk::{Splunk, TOKEN};
use crate::support::{Trail, config, eventually, named};
use pgattest_sinks::Config;
use pgattest_sinks::engine::{Cursor, Standing, dead_letters};
use std::collections::BTreeSet;

pub(crate) fn sink(trail: &Trail, stub: &Splunk, more: &str) -> Config {
    let file = trail.place.path().join("splunk.token");
    if !file.exists() {
        std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    }
    config(&format!(
        "kind = \"splunk-hec\"\nurl = \"http://{}\"\ntoken = {{ file = \"{}\" }}\n{more}\n",
        stub.server.address,
        file.display()
    ))
}

#[test]
fn only_what_an_indexer_has_acknowledged_is_delivered() {
    let trail = Trail::new();
    let stub = Splunk::start();
    stub.collector.lock().unwrap().delay = 3;
    trail.many(2_000, 500);
    trail.records(&["", "line one\nline two", &"x".repeat(1_500_000)]);
    trail.torn(b"\n");
    trail.drain("siem", sink(&trail, &stub, ""));
    let different: BTreeSet<u64> = stub.numbers().into_iter().collect();
    assert_eq!(different, (0..2_004).collect());
    let collector = stub.collector.lock().unwrap();
    let event = &collector.indexed[0];
    assert_eq!(event["host"], "production");
    assert_eq!(event["fields"]["session"], "6907c5a2.1267");
    assert!(event["event"].as_str().unwrap().contains("select 0"));
    let parts = collector
        .indexed
        .iter()
        .filter(|event| event["fields"]["seq"] == "2002");
    assert_eq!(parts.count(), 2);
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn what_splunk_took_and_lost_is_sent_again() {
    let trail = Trail::new();
    let stub = Splunk::start();
    stub.collector.lock().unwrap().crashes = 2;
    trail.many(50, 50);
    trail.drain("siem", sink(&trail, &stub, "acknowledgement_seconds = 1"));
    let different: BTreeSet<u64> = stub.numbers().into_iter().collect();
    assert_eq!(
        different,
        (0..50).collect(),
        "200 and code 0 were not enough"
    );
    assert!(stub.collector.lock().unwrap().requests >= 3);
}

#[test]
fn every_code_leads_where_it_should() {
    let trail = Trail::new();
    let stub = Splunk::start();
    // 8, 9, 18 and 23 pass; so do a channel that is missing or not known.
    stub.collector.lock().unwrap().answers.extend([
        (500, 8),
        (503, 9),
        (503, 18),
        (503, 23),
        (400, 10),
        (400, 11),
    ]);
    trail.many(10, 10);
    trail.drain("siem", sink(&trail, &stub, ""));
    assert_eq!(stub.numbers(), (0..10).collect::<Vec<_>>());
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );

    // 1 to 4, 7, 14: a person's.
    for (status, code) in [(403, 1), (401, 2), (401, 3), (403, 4), (400, 7), (400, 14)] {
        let name = format!("code-{code}");
        stub.collector
            .lock()
            .unwrap()
            .answers
            .push_back((status, code));
        let running = trail.deliver(&name, sink(&trail, &stub, ""));
        eventually("it says so", || {
            let told = trail.told.lock().unwrap();
            told.iter().any(|line| {
                line.contains(&format!("sink {name}: takes nothing"))
                    && line.contains(&format!("\"code\":{code}"))
            })
        });
        running.drain();
        assert_eq!(
            Cursor::load(&trail.dir(), &named(&name)).unwrap().delivered,
            10
        );
    }
}

#[test]
fn an_event_that_is_refused_is_found_and_put_aside() {
    let trail = Trail::new();
    let stub = Splunk::start();
    stub.collector.lock().unwrap().poison = Some("select 5\"");
    trail.many(30, 30);
    trail.drain("siem", sink(&trail, &stub, ""));
    let others: BTreeSet<u64> = (0..30).filter(|number| *number != 5).collect();
    assert_eq!(stub.numbers().into_iter().collect::<BTreeSet<_>>(), others);
    let letters = dead_letters(&trail.dir(), &named("siem")).unwrap();
    assert_eq!(letters[0].records[0].number, 5);
    assert!(letters[0].reason.contains("\"code\":6"));
}

#[test]
fn a_token_without_acknowledgement_is_refused_unless_that_is_wanted() {
    let trail = Trail::new();
    let stub = Splunk::start();
    stub.collector.lock().unwrap().acknowledges = false;
    trail.many(4, 4);
    let running = trail.deliver("siem", sink(&trail, &stub, ""));
    eventually("it says so", || {
        trail.status("siem").is_some_and(|status| {
            status.standing == Standing::Misconfigured
                && status
                    .last_error
                    .is_some_and(|error| error.reason.contains("useACK"))
        })
    });
    running.halt();
    assert_eq!(Cursor::load(&trail.dir(), &named("siem")).unwrap().next, 0);
    trail.drain("weaker", sink(&trail, &stub, "acknowledgement = false"));
    assert_eq!(
        Cursor::load(&trail.dir(), &named("weaker")).unwrap().next,
        4
    );
}

#[test]
fn a_server_with_a_lower_limit_gets_smaller_requests() {
    let trail = Trail::new();
    let stub = Splunk::start();
    stub.collector.lock().unwrap().limit = 30_000;
    trail.many(300, 300);
    trail.drain("siem", sink(&trail, &stub, ""));
    let different: BTreeSet<u64> = stub.numbers().into_iter().collect();
    assert_eq!(different, (0..300).collect());
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
}
