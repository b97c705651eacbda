//! rotel: an OpenTelemetry collector that prints each record it takes.

use crate::tools::{Program, ending_with_us, free_port, listening, python_environment};
use anyhow::{Context as _, Result};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A running collector of OpenTelemetry's, which drops what it has printed.
#[derive(Debug)]
pub struct Rotel {
    /// Where it takes OTLP over HTTP.
    pub address: SocketAddr,
    printed: PathBuf,
    _program: Program,
}

impl Rotel {
    /// Starts it and waits until it listens. What it prints goes into `place`.
    pub async fn start(place: &Path) -> Result<Self> {
        let (address, grpc) = (free_port()?, free_port()?);
        let printed = place.join("rotel.log");
        let agent = std::fs::read_dir(python_environment("sinks-cloud")?.join("lib"))?
            .filter_map(|entry| Some(entry.ok()?.path().join("site-packages/rotel/rotel-agent")))
            .find(|path| path.exists())
            .context("no rotel-agent: run script/bootstrap")?;
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
        listening(address).await?;
        Ok(Self {
            address,
            printed,
            _program: program,
        })
    }

    /// What it has printed so far.
    pub fn printed(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.printed)?).into_owned())
    }
}
