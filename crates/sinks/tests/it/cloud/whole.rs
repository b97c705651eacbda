//! The delivery engine, a real journal and real receivers together.

use super::aws::Amazon;
use super::{cloudwatch, drive::set, s3};
use crate::support::{Trail, config, csv, named};
use anyhow::Result;
use pgattest_sinks::engine::{Cursor, dead_letters};
use pgattest_sinks::evidence::Lock;
use pgattest_testkit::receivers::front::{Answer, Fault};
use pgattest_trail::{Leaf, PieceKind};

/// On a thread of its own, while the front goes on.
async fn drain(trail: &Trail, name: &str, text: &str) {
    tokio::task::block_in_place(|| trail.drain(name, config(text)));
    tokio::task::yield_now().await;
}

fn faults() -> [Fault; 6] {
    [
        Fault::Answer(Answer::new(503, "")),
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

    let cursor = Cursor::load(&trail.dir(), &named("logs"))?;
    assert_eq!((cursor.next, cursor.dead), (303, 1));
    assert_eq!(dead_letters(&trail.dir(), &named("logs"))?.len(), 1);
    let buried = trail.leaves().into_iter().find_map(|leaf| match leaf {
        Leaf::DeadLetter {
            records, reason, ..
        } => Some((records, reason)),
        _ => None,
    });
    let (records, reason) = buried.unwrap();
    assert_eq!(records, [300]);
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
    assert_eq!(Cursor::load(&trail.dir(), &named("vault"))?.next, 102);

    // What the audit reads of it, without a right on the bucket.
    let status = trail.status("vault").unwrap();
    let evidence = status.evidence.unwrap();
    assert_eq!(evidence.lock, Lock::Compliance(400));
    assert_eq!(evidence.oldest.unwrap().number, Some(0));
    assert_eq!(evidence.newest.unwrap().number, Some(101));
    assert_eq!(status.evidence_error, None);
    Ok(())
}
