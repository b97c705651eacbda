//! The way to each receiver broken in every way, over TLS, and then gone for longer than anybody's patience: everything arrives.
//!
//! Only `syslog` is not here: nothing in it confirms, so that what is lost on the way is lost.

use crate::cloud::{aws::Amazon, cloudwatch, kafka, s3};
use crate::stub::datadog::{Datadog, KEY};
use crate::stub::front::{Fault, Front};
use crate::stub::splunk::Splunk;
use crate::support::{Trail, config, eventually, named, quick};
use pgattest_sinks::Options;
use pgattest_sinks::engine::{Standing, dead_letters};
use pgattest_testkit::Authority;
use pgattest_testkit::receivers::{KafkaCluster, Protocol, Rotel, Rsyslog};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// What breaks a way by HTTP: each request once, its answer, half of it.
const HTTP: [Fault; 5] = [
    Fault::Reset,
    Fault::AnswerLost(1),
    Fault::HalfAnswer(1),
    Fault::Silence,
    Fault::HalfAnswer(1),
];

/// A journal, and an authority that the sink trusts.
struct Scene {
    trail: Trail,
    authority: Authority,
    ca: String,
}

impl Scene {
    fn new() -> Self {
        let trail = Trail::new();
        let authority = Authority::new("receiver").unwrap();
        let ca = trail.place.path().join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        Self {
            trail,
            authority,
            ca: ca.display().to_string(),
        }
    }

    fn front(&self, to: SocketAddr) -> Front {
        Front::start(to, Some(&self.authority))
    }

    /// The table `http` of a sink.
    fn http(&self) -> String {
        format!(
            "[http]\ntimeout_seconds = 1\n[http.tls]\nca_file = {:?}\n",
            self.ca
        )
    }

    /// Delivers through every fault, then through an outage of so many attempts. `arrived` gives the numbers at the receiver, as often as
    /// they came: none is missing, and all is known to be there.
    fn survives(
        &self,
        sink: &str,
        fronts: &[&Front],
        faults: &[Fault],
        attempts: u32,
        arrived: impl Fn() -> Vec<u64>,
    ) -> usize {
        let trail = &self.trail;
        let options = Options {
            longest_delivery: Duration::from_secs(5),
            ..quick()
        };
        trail.many(200, 50);
        fronts[0].inject(faults);
        let running = trail.deliver_with("siem", config(sink), options);
        eventually("all is confirmed", || trail.cursor("siem").next == 200);
        assert_eq!(fronts[0].pending(), 0);
        assert_eq!(fronts[0].struck(), faults.len(), "a fault did not happen");

        for front in fronts {
            front.shut(true);
        }
        trail.many(60, 20);
        eventually("it is tried again and again", || {
            trail.status("siem").is_some_and(|status| {
                status.standing == Standing::Retrying && status.attempts >= attempts
            })
        });
        assert_eq!(trail.cursor("siem").next, 200);
        for front in fronts {
            front.shut(false);
        }
        running.drain();
        let cursor = trail.cursor("siem");
        assert_eq!((cursor.next, cursor.delivered, cursor.dead), (260, 260, 0));
        assert_eq!(trail.watermark("siem"), Some(260));
        assert!(
            dead_letters(&trail.dir(), &named("siem"))
                .unwrap()
                .is_empty()
        );
        let arrived = arrived();
        let different: BTreeSet<u64> = arrived.iter().copied().collect();
        assert_eq!(different, (0..260).collect());
        arrived.len() - different.len()
    }
}

#[test]
fn datadog() {
    let scene = Scene::new();
    let stub = Datadog::start();
    let front = scene.front(stub.server.address);
    let file = scene.trail.place.path().join("key");
    std::fs::write(&file, KEY).unwrap();
    let sink = format!(
        "kind = \"datadog\"\nurl = \"https://{}\"\napi_key = {{ file = {file:?} }}\n{}",
        front.host(),
        scene.http()
    );
    let twice = scene.survives(&sink, &[&front], &HTTP, 50, || stub.numbers());
    assert!(twice > 0, "an answer was lost");
}

#[test]
fn splunk() {
    let scene = Scene::new();
    let stub = Splunk::start();
    let front = scene.front(stub.server.address);
    let file = scene.trail.place.path().join("token");
    std::fs::write(&file, crate::stub::splunk::TOKEN).unwrap();
    let sink = format!(
        "kind = \"splunk-hec\"\nurl = \"https://{}\"\ntoken = {{ file = {file:?} }}\nacknowledgement_seconds = 2\n{}",
        front.host(),
        scene.http()
    );
    let twice = scene.survives(&sink, &[&front], &HTTP, 50, || stub.numbers());
    assert!(twice > 0, "an answer was lost");
}

#[test]
fn otlp() {
    let scene = Scene::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let rotel = runtime
        .block_on(Rotel::start(scene.trail.place.path()))
        .unwrap();
    let front = scene.front(rotel.address);
    let sink = format!(
        "kind = \"otlp\"\nendpoint = \"https://{}\"\n{}",
        front.host(),
        scene.http()
    );
    let twice = scene.survives(&sink, &[&front], &HTTP, 50, || {
        // It prints a little later than it answers.
        eventually("the last is printed", || {
            rotel.numbers().unwrap().contains(&259)
        });
        rotel.numbers().unwrap()
    });
    assert!(twice > 0, "an answer was lost");
}

/// moto behind the front that corrects it, behind the one that breaks.
fn amazon(scene: &Scene) -> (tokio::runtime::Runtime, Amazon, Front, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let amazon = runtime.block_on(Amazon::start()).unwrap();
    let url = amazon.front.url();
    let front = scene.front(url.trim_start_matches("http://").parse().unwrap());
    let options = amazon
        .options()
        .replace(&url, &format!("https://{}", front.host()));
    let options = format!("{options}ca_file = {:?}\n", scene.ca);
    (runtime, amazon, front, options)
}

#[test]
fn cloudwatch() {
    let scene = Scene::new();
    let (runtime, amazon, front, options) = amazon(&scene);
    // So that the first request is one with records.
    let stream = json!({"logGroupName": "audit", "logStreamName": "prod"});
    let group = json!({"logGroupName": "audit"});
    for (operation, body) in [("CreateLogGroup", group), ("CreateLogStream", stream)] {
        runtime.block_on(amazon.logs(operation, body)).unwrap();
    }
    let sink = cloudwatch::config(&amazon, "audit").replace(&amazon.options(), &options);
    let twice = scene.survives(&sink, &[&front], &HTTP, 20, || {
        let messages = runtime.block_on(cloudwatch::messages(&amazon, "audit"));
        let seq = |message: &serde_json::Value| message["seq"].as_u64();
        messages.unwrap().iter().filter_map(seq).collect()
    });
    assert!(twice > 0, "an answer was lost");
}

#[test]
fn s3() {
    let scene = Scene::new();
    let (runtime, amazon, front, options) = amazon(&scene);
    runtime.block_on(s3::make_bucket(&amazon, "vault")).unwrap();
    let sink = s3::config(&amazon, "vault", "compliance").replace(&amazon.options(), &options);
    let twice = scene.survives(&sink, &[&front], &HTTP, 20, || {
        let objects = runtime.block_on(s3::objects(&amazon, "vault")).unwrap();
        let mut numbers = Vec::new();
        for (name, object) in objects
            .iter()
            .filter(|(name, _)| name.contains("/records/"))
        {
            let first = name.rsplit('/').next().unwrap().trim_end_matches(".zst");
            let log = zstd::decode_all(object.as_slice()).unwrap();
            let lines = log.split_inclusive(|byte| *byte == b'\n').count();
            numbers.extend((first.parse::<u64>().unwrap()..).take(lines));
        }
        numbers
    });
    assert_eq!(twice, 0, "a block is an object");
}

#[test]
fn relp() {
    let scene = Scene::new();
    let rsyslog = Rsyslog::start(Protocol::RelpPlain).unwrap();
    let port = rsyslog.address().replace("localhost", "127.0.0.1");
    let front = scene.front(port.parse().unwrap());
    let sink = format!(
        "kind = \"relp\"\naddress = \"{}\"\ntls = {{ ca_file = {:?} }}\n",
        front.host(),
        scene.ca
    );
    // The first answer is to `open`, the others are to messages.
    let faults = [
        Fault::Reset,
        Fault::HalfAnswer(1),
        Fault::AnswerLost(2),
        Fault::HalfAnswer(2),
        Fault::Silence,
        Fault::HalfAnswer(3),
    ];
    let twice = scene.survives(&sink, &[&front], &faults, 50, || rsyslog.numbers());
    assert!(twice > 0, "an answer was lost");
}

#[test]
fn kafka() {
    let scene = Scene::new();
    let mut cluster = KafkaCluster::start("audit", 1).unwrap();
    let fronts: Vec<Front> = cluster
        .brokers
        .iter()
        .map(|broker| scene.front(broker.parse().unwrap()))
        .collect();
    for (id, front) in (1..).zip(&fronts) {
        let port = front.address.port();
        cluster.order(&format!("advertise {id} {port}")).unwrap();
    }
    // The one that is asked first also leads the topic's partition.
    cluster.order("leader 0 1").unwrap();
    let fronts: Vec<&Front> = fronts.iter().collect();
    let table = kafka::config(
        &[fronts[0].host()],
        &format!("tls = {{ ca_file = {:?} }}", scene.ca),
    );
    let sink = table.replace("timeout_seconds = 20", "timeout_seconds = 3");
    let faults = [
        Fault::Reset,
        Fault::HalfAnswer(1),
        Fault::AnswerLost(2),
        Fault::HalfAnswer(2),
        Fault::Silence,
        Fault::HalfAnswer(2),
    ];
    let cluster = std::cell::RefCell::new(cluster);
    let brokers = cluster.borrow().brokers.clone();
    scene.survives(&sink, &fronts, &faults, 2, || {
        let mut cluster = cluster.borrow_mut();
        for (id, broker) in (1..).zip(&brokers) {
            let port = broker.rsplit(':').next().unwrap();
            cluster.order(&format!("advertise {id} {port}")).unwrap();
        }
        let read = kafka::read(&mut cluster).unwrap();
        read.iter().map(kafka::number).collect()
    });
}
