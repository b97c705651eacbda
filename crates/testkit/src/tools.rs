//! Other people's programs that `script/bootstrap` installs for tests: verifiers, witnesses, receivers.

#![allow(
    clippy::disallowed_methods,
    reason = "tools are other people's programs"
)]

use anyhow::{Context as _, Result, ensure};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of a Python environment, of those that `install_python NAME` in `script/bootstrap` makes: `tlog`, `sinks-cloud`.
pub fn python_environment(name: &str) -> Result<PathBuf> {
    crate::binaries::tools_directories()
        .into_iter()
        .map(|place| place.join(format!("python-{name}")))
        .find(|place| place.join("bin/python").exists())
        .with_context(|| {
            format!("python-{name} is missing: run script/bootstrap (or set PGATTEST_TOOLS)")
        })
}

/// A Python module's command line: `python -m MODULE`.
pub fn python_module(environment: &str, module: &str) -> Result<Command> {
    let mut command = Command::new(python_environment(environment)?.join("bin/python"));
    command.args(["-m", module]);
    Ok(command)
}

/// A program that ends with the test.
#[derive(Debug)]
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program, and `setpriv` before it, by which it ends even when the test is killed.
pub fn ending_with_us(program: &Path) -> Command {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// moto, somebody else's stand-in for Amazon (CloudWatch Logs, S3, KMS): where it listens, once it does.
pub async fn moto() -> Result<(SocketAddr, Program)> {
    let address = free_port()?;
    let child = ending_with_us(&python_environment("sinks-cloud")?.join("bin/moto_server"))
        .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start moto_server")?;
    let program = Program(child);
    listening(address).await?;
    Ok((address, program))
}

/// A port of loopback that is free now.
pub fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Waits until something listens there.
pub async fn listening(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_mins(1);
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ensure!(Instant::now() < deadline, "nobody listens on {address}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
