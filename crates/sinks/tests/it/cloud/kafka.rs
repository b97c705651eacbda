//! Kafka, against librdkafka's mock cluster.

use super::drive::{deliver, now, open, record, set};
use anyhow::Result;
use base64::Engine;
use pgattest_sinks::Record;
use pgattest_testkit::receivers::KafkaCluster;
use pgattest_testkit::tools::free_port;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

pub(crate) fn config(brokers: &[String], more: &str) -> String {
    format!(
        "kind = \"kafka\"\nbrokers = {brokers:?}\ntopic = \"audit\"\ntimeout_seconds = 20\n{more}\n"
    )
}

pub(crate) fn read(cluster: &mut KafkaCluster) -> Result<Vec<Value>> {
    Ok(serde_json::from_str(&cluster.order("read")?)?)
}

pub(crate) fn number(message: &Value) -> u64 {
    message["headers"]["seq"].as_str().unwrap().parse().unwrap()
}

fn value(message: &Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(message["value"].as_str().unwrap())
        .unwrap()
}

fn records(numbers: std::ops::Range<u64>) -> Vec<Record> {
    numbers
        .map(|number| record(number, now(), format!("select {number}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_in_order_through_every_fault() -> Result<()> {
    let mut cluster = KafkaCluster::start("audit", 4)?;
    let mut sink = open(&config(&cluster.brokers, "plaintext = true")).await?;
    deliver(sink.as_mut(), records(0..3_000)).await?;

    // Not the leader, timed out, not enough replicas, before and after writing, and an error that nobody knows.
    cluster.order("errors 6 7 19 20 -1")?;
    let outcome = deliver(sink.as_mut(), records(3_000..6_000)).await?;
    assert!(!outcome.again.is_empty());
    assert!(outcome.dead.is_empty(), "{:?}", outcome.dead);

    // Partitions move, and the broker that led them goes away.
    for partition in 0..4 {
        cluster.order(&format!("leader {partition} {}", 2 + partition % 2))?;
    }
    cluster.order("down 1")?;
    deliver(sink.as_mut(), records(6_000..7_000)).await?;
    cluster.order("up 1")?;
    // A leader is gone for a while, and nobody takes its place.
    cluster.order("down 2")?;
    let back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.order("up 2")
    };
    let (outcome, back) = tokio::join!(deliver(sink.as_mut(), records(7_000..8_000)), back);
    back?;
    assert!(outcome?.dead.is_empty());

    let messages = read(&mut cluster)?;
    assert_eq!(set(messages.iter().map(number)), set(0..8_000));
    let mut first: BTreeMap<(u64, &str), Vec<u64>> = BTreeMap::new();
    for message in &messages {
        let place = (
            message["partition"].as_u64().unwrap(),
            message["key"].as_str().unwrap(),
        );
        let seen = first.entry(place).or_default();
        if !seen.contains(&number(message)) {
            seen.push(number(message));
        }
    }
    // A session is in one partition, and in order there.
    assert_eq!(first.len(), 7);
    assert!(first.values().all(|numbers| numbers.is_sorted()));
    let one = messages
        .iter()
        .find(|message| number(message) == 17)
        .unwrap();
    assert_eq!(value(one), b"select 17");
    assert_eq!(one["headers"]["instance"], "prod/1");
    assert_eq!(one["headers"]["kind"], "record");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_cut_and_what_is_refused_is_kept_by_number() -> Result<()> {
    let mut cluster = KafkaCluster::start("audit", 2)?;
    let text = config(
        &cluster.brokers,
        "plaintext = true\nmessage_bytes = 20000\ncompression = \"zstd\"",
    );
    let mut sink = open(&text).await?;
    let long = "0123456789".repeat(10_000);
    let mut latin = record(2, now(), "");
    latin.bytes = b"caf\xe9\n".to_vec();
    let outcome = deliver(sink.as_mut(), vec![record(1, now(), long.clone()), latin]).await?;
    assert!(outcome.dead.is_empty(), "{outcome:?}");
    let messages = read(&mut cluster)?;
    let mut parts: Vec<&Value> = messages.iter().filter(|m| number(m) == 1).collect();
    parts.sort_by_key(|part| {
        part["headers"]["part"]
            .as_str()
            .unwrap()
            .parse::<u32>()
            .unwrap()
    });
    let whole: Vec<u8> = parts.iter().flat_map(|part| value(part)).collect();
    assert_eq!(whole, long.as_bytes());
    let latin = messages.iter().find(|m| number(m) == 2).unwrap();
    assert_eq!(value(latin), b"caf\xe9");

    // The broker takes less than the topic says: one session, one partition, one request at a time.
    cluster.order("errors 10 10 10 10 10 10")?;
    let one_session = (0..32)
        .map(|number| record(7 * number, now(), "x"))
        .collect();
    let outcome = deliver(sink.as_mut(), one_session).await?;
    assert_eq!(outcome.halved, 5);
    assert_eq!(outcome.dead.len(), 1);
    let dead = outcome.dead[0].0;
    assert!(
        outcome.dead[0].1.contains("MessageTooLarge"),
        "{}",
        outcome.dead[0].1
    );
    let arrived = set(read(&mut cluster)?.iter().map(number));
    for number in (0..32).map(|number| 7 * number) {
        assert_eq!(arrived.contains(&number), number != dead, "{number}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_never_made() -> Result<()> {
    let cluster = KafkaCluster::start("other", 1)?;
    let text = config(&cluster.brokers, "plaintext = true");
    let mut sink = open(&text).await?;
    let error = deliver(sink.as_mut(), records(0..1)).await.unwrap_err();
    assert!(error.to_string().contains("no topic `audit`"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_verifies_the_brokers() -> Result<()> {
    let mut cluster = KafkaCluster::start("audit", 2)?;
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".into()])?;
    let place = tempfile::tempdir()?;
    let ca = place.path().join("ca.pem");
    std::fs::write(&ca, cert.pem())?;
    let server = rustls::ServerConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()?
    .with_no_client_auth()
    .with_single_cert(
        vec![cert.der().clone()],
        PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()),
    )?;
    // A front with TLS before each broker, and brokers that name it as theirs.
    let mut fronts = Vec::new();
    for (id, broker) in (1..).zip(cluster.brokers.clone()) {
        let port = free_port()?.port();
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        tokio::spawn(tls_front(
            listener,
            TlsAcceptor::from(Arc::new(server.clone())),
            broker,
        ));
        cluster.order(&format!("advertise {id} {port}"))?;
        fronts.push(format!("localhost:{port}"));
    }
    let trusted = config(&fronts, &format!("tls = {{ ca_file = {ca:?} }}"));
    let mut sink = open(&trusted).await?;
    deliver(sink.as_mut(), records(0..100)).await?;

    // An authority that we do not know is nobody.
    let stranger = place.path().join("stranger.pem");
    std::fs::write(
        &stranger,
        generate_simple_self_signed(["localhost".into()])?
            .cert
            .pem(),
    )?;
    let text = config(&fronts, &format!("tls = {{ ca_file = {stranger:?} }}"))
        .replace("timeout_seconds = 20", "timeout_seconds = 1");
    let mut stranger = open(&text).await?;
    let batch = pgattest_sinks::Batch {
        items: vec![pgattest_sinks::Item {
            encoded: b"x".to_vec(),
            record: record(100, now(), "x"),
        }],
        block: None,
    };
    let answer = stranger.deliver(&batch).await;
    assert!(
        matches!(answer, pgattest_sinks::Answer::Again { .. }),
        "{answer:?}"
    );

    for (id, broker) in (1..).zip(cluster.brokers.clone()) {
        let port = broker.rsplit(':').next().unwrap_or_default().to_owned();
        cluster.order(&format!("advertise {id} {port}"))?;
    }
    assert_eq!(set(read(&mut cluster)?.iter().map(number)), set(0..100));
    Ok(())
}

async fn tls_front(listener: TcpListener, acceptor: TlsAcceptor, broker: String) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, broker) = (acceptor.clone(), broker.clone());
        tokio::spawn(async move {
            let mut outside = acceptor.accept(stream).await?;
            let mut inside = TcpStream::connect(&broker).await?;
            tokio::io::copy_bidirectional(&mut outside, &mut inside).await
        });
    }
}
