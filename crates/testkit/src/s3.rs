//! S3 for tests that do not run in tokio: moto behind a front that sees every request, with a bucket.

use crate::receivers::front::{Answer, Front, Request, forward};
use crate::tools::{Program, moto};
use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::runtime::{Builder, Runtime};

/// A bucket.
pub struct S3 {
    /// What stands before moto.
    pub front: Front,
    /// The bucket's name.
    pub bucket: String,
    moto: SocketAddr,
    runtime: Runtime,
    _moto: Program,
}

impl S3 {
    /// Starts it. `judge` refuses what moto would take, `aim` says which requests faults apply to.
    pub fn start(
        judge: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
        aim: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (address, program) = runtime.block_on(moto())?;
        let judged = move |request: &Request| {
            if request.header("authorization").is_none() {
                return Some(Answer::new(403, "no signature"));
            }
            judge(request)
        };
        let front = Front::start(Some(address), judged, |_, _| {}, aim);
        let s3 = Self {
            front: runtime.block_on(front)?,
            bucket: "example-archive".to_owned(),
            moto: address,
            runtime,
            _moto: program,
        };
        s3.ask("PUT", "", Vec::new())?;
        Ok(s3)
    }

    /// Writes a credentials file into a folder: its path.
    pub fn credentials(&self, folder: &Path) -> Result<PathBuf> {
        let path = folder.join("aws.credentials");
        std::fs::write(
            &path,
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = example\n",
        )?;
        Ok(path)
    }

    /// An object, past whoever is tested; `None`: there is none.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let answer = self.send("GET", key, Vec::new())?;
        if answer.status == 404 {
            return Ok(None);
        }
        ensure!(answer.status == 200, "{answer:?}");
        Ok(Some(answer.body))
    }

    /// Writes an object.
    pub fn put(&self, key: &str, bytes: Vec<u8>) -> Result<()> {
        self.ask("PUT", key, bytes).map(drop)
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) -> Result<()> {
        self.ask("DELETE", key, Vec::new()).map(drop)
    }

    /// All keys, in order.
    pub fn keys(&self) -> Result<Vec<String>> {
        self.between("?list-type=2", "<Key>", "</Key>")
    }

    /// The keys of uploads in parts that were begun and not ended.
    pub fn uploads(&self) -> Result<Vec<String>> {
        self.between("?uploads", "<Key>", "</Key>")
    }

    /// Begins an upload in parts, and leaves it.
    pub fn begin_upload(&self, key: &str) -> Result<()> {
        self.ask("POST", &format!("{key}?uploads"), Vec::new())
            .map(drop)
    }

    fn between(&self, target: &str, begin: &str, end: &str) -> Result<Vec<String>> {
        let body = self.ask("GET", target, Vec::new())?.body;
        let text = String::from_utf8(body)?;
        let parts = text.split(begin).skip(1);
        Ok(parts
            .filter_map(|part| Some(part.split_once(end)?.0.to_owned()))
            .collect())
    }

    fn ask(&self, method: &str, key: &str, body: Vec<u8>) -> Result<Answer> {
        let answer = self.send(method, key, body)?;
        ensure!(
            (200..300).contains(&answer.status),
            "{method} {key}: {answer:?}"
        );
        Ok(answer)
    }

    fn send(&self, method: &str, key: &str, body: Vec<u8>) -> Result<Answer> {
        // moto tells services apart by the signature's scope, and verifies no signature.
        let scope = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x";
        let target = match key {
            "" => format!("/{}", self.bucket),
            key if key.starts_with('?') => format!("/{}{key}", self.bucket),
            key => format!("/{}/{key}", self.bucket),
        };
        let request = Request {
            method: method.to_owned(),
            target,
            headers: vec![
                ("authorization".to_owned(), scope.to_owned()),
                ("host".to_owned(), self.moto.to_string()),
            ],
            body,
        };
        self.runtime.block_on(forward(self.moto, &request))
    }
}
