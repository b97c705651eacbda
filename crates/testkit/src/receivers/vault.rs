//! A bucket with Object Lock, at moto, seen by Amazon's own client for Python.

use super::front::{Answer, Front, Request};
use super::kafka::script;
use crate::tools::{Program, moto, python_environment};
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// The bucket `vault`.
#[derive(Debug)]
pub struct Vault {
    /// What is asked goes through it.
    pub front: Front,
    place: tempfile::TempDir,
    _moto: Program,
}

/// A version of an object.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Version {
    /// The object's name.
    pub key: String,
    /// `COMPLIANCE` or `GOVERNANCE`.
    pub lock: Option<String>,
    /// Where its content lies.
    pub content: PathBuf,
}

impl Vault {
    /// Starts moto and makes the bucket.
    pub async fn start() -> Result<Self> {
        let (address, program) = moto().await?;
        let place = tempfile::tempdir()?;
        std::fs::write(
            place.path().join("credentials"),
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = example\n",
        )?;
        let aim = |request: &Request| request.method == "PUT";
        let front = Front::start(Some(address), |_| None, correct_versioning, aim).await?;
        let vault = Self {
            front,
            place,
            _moto: program,
        };
        vault.ask("make")?;
        Ok(vault)
    }

    /// The table of a sink that writes there, in TOML.
    pub fn sink(&self) -> String {
        format!(
            "kind = \"s3\"\nbucket = \"vault\"\nprefix = \"audit/\"\nlock = \"compliance\"\nretention_days = 400\npath_style = true\n\
             aws = {{ region = \"us-east-1\", endpoint = \"{}\", credentials_file = \"{}\" }}\n",
            self.front.url(),
            self.place.path().join("credentials").display()
        )
    }

    /// Every version of every object, by name.
    pub fn versions(&self) -> Result<Vec<Version>> {
        Ok(serde_json::from_slice(&self.ask("versions")?)?)
    }

    fn ask(&self, what: &str) -> Result<Vec<u8>> {
        let python = python_environment("sinks-cloud")?.join("bin/python");
        #[expect(clippy::disallowed_methods, reason = "the client is a program")]
        let output = Command::new(python)
            .arg(script("vault.py"))
            .args([self.front.url().as_str(), what])
            .arg(self.place.path())
            .output()
            .context("cannot start Python")?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}

/// moto's answer of a bucket's versioning has a root of another name than Amazon's.
pub fn correct_versioning(request: &Request, answer: &mut Answer) {
    if request.method == "GET" && request.target.contains("?versioning") {
        answer.body = String::from_utf8_lossy(&answer.body)
            .replace("GetBucketVersioningResponse", "VersioningConfiguration")
            .into_bytes();
    }
}
