//! `pgattest trail run` beside a real server under load, while one of them is killed: nothing is lost, nothing is sealed twice.

#![allow(
    clippy::print_stdout,
    reason = "the seed and the counts are for whoever looks into a failure"
)]

use crate::support::{Desk, python, start};
use pgattest_testkit::{Cluster, Random, SUPERUSER_PASSWORD};
use pgattest_trail::{JournalReader, Leaf};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A load, and how often the collector is killed in it.
struct Ordeal {
    /// How long the load lasts.
    seconds: u32,
    /// Transactions a second; `None` as many as the server can.
    rate: Option<u32>,
    /// `log_rotation_size`. The test rotates, too, before each kill but every third.
    rotation: &'static str,
    /// How often the collector gets SIGKILL.
    kills: u32,
}

#[test]
fn a_collector_killed_again_and_again_seals_every_byte_once() {
    survive(&Ordeal {
        seconds: 8,
        rate: Some(60),
        rotation: "1MB",
        kills: 10,
    });
}

#[test]
fn a_server_that_crashes_leaves_no_hole_in_the_journal() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    let mut collector = Collector::start(&desk, &cluster);
    for round in 0..3 {
        for number in 0..20 {
            statement(&cluster, &format!("CREATE TABLE crash_{round}_{number} ()"));
        }
        cluster.stop_immediately().unwrap();
        cluster.start().unwrap();
    }
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk, &cluster);
    assert_journal_is_the_log(&desk, &cluster);
    assert_verified(&desk);
}

#[test]
fn a_killed_logger_of_the_server_leaves_a_journal_that_is_what_the_server_wrote() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    let mut collector = Collector::start(&desk, &cluster);
    for round in 0..5 {
        for number in 0..10 {
            statement(
                &cluster,
                &format!("CREATE TABLE logged_{round}_{number} ()"),
            );
        }
        kill_logger(&cluster);
    }
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk, &cluster);
    assert_bytes_are_the_log(&desk, &cluster);
    assert_verified(&desk);
}

#[test]
fn a_log_file_deleted_while_nobody_collects_is_a_gap_in_the_journal() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    statement(&cluster, "CREATE TABLE seen ()");
    catch_up(&desk, &cluster);
    statement(&cluster, "CREATE TABLE lost ()");
    cluster.stop().unwrap();
    let sealed = sealed(&desk);
    for path in sealed.files.keys() {
        fs::remove_file(path).unwrap();
    }
    cluster.start().unwrap();
    statement(&cluster, "CREATE TABLE after_it ()");
    cluster.stop().unwrap();
    catch_up(&desk, &cluster);

    let after = self::sealed(&desk);
    assert!(
        after.gaps.iter().any(|gap| gap.contains("deleted")),
        "gaps: {:?}",
        after.gaps
    );
    let text = after.files.values().flatten().copied().collect::<Vec<u8>>();
    let has = |words: &str| String::from_utf8_lossy(&text).contains(words);
    assert_eq!(
        ["seen", "lost", "after_it"].map(|table| has(&format!("CREATE TABLE {table}"))),
        [true, false, true],
        "{:?}",
        after.gaps
    );
    assert_verified(&desk);
}

mod full {
    use super::{Ordeal, survive};

    /// `PGATTEST_ORDEAL_SECONDS` makes it shorter, for a first look.
    #[test]
    fn ten_minutes_at_full_speed_with_forty_kills() {
        let seconds = std::env::var("PGATTEST_ORDEAL_SECONDS")
            .map_or(600, |seconds| seconds.parse().unwrap());
        survive(&Ordeal {
            seconds,
            rate: None,
            rotation: "10MB",
            kills: 40,
        });
    }
}

/// The load, the kills, and then every byte is compared.
fn survive(ordeal: &Ordeal) {
    let (desk, cluster) = (Desk::new(), server(ordeal.rotation));
    pgbench(&cluster, &["-i", "-q"]).wait().unwrap();
    // A statement of several lines with quotes in it, and one that fails.
    let script = desk.write(
        "load.sql",
        "select 'first \"line\"\nsecond, ''line''\n' as \"odd\"\"name\";\nupdate pgbench_branches set filler = 'x';\n",
    );
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut collector = Collector::start(&desk, &cluster);
    let began = Instant::now();
    let script = format!("{}@1", script.display());
    let seconds = ordeal.seconds.to_string();
    let rate = ordeal.rate.map(|rate| rate.to_string());
    let mut arguments = vec![
        "-n",
        "-c",
        "4",
        "-T",
        &seconds,
        "-b",
        "tpcb-like@3",
        "-f",
        &script,
    ];
    arguments.extend(rate.iter().flat_map(|rate| ["-R", rate.as_str()]));
    let mut load = pgbench(&cluster, &arguments);
    let mean = ordeal.seconds * 1000 / ordeal.kills;
    for kill in 0..ordeal.kills {
        pause(random.below(usize::try_from(2 * mean).unwrap()));
        if kill % 3 != 0 {
            let _ = cluster.query_text_blocking("postgres", "select pg_rotate_logfile()");
        }
        collector.kill();
        collector = Collector::start(&desk, &cluster);
    }
    assert!(load.wait().unwrap().success(), "pgbench failed");
    cluster.stop().unwrap();
    collector.kill();
    println!("load and {} kills: {:?}", ordeal.kills, began.elapsed());

    let began = Instant::now();
    catch_up(&desk, &cluster);
    println!("caught up: {:?}", began.elapsed());
    assert_journal_is_the_log(&desk, &cluster);
    assert_verified(&desk);
}

/// Logs every statement, as the server and as pgaudit does.
fn server(rotation: &str) -> Cluster {
    Cluster::hardened(15)
        .setting("pgaudit.log", "read, write, ddl, role")
        .setting("log_statement", "all")
        .setting("log_rotation_size", rotation)
        .start_blocking()
        .unwrap()
}

fn statement(cluster: &Cluster, sql: &str) {
    cluster.execute_blocking("postgres", sql).unwrap();
}

/// pgbench in the database `postgres`.
fn pgbench(cluster: &Cluster, arguments: &[&str]) -> Child {
    start(&cluster.binaries().bin.join("pgbench"))
        .args(arguments)
        .args(["-h", &cluster.socket_dir().display().to_string()])
        .args([
            "-p",
            &cluster.port().to_string(),
            "-U",
            "postgres",
            "postgres",
        ])
        .env("PGPASSWORD", SUPERUSER_PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn log_dir(cluster: &Cluster) -> PathBuf {
    cluster.scratch_dir().join("log")
}

/// SIGKILL to the server's process that writes the log; waits until the server has started another one.
#[track_caller]
fn kill_logger(cluster: &Cluster) {
    let logger = logger(cluster).expect("the server has a logger");
    let pid = rustix::process::Pid::from_raw(logger).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while self::logger(cluster).is_none_or(|now| now == logger) {
        assert!(Instant::now() < deadline, "no new logger");
        pause(10);
    }
}

/// The child of the server that calls itself the logger.
fn logger(cluster: &Cluster) -> Option<i32> {
    let server = cluster.pid()?.to_string();
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).ok()?;
    children
        .split_whitespace()
        .find(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|title| String::from_utf8_lossy(&title).contains(": logger"))
        })
        .and_then(|pid| pid.parse().ok())
}

/// A collector as a process, killed at the latest when the test ends.
struct Collector(Child);

impl Collector {
    fn start(desk: &Desk, cluster: &Cluster) -> Self {
        let logs = log_dir(cluster).display().to_string();
        let child = desk
            .command(&["trail", "run", "--logs", &logs, "--journal", "journal"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGKILL. That it had ended by itself is an error.
    #[track_caller]
    fn kill(&mut self) {
        let ended = self.0.try_wait().unwrap();
        assert!(ended.is_none(), "the collector ended by itself: {ended:?}");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a collector to the end of what was logged.
#[track_caller]
fn catch_up(desk: &Desk, cluster: &Cluster) {
    let logs = log_dir(cluster).display().to_string();
    desk.run(&[
        "trail",
        "run",
        "--logs",
        &logs,
        "--journal",
        "journal",
        "--once",
    ])
    .assert_code(0);
}

/// What a journal holds.
#[derive(Default)]
struct Sealed {
    /// The bytes of each file, one after the other as its blocks cover them.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Records that are none are not counted.
    records: BTreeMap<PathBuf, u64>,
    /// The gaps' reasons.
    gaps: Vec<String>,
}

/// Reads the journal, and asserts that numbers have no holes, and that blocks neither overlap nor leave anything out.
#[track_caller]
fn sealed(desk: &Desk) -> Sealed {
    let reader = JournalReader::open(&desk.path("journal")).unwrap();
    let (mut sealed, mut next_record, mut next_block) = (Sealed::default(), 0, 0);
    for leaf in reader.leaves(0) {
        match leaf.unwrap().1 {
            Leaf::Block(leaf) => {
                assert_eq!((leaf.block, leaf.first_record), (next_block, next_record));
                next_block += 1;
                next_record = leaf.next_record();
                assert_eq!(leaf.redacted, 0, "the load has no secrets");
                let block = reader.block(&leaf).unwrap();
                let path = PathBuf::from(&leaf.file.name);
                let bytes = sealed.files.entry(path.clone()).or_default();
                assert_eq!(leaf.offset, bytes.len() as u64, "{}", path.display());
                bytes.extend_from_slice(&block.bytes);
                *sealed.records.entry(path).or_default() += u64::from(leaf.records - leaf.torn);
            }
            Leaf::Gap { file, reason, .. } => {
                // What comes under this name from here on is another file, or does not follow on what was read.
                let path = file.map(|file| PathBuf::from(file.name));
                if let Some((path, bytes)) = path.and_then(|path| sealed.files.remove_entry(&path))
                {
                    sealed
                        .files
                        .insert(PathBuf::from(format!("{}.gone", path.display())), bytes);
                }
                sealed.gaps.push(reason);
            }
            _ => {}
        }
    }
    assert_eq!(reader.next_record().unwrap(), next_record);
    sealed
}

/// The journal's pieces are the log files, byte for byte, and its records are as many as Python's `csv` finds.
#[track_caller]
fn assert_journal_is_the_log(desk: &Desk, cluster: &Cluster) {
    let sealed = assert_bytes_are_the_log(desk, cluster);
    let mut records = 0;
    for path in sealed.files.keys() {
        if path.extension().is_some_and(|ending| ending == "csv") {
            let counted = count_with_python(path);
            assert_eq!(
                sealed.records.get(path),
                Some(&counted),
                "{}",
                path.display()
            );
            records += counted;
        }
    }
    println!("{records} records");
}

/// The journal's pieces are the log files, byte for byte, and there is no gap.
#[track_caller]
fn assert_bytes_are_the_log(desk: &Desk, cluster: &Cluster) -> Sealed {
    let sealed = sealed(desk);
    assert_eq!(sealed.gaps, Vec::<String>::new());
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(log_dir(cluster)).unwrap() {
        let path = entry.unwrap().path();
        let log = fs::read(&path).unwrap();
        if path.extension().is_none_or(|ending| ending != "csv") || log.is_empty() {
            continue;
        }
        let held = sealed.files.get(&path);
        let held = held.unwrap_or_else(|| panic!("{} is not sealed", path.display()));
        let same = held.iter().zip(&log).take_while(|(a, b)| a == b).count();
        assert!(
            *held == log,
            "{}: {} bytes logged, {} sealed, the first {same} alike",
            path.display(),
            log.len(),
            held.len()
        );
        files += 1;
        bytes += log.len();
    }
    println!("{files} files, {bytes} bytes");
    assert!(bytes > 0, "nothing was logged");
    sealed
}

/// Records of a csvlog, each of them with PostgreSQL 15's 26 columns.
#[track_caller]
fn count_with_python(path: &Path) -> u64 {
    let script = "import csv, sys
csv.field_size_limit(1 << 30)
rows = 0
for row in csv.reader(open(sys.argv[1], encoding='latin-1', newline='')):
    assert len(row) == 26, row
    rows += 1
print(rows)";
    let output = python().args(["-c", script]).arg(path).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[track_caller]
fn assert_verified(desk: &Desk) {
    let key = desk.key_file("openssh").display().to_string();
    let answer = desk.run(&["trail", "verify", "--journal", "journal", "--key", &key]);
    answer.assert_code(0);
}

/// Lets a moment pass, of which the test wants nothing but that it is one that nobody chose.
#[allow(
    clippy::disallowed_methods,
    reason = "what is waited for is the moment itself"
)]
fn pause(milliseconds: usize) {
    std::thread::sleep(Duration::from_millis(milliseconds as u64));
}
