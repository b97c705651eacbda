//! Kafka behind SASL and TLS, through the engine. What stands before the brokers is the test's own; librdkafka passes and is refused by
//! it in the same way.

use super::drive::set;
use super::kafka;
use crate::support::{Trail, config, eventually, named, quick};
use anyhow::Result;
use pgattest_sinks::Options;
use pgattest_sinks::engine::{Standing, dead_letters};
use pgattest_testkit::receivers::{KafkaCluster, KafkaGate};
use std::time::Duration;

/// A comma and an equals sign are escaped in SCRAM.
const USER: &str = "audit,=x";
const PASSWORD: &str = "correct-horse";
const PARTITIONS: u32 = 2;

struct Scene {
    gate: KafkaGate,
    trail: Trail,
    password: String,
    _cluster: KafkaCluster,
}

impl Scene {
    /// Brokers behind the gate, and a journal of 60 records.
    fn new() -> Result<Self> {
        let mut cluster = KafkaCluster::start("audit", PARTITIONS)?;
        let gate = KafkaGate::start(&mut cluster, USER, PASSWORD)?;
        let trail = Trail::new();
        trail.many(60, 20);
        let password = trail.place.path().join("password").display().to_string();
        std::fs::write(&password, format!("{PASSWORD}\n"))?;
        Ok(Self {
            gate,
            trail,
            password,
            _cluster: cluster,
        })
    }

    fn sink(&self, mechanism: &str) -> String {
        let table = kafka::config(
            &self.gate.brokers,
            &format!(
                "tls = {{ ca_file = {:?} }}\nsasl = {{ mechanism = \"{mechanism}\", user = \"{USER}\", password = {{ file = {:?} }} }}",
                self.gate.ca().display().to_string(),
                self.password
            ),
        );
        table.replace("timeout_seconds = 20", "timeout_seconds = 7")
    }

    /// What librdkafka reads after it has passed the gate itself; or what it was refused with.
    fn official(&mut self, mechanism: &str, password: &str) -> Result<String> {
        self.gate.order(&format!(
            "official audit {PARTITIONS} {} {USER} {password}",
            mechanism.to_uppercase()
        ))
    }

    /// Delivers until the sink says that a person is needed, and nothing was delivered. What it says.
    fn stopped(&self, mechanism: &str) -> String {
        let options = Options {
            misconfigured_delay: Duration::from_hours(1),
            ..quick()
        };
        let sink = config(&self.sink(mechanism));
        let running = self.trail.deliver_with("stream", sink, options);
        let status = || self.trail.status("stream");
        eventually("it says what is to be put right", || {
            status().is_some_and(|status| status.standing == Standing::Misconfigured)
        });
        running.halt();
        assert_eq!(self.trail.cursor("stream").next, 0);
        let letters = dead_letters(&self.trail.dir(), &named("stream")).unwrap();
        assert!(letters.is_empty(), "nothing is given up");
        let reason = status().unwrap().last_error.unwrap().reason;
        assert!(reason.contains("Check `sasl`"), "{reason}");
        reason
    }
}

/// Our sink and librdkafka pass with the password and are refused without it; what is delivered is read by librdkafka.
fn passes(mechanism: &str) -> Result<()> {
    let mut scene = Scene::new()?;
    assert_eq!(scene.official(mechanism, PASSWORD)?, "[]");
    let refused = scene.official(mechanism, "battery-staple")?;
    assert!(refused.contains("_AUTHENTICATION"), "{refused}");

    std::fs::write(&scene.password, "battery-staple")?;
    let before = scene.gate.order("passed")?;
    let reason = scene.stopped(mechanism);
    assert_eq!(scene.gate.order("passed")?, before);
    assert!(reason.contains("SaslAuthenticationFailed"), "{reason}");
    // No secret is in what is left of it.
    for file in ["stream.status.json", "stream.json"] {
        let text = std::fs::read_to_string(scene.trail.dir().join("sinks").join(file));
        assert!(!text.unwrap_or_default().contains("battery"), "{file}");
    }
    let told = scene.trail.told.lock().unwrap().join("\n");
    assert!(
        told.contains("Check `sasl`") && !told.contains("battery"),
        "{told}"
    );

    // Put right in the file, and nothing else is to be done.
    let running = scene
        .trail
        .deliver("stream", config(&scene.sink(mechanism)));
    eventually("it is tried again", || {
        let tried = scene.trail.status("stream");
        tried.is_some_and(|status| status.standing == Standing::Misconfigured)
    });
    std::fs::write(&scene.password, PASSWORD)?;
    eventually("all is delivered", || {
        scene.trail.cursor("stream").next == 60
    });
    running.drain();
    let read: Vec<u64> = serde_json::from_str(&scene.official(mechanism, PASSWORD)?)?;
    assert_eq!(set(read), set(0..60));
    Ok(())
}

#[test]
fn plain_over_tls() -> Result<()> {
    passes("plain")
}

#[test]
fn scram_sha_256_over_tls() -> Result<()> {
    passes("scram-sha-256")
}

#[test]
fn scram_sha_512_over_tls() -> Result<()> {
    passes("scram-sha-512")
}

#[test]
fn a_broker_that_does_not_know_the_password_gets_nothing() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.gate.order("lie yes")?;
    let refused = scene.official("scram-sha-512", PASSWORD)?;
    assert!(refused.contains("ServerSignature mismatch"), "{refused}");
    scene.stopped("scram-sha-512");
    scene.gate.order("lie no")?;
    assert_eq!(scene.official("scram-sha-512", PASSWORD)?, "[]");
    Ok(())
}

#[test]
fn a_mechanism_that_is_not_offered_is_for_a_person_to_put_right() -> Result<()> {
    let mut scene = Scene::new()?;
    scene.gate.order("offer SCRAM-SHA-512")?;
    let reason = scene.stopped("scram-sha-256");
    assert!(reason.contains("UnsupportedSaslMechanism"), "{reason}");
    Ok(())
}

#[test]
fn a_handshake_that_is_cut_and_a_session_that_ends_are_tried_again() -> Result<()> {
    let mut scene = Scene::new()?;
    // More than the client's library tries by itself.
    scene.gate.order("cut 1000000")?;
    let sink = config(&scene.sink("scram-sha-256"));
    let running = scene.trail.deliver("stream", sink);
    eventually("it is tried again", || {
        scene.trail.status("stream").is_some_and(|status| {
            assert_ne!(status.standing, Standing::Misconfigured, "{status:?}");
            status.standing == Standing::Retrying
        })
    });
    scene.gate.order("cut 0")?;
    eventually("all is delivered", || {
        scene.trail.cursor("stream").next == 60
    });
    // As brokers do with `connections.max.reauth.ms`.
    scene.gate.order("expire")?;
    scene.trail.many(40, 10);
    eventually("the rest, too", || scene.trail.cursor("stream").next == 100);
    running.drain();
    let read: Vec<u64> = serde_json::from_str(&scene.official("plain", PASSWORD)?)?;
    assert_eq!(set(read), set(0..100));
    Ok(())
}

#[test]
fn without_a_name_nobody_passes() -> Result<()> {
    let mut scene = Scene::new()?;
    let table = scene.sink("plain");
    let nobody: Vec<&str> = table
        .lines()
        .filter(|line| !line.starts_with("sasl"))
        .collect();
    let running = scene.trail.deliver("stream", config(&nobody.join("\n")));
    eventually("it does not get on", || {
        let status = scene.trail.status("stream");
        status.is_some_and(|status| status.attempts > 0)
    });
    running.halt();
    assert_eq!(scene.trail.cursor("stream").next, 0);
    assert_eq!(scene.gate.order("passed")?, "0");
    Ok(())
}
