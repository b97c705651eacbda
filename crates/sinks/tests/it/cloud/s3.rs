//! S3 with Object Lock.

use super::aws::Amazon;
use super::drive::{deliver, deliver_batch, now, open, record};
use anyhow::{Context, Result};
use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::Format;
use pgattest_sinks::evidence::{Lock, Retention};
use pgattest_sinks::{Batch, Item, WholeBlock};
use pgattest_testkit::receivers::front::{Answer, Fault, Request};
use pgattest_trail::block::FileId;
use pgattest_trail::journal::{Journal, JournalOptions, JournalReader};
use pgattest_trail::{Block, Leaf};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn config(amazon: &Amazon, bucket: &str, lock: &str) -> String {
    format!(
        "kind = \"s3\"\nbucket = \"{bucket}\"\nprefix = \"audit/\"\nlock = \"{lock}\"\nretention_days = 400\npath_style = true\n{}",
        amazon.options()
    )
}

pub(crate) async fn make_bucket(amazon: &Amazon, name: &str) -> Result<()> {
    let locked = [("x-amz-bucket-object-lock-enabled", "true")];
    amazon.s3("PUT", &format!("/{name}"), &locked, "").await?;
    Ok(())
}

/// Blocks of a journal that was written by the journal's own writer, as the engine hands them on.
fn blocks(seed: u8, texts: &[&[&str]]) -> Result<Vec<Batch>> {
    let place = tempfile::tempdir()?;
    let dir = place.path().join("journal");
    let mut batches = Vec::new();
    for (block, texts) in (0_u64..).zip(texts) {
        let mut journal = Journal::open(
            &dir,
            SigningKey::from_seed(&[seed; 32]),
            JournalOptions::default(),
        )?;
        let file = FileId::new("postgresql.csv", 1, 2, b"");
        let format = Format::Csvlog { columns: 26 };
        let mut sealed = Block::of_records(file, block * 1000, format, *texts);
        sealed.times = Some((now() - 5000, now()));
        journal.append(&sealed)?;
        journal.commit()?;
        drop(journal);

        let reader = JournalReader::open(&dir)?;
        let (leaf_index, manifest) = reader.find_block(block)?.context("no block")?;
        let segment = std::fs::read(dir.join(&manifest.segment))?;
        let start = usize::try_from(manifest.position)?;
        let frame = segment[start..start + usize::try_from(manifest.stored)?].to_vec();
        let items = (manifest.first_record..)
            .zip(*texts)
            .map(|(number, text)| Item {
                record: record(number, now(), *text),
                encoded: Vec::new(),
            })
            .collect();
        batches.push(Batch {
            items,
            block: Some(Arc::new(WholeBlock {
                leaf_index,
                manifest,
                frame,
                checkpoint: reader.checkpoint().to_text(),
            })),
        });
    }
    Ok(batches)
}

/// Objects of a bucket with their contents.
pub(crate) async fn objects(amazon: &Amazon, bucket: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let listed = amazon
        .s3(
            "GET",
            &format!("/{bucket}?list-type=2&prefix=audit/"),
            &[],
            "",
        )
        .await?;
    let listed = String::from_utf8(listed)?;
    let mut found = BTreeMap::new();
    for key in listed.split("<Key>").skip(1) {
        let key = key.split('<').next().unwrap_or_default();
        let path = format!("/{bucket}/{}", key.replace('%', "%25"));
        found.insert(key.to_owned(), amazon.s3("GET", &path, &[], "").await?);
    }
    Ok(found)
}

fn puts(amazon: &Amazon) -> Vec<(Request, u16)> {
    let mut seen = amazon.front.seen();
    seen.retain(|(request, _)| {
        request.method == "PUT" && request.header("x-amz-object-lock-mode").is_some()
    });
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn each_block_is_written_once_through_every_fault() -> Result<()> {
    let amazon = Amazon::start().await?;
    make_bucket(&amazon, "vault").await?;
    let mut sink = open(&config(&amazon, "vault", "compliance")).await?;
    let batches = blocks(
        1,
        &[&["one\n", "two\n"], &["three\n"], &["four\n", "five\n"]],
    )?;
    let slow = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>";
    amazon.front.fail([
        Fault::Answer(Answer::new(503, slow)),
        Fault::Reset,
        Fault::ResetAfter,
        Fault::Silence,
        Fault::Answer(Answer::new(500, "")),
        Fault::Half,
    ]);
    let mut again = Vec::new();
    for batch in &batches {
        again.extend(deliver_batch(sink.as_mut(), batch).await?);
    }
    // A restart after a crash delivers the last block once more.
    let mut sink = open(&config(&amazon, "vault", "compliance")).await?;
    deliver_batch(sink.as_mut(), &batches[2]).await?;
    assert_eq!(amazon.front.faults_left(), 0);
    assert!(again.len() >= 5, "{again:?}");

    let objects = objects(&amazon, "vault").await?;
    let names: Vec<&str> = objects.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "audit/prod%2F1/checkpoints/00000000000000000001",
            "audit/prod%2F1/checkpoints/00000000000000000002",
            "audit/prod%2F1/checkpoints/00000000000000000003",
            "audit/prod%2F1/records/00000000000000000000.zst",
            "audit/prod%2F1/records/00000000000000000002.zst",
            "audit/prod%2F1/records/00000000000000000003.zst",
        ]
    );
    // What anybody gets back with `zstd -dc`: the log.
    let log: Vec<u8> = objects
        .iter()
        .filter(|(name, _)| name.contains("/records/"))
        .flat_map(|(_, object)| zstd::decode_all(object.as_slice()).unwrap())
        .collect();
    assert_eq!(log, b"one\ntwo\nthree\nfour\nfive\n");
    // Every object begins with the frame as the journal has it and ends with its leaf.
    let whole = batches[1].block.as_ref().unwrap();
    let object = &objects[names[4]];
    assert!(object.starts_with(&whole.frame));
    let trailer = &object[whole.frame.len() + 8..];
    let trailer: serde_json::Value = serde_json::from_slice(trailer)?;
    let leaf: Leaf = serde_json::from_value(trailer["leaf"].clone())?;
    assert_eq!(leaf, Leaf::Block(whole.manifest.clone()));
    assert_eq!(objects[names[1]], whole.checkpoint.as_bytes());

    for (request, _) in puts(&amazon) {
        assert_eq!(request.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
        assert_eq!(request.header("if-none-match"), Some("*"));
        assert!(request.header("x-amz-checksum-sha256").is_some());
    }
    // moto denies what Amazon denies: locked versions stay.
    let versions = amazon.s3("GET", "/vault?versions", &[], "").await?;
    let versions = String::from_utf8(versions)?;
    let version = versions
        .split("<VersionId>")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .context("no version")?;
    let path = format!(
        "/vault/{}?versionId={version}",
        names[0].replace('%', "%25")
    );
    let denied = amazon.s3("DELETE", &path, &[], "").await.unwrap_err();
    assert!(denied.to_string().contains("AccessDenied"), "{denied}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_journal_is_never_overwritten_nor_taken_for_ours() -> Result<()> {
    let amazon = Amazon::start().await?;
    make_bucket(&amazon, "vault").await?;
    let mut sink = open(&config(&amazon, "vault", "governance")).await?;
    let ours = &blocks(1, &[&["ours\n"]])?[0];
    deliver_batch(sink.as_mut(), ours).await?;
    let before = objects(&amazon, "vault").await?;

    let other = &blocks(1, &[&["theirs\n"]])?[0];
    let error = deliver_batch(sink.as_mut(), other).await.unwrap_err();
    assert!(error.to_string().contains("other content"), "{error}");
    assert_eq!(objects(&amazon, "vault").await?, before);

    // The right content that anybody may delete is not what was asked for.
    let mut sink = open(&config(&amazon, "vault", "compliance")).await?;
    let error = deliver_batch(sink.as_mut(), ours).await.unwrap_err();
    assert!(error.to_string().contains("without the lock"), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_lock_is_not_written_to() -> Result<()> {
    let amazon = Amazon::start().await?;
    amazon.s3("PUT", "/plain", &[], "").await?;
    let mut sink = open(&config(&amazon, "plain", "compliance")).await?;
    let batch = &blocks(1, &[&["one\n"]])?[0];
    let error = deliver_batch(sink.as_mut(), batch).await.unwrap_err();
    assert!(error.to_string().contains("versioning"), "{error}");

    let versioned = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
    amazon
        .s3("PUT", "/plain?versioning", &[], versioned)
        .await?;
    let error = deliver_batch(sink.as_mut(), batch).await.unwrap_err();
    assert!(error.to_string().contains("no Object Lock"), "{error}");
    assert!(sink.evidence().await.is_err());
    assert!(puts(&amazon).is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_the_oldest_object_and_its_lock() -> Result<()> {
    let amazon = Amazon::start().await?;
    make_bucket(&amazon, "vault").await?;
    let text = config(&amazon, "vault", "compliance");
    let mut sink = open(&text).await?;
    assert_eq!(sink.evidence().await.unwrap().unwrap().oldest, None);
    for batch in blocks(1, &[&["one\n", "two\n"], &["three\n"]])? {
        deliver_batch(sink.as_mut(), &batch).await?;
    }
    let state = sink.state();
    let evidence = sink.evidence().await.unwrap().unwrap();
    assert_eq!(evidence.lock, Lock::Compliance(400));
    assert_eq!(evidence.retention, Retention::Unlimited);
    assert_eq!(evidence.oldest.unwrap().number, Some(0));
    assert_eq!(evidence.newest.unwrap().number, Some(2));
    assert!(evidence.problems.is_empty(), "{:?}", evidence.problems);

    // The same for one who only has the configuration; and a rule that removes objects is seen.
    let rule = "<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix>audit/</Prefix></Filter><Expiration><Days>90</Days></Expiration></Rule></LifecycleConfiguration>";
    amazon.s3("PUT", "/vault?lifecycle", &[], rule).await?;
    let mut other = open(&text).await?;
    let evidence = other.evidence().await.unwrap().unwrap();
    assert_eq!(evidence.oldest.unwrap().number, Some(0));
    assert_eq!(evidence.retention, Retention::Days(90));
    assert_eq!(evidence.problems.len(), 1, "{:?}", evidence.problems);

    // What is asked for has grown: the lock is too short for it.
    let mut longer = open(&text.replace("= 400", "= 800")).await?;
    longer.restore(state).await?;
    let evidence = longer.evidence().await.unwrap().unwrap();
    assert!(
        evidence
            .problems
            .iter()
            .any(|said| said.contains("locked for 400 days")),
        "{:?}",
        evidence.problems
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_an_object_of_its_own() -> Result<()> {
    let amazon = Amazon::start().await?;
    make_bucket(&amazon, "vault").await?;
    let mut sink = open(&config(&amazon, "vault", "governance")).await?;
    let outcome = deliver(sink.as_mut(), vec![record(9, now(), "trial")]).await?;
    assert!(outcome.dead.is_empty());
    let objects = objects(&amazon, "vault").await?;
    let (name, content) = objects.iter().next().context("no object")?;
    assert!(name.starts_with("audit/prod%2F1/trials/"), "{name}");
    assert!(String::from_utf8_lossy(content).contains("\"seq\":9"));
    Ok(())
}
