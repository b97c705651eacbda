//! Splunk's HTTP Event Collector with indexer acknowledgement, as documented: codes, channels, and a memory that is lost in a crash.

use super::{Server, header, inflated};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

pub(crate) const TOKEN: &str = "ea33046c-6fec-4dc0-ac66-4326e58b54c3";

pub(crate) struct Collector {
    /// On the disk of an indexer.
    pub(crate) indexed: Vec<Value>,
    /// In the memory of one process: channel, acknowledgement identifier, events, questions until they are indexed.
    pending: Vec<(String, u64, Vec<Value>, u32)>,
    /// Identifiers that are answered `true`, once each.
    done: BTreeMap<String, Vec<u64>>,
    next: BTreeMap<String, u64>,
    /// The token's `useACK`.
    pub(crate) acknowledges: bool,
    /// Questions that it takes until a request is indexed.
    pub(crate) delay: u32,
    pub(crate) disabled: bool,
    pub(crate) limit: usize,
    /// Answers in place of the next ones to events: status and code.
    pub(crate) answers: VecDeque<(u16, u32)>,
    /// The next requests are taken and then forgotten, with all that is in memory.
    pub(crate) crashes: u32,
    pub(crate) poison: Option<&'static str>,
    pub(crate) index: Option<&'static str>,
    pub(crate) requests: usize,
}

pub(crate) struct Splunk {
    pub(crate) server: Server,
    pub(crate) collector: Arc<Mutex<Collector>>,
}

impl Splunk {
    pub(crate) fn start() -> Self {
        let collector = Arc::new(Mutex::new(Collector {
            indexed: Vec::new(),
            pending: Vec::new(),
            done: BTreeMap::new(),
            next: BTreeMap::new(),
            acknowledges: true,
            delay: 1,
            disabled: false,
            limit: 1_000_000,
            answers: VecDeque::new(),
            crashes: 0,
            poison: None,
            index: None,
            requests: 0,
        }));
        let app = axum::Router::new()
            .route("/services/collector/event", post(events))
            .route("/services/collector/ack", post(acks))
            .with_state(collector.clone());
        Self {
            server: Server::start(app),
            collector,
        }
    }

    pub(crate) fn numbers(&self) -> Vec<u64> {
        let collector = self.collector.lock().unwrap();
        collector
            .indexed
            .iter()
            .map(|event| event["fields"]["seq"].as_str().unwrap().parse().unwrap())
            .collect()
    }
}

fn said(status: u16, code: u32) -> Response {
    let text = match code {
        0 => "Success",
        1 => "Token disabled",
        2 => "Token is required",
        3 => "Invalid authorization",
        4 => "Invalid token",
        5 => "No data",
        6 => "Invalid data format",
        7 => "Incorrect index",
        8 => "Internal server error",
        9 => "Server is busy",
        10 => "Data channel is missing",
        11 => "Invalid data channel",
        12 => "Event field is required",
        13 => "Event field cannot be blank",
        14 => "ACK is disabled",
        15 => "Error in handling indexed fields",
        18 => "HEC is unhealthy, queues are full",
        _ => "Server is shutting down",
    };
    (
        StatusCode::from_u16(status).unwrap(),
        json!({"text": text, "code": code}).to_string(),
    )
        .into_response()
}

fn authorized(collector: &Collector, headers: &HeaderMap) -> Result<(), Response> {
    let authorization = header(headers, "authorization");
    if authorization.is_empty() {
        return Err(said(401, 2));
    }
    let Some(token) = authorization.strip_prefix("Splunk ") else {
        return Err(said(401, 3));
    };
    if token != TOKEN {
        return Err(said(403, 4));
    }
    if collector.disabled {
        return Err(said(403, 1));
    }
    Ok(())
}

fn channel(collector: &Collector, headers: &HeaderMap) -> Result<String, Response> {
    let channel = header(headers, "x-splunk-request-channel");
    if channel.is_empty() && collector.acknowledges {
        return Err(said(400, 10));
    }
    let lengths: Vec<usize> = channel.split('-').map(str::len).collect();
    let digits = channel
        .bytes()
        .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if !channel.is_empty() && (lengths != [8, 4, 4, 4, 12] || !digits) {
        return Err(said(400, 11));
    }
    Ok(channel.to_owned())
}

async fn events(
    State(collector): State<Arc<Mutex<Collector>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut collector = collector.lock().unwrap();
    taken(&mut collector, &headers, &body).unwrap_or_else(|response| response)
}

fn taken(
    collector: &mut Collector,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Response> {
    collector.requests += 1;
    if let Some((status, code)) = collector.answers.pop_front() {
        return Err(said(status, code));
    }
    authorized(collector, headers)?;
    let channel = channel(collector, headers)?;
    let body = inflated(headers, body).map_err(|_| said(400, 6))?;
    if body.len() > collector.limit {
        return Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "The request your client sent was too large.",
        )
            .into_response());
    }
    let mut events = Vec::new();
    for event in serde_json::Deserializer::from_slice(&body).into_iter::<Value>() {
        let event = event.map_err(|_| said(400, 6))?;
        check(collector, &event).map_err(|code| said(400, code))?;
        events.push(event);
    }
    if events.is_empty() {
        return Err(said(400, 5));
    }
    if !collector.acknowledges {
        collector.indexed.extend(events);
        return Ok(said(200, 0));
    }
    let next = collector.next.entry(channel.clone()).or_default();
    let ack = *next;
    *next += 1;
    if collector.crashes > 0 {
        // It said yes, and lost everything that was in its memory.
        collector.crashes -= 1;
        collector.pending.clear();
        collector.done.clear();
    } else {
        let delay = collector.delay;
        collector.pending.push((channel, ack, events, delay));
    }
    Ok((
        StatusCode::OK,
        json!({"text": "Success", "code": 0, "ackId": ack}).to_string(),
    )
        .into_response())
}

fn check(collector: &Collector, event: &Value) -> Result<(), u32> {
    let object = event.as_object().ok_or(6_u32)?;
    for name in object.keys() {
        let known = [
            "time",
            "host",
            "source",
            "sourcetype",
            "index",
            "event",
            "fields",
        ];
        if !known.contains(&name.as_str()) {
            return Err(6);
        }
    }
    match object.get("event") {
        None => return Err(12),
        Some(Value::String(text)) if text.trim().is_empty() => return Err(13),
        Some(Value::String(text)) if collector.poison.is_some_and(|bad| text.contains(bad)) => {
            return Err(6);
        }
        Some(_) => {}
    }
    if let Some(fields) = object.get("fields") {
        let fields = fields.as_object().ok_or(15_u32)?;
        let flat = fields
            .values()
            .all(|value| value.is_string() || value.is_array());
        if !flat {
            return Err(15);
        }
    }
    let index = object.get("index").and_then(Value::as_str);
    if index.is_some() && index != collector.index {
        return Err(7);
    }
    let time = match object.get("time") {
        Some(Value::String(text)) => text.parse::<f64>().is_ok(),
        Some(Value::Number(_)) | None => true,
        Some(_) => false,
    };
    if time { Ok(()) } else { Err(6) }
}

async fn acks(
    State(collector): State<Arc<Mutex<Collector>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut collector = collector.lock().unwrap();
    asked(&mut collector, &headers, &body).unwrap_or_else(|response| response)
}

fn asked(
    collector: &mut Collector,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Response> {
    authorized(collector, headers)?;
    if !collector.acknowledges {
        return Err(said(400, 14));
    }
    let channel = channel(collector, headers)?;
    let question: Value = serde_json::from_slice(body).map_err(|_| said(400, 6))?;
    let wanted = question["acks"].as_array().ok_or_else(|| said(400, 6))?;
    let mut still = Vec::new();
    for (of, ack, events, delay) in std::mem::take(&mut collector.pending) {
        if of == channel && delay == 0 {
            collector.indexed.extend(events);
            collector.done.entry(of).or_default().push(ack);
        } else {
            let delay = if of == channel { delay - 1 } else { delay };
            still.push((of, ack, events, delay));
        }
    }
    collector.pending = still;
    let done = collector.done.entry(channel).or_default();
    let mut answer = serde_json::Map::new();
    for ack in wanted.iter().filter_map(Value::as_u64) {
        let at = done.iter().position(|known| *known == ack);
        if let Some(at) = at {
            // An identifier is answered once and then forgotten.
            done.remove(at);
        }
        answer.insert(ack.to_string(), at.is_some().into());
    }
    Ok((StatusCode::OK, json!({ "acks": answer }).to_string()).into_response())
}
