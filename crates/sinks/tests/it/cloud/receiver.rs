//! Receivers that run as programs of their own, from the Python packages of `script/requirements-sinks-cloud.txt`.

use super::front::{free_port, wait_for};
use anyhow::{Context, Result, ensure};
use pgattest_testkit::tools::{Program, ending_with_us, python_environment};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};

fn tools() -> Result<PathBuf> {
    python_environment("sinks-cloud")
}

/// rotel: an OpenTelemetry collector that prints each record it takes.
pub(crate) struct Rotel {
    pub(crate) address: SocketAddr,
    printed: PathBuf,
    _program: Program,
}

impl Rotel {
    pub(crate) async fn start(place: &Path) -> Result<Self> {
        let (address, grpc) = (free_port()?, free_port()?);
        let printed = place.join("rotel.log");
        let agent = std::fs::read_dir(tools()?.join("lib"))?
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/rotel/rotel-agent")))
            .find(|path| path.exists())
            .context("no rotel-agent")?;
        let child = ending_with_us(&agent)
            .args(["start", "--otlp-http-endpoint", &address.to_string()])
            .args(["--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--exporter", "blackhole"])
            .args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"])
            .stdin(Stdio::null())
            .stdout(File::create(&printed)?)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start rotel")?;
        let program = Program(child);
        wait_for(address).await?;
        Ok(Self {
            address,
            printed,
            _program: program,
        })
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.printed)?).into_owned())
    }
}

/// librdkafka's mock cluster.
pub(crate) struct Cluster {
    pub(crate) brokers: Vec<String>,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl Cluster {
    pub(crate) fn start(topic: &str, partitions: u32) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cloud/kafka_mock.py");
        let mut child = ending_with_us(&tools()?.join("bin/python"))
            .arg(script)
            .args([topic, &partitions.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the mock cluster")?;
        let orders = child.stdin.take().context("no standard input")?;
        let mut answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let program = Program(child);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        Ok(Self {
            brokers: line.trim().split(',').map(str::to_owned).collect(),
            orders,
            answers,
            _program: program,
        })
    }

    /// One order, one line of answer: see `kafka_mock.py`.
    pub(crate) fn order(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the mock cluster has ended");
        Ok(line)
    }
}
