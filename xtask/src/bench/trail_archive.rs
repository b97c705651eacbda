//! `bench trail-archive`: sealed blocks to Parquet, and the built-in questions, beside `DuckDB` on the same log and the same files.

use super::cpu;
use anyhow::{Context, Result, ensure};
use clap::Args;
use pgattest_archive::archive::Batch;
use pgattest_archive::make::{MakeOptions, catch_up};
use pgattest_archive::query::render::{Format as Form, Renderer, unwritten};
use pgattest_archive::query::{Filter, Question, TableName, answer};
use pgattest_archive::record_list::Register;
use pgattest_archive::{Archive, ArchiveError, Sealed, Source};
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use pgattest_trail::block::FileId;
use pgattest_trail::leaf::BlockLeaf;
use pgattest_trail::{Block, JournalError, Leaf, Piece, PieceKind};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How large a log.
#[derive(Args)]
pub(crate) struct Size {
    /// Records of the log, about 300 bytes each
    #[arg(long, default_value_t = 3_500_000)]
    records: u64,
    /// Times that each question is asked; the quickest counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Where to work; needs about 400 bytes a record
    #[arg(long, default_value = "/tmp/pgattest-bench-archive")]
    folder: PathBuf,
}

const FORMAT: Format = Format::Csvlog { columns: 26 };

/// 2026-01-01T00:00:00Z, in milliseconds since 1970.
const BEGIN: u64 = 1_767_225_600_000;

pub(super) fn run(size: &Size) -> Result<()> {
    let _ = std::fs::remove_dir_all(&size.folder);
    std::fs::create_dir_all(&size.folder)?;
    let log = size.folder.join("postgresql.csv");
    generate(&log, size.records)?;
    let bytes = std::fs::metadata(&log)?.len();
    println!("{} records, {bytes} bytes of csvlog", size.records);
    let archive = Archive::new(&size.folder.join("archive"), "bench")?;
    let ours = write(&archive, &log, size.records)?;
    let parquet: u64 = archive.layout()?.batches.iter().map(Batch::bytes).sum();
    println!(
        "pgattest: blocks -> Parquet  {ours:>7.2} s CPU  {parquet} bytes, {:.1} a record",
        ratio(parquet, size.records)
    );
    let python = python();
    if python.exists() {
        let theirs = duck(
            &python,
            &[
                "write",
                &path(&log),
                &path(&size.folder.join("duck.parquet")),
            ],
        )?;
        let theirs = theirs.first().context("no time")?;
        println!(
            "DuckDB:   csv    -> Parquet  {theirs:>7.2} s CPU  pgattest / DuckDB = {:.2}",
            ours / theirs
        );
    } else {
        println!(
            "DuckDB is not measured: {} is not there; script/bootstrap installs it",
            python.display()
        );
    }
    questions(&archive, size, &python)
}

fn questions(archive: &Archive, size: &Size, python: &Path) -> Result<()> {
    let sql = [
        (
            Question::Touched(TableName::parse("public.pgbench_branches")?),
            "touched",
        ),
        (
            Question::Touched(TableName::parse("public.audit_none")?),
            "touched-none",
        ),
        (
            Question::Session(format!("{:x}.1f4", BEGIN / 1000)),
            "session",
        ),
        (Question::Ddl, "ddl"),
        (Question::FailedLogins, "failed-logins"),
        (
            Question::Superusers(vec!["postgres".to_owned()]),
            "superusers",
        ),
        (Question::Counts, "counts"),
    ];
    let glob = path(&size.folder.join("archive/instance=*/dt=*/*.parquet"));
    println!(
        "{:<16} {:>9} {:>11} {:>11} {:>7}",
        "question", "rows", "pgattest", "DuckDB", "ratio"
    );
    for (question, name) in sql {
        let mut best = f64::INFINITY;
        let mut rows = 0;
        for _ in 0..size.rounds {
            let began = cpu();
            let out = BufWriter::with_capacity(1 << 16, File::create("/dev/null")?);
            let columns = question.columns()?;
            let filter = Filter::default();
            let mut renderer = Renderer::begin(out, Form::Csv, name, &filter, &columns)?;
            let population = answer(archive, &question, &filter, &mut |batch| {
                renderer.rows(batch, None).map_err(unwritten)
            })?;
            renderer.end(&question, &population)?;
            best = best.min(cpu().saturating_sub(began).as_secs_f64());
            rows = population.matched;
        }
        if !python.exists() {
            println!("{name:<16} {rows:>9} {best:>9.3} s");
            continue;
        }
        let rounds = size.rounds.to_string();
        let theirs = duck(python, &["ask", &glob, name, &rounds])?;
        let (theirs, found) = (
            theirs.first().context("no time")?,
            theirs.get(1).context("no rows")?,
        );
        println!(
            "{name:<16} {rows:>9} {best:>9.3} s {theirs:>9.3} s {:>7.2}",
            best / theirs
        );
        ensure!(
            format!("{found:.0}") == rows.to_string(),
            "{name}: DuckDB found {found} rows, and we {rows}"
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for a reader")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn python() -> PathBuf {
    let tools = std::env::var_os("PGATTEST_TOOLS")
        .map_or_else(|| PathBuf::from("/var/cache/pgattest-tools"), PathBuf::from);
    tools.join("python-archive/bin/python")
}

/// Runs `DuckDB` on one thread: the numbers that it prints.
fn duck(python: &Path, arguments: &[&str]) -> Result<Vec<f64>> {
    let output = Command::new(python)
        .args(["-c", DUCK])
        .args(arguments)
        .output()?;
    ensure!(
        output.status.success(),
        "DuckDB failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?)
}

const DUCK: &str = r#"
import sys, time, duckdb
db = duckdb.connect(config={"threads": 1})
db.execute("SET TimeZone = 'UTC'")
# It would be printed among the numbers when a query takes long.
db.execute("SET enable_progress_bar = false")
if sys.argv[1] == "write":
    names = ("log_time user_name database_name pid connection_from session_id session_line_num command_tag session_start vxid xid "
             "severity sqlstate message detail hint internal_query internal_query_pos context statement query_pos location "
             "application_name backend_type leader_pid query_id").split()
    numbers = {"pid": "BIGINT", "session_line_num": "BIGINT", "xid": "BIGINT", "leader_pid": "BIGINT", "query_id": "BIGINT"}
    columns = "{" + ", ".join(f"'{name}': '{numbers.get(name, 'VARCHAR')}'" for name in names) + "}"
    began = time.process_time()
    db.execute(f"COPY (SELECT * FROM read_csv('{sys.argv[2]}', header = false, quote = '\"', escape = '\"', delim = ',', "
               f"columns = {columns})) TO '{sys.argv[3]}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 131072)")
    print(time.process_time() - began)
else:
    bad = "(audit_type IS NULL AND sqlstate IS NOT NULL AND left(sqlstate, 2) NOT IN ('00', '01', '02', '03'))"
    how = ("CASE WHEN audit_type IS NOT NULL AND object_name IS NOT NULL THEN 'audited' WHEN audit_type IS NOT NULL THEN 'not named' "
           "WHEN auth_event IS NOT NULL THEN auth_event WHEN torn THEN 'torn' WHEN left(sqlstate, 2) NOT IN ('00', '01', '02', '03') "
           "THEN 'failed' ELSE 'logged' END")
    record = "record_number, log_time, user_name, database_name, client_addr, session_id"
    rest = f"{how}, class, coalesce(command, command_tag), object_name, sqlstate, coalesce(audit_statement, statement)"
    def touched(table):
        word = "[^a-z0-9_$]"
        seen = f"(?i)(^|{word}){table}($|{word})"
        return (f"SELECT {record}, {rest} FROM records WHERE object_name = 'public.{table}' OR ends_with(object_name, ' on public.{table}')"
                f" OR (audit_type IS NOT NULL AND object_name IS NULL AND regexp_matches(audit_statement, '{seen}'))"
                f" OR ({bad} AND regexp_matches(statement, '{seen}'))")
    sql = {
        "touched": touched("pgbench_branches"),
        "touched-none": touched("audit_none"),
        "session": f"SELECT {record}, session_line_num, {rest}, message, detail, parameters FROM records "
                   "WHERE session_id = '6955b900.1f4' ORDER BY record_number",
        "ddl": f"SELECT {record}, {rest} FROM records WHERE class = 'DDL' OR ({bad} AND split_part(command_tag, ' ', 1) IN "
               "('CREATE', 'ALTER', 'DROP', 'COMMENT', 'SECURITY', 'IMPORT', 'REFRESH', 'REINDEX'))",
        "failed-logins": f"SELECT {record}, client_port, sqlstate, auth_role_exists, message, detail FROM records "
                         "WHERE auth_event = 'refused'",
        "superusers": f"SELECT {record}, {rest} FROM records WHERE user_name = 'postgres' AND (audit_type IS NOT NULL OR "
                      f"auth_event IS NOT NULL OR {bad})",
        "counts": "SELECT dt, user_name, coalesce(class, auth_event, sqlstate), count(*), min(record_number), max(record_number) "
                  "FROM records GROUP BY ALL ORDER BY ALL",
    }[sys.argv[3]]
    db.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{sys.argv[2]}', hive_partitioning = true)")
    best = None
    for _ in range(int(sys.argv[4])):
        began = time.process_time()
        db.execute(f"COPY ({sql}) TO '/dev/null' (FORMAT csv)")
        took = time.process_time() - began
        best = took if best is None or took < best else best
    print(best, db.execute(f"SELECT count(*) FROM ({sql})").fetchone()[0])
"#;

/// The log of a pgbench with pgaudit: four sessions, three reads or writes a transaction, now and then something else.
fn generate(path: &Path, records: u64) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for number in 0..records {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let at = jiff::Timestamp::from_millisecond(i64::try_from(BEGIN + number / 10)?)?;
        let time = at.to_string().replace('T', " ");
        let time = time.trim_end_matches('Z');
        let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let pid = 500 + number / 40_000 * 4 + random % 4;
        let (table, class, command, statement) = match number % 5 {
            0 => (
                "accounts",
                "WRITE",
                "UPDATE",
                format!(
                    "UPDATE pgbench_accounts SET abalance = abalance + {} WHERE aid = {};",
                    random % 9999,
                    random % 10_000_000
                ),
            ),
            1 => (
                "accounts",
                "READ",
                "SELECT",
                format!(
                    "SELECT abalance FROM pgbench_accounts WHERE aid = {};",
                    random % 10_000_000
                ),
            ),
            2 => (
                "tellers",
                "WRITE",
                "UPDATE",
                format!(
                    "UPDATE pgbench_tellers SET tbalance = tbalance + {} WHERE tid = {};",
                    random % 9999,
                    random % 1000
                ),
            ),
            3 => (
                "branches",
                "WRITE",
                "UPDATE",
                format!(
                    "UPDATE pgbench_branches SET bbalance = bbalance + {} WHERE bid = {};",
                    random % 9999,
                    random % 100
                ),
            ),
            _ => (
                "history",
                "WRITE",
                "INSERT",
                format!(
                    "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ({}, {}, {}, {}, CURRENT_TIMESTAMP);",
                    random % 1000,
                    random % 100,
                    random % 10_000_000,
                    random % 9999
                ),
            ),
        };
        let (user, message, state, severity, tag) = match random % 100_000 {
            0 => (
                "postgres",
                "AUDIT: SESSION,1,1,DDL,CREATE TABLE,TABLE,public.t,create table t (),<not logged>"
                    .to_owned(),
                "00000",
                "LOG",
                "CREATE TABLE",
            ),
            1..20 => (
                "bench",
                "password authentication failed for user \"\"bench\"\"".to_owned(),
                "28P01",
                "FATAL",
                "authentication",
            ),
            _ => (
                "bench",
                format!(
                    "AUDIT: SESSION,{number},1,{class},{command},TABLE,public.pgbench_{table},{},<not logged>",
                    quoted(&statement)
                ),
                "00000",
                "LOG",
                command,
            ),
        };
        writeln!(
            out,
            "{seconds}.{fraction:0<3} UTC,\"{user}\",\"bench\",{pid},\"10.0.0.7:{}\",{:x}.{pid:x},{},\"{tag}\",2026-01-01 00:00:00 UTC,{}/{number},{},{severity},{state},\"{message}\",,,,,,,,,\"pgbench\",\"client backend\",,{}",
            40_000 + pid % 20_000,
            BEGIN / 1000,
            number / 4 % 10_000 + 1,
            pid % 4 + 3,
            number / 5 + 700,
            i64::try_from(number % 5)? * 7_919_191_919_191 - 5,
        )?;
    }
    out.flush()?;
    Ok(())
}

/// As pgaudit quotes a field, as csvlog quotes it again.
fn quoted(statement: &str) -> String {
    if statement.contains(',') {
        format!("\"\"{statement}\"\"")
    } else {
        statement.to_owned()
    }
}

/// Parquet from blocks that are cut beforehand: seconds of CPU time, decoding included, hashing of the file included.
fn write(archive: &Archive, log: &Path, records: u64) -> Result<f64> {
    let source = Cuts::new(std::fs::read(log)?);
    ensure!(
        source.records == records,
        "{} records were cut of {records}",
        source.records
    );
    let began = cpu();
    catch_up(
        archive,
        &source,
        &Nobody,
        MakeOptions::default(),
        0,
        &mut |_, _| {},
    )?;
    Ok(cpu().saturating_sub(began).as_secs_f64())
}

/// Blocks of a log in memory, made as they are asked for: copying 1 MiB is not what is measured.
struct Cuts {
    log: Vec<u8>,
    /// Where each block begins, with the number of its first record, and the lengths of its pieces.
    blocks: Vec<(usize, u64, Vec<u32>)>,
    records: u64,
}

impl Cuts {
    fn new(log: Vec<u8>) -> Self {
        let mut splitter = Splitter::new(FORMAT);
        let (mut at, mut records) = (0, 0);
        let mut blocks: Vec<(usize, u64, Vec<u32>)> = Vec::new();
        while at < log.len() {
            let (Cut::Record(length) | Cut::Torn(length, _)) =
                splitter.next(log.get(at..).unwrap_or_default(), true)
            else {
                break;
            };
            match blocks.last_mut() {
                Some((_, _, lengths)) if lengths.len() < 4096 => {
                    lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
                }
                _ => blocks.push((at, records, vec![u32::try_from(length).unwrap_or(u32::MAX)])),
            }
            at += length;
            records += 1;
        }
        Self {
            log,
            blocks,
            records,
        }
    }

    fn sealed(&self, index: usize) -> Option<Sealed> {
        let (begin, first, lengths) = self.blocks.get(index)?;
        let length: usize = lengths
            .iter()
            .filter_map(|it| usize::try_from(*it).ok())
            .sum();
        let bytes = self.log.get(*begin..begin + length)?.to_vec();
        let file = FileId::new("postgresql.csv", 1, 1, b"");
        let number = u64::try_from(index).ok()?;
        let time = i64::try_from(BEGIN).ok()?;
        Some(Sealed {
            leaf_index: number,
            manifest: BlockLeaf {
                block: number,
                first_record: *first,
                records: u32::try_from(lengths.len()).ok()?,
                torn: 0,
                redacted: 0,
                redaction: String::new(),
                file: file.clone(),
                offset: 0,
                source_length: 0,
                format: FORMAT.name().to_owned(),
                prefix: None,
                columns: Some(26),
                segment: String::new(),
                position: 0,
                stored: 0,
                stored_sha256: String::new(),
                length: u64::try_from(length).ok()?,
                records_root: String::new(),
                first_time: None,
                last_time: None,
                sealed_at: time,
            },
            block: Block {
                file,
                offset: 0,
                source_length: 0,
                format: FORMAT,
                bytes,
                pieces: lengths
                    .iter()
                    .map(|length| Piece {
                        length: *length,
                        kind: PieceKind::Record,
                        original: None,
                    })
                    .collect(),
                times: None,
            },
        })
    }
}

impl Source for Cuts {
    fn range(&self) -> Result<(u64, u64), JournalError> {
        Ok((0, self.records))
    }

    fn sealed<'a>(
        &'a self,
        from: u64,
    ) -> Result<Box<dyn Iterator<Item = Result<Sealed, JournalError>> + 'a>, JournalError> {
        let first = self.blocks.partition_point(|(_, first, _)| *first <= from);
        let indexes = first.saturating_sub(1)..self.blocks.len();
        Ok(Box::new(
            indexes.filter_map(|index| Self::sealed(self, index).map(Ok)),
        ))
    }
}

/// Records nothing.
struct Nobody;

impl Register for Nobody {
    fn recorded(&self) -> Result<BTreeMap<String, String>, ArchiveError> {
        Ok(BTreeMap::new())
    }

    fn record(&self, _: Leaf) -> Result<(), ArchiveError> {
        Ok(())
    }
}
