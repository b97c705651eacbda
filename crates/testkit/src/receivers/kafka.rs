//! librdkafka's mock cluster, and a gate before it that wants TLS and SASL.

use crate::certificate::Authority;
use crate::tools::{Program, ending_with_us, python_environment};
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Stdio};

/// Three brokers with one topic, that fail when told and are read back by librdkafka's consumer.
#[derive(Debug)]
pub struct KafkaCluster {
    /// `host:port` of each.
    pub brokers: Vec<String>,
    script: Script,
}

impl KafkaCluster {
    /// Starts brokers that have this topic.
    pub fn start(topic: &str, partitions: u32) -> Result<Self> {
        let arguments = [topic.into(), partitions.to_string().into()];
        let (script, brokers) = Script::start("kafka_mock.py", arguments)?;
        Ok(Self {
            brokers: brokers.split(',').map(str::to_owned).collect(),
            script,
        })
    }

    /// One order, one line of answer: see `kafka_mock.py`.
    pub fn order(&mut self, order: &str) -> Result<String> {
        self.script.order(order)
    }
}

/// What stands before each broker of a cluster: a peer that wants TLS and a name with its password, and passes nothing on before.
///
/// The mock brokers know no SASL; what the gate says of it is its own. That it says what a broker says, librdkafka shows, which speaks
/// with it in the same tests.
#[derive(Debug)]
pub struct KafkaGate {
    /// `localhost:port` of each.
    pub brokers: Vec<String>,
    place: tempfile::TempDir,
    script: Script,
}

impl KafkaGate {
    /// Stands before the brokers, which from now on send clients here. Takes this user with this password.
    pub fn start(cluster: &mut KafkaCluster, user: &str, password: &str) -> Result<Self> {
        let place = tempfile::tempdir()?;
        let authority = Authority::new("kafka")?;
        let issued = authority.issue_server(&["localhost"])?;
        let mut arguments: Vec<OsString> = Vec::new();
        for (name, text) in [
            ("server.pem", issued.certificate),
            ("server.key", issued.key),
            ("ca.pem", authority.pem()),
        ] {
            let path = place.path().join(name);
            std::fs::write(&path, text)?;
            arguments.push(path.into());
        }
        arguments.extend([user.into(), password.into()]);
        arguments.extend(cluster.brokers.iter().map(OsString::from));
        let (script, ports) = Script::start("kafka_gate.py", arguments)?;
        let ports: Vec<&str> = ports.split(' ').collect();
        for (id, port) in (1..).zip(&ports) {
            cluster.order(&format!("advertise {id} {port}"))?;
        }
        Ok(Self {
            brokers: ports
                .iter()
                .map(|port| format!("localhost:{port}"))
                .collect(),
            place,
            script,
        })
    }

    /// The authority of the gate's certificate, as a file.
    pub fn ca(&self) -> PathBuf {
        self.place.path().join("ca.pem")
    }

    /// One order, one line of answer: see `kafka_gate.py`.
    pub fn order(&mut self, order: &str) -> Result<String> {
        self.script.order(order)
    }
}

/// A script of this folder that takes orders.
#[derive(Debug)]
struct Script {
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    _program: Program,
}

impl Script {
    /// Starts it. Its first line.
    fn start(name: &str, arguments: impl IntoIterator<Item = OsString>) -> Result<(Self, String)> {
        let mut child = ending_with_us(&python_environment("sinks-cloud")?.join("bin/python"))
            .arg(script(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut script = Self {
            orders,
            answers,
            _program: Program(child),
        };
        let first = script.answer()?;
        Ok((script, first))
    }

    fn order(&mut self, order: &str) -> Result<String> {
        writeln!(self.orders, "{order}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "the script has ended");
        Ok(line.trim_end().to_owned())
    }
}

/// A script beside this file.
pub(super) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/receivers")
        .join(name)
}
