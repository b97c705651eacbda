//! moto behind a front that knows what moto does not enforce.

use anyhow::Result;
use base64::Engine;
use pgattest_testkit::receivers::correct_versioning;
use pgattest_testkit::receivers::front::{Answer, Front, Request};
use pgattest_testkit::tools::{Program, moto};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Amazon, as far as these tests go.
pub(crate) struct Amazon {
    pub(crate) front: Front,
    credentials: PathBuf,
    _place: tempfile::TempDir,
    _moto: Program,
}

impl Amazon {
    pub(crate) async fn start() -> Result<Self> {
        let place = tempfile::tempdir()?;
        let credentials = place.path().join("credentials");
        std::fs::write(
            &credentials,
            "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = example\n",
        )?;
        let (address, program) = moto().await?;
        let front = Front::start(Some(address), judge, amend, |request| {
            matches!(request.operation(), "PutLogEvents" | "Sign") || request.method == "PUT"
        })
        .await?;
        Ok(Self {
            front,
            credentials,
            _place: place,
            _moto: program,
        })
    }

    /// The `aws` table of a sink's configuration.
    pub(crate) fn options(&self) -> String {
        format!(
            "[aws]\nregion = \"us-east-1\"\nendpoint = \"{}\"\ncredentials_file = \"{}\"\ntimeout_seconds = 2\n",
            self.front.url(),
            self.credentials.display()
        )
    }

    /// Calls CloudWatch Logs past the sink.
    pub(crate) async fn logs(&self, operation: &str, body: Value) -> Result<Value> {
        let answer = self
            .call(|client| {
                client
                    .post(self.front.url())
                    .header("x-amz-target", format!("Logs_20140328.{operation}"))
                    .header("content-type", "application/x-amz-json-1.1")
                    .body(body.to_string())
            })
            .await?;
        Ok(serde_json::from_slice(&answer).unwrap_or_default())
    }

    /// Calls KMS past what is tested.
    pub(crate) async fn kms(&self, operation: &str, body: Value) -> Result<Value> {
        let answer = self
            .call(|client| {
                client
                    .post(self.front.url())
                    .header("x-amz-target", format!("TrentService.{operation}"))
                    .header("content-type", "application/x-amz-json-1.1")
                    .body(body.to_string())
            })
            .await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Calls S3 past the sink; the answer's body.
    pub(crate) async fn s3(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Vec<u8>> {
        self.call(|client| {
            let method = method.parse().unwrap();
            let mut request = client
                .request(method, format!("{}{path}", self.front.url()))
                .body(body.to_owned());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request
        })
        .await
    }

    async fn call(
        &self,
        request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder,
    ) -> Result<Vec<u8>> {
        // moto tells services apart by the signature's scope, and verifies no signature.
        let tls = rustls::ClientConfig::builder_with_provider(
            rustls::crypto::ring::default_provider().into(),
        )
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .build()?;
        let request = request(&client).build()?;
        let service = match request.headers().get("x-amz-target") {
            Some(target) if target.as_bytes().starts_with(b"TrentService") => "kms",
            Some(_) => "logs",
            None => "s3",
        };
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let mut request = request;
        request
            .headers_mut()
            .insert("authorization", scope.parse()?);
        let answer = client.execute(request).await?;
        let status = answer.status();
        let body = answer.bytes().await?.to_vec();
        anyhow::ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(body)
    }
}

/// What Amazon refuses and moto takes.
fn judge(request: &Request) -> Option<Answer> {
    if request.header("authorization").is_none() {
        return Some(Answer::new(403, "no signature"));
    }
    if request.operation() == "PutLogEvents" {
        return put_log_events(request).err().map(|reason| {
            let said =
                serde_json::json!({"__type": "InvalidParameterException", "message": reason});
            Answer::new(400, said.to_string()).with("content-type", "application/x-amz-json-1.1")
        });
    }
    if request.method == "PUT" && request.header("x-amz-object-lock-mode").is_some() {
        return put_object(request).err().map(|(status, code)| {
            Answer::new(
                status,
                format!(
                    "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>"
                ),
            )
            .with("content-type", "application/xml")
        });
    }
    None
}

fn put_log_events(request: &Request) -> Result<(), String> {
    let body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
    let events = events(&body);
    if events.is_empty() || events.len() > 10_000 {
        return Err(format!("{} events", events.len()));
    }
    let sizes: Vec<usize> = events
        .iter()
        .map(|(_, message)| message.len() + 26)
        .collect();
    if sizes.iter().sum::<usize>() > 1_048_576 {
        return Err("Upload too large".into());
    }
    if let Some(size) = sizes.iter().find(|&size| !(27..=262_144).contains(size)) {
        return Err(format!("Log event too large: {size} bytes"));
    }
    if !events.is_sorted_by_key(|(at, _)| *at) {
        return Err("Log events must be in chronological order".into());
    }
    let first = events.first().map_or(0, |(at, _)| *at);
    let last = events.last().map_or(0, |(at, _)| *at);
    if last - first > DAY {
        return Err("The batch of log events cannot span more than 24 hours".into());
    }
    // A poisoned record, for the tests: no limit says it is one.
    if events.iter().any(|(_, message)| message.contains("poison")) {
        return Err("invalid".into());
    }
    Ok(())
}

fn events(body: &Value) -> Vec<(i64, String)> {
    body["logEvents"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|event| {
            Some((
                event["timestamp"].as_i64()?,
                event["message"].as_str()?.to_owned(),
            ))
        })
        .collect()
}

fn put_object(request: &Request) -> Result<(), (u16, &'static str)> {
    let sum = request
        .header("x-amz-checksum-sha256")
        .ok_or((400, "InvalidRequest"))?;
    let ours = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&request.body));
    if sum != ours {
        return Err((400, "BadDigest"));
    }
    let until: jiff::Timestamp = request
        .header("x-amz-object-lock-retain-until-date")
        .and_then(|until| until.parse().ok())
        .ok_or((400, "InvalidArgument"))?;
    if until <= jiff::Timestamp::now() {
        return Err((400, "InvalidArgument"));
    }
    if request.header("if-none-match") != Some("*") {
        return Err((400, "the test wants a conditional write"));
    }
    Ok(())
}

/// moto names the last old event and the last new one; Amazon the first that is not old, and the first that is new.
fn amend(request: &Request, answer: &mut Answer) {
    correct_versioning(request, answer);
    if request.operation() != "PutLogEvents" || answer.status != 200 {
        return;
    }
    let (Ok(body), Ok(mut said)) = (
        serde_json::from_slice::<Value>(&request.body),
        serde_json::from_slice::<Value>(&answer.body),
    ) else {
        return;
    };
    let now = jiff::Timestamp::now().as_millisecond();
    let events = events(&body);
    let old = events.iter().filter(|(at, _)| *at < now - 14 * DAY).count();
    let new = events
        .iter()
        .position(|(at, _)| *at > now + 2 * 60 * 60 * 1000);
    let mut rejected = serde_json::Map::new();
    if old > 0 {
        rejected.insert("tooOldLogEventEndIndex".into(), old.into());
    }
    if let Some(new) = new {
        rejected.insert("tooNewLogEventStartIndex".into(), new.into());
    }
    if let Some(said) = said.as_object_mut() {
        said.remove("rejectedLogEventsInfo");
        if !rejected.is_empty() {
            said.insert("rejectedLogEventsInfo".into(), Value::Object(rejected));
        }
    }
    answer.body = said.to_string().into_bytes();
}
