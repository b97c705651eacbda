//! Datadog's logs intake, v2: limits, headers, schema and status codes as documented; what it would do silently is noted.

use super::{Server, header, inflated};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";
const EIGHTEEN_HOURS: i64 = 18 * 3_600_000;

#[derive(Default)]
pub(crate) struct Intake {
    /// Logs that were taken.
    pub(crate) logs: Vec<Value>,
    /// What the documentation forbids or what would lose something silently.
    pub(crate) violations: Vec<String>,
    /// Answers in place of the next ones: status and `Retry-After`.
    pub(crate) answers: VecDeque<(u16, Option<&'static str>)>,
    pub(crate) requests: usize,
    /// A log with this text gets the whole request refused.
    pub(crate) poison: Option<&'static str>,
    /// Bodies as they came, inflated.
    pub(crate) bodies: Vec<Vec<u8>>,
    /// The intake takes bodies of at most so many bytes.
    pub(crate) body_limit: Option<usize>,
}

pub(crate) struct Datadog {
    pub(crate) server: Server,
    pub(crate) intake: Arc<Mutex<Intake>>,
}

impl Datadog {
    pub(crate) fn start() -> Self {
        let intake = Arc::new(Mutex::new(Intake::default()));
        let app = axum::Router::new()
            .route("/api/v2/logs", post(logs))
            .with_state(intake.clone());
        Self {
            server: Server::start(app),
            intake,
        }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        let intake = self.intake.lock().unwrap();
        intake
            .logs
            .iter()
            .map(|log| log["seq"].as_str().unwrap().parse().unwrap())
            .collect()
    }
}

async fn logs(
    State(intake): State<Arc<Mutex<Intake>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut intake = intake.lock().unwrap();
    intake.requests += 1;
    let refuse = |status: u16, text: &str| {
        (
            StatusCode::from_u16(status).unwrap(),
            json!({"errors": [{"status": status.to_string(), "title": text}]}).to_string(),
        )
            .into_response()
    };
    if let Some((status, retry_after)) = intake.answers.pop_front() {
        let mut response = refuse(status, "as told");
        if let Some(retry_after) = retry_after {
            response
                .headers_mut()
                .insert("retry-after", retry_after.parse().unwrap());
        }
        return response;
    }
    match header(&headers, "dd-api-key") {
        "" => return refuse(401, "Unauthorized"),
        KEY => {}
        _ => return refuse(403, "Forbidden"),
    }
    if !header(&headers, "content-type").starts_with("application/json") {
        return refuse(400, "content-type");
    }
    let body = match inflated(&headers, &body) {
        Ok(body) => body,
        Err(text) => return refuse(400, text),
    };
    if body.len() > intake.body_limit.unwrap_or(5_000_000) {
        intake.violations.push(format!("{} bytes", body.len()));
        return refuse(413, "Request Entity Too Large");
    }
    let Ok(parsed) = serde_json::from_slice::<Value>(&body) else {
        return refuse(400, "no JSON");
    };
    intake.bodies.push(body);
    let Value::Array(logs) = parsed else {
        return refuse(400, "no array");
    };
    if logs.len() > 1_000 {
        intake.violations.push(format!("{} entries", logs.len()));
        return refuse(413, "too many entries");
    }
    if let Some(poison) = intake.poison
        && logs
            .iter()
            .any(|log| log["message"].as_str().unwrap_or_default().contains(poison))
    {
        return refuse(400, "Invalid log");
    }
    for log in &logs {
        if let Err(text) = schema(log) {
            intake.violations.push(text);
            return refuse(400, "schema");
        }
        // Taken with a 2xx, and cut off.
        if log.to_string().len() > 1_000_000 {
            intake
                .violations
                .push("a log of more than 1 MB is cut off".into());
        }
        let stamp = log["timestamp"]
            .as_str()
            .and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let age = stamp.map(|at| jiff::Timestamp::now().as_millisecond() - at.as_millisecond());
        if age.is_some_and(|age| age > EIGHTEEN_HOURS) {
            intake
                .violations
                .push("a log older than 18 hours is dropped".into());
        }
    }
    intake.logs.extend(logs);
    (StatusCode::ACCEPTED, "{}").into_response()
}

/// `HTTPLogItem`: `message` is required, everything is a text.
fn schema(log: &Value) -> Result<(), String> {
    let object = log.as_object().ok_or("a log is no object")?;
    if !object.contains_key("message") {
        return Err("`message` is missing".into());
    }
    for (name, value) in object {
        if !value.is_string() {
            return Err(format!("`{name}` is no text"));
        }
    }
    Ok(())
}
