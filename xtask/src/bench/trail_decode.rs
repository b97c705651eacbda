//! `bench trail-decode`: decoding csvlog against the `csv` crate reading the same bytes, on one core, in one run.
//!
//! The log is made here: what pgbench's transactions leave with pgaudit (`read, write`, relations, parameters) on PostgreSQL 15, about
//! 300 bytes a record, with two records of multi-line statements in a hundred.

use super::cpu;
use anyhow::{Context, Result, ensure};
use clap::Args;
use pgattest_parse::audit_log::{Cut, Format, Record, Splitter, decode, pgaudit};
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

/// What is made and how often it is read.
#[derive(Args)]
pub(crate) struct Size {
    /// MiB of csvlog
    #[arg(long, default_value_t = 256)]
    mib: usize,
    /// How often each way reads it; the middle time counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// MiB of it that pgbadger reads, when it is installed (`apt-get install pgbadger libtext-csv-xs-perl`); 0: none
    #[arg(long, default_value_t = 32)]
    pgbadger_mib: usize,
}

const FORMAT: Format = Format::Csvlog { columns: 26 };

/// Reads a log; how much of it there was.
type Way = fn(&[u8]) -> usize;

pub(super) fn run(size: &Size) -> Result<()> {
    ensure!(
        size.mib > 0 && size.rounds > 0,
        "at least 1 MiB and 1 round"
    );
    let (log, records) = csvlog(size.mib << 20);
    println!(
        "{} bytes of csvlog, {records} records of {} bytes; {} rounds each, the middle one",
        log.len(),
        log.len() / records.max(1),
        size.rounds
    );
    let ways: [(&str, Way); 5] = [
        ("csv crate, ByteRecord, all fields", csv_crate),
        ("split", split),
        ("split, then all fields", split_then_decode),
        ("all fields in one pass", one_pass),
        (
            "all fields and the audit record, in one pass",
            one_pass_and_audit,
        ),
    ];
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..size.rounds {
        // In turn, so that what else the machine does hits all alike.
        for ((name, way), times) in ways.iter().zip(&mut times) {
            let began = cpu();
            let read = black_box(way(black_box(&log)));
            times.push(cpu().saturating_sub(began));
            ensure!(
                read == records,
                "{name}: {read} records read, {records} written"
            );
        }
    }
    let seconds = times.map(|mut times| {
        times.sort_unstable();
        times
            .get(times.len() / 2)
            .map_or(0.0, Duration::as_secs_f64)
    });
    for ((name, _), seconds) in ways.iter().zip(seconds) {
        #[expect(clippy::cast_precision_loss, reason = "for a reader")]
        let (bytes, records) = (log.len() as f64, records as f64);
        println!(
            "{name:<48}{seconds:>7.3} s CPU {:>7.0} MB/s {:>6.2} M records/s",
            bytes / seconds / 1e6,
            records / seconds / 1e6
        );
    }
    let [csv, _, twice, decoded, audited] = seconds;
    println!(
        "all fields: {:.2} times the csv crate's rate (wanted: at least 1)",
        csv / decoded
    );
    println!(
        "split first, decoded later: {:.2} times that rate",
        csv / twice
    );
    println!(
        "with the audit record within: {:.2} times that rate",
        csv / audited
    );
    #[expect(clippy::cast_precision_loss, reason = "for a reader")]
    let rate = log.len() as f64 / audited;
    drop(log);
    against_pgbadger(size.pgbadger_mib, rate)
}

/// What pgbadger takes for a log like the one above. `rate`: bytes a second that all fields and the audit record are read with.
fn against_pgbadger(mib: usize, rate: f64) -> Result<()> {
    if mib == 0 {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("postgresql.csv");
    let (log, records) = csvlog(mib << 20);
    std::fs::write(&path, &log)?;
    let output = Command::new("bash")
        .args([
            "-c",
            "TIMEFORMAT='%3U %3S'; time pgbadger --quiet --format csv --outfile \"$0.html\" \"$0\"",
        ])
        .arg(&path)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        println!("pgbadger is not measured: {}", said.trim());
        return Ok(());
    }
    let times: Vec<f64> = said
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("no times: {said}"))?;
    let seconds: f64 = times.iter().sum();
    #[expect(clippy::cast_precision_loss, reason = "for a reader")]
    let theirs = log.len() as f64 / seconds;
    println!(
        "pgbadger, {records} records{:>38.3} s CPU {:>7.0} MB/s; with the audit record within: {:.0} times that rate (wanted: at least 50)",
        seconds,
        theirs / 1e6,
        rate / theirs
    );
    Ok(())
}

fn csv_crate(log: &[u8]) -> usize {
    let mut reader = reader(log);
    let mut record = csv::ByteRecord::new();
    let (mut records, mut bytes) = (0, 0);
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        bytes += record.iter().map(<[u8]>::len).sum::<usize>();
        records += 1;
    }
    black_box(bytes);
    records
}

fn reader(log: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(log)
}

fn split(log: &[u8]) -> usize {
    each(log, |record| {
        black_box(record);
    })
}

fn split_then_decode(log: &[u8]) -> usize {
    each(log, |record| {
        black_box(decode(&FORMAT, record));
    })
}

fn one_pass(log: &[u8]) -> usize {
    each_record(log, |record| {
        black_box(record);
    })
}

fn one_pass_and_audit(log: &[u8]) -> usize {
    each_record(log, |record| {
        black_box(pgaudit::of(record));
    })
}

fn each_record(log: &[u8], mut of: impl FnMut(&Record<'_>)) -> usize {
    let mut splitter = Splitter::new(FORMAT);
    let (mut rest, mut records) = (log, 0);
    loop {
        let (cut, record) = splitter.next_record(rest, true);
        if let Some(record) = &record {
            of(record);
            records += 1;
        }
        let (Cut::Record(length) | Cut::Torn(length, _)) = cut else {
            return records;
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn each(log: &[u8], mut of: impl FnMut(&[u8])) -> usize {
    let mut splitter = Splitter::new(FORMAT);
    let (mut rest, mut records) = (log, 0);
    loop {
        let length = match splitter.next(rest, true) {
            Cut::Record(length) => {
                of(rest.get(..length).unwrap_or_default());
                records += 1;
                length
            }
            Cut::Torn(length, _) => length,
            Cut::More => return records,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// What pgbench's transactions leave: seven statements, of which five have pgaudit records.
pub(super) fn csvlog(bytes: usize) -> (Vec<u8>, usize) {
    let mut log = String::with_capacity(bytes + 4096);
    let mut records = 0;
    let mut number = 1_u64;
    while log.len() < bytes {
        // As good as random, and the same in every run.
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (account, delta) = (number >> 40, (number >> 20) % 10_000);
        let (class, command, table, statement) = match records % 5 {
            0 => (
                "WRITE",
                "UPDATE",
                "pgbench_accounts",
                format!(
                    "UPDATE pgbench_accounts SET abalance = abalance + {delta} WHERE aid = {account};"
                ),
            ),
            1 => (
                "READ",
                "SELECT",
                "pgbench_accounts",
                format!("SELECT abalance FROM pgbench_accounts WHERE aid = {account};"),
            ),
            2 => (
                "WRITE",
                "UPDATE",
                "pgbench_tellers",
                format!(
                    "UPDATE pgbench_tellers SET tbalance = tbalance + {delta} WHERE tid = {account};"
                ),
            ),
            3 if records % 50 == 3 => (
                "READ",
                "SELECT",
                "pgbench_branches",
                format!(
                    "\"\"SELECT b.bid, b.\"\"\"\"filler\"\"\"\"\n  FROM pgbench_branches AS b\n WHERE b.bid IN ({account}, {delta})\n ORDER BY 1;\"\""
                ),
            ),
            3 => (
                "WRITE",
                "UPDATE",
                "pgbench_branches",
                format!(
                    "UPDATE pgbench_branches SET bbalance = bbalance + {delta} WHERE bid = {account};"
                ),
            ),
            _ => (
                "WRITE",
                "INSERT",
                "pgbench_history",
                format!(
                    "\"\"INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, {account}, {delta}, CURRENT_TIMESTAMP);\"\""
                ),
            ),
        };
        let (session, line) = (records / 1000, records % 1000 + 1);
        let _ = writeln!(
            log,
            "2026-11-23 06:{:02}:{:02}.{:03} UTC,\"bench\",\"bench\",{},\"[local]\",6b03e{:03x}.{:x},{line},\"{command}\",2026-11-23 06:43:33 UTC,{}/{line},{},LOG,00000,\"AUDIT: SESSION,{},1,{class},{command},TABLE,public.{table},{statement},<none>\",,,,,,,,,\"pgbench\",\"client backend\",,{}",
            records / 60_000 % 60,
            records / 1_000 % 60,
            records % 1_000,
            9_000 + session % 1_000,
            session % 4_096,
            9_000 + session % 1_000,
            3 + session % 32,
            467_000 + records / 7,
            line,
            i64::from_ne_bytes(number.to_ne_bytes()),
        );
        records += 1;
    }
    (log.into_bytes(), records)
}
