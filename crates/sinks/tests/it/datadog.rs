//! Datadog Logs, against a stub of its documented contract.

use crate::stub::datadog::{Datadog, KEY};
use crate::support::{Trail, config, csv, eventually, named, quick};
use pgattest_sinks::Config;
use pgattest_sinks::engine::{Options, Standing, dead_letters};
use pgattest_trail::PieceKind;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// A sink to this address, with this key.
pub(crate) fn sink(trail: &Trail, url: &str, key: &str, more: &str) -> Config {
    let file = trail.place.path().join("datadog.key");
    std::fs::write(&file, format!("{key}\n")).unwrap();
    config(&format!(
        "kind = \"datadog\"\nurl = \"{url}\"\napi_key = {{ file = \"{}\" }}\ntags = {{ env = \"test\" }}\n{more}\n",
        file.display()
    ))
}

fn http(address: SocketAddr) -> String {
    format!("http://{address}")
}

#[test]
fn every_record_arrives_within_the_limits() {
    let trail = Trail::new();
    let stub = Datadog::start();
    trail.many(3_500, 700);
    // One log of more than 1 MB, and more than 5 MB in all.
    let long = "\u{1}\"é".repeat(300_000);
    trail.records(&[&long, &"y".repeat(999_000), &"z".repeat(999_000)]);
    trail.drain("dd", sink(&trail, &http(stub.server.address), KEY, ""));

    let intake = stub.intake.lock().unwrap();
    assert_eq!(intake.violations, Vec::<String>::new());
    let whole: BTreeSet<&str> = intake
        .logs
        .iter()
        .map(|log| log["seq"].as_str().unwrap())
        .collect();
    assert_eq!(whole.len(), 3_503);
    let together: String = intake
        .logs
        .iter()
        .filter(|log| log["seq"] == "3500")
        .map(|log| log["message"].as_str().unwrap())
        .collect();
    assert!(
        together.contains(&long.replace('"', "\"\"\"\"")),
        "no byte is cut off"
    );
    let log = &intake.logs[0];
    assert_eq!(log["ddsource"], "postgresql");
    assert_eq!(log["ddtags"], "env:test");
    assert_eq!(log["hostname"], "production");
    assert!(log["timestamp"].is_string());
}

#[test]
fn records_that_are_old_are_not_sent_with_a_time_that_drops_them() {
    let trail = Trail::new();
    let stub = Datadog::start();
    let old = String::from_utf8(csv(0, "select 1")).unwrap();
    let old = format!("2020-02-03{}", &old[10..]);
    trail.seal(&[(PieceKind::Record, old.into_bytes())]);
    trail.drain("dd", sink(&trail, &http(stub.server.address), KEY, ""));
    let intake = stub.intake.lock().unwrap();
    assert!(intake.violations.is_empty(), "{:?}", intake.violations);
    assert!(
        intake.logs[0]["time"]
            .as_str()
            .unwrap()
            .starts_with("2020-02-03T")
    );
}

#[test]
fn what_passes_is_tried_again_and_nothing_comes_twice() {
    let trail = Trail::new();
    let stub = Datadog::start();
    stub.intake.lock().unwrap().answers.extend([
        (429, Some("0")),
        (500, None),
        (503, Some("Fri, 31 Dec 1999 23:59:59 GMT")),
        (408, None),
    ]);
    trail.many(20, 20);
    trail.drain("dd", sink(&trail, &http(stub.server.address), KEY, ""));
    assert_eq!(stub.numbers(), (0..20).collect::<Vec<_>>());
    assert_eq!(stub.intake.lock().unwrap().requests, 5);
}

#[test]
fn retry_after_is_heeded() {
    let trail = Trail::new();
    let stub = Datadog::start();
    stub.intake
        .lock()
        .unwrap()
        .answers
        .push_back((429, Some("3600")));
    trail.many(3, 3);
    let options = Options {
        longest_retry_after: Duration::from_hours(2),
        ..quick()
    };
    let to = sink(&trail, &http(stub.server.address), KEY, "");
    let running = trail.deliver_with("dd", to, options);
    eventually("it waits", || {
        trail
            .status("dd")
            .is_some_and(|status| status.standing == Standing::Retrying)
    });
    // It would have tried again hundreds of times without `Retry-After`; other work of the same length has time to pass.
    let other = Datadog::start();
    other
        .intake
        .lock()
        .unwrap()
        .answers
        .extend([(500, None); 50]);
    trail.drain("other", sink(&trail, &http(other.server.address), KEY, ""));
    assert_eq!(stub.intake.lock().unwrap().requests, 1);
    running.halt();
}

#[test]
fn a_key_that_is_not_accepted_stops_the_sink_until_it_is_replaced_and_is_never_shown() {
    let trail = Trail::new();
    let stub = Datadog::start();
    trail.many(5, 5);
    let wrong = "ffffffffffffffffffffffffffffffff";
    let to = sink(&trail, &http(stub.server.address), wrong, "");
    let shown = format!("{to:?}");
    let running = trail.deliver("dd", to);
    eventually("it says so", || {
        trail
            .status("dd")
            .is_some_and(|status| status.standing == Standing::Misconfigured)
    });
    std::fs::write(trail.place.path().join("datadog.key"), KEY).unwrap();
    eventually("the new key is read", || stub.numbers().len() == 5);
    running.drain();
    let mut said = trail.told.lock().unwrap().join("\n");
    said.push_str(&std::fs::read_to_string(trail.dir().join("sinks/dd.status.json")).unwrap());
    said.push_str(&shown);
    assert!(said.contains("HTTP 403"));
    assert!(!said.contains(wrong) && !said.contains(KEY));
}

#[test]
fn a_log_that_is_refused_is_found_and_put_aside() {
    let trail = Trail::new();
    let stub = Datadog::start();
    stub.intake.lock().unwrap().poison = Some("select 13\"");
    trail.many(40, 40);
    trail.drain("dd", sink(&trail, &http(stub.server.address), KEY, ""));
    let others: Vec<u64> = (0..40).filter(|number| *number != 13).collect();
    assert_eq!(stub.numbers(), others);
    let letters = dead_letters(&trail.dir(), &named("dd")).unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].records[0].number, 13);
}

#[test]
fn an_intake_with_a_lower_limit_gets_smaller_requests() {
    let trail = Trail::new();
    let stub = Datadog::start();
    stub.intake.lock().unwrap().body_limit = Some(20_000);
    trail.many(200, 200);
    trail.drain("dd", sink(&trail, &http(stub.server.address), KEY, ""));
    assert_eq!(stub.numbers(), (0..200).collect::<Vec<_>>());
}
