//! Free SQL sees exactly what the archive holds, and changes nothing.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

use pgattest_archive::make::{MakeOptions, catch_up};
use pgattest_archive::record_list::Register;
use pgattest_archive::{Archive, ArchiveError};
use pgattest_lake::{Format, answer};
use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::Format as Form;
use pgattest_trail::block::FileId;
use pgattest_trail::{Block, Journal, JournalOptions, JournalReader, Leaf};
use std::collections::BTreeMap;
use std::path::Path;

const RECORDS: [&str; 3] = [
    "2026-01-01 12:00:00.000 UTC,\"app\",\"shop\",7,\"10.0.0.1:5000\",6b03e095.7,1,\"SELECT\",2026-01-01 11:00:00 UTC,3/4,0,LOG,00000,\"AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1,<none>\",,,,,,,,,\"psql\",\"client backend\",,7\n",
    "2026-01-02 12:00:00.000 UTC,\"=app\",\"shop\",8,\"10.0.0.1:5000\",6b03e095.8,1,\"SELECT\",2026-01-01 11:00:00 UTC,3/4,0,ERROR,42501,\"permission denied\",,,,,,\"select 2\",,,\"psql\",\"client backend\",,7\n",
    "2026-01-02 12:00:01.000 UTC,\"app\",\"shop\",8,\"10.0.0.1:5000\",6b03e095.8,2,\"CREATE TABLE\",2026-01-01 11:00:00 UTC,3/4,0,LOG,00000,\"AUDIT: SESSION,1,1,DDL,CREATE TABLE,TABLE,public.t,create table t (),<none>\",,,,,,,,,\"psql\",\"client backend\",,7\n",
];

/// Nobody seals what this archive is made of.
struct Unsealed;

impl Register for Unsealed {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        Ok(BTreeMap::new())
    }

    fn record(&self, _: Leaf) -> Result<(), ArchiveError> {
        Ok(())
    }
}

fn archive(folder: &Path) {
    let (dir, root) = (folder.join("journal"), folder.join("archive"));
    let key = SigningKey::from_seed(&[7; 32]);
    let mut journal = Journal::open(&dir, key, JournalOptions::default()).unwrap();
    let file = FileId::new("postgresql.csv", 1, 2, b"");
    let block = Block::of_records(file, 0, Form::Csvlog { columns: 26 }, RECORDS);
    journal.append(&block).unwrap();
    journal.commit().unwrap();
    catch_up(
        &Archive::new(&root, "shop").unwrap(),
        &JournalReader::open(&dir).unwrap(),
        &Unsealed,
        MakeOptions::default(),
        1_800_000_000_000,
        &mut |_, _| {},
    )
    .unwrap();
}

async fn ask(folder: &Path, sql: &str) -> Result<String, String> {
    let mut out = Vec::new();
    answer(
        &folder.join("archive"),
        sql,
        64 << 20,
        Format::Csv,
        &mut out,
    )
    .await
    .map_err(|error| format!("{error:#}"))?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn every_record_is_there_once_with_its_day() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let sql = "SELECT instance, dt, count(*) AS n, count(class) AS audited FROM records GROUP BY instance, dt ORDER BY dt";
    let text = ask(folder.path(), sql).await.unwrap();
    assert_eq!(
        text.replace('"', "").lines().collect::<Vec<_>>(),
        [
            "instance,dt,n,audited",
            "shop,2026-01-01,1,1",
            "shop,2026-01-02,2,1"
        ]
    );
}

#[tokio::test]
async fn nothing_but_reading_is_done() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let target = folder.path().join("copy.csv");
    let copy = format!("COPY (SELECT 1) TO '{}'", target.display());
    for sql in [
        "DROP TABLE records",
        "CREATE TABLE t (a INT)",
        "SET a.b = 1",
        copy.as_str(),
    ] {
        let refused = ask(folder.path(), sql).await.unwrap_err();
        assert!(refused.contains("does more than read"), "{sql}: {refused}");
    }
    assert!(!target.exists());
}

#[tokio::test]
async fn a_file_that_does_not_count_is_not_read_over() {
    let folder = tempfile::tempdir().unwrap();
    archive(folder.path());
    let stray = folder
        .path()
        .join("archive/instance=shop/dt=2026-01-01/stray.parquet");
    std::fs::write(stray, b"PAR1").unwrap();
    let refused = ask(folder.path(), "SELECT count(*) FROM records").await;
    assert!(refused.is_err(), "{refused:?}");
}
