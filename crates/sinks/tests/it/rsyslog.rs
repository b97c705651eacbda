//! rsyslog, a real receiver: syslog over TLS with certificates on both sides, and RELP plain and over TLS.

use crate::support::{Running, Trail, config, eventually, named};
use pgattest_sinks::config::Opener;
use pgattest_sinks::engine::{Standing, dead_letters};
use pgattest_testkit::Authority;
use pgattest_testkit::receivers::{Protocol, Rsyslog};
use std::collections::BTreeMap;

/// Seals records until the receiver has been killed in the middle of them; what was sealed in all.
fn killed_in_the_middle(trail: &Trail, receiver: &mut Rsyslog, running: Running) -> u64 {
    eventually("some have arrived", || receiver.numbers().len() > 100);
    receiver.kill();
    trail.many(900, 100);
    eventually("the outage is seen", || {
        trail
            .status("siem")
            .is_some_and(|status| status.standing == Standing::Retrying)
    });
    receiver.again().unwrap();
    trail.many(100, 50);
    running.drain();
    FIRST as u64 + 1_000
}

/// Records that are sealed before delivery begins.
const FIRST: usize = 5_000;

fn started(protocol: Protocol, kind: &str, more: &str) -> (Trail, Rsyslog, Running) {
    let receiver = Rsyslog::start(protocol).unwrap();
    let trail = Trail::new();
    trail.many(FIRST, 1_000);
    let running = trail.deliver("siem", config(&receiver.sink(kind, more)));
    (trail, receiver, running)
}

#[test]
fn relp_loses_nothing_when_the_receiver_is_killed() {
    relp(Protocol::RelpPlain, "plain = true");
}

#[test]
fn relp_over_tls_loses_nothing_when_the_receiver_is_killed() {
    relp(Protocol::RelpTls, "");
}

fn relp(protocol: Protocol, more: &str) {
    let (trail, mut receiver, running) = started(protocol, "relp", more);
    let all = killed_in_the_middle(&trail, &mut receiver, running);
    assert_eq!(
        receiver.different(),
        (0..all).collect(),
        "nothing is missing"
    );
    let twice = receiver.numbers().len() as u64 - all;
    // At most the frames that had no answer yet when it was killed.
    assert!(twice <= 1_000, "{twice} came twice");
    let cursor = trail.cursor("siem");
    assert_eq!((cursor.next, cursor.dead), (all, 0));
}

#[test]
fn syslog_over_tls_brings_every_record_and_tells_duplicates() {
    let (trail, receiver, running) = started(Protocol::SyslogTls, "syslog", "");
    let long = "x".repeat(30_000);
    trail.records(&["line one\nline two", &long, "a ] \"quoted\" \\ value"]);
    running.drain();
    eventually("all have arrived", || receiver.different().len() == 5_003);
    assert_eq!(receiver.different(), (0..5_003).collect());

    let mut by_number: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (number, line) in receiver.arrived() {
        by_number.entry(number).or_default().push(line);
    }
    assert!(
        by_number[&5_000][0].contains("line one#012line two"),
        "one message, not two: {:?}",
        by_number[&5_000]
    );
    let parts = &by_number[&5_001];
    assert!(parts.len() >= 4);
    let xs: usize = parts.iter().map(|part| part.matches('x').count()).sum();
    assert!(xs >= 30_000, "nothing was cut off");
    assert!(
        parts
            .iter()
            .all(|part| part.contains(&format!("parts=\"{}\"", parts.len())))
    );
    assert!(
        by_number[&0][0].contains(" 6907c5a2.1267 "),
        "the session is PROCID"
    );
}

#[test]
fn syslog_over_tls_comes_again_after_the_receiver_was_killed() {
    let (trail, mut receiver, running) = started(Protocol::SyslogTls, "syslog", "");
    let all = killed_in_the_middle(&trail, &mut receiver, running);
    eventually("the last has arrived", || {
        receiver.different().contains(&(all - 1))
    });
    // No acknowledgement exists: what the receiver's kernel had taken and its process had not read is lost with the process. That is one
    // stretch, never what was sealed after the kill.
    let arrived = receiver.different();
    let missing: Vec<u64> = (0..all)
        .filter(|number| !arrived.contains(number))
        .collect();
    assert!(
        missing.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{missing:?}"
    );
    assert!(missing.iter().all(|number| *number < FIRST as u64));
}

#[test]
fn a_client_without_a_certificate_is_misconfigured_and_loses_nothing() {
    let receiver = Rsyslog::start(Protocol::SyslogTls).unwrap();
    let trail = Trail::new();
    trail.many(10, 10);
    let without = config(&format!(
        "kind = \"syslog\"\naddress = \"{}\"\n[tls]\nca_file = \"{}\"\n",
        receiver.address(),
        receiver.path("ca.pem").display()
    ));
    let running = trail.deliver("siem", without);
    eventually("it does not get on", || {
        trail.status("siem").is_some_and(|status| {
            matches!(
                status.standing,
                Standing::Misconfigured | Standing::Retrying
            ) && status.attempts > 2
        })
    });
    running.halt();
    assert_eq!(trail.cursor("siem").next, 0);
    trail.drain("siem", config(&receiver.sink("syslog", "")));
    eventually("all have arrived", || receiver.different().len() == 10);
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_receiver_with_a_certificate_that_is_not_trusted_gets_nothing() {
    let receiver = Rsyslog::start(Protocol::RelpTls).unwrap();
    let stranger = Authority::new("stranger").unwrap();
    std::fs::write(receiver.path("ca.pem.other"), stranger.pem()).unwrap();
    let trail = Trail::new();
    trail.many(3, 3);
    let sink = config(&format!(
        "kind = \"relp\"\naddress = \"{}\"\n[tls]\nca_file = \"{}\"\n",
        receiver.address(),
        receiver.path("ca.pem.other").display()
    ));
    assert_eq!(sink.kind(), Opener::kind(&sink));
    let running = trail.deliver("siem", sink);
    eventually("it says why", || {
        trail.status("siem").is_some_and(|status| {
            status.standing == Standing::Misconfigured
                && status
                    .last_error
                    .is_some_and(|error| error.reason.contains("`ca_file`"))
        })
    });
    running.halt();
    assert!(receiver.numbers().is_empty());
}
