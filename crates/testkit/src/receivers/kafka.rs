//! librdkafka's mock cluster.

use crate::tools::{Program, ending_with_us, python_environment};
use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};

/// Three brokers with one topic, that fail when told and are read back by librdkafka's consumer.
#[derive(Debug)]
pub struct KafkaCluster {
    /// `host:port` of each.
    pub brokers: Vec<String>,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl KafkaCluster {
    /// Starts brokers that have this topic.
    pub fn start(topic: &str, partitions: u32) -> Result<Self> {
        let script = script("kafka_mock.py");
        let mut child = ending_with_us(&python_environment("sinks-cloud")?.join("bin/python"))
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
    pub fn order(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the mock cluster has ended");
        Ok(line)
    }
}

/// A script beside this file.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/receivers")
        .join(name)
}
