//! The delivery engine, a real journal and real receivers together.

use super::aws::Amazon;
use super::{cloudwatch, drive::set, kafka, otlp, s3};
use crate::support::{Trail, config, csv, eventually, named};
use anyhow::Result;
use pgattest_sinks::engine::{Standing, by_hand, dead_letters};
use pgattest_sinks::evidence::Lock;
use pgattest_testkit::receivers::front::{Answer, Fault};
use pgattest_testkit::receivers::front::{Front, Request};
use pgattest_testkit::receivers::{KafkaCluster, Rotel};
use pgattest_trail::PieceKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// On a thread of its own, while the front goes on.
async fn drain(trail: &Trail, name: &str, text: &str) {
    tokio::task::block_in_place(|| trail.drain(name, config(text)));
    tokio::task::yield_now().await;
}

fn faults() -> [Fault; 7] {
    [
        Fault::Answer(Answer::new(503, "")),
        Fault::Answer(Answer::new(500, "")),
        Fault::Reset,
        Fault::ResetAfter,
        Fault::Silence,
        Fault::Half,
        Fault::Answer(Answer::new(429, "")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudwatch_gets_every_record_and_the_rest_is_in_the_dead_letter() -> Result<()> {
    let amazon = Amazon::start().await?;
    let text = cloudwatch::config(&amazon, "audit");
    let trail = Trail::new();
    trail.many(300, 40);
    // One of 15 days ago.
    let old = String::from_utf8(csv(300, "old"))?;
    let day = old.split(' ').next().unwrap_or_default();
    trail.seal(&[(
        PieceKind::Record,
        old.replacen(day, "2026-01-01", 1).into_bytes(),
    )]);
    trail.torn(b"half a rec");
    trail.records(&["last"]);

    amazon.front.fail(faults());
    drain(&trail, "logs", &text).await;
    assert_eq!(amazon.front.faults_left(), 0);
    let arrived = cloudwatch::messages(&amazon, "audit").await?;
    assert_eq!(
        cloudwatch::numbers(&arrived),
        set((0..303).filter(|&n| n != 300))
    );
    let torn = arrived
        .iter()
        .find(|message| message["seq"] == 301)
        .unwrap();
    assert_eq!(torn["kind"], "torn");

    let cursor = trail.cursor("logs");
    assert_eq!((cursor.next, cursor.dead), (303, 1));
    assert_eq!(dead_letters(&trail.dir(), &named("logs"))?.len(), 1);
    let [(records, reason)] = &trail.buried()[..] else {
        panic!("one leaf")
    };
    assert_eq!(records, &[300]);
    assert!(reason.contains("14 days"), "{reason}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_gets_the_journal_byte_for_byte() -> Result<()> {
    let amazon = Amazon::start().await?;
    s3::make_bucket(&amazon, "vault").await?;
    let text = s3::config(&amazon, "vault", "compliance");
    let trail = Trail::new();
    trail.many(100, 30);
    amazon.front.fail(faults());
    drain(&trail, "vault", &text).await;
    // After a restart it goes on where it was.
    trail.torn(b"half a rec");
    trail.records(&["last"]);
    drain(&trail, "vault", &text).await;
    assert_eq!(amazon.front.faults_left(), 0);

    let objects = s3::objects(&amazon, "vault").await?;
    let log: Vec<u8> = objects
        .iter()
        .filter(|(name, _)| name.contains("/records/"))
        .flat_map(|(_, object)| zstd::decode_all(object.as_slice()).unwrap())
        .collect();
    let mut journal = Vec::new();
    for segment in std::fs::read_dir(trail.dir().join("segments"))? {
        journal.extend(zstd::decode_all(std::fs::File::open(segment?.path())?)?);
    }
    assert!(!journal.is_empty());
    assert!(log == journal, "what lies outside is not the journal");
    let blocks = objects
        .keys()
        .filter(|name| name.contains("/records/"))
        .count();
    assert_eq!(blocks, 6);
    assert!(objects.keys().any(|name| name.contains("/checkpoints/")));
    assert_eq!(trail.cursor("vault").next, 102);

    // What the audit reads of it, without a right on the bucket.
    let status = trail.status("vault").unwrap();
    let evidence = status.evidence.unwrap();
    assert_eq!(evidence.lock, Lock::Compliance(400));
    assert_eq!(evidence.oldest.unwrap().number, Some(0));
    assert_eq!(evidence.newest.unwrap().number, Some(101));
    assert_eq!(status.evidence_error, None);
    Ok(())
}

/// Waits until the sink has been tried in vain so many times since it last took something.
fn wait_for_attempts(trail: &Trail, name: &str, attempts: u32) {
    eventually("it is tried again and again", || {
        trail.status(name).is_some_and(|status| {
            status.standing == Standing::Retrying && status.attempts >= attempts
        })
    });
}

/// The journal, the cursor and the leaves after everything but `dead` was delivered.
fn assert_settled(trail: &Trail, name: &str, all: u64, dead: &[u64], refused: u64) {
    let cursor = trail.cursor(name);
    assert_eq!(
        (cursor.next, cursor.delivered, cursor.dead),
        (all, all - refused, dead.len() as u64)
    );
    assert_eq!(trail.watermark(name), Some(all));
    let letters = dead_letters(&trail.dir(), &named(name)).unwrap();
    let kept: Vec<u64> = letters
        .iter()
        .flat_map(|letter| letter.records.iter().map(|record| record.number))
        .collect();
    assert_eq!(kept, dead);
    assert_eq!(
        trail
            .buried()
            .into_iter()
            .flat_map(|(records, _)| records)
            .collect::<Vec<_>>(),
        dead
    );
}

/// Sends the dead letters again, and finds them taken.
fn redeliver(trail: &Trail, name: &str, text: &str) {
    let done = by_hand::redeliver(&trail.dir(), &named(name), &config(text)).unwrap();
    assert_eq!(done.len(), 1);
    let letters = dead_letters(&trail.dir(), &named(name)).unwrap();
    assert!(letters.iter().all(|letter| letter.redelivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_gets_every_record_and_what_the_receiver_rejects_is_kept() -> Result<()> {
    let place = tempfile::tempdir()?;
    let mut rotel = Rotel::start(place.path()).await?;
    // It rejects something of the batch that has this record, and does not say what.
    let rejecting = Arc::new(AtomicBool::new(true));
    let amend = {
        let rejecting = Arc::clone(&rejecting);
        move |request: &Request, answer: &mut Answer| {
            let mut records = otlp::log_records(request).into_iter();
            if rejecting.load(Ordering::SeqCst) && records.any(|it| otlp::number(&it) == 420) {
                answer.body = otlp::rejects(1);
            }
        }
    };
    let front = Front::start(Some(rotel.address), |_| None, amend, |_| true).await?;
    let text = otlp::config(&front, "request_records = 30");
    let trail = Trail::new();
    trail.many(300, 40);
    front.fail(faults());
    front.fail([
        Fault::Answer(Answer::new(502, "")),
        Fault::Answer(Answer::new(504, "")),
    ]);
    let running = trail.deliver("collector", config(&text));
    assert_eq!(otlp::printed(&rotel, 300).await?, set(0..300));
    assert_eq!(front.faults_left(), 0);
    let came = rotel.numbers()?.len();
    assert!(came > 300, "a lost answer leaves duplicates, {came} came");

    // Away for far longer than the waits grow, and nothing is given up.
    rotel.kill();
    trail.many(100, 25);
    wait_for_attempts(&trail, "collector", 60);
    rotel.again().await?;
    assert_eq!(otlp::printed(&rotel, 400).await?, set(0..400));
    eventually("that is known", || trail.cursor("collector").next == 400);
    trail.many(60, 30);
    running.drain();

    let dead: Vec<u64> = (400..430).collect();
    assert_settled(&trail, "collector", 460, &dead, 1);
    let [(_, reason)] = &trail.buried()[..] else {
        panic!("one leaf")
    };
    assert!(
        reason.contains("1 of 30 were refused") && reason.contains("too old"),
        "{reason}"
    );
    let sent = front.seen();
    let again = sent.iter().filter(|(request, _)| {
        otlp::log_records(request)
            .iter()
            .any(|it| otlp::number(it) == 420)
    });
    assert_eq!(again.count(), 1, "what is lost for good is not sent again");

    rejecting.store(false, Ordering::SeqCst);
    tokio::task::block_in_place(|| redeliver(&trail, "collector", &text));
    assert_eq!(otlp::printed(&rotel, 460).await?, set(0..460));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_gets_every_record_and_what_is_refused_is_kept() -> Result<()> {
    let mut cluster = KafkaCluster::start("audit", 3)?;
    // A little more than the library tries by itself.
    let text = kafka::config(&cluster.brokers, "plaintext = true")
        .replace("timeout_seconds = 20", "timeout_seconds = 6");
    let trail = Trail::new();
    trail.many(200, 40);
    // Not the leader, timed out, not enough replicas, before and after writing, and an error that nobody knows.
    cluster.order("errors 6 7 19 20 -1")?;
    let running = trail.deliver("stream", config(&text));
    eventually("all is delivered", || trail.cursor("stream").next == 200);

    // Every broker is away, twice as long as the client's library tries by itself.
    for broker in 1..=3 {
        cluster.order(&format!("down {broker}"))?;
    }
    trail.many(100, 50);
    wait_for_attempts(&trail, "stream", 2);
    for broker in 1..=3 {
        cluster.order(&format!("up {broker}"))?;
    }
    eventually("it catches up", || trail.cursor("stream").next == 300);

    // MESSAGE_TOO_LARGE for 32 records, 16, 8, 4, 2 and one.
    cluster.order("errors 10 10 10 10 10 10")?;
    trail.many(32, 32);
    running.drain();
    assert_settled(&trail, "stream", 332, &[300], 1);
    let [(_, reason)] = &trail.buried()[..] else {
        panic!("one leaf")
    };
    assert!(reason.contains("MessageTooLarge"), "{reason}");
    let arrived = |cluster: &mut KafkaCluster| -> Result<_> {
        Ok(set(kafka::read(cluster)?.iter().map(kafka::number)))
    };
    assert_eq!(arrived(&mut cluster)?, set((0..332).filter(|&n| n != 300)));
    tokio::task::block_in_place(|| redeliver(&trail, "stream", &text));
    assert_eq!(arrived(&mut cluster)?, set(0..332));
    Ok(())
}
