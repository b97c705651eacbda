//! What the tests of `pgattest trail` share: a log as a server writes it, a `trail.toml`, and a collector that runs beside them.

use crate::support::{Answer, Desk};
use pgattest_testkit::Cluster;
use pgattest_trail::{JournalReader, Leaf};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A desk with a log directory, and a configuration that has it captured.
pub(crate) struct TrailDesk {
    pub(crate) desk: Desk,
}

impl TrailDesk {
    /// With more tables in its `trail.toml`.
    pub(crate) fn new(tables: &str) -> Self {
        Self::on(Desk::new(), tables)
    }

    pub(crate) fn on(desk: Desk, tables: &str) -> Self {
        fs::create_dir(desk.path("log")).unwrap();
        let desk = Self { desk };
        desk.configure(tables);
        desk
    }

    /// One that captures what this server logs, with a collector that has begun.
    pub(crate) fn beside(desk: Desk, cluster: &Cluster, tables: &str) -> (Self, Collector) {
        let own = cluster.scratch_dir().join("log");
        let logs = if own.is_dir() {
            own
        } else {
            cluster.data_dir().join("log")
        };
        std::os::unix::fs::symlink(logs, desk.path("log")).unwrap();
        let desk = Self { desk };
        desk.configure(tables);
        let collector = desk.collector();
        wait("the journal", || {
            desk.desk.path("journal/checkpoint").exists()
        });
        (desk, collector)
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, tables: &str) {
        self.desk.write(
            "trail.toml",
            format!(
                "instance = \"shop\"\njournal = \"journal\"\nkeys = \"keys\"\n\n\
                 [capture]\nlogs = [\"log\"]\npoll_milliseconds = 20\nsettle_seconds = 0\n{tables}"
            ),
        );
    }

    /// The server logs these messages, each as a record of one session.
    pub(crate) fn log(&self, session: &str, messages: &[&str]) {
        let mut text = String::new();
        for (index, message) in messages.iter().enumerate() {
            text += &line(session, index + 1, message);
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.desk.path("log/postgresql.csv"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// `pgattest trail ..` with the configuration.
    #[track_caller]
    pub(crate) fn trail(&self, command: &str, arguments: &[&str]) -> Answer {
        let arguments = [&["trail", command, "--config", "trail.toml"], arguments].concat();
        self.desk.run(&arguments)
    }

    /// The same, to end with this code.
    #[track_caller]
    pub(crate) fn trail_ends(&self, command: &str, arguments: &[&str], code: i32) -> Answer {
        let answer = self.trail(command, arguments);
        answer.assert_code(code);
        answer
    }

    /// Seals what is logged, and ends.
    #[track_caller]
    pub(crate) fn run_once(&self) -> Answer {
        self.trail_ends("run", &["--once"], 0)
    }

    /// A collector beside the test.
    pub(crate) fn collector(&self) -> Collector {
        let errors = fs::File::create(self.desk.path("collector.log")).unwrap();
        let child = self
            .desk
            .command(&["trail", "run", "--config", "trail.toml"])
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        Collector {
            child,
            log: self.desk.path("collector.log"),
        }
    }

    pub(crate) fn reader(&self) -> JournalReader {
        JournalReader::open(&self.desk.path("journal")).unwrap()
    }

    /// Every leaf.
    pub(crate) fn leaves(&self) -> Vec<Leaf> {
        self.reader()
            .leaves(0)
            .map(|leaf| leaf.unwrap().1)
            .collect()
    }

    /// Waits until this many records are sealed.
    #[track_caller]
    pub(crate) fn wait_for_records(&self, records: u64) {
        wait(&format!("{records} sealed records"), || {
            JournalReader::open(&self.desk.path("journal"))
                .and_then(|reader| reader.next_record())
                .is_ok_and(|sealed| sealed >= records)
        });
    }
}

/// A record of a csvlog of version 15.
pub(crate) fn line(session: &str, number: usize, message: &str) -> String {
    let message = message.replace('"', "\"\"");
    format!(
        "2026-11-23 12:00:00.{number:03} UTC,\"app\",\"shop\",7,\"10.0.0.1:5000\",{session},{number},\"SELECT\",2026-11-23 11:00:00 UTC,3/4,0,LOG,00000,\"{message}\",,,,,,,,,\"psql\",\"client backend\",,7\n"
    )
}

/// Waits for something that happens by itself, for as long as a busy machine may need.
#[track_caller]
pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: did not come");
        pause();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "between two looks at something that happens in another process"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// A collector, ended at the latest with the test.
pub(crate) struct Collector {
    child: Child,
    log: PathBuf,
}

impl Collector {
    /// What it has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and it ends as it should.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{}", self.said());
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
