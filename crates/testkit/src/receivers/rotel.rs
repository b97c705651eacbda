//! rotel: an OpenTelemetry collector that prints each record it takes.

use crate::tools::{Program, ending_with_us, free_port, listening, python_environment};
use anyhow::{Context as _, Result};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A running collector of OpenTelemetry's, which drops what it has printed.
#[derive(Debug)]
pub struct Rotel {
    /// Where it takes OTLP over HTTP.
    pub address: SocketAddr,
    printed: PathBuf,
    program: Option<Program>,
}

impl Rotel {
    /// Starts it and waits until it listens. What it prints goes into `place`.
    pub async fn start(place: &Path) -> Result<Self> {
        let mut rotel = Self {
            address: free_port()?,
            printed: place.join("rotel.log"),
            program: None,
        };
        rotel.again().await?;
        Ok(rotel)
    }

    /// Starts it again after [`Self::kill`], and waits until it listens.
    pub async fn again(&mut self) -> Result<()> {
        let agent = std::fs::read_dir(python_environment("sinks-cloud")?.join("lib"))?
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/rotel/rotel-agent")))
            .find(|path| path.exists())
            .context("no rotel-agent: run script/bootstrap")?;
        let printed = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.printed)?;
        let child = ending_with_us(&agent)
            .args(["start", "--otlp-http-endpoint", &self.address.to_string()])
            .args(["--otlp-grpc-endpoint", &free_port()?.to_string()])
            .args(["--exporter", "blackhole"])
            .args(["--debug-log", "logs", "--debug-log-verbosity", "detailed"])
            .stdin(Stdio::null())
            .stdout(printed)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start rotel")?;
        self.program = Some(Program(child));
        listening(self.address).await
    }

    /// SIGKILL. What it has answered for and not printed yet is lost.
    pub fn kill(&mut self) {
        self.program = None;
    }

    /// The numbers (`pgattest.seq`) of what it has printed so far, in order, each as often as it came.
    pub fn numbers(&self) -> Result<Vec<u64>> {
        let printed = std::fs::read(&self.printed)?;
        Ok(String::from_utf8_lossy(&printed)
            .lines()
            .filter_map(|line| line.trim().strip_prefix("-> pgattest.seq: Int("))
            .filter_map(|rest| rest.strip_suffix(')')?.parse().ok())
            .collect())
    }
}
