//! `bench trail-seal`: capturing and sealing a csvlog, against what its parts cost by themselves on the same bytes in the same run.
//!
//! The parts read the log from memory, a block at a time, on one thread: reading all fields, hashing each record and the tree over
//! them, compressing as the journal does, and writing the frames. Searching for secrets is measured beside them and not counted among
//! them. The whole is a collector that reads the file, searches it for secrets and seals it, in a process of its own so that its peak
//! memory is its own, once held to one processor and once with two. Times are CPU times of all threads where nothing else is said.

use super::{cpu, memory, peak_memory, trail_decode};
use anyhow::{Context, Result, ensure};
use clap::Args;
use pgattest_ledger::SigningKey;
use pgattest_parse::audit_log::redact::redact;
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use pgattest_trail::block::{FileId, sidecar};
use pgattest_trail::capture::{Capture, Config, OriginalKey};
use pgattest_trail::operate::{Metrics, Stop, Teller};
use pgattest_trail::{Block, Journal, JournalOptions, JournalReader, Piece, PieceKind};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What is made, and where.
#[derive(Args)]
pub(crate) struct Size {
    /// MiB of csvlog
    #[arg(long, default_value_t = 1024)]
    mib: usize,
    /// Where the log and the journals are made: some three times the log's size; removed at the end
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// Only seal what is in the folder, on so many processors
    #[arg(long, hide = true)]
    processors: Option<u16>,
}

const FORMAT: Format = Format::Csvlog { columns: 26 };

/// The collector's blocks have at most so many bytes.
const BLOCK: usize = 1 << 20;

pub(super) fn run(size: &Size) -> Result<()> {
    if let Some(processors) = size.processors {
        return whole(&size.dir, processors);
    }
    let dir = size
        .dir
        .join(format!("pgattest-trail-seal-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("log"))?;
    let ended = measure(size, &dir);
    std::fs::remove_dir_all(&dir)?;
    ended
}

fn measure(size: &Size, dir: &Path) -> Result<()> {
    let (log, records) = trail_decode::csvlog(size.mib << 20);
    let mut file = File::create(dir.join("log/postgresql.csv"))?;
    file.write_all(&log)?;
    file.sync_all()?;
    println!(
        "{} bytes of csvlog, {records} records of {} bytes",
        log.len(),
        log.len() / records.max(1)
    );
    let parts = parts(&log, records, &dir.join("frames"))?;
    for (name, time) in [
        ("read all fields", parts.decode),
        ("hash each record, and the tree", parts.hash),
        ("compress", parts.compress),
        ("write", parts.write),
    ] {
        line(name, log.len(), time);
    }
    line("search for secrets (not counted)", log.len(), parts.redact);
    let sum = parts.decode + parts.hash + parts.compress + parts.write;
    line("the parts together", log.len(), sum);
    let bytes = log.len();
    drop(log);

    let mut walls = Vec::new();
    for processors in [1_u16, 2] {
        let output = Command::new(std::env::current_exe()?)
            .args(["bench", "trail-seal", "--dir"])
            .arg(dir)
            .args(["--processors", &processors.to_string()])
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        let numbers: Vec<u64> = text
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        let [cpu, wall, sealed, before, peak] = numbers.as_slice() else {
            anyhow::bail!("not five numbers: {text}");
        };
        ensure!(
            usize::try_from(*sealed)? == records,
            "{sealed} records sealed, {records} written"
        );
        let (cpu, wall) = (Duration::from_nanos(*cpu), Duration::from_nanos(*wall));
        line(&format!("whole, {processors} processor(s)"), bytes, cpu);
        println!(
            "    {:.2} of the parts' rate (wanted: at least 0.7, or 150 MB/s); {:.3} s on the clock, {:.0} MB/s; peak memory {peak} kB, {before} kB before",
            sum.as_secs_f64() / cpu.as_secs_f64(),
            wall.as_secs_f64(),
            rate(bytes, wall),
        );
        walls.push(wall.as_secs_f64());
    }
    if let [one, two] = walls.as_slice() {
        println!(
            "two processors: {:.2} times as fast as one, on the clock (wanted: at least 1.7)",
            one / two
        );
    }
    Ok(())
}

/// CPU time of each part.
#[derive(Default)]
struct Parts {
    decode: Duration,
    redact: Duration,
    hash: Duration,
    compress: Duration,
    write: Duration,
}

fn parts(log: &[u8], records: usize, path: &Path) -> Result<Parts> {
    let (mut parts, mut read) = (Parts::default(), 0);
    let mut out = File::create(path)?;
    let mut rest = log;
    while !rest.is_empty() {
        let began = cpu();
        let (mut pieces, mut length) = (Vec::new(), 0);
        let mut splitter = Splitter::new(FORMAT);
        while length < BLOCK {
            let (cut, record) = splitter.next_record(rest.get(length..).unwrap_or_default(), true);
            black_box(record);
            let Cut::Record(record) = cut else { break };
            pieces.push(Piece {
                length: u32::try_from(record)?,
                kind: PieceKind::Record,
                original: None,
            });
            length += record;
        }
        parts.decode += cpu().saturating_sub(began);
        ensure!(length > 0, "a log that does not split");
        read += pieces.len();
        let (bytes, after) = rest.split_at(length);
        rest = after;
        let block = Block {
            file: FileId::new("-", 0, 0, b""),
            offset: 0,
            source_length: length as u64,
            format: FORMAT,
            bytes: bytes.to_vec(),
            pieces,
            times: None,
        };

        let began = cpu();
        for (_, record) in block.iter() {
            black_box(redact(&FORMAT, record));
        }
        parts.redact += cpu().saturating_sub(began);

        let began = cpu();
        black_box(block.records_root());
        let hashed = cpu();
        let level = JournalOptions::default().level;
        let frames = sidecar::encode(&block.bytes, &block.pieces, level)?;
        let compressed = cpu();
        out.write_all(&frames)?;
        parts.hash += hashed.saturating_sub(began);
        parts.compress += compressed.saturating_sub(hashed);
        parts.write += cpu().saturating_sub(compressed);
    }
    let began = cpu();
    out.sync_all()?;
    parts.write += cpu().saturating_sub(began);
    ensure!(read == records, "{read} records read, {records} written");
    Ok(parts)
}

/// Seals the folder's log and prints CPU time and time on the clock in nanoseconds, records, and kB of memory before and at most.
fn whole(dir: &Path, processors: u16) -> Result<()> {
    if processors == 1 {
        let mut first = CpuSet::new();
        first.set(0);
        sched_setaffinity(None, &first)?;
    }
    let journal = dir.join(format!("journal-{processors}"));
    let (before, began, clock) = (memory("VmRSS")?, cpu(), Instant::now());
    let opened = journal.clone();
    Capture {
        config: Config {
            logs: vec![dir.join("log")],
            workers: Some(processors),
            ..Config::default()
        },
        instance: "bench".to_owned(),
        journal: journal.clone(),
        open: Box::new(move || {
            Journal::open(
                &opened,
                SigningKey::from_seed(&[7; 32]),
                JournalOptions::default(),
            )
        }),
        original_key: OriginalKey::new([7; 32]),
        configuration: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        once: true,
        stop: Stop::default(),
        metrics: Metrics::default(),
        teller: Teller::silent(),
        tasks: Vec::new(),
        first_leaves: Vec::new(),
    }
    .run()
    .context("the log could not be sealed")?;
    let (cpu, wall) = (cpu().saturating_sub(began), clock.elapsed());
    let sealed = JournalReader::open(&journal)?.next_record()?;
    // For the process that started this one.
    println!(
        "{} {} {sealed} {before} {}",
        cpu.as_nanos(),
        wall.as_nanos(),
        peak_memory()?
    );
    Ok(())
}

fn line(name: &str, bytes: usize, time: Duration) {
    println!(
        "{name:<34}{:>8.3} s CPU {:>7.0} MB/s",
        time.as_secs_f64(),
        rate(bytes, time)
    );
}

fn rate(bytes: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for a reader")]
    let bytes = bytes as f64;
    bytes / time.as_secs_f64() / 1e6
}
