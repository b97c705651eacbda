//! Logs with columns: CSV and JSON.

use super::{Collector, From, message};
use serde::Deserialize;

/// Columns of a record: 23 in 12, 24 in 13, 26 from 14 on. The ones that are needed stand where they always stood.
const FEWEST_COLUMNS: usize = 23;
const TIME: usize = 0;
const ROLE: usize = 1;
const DATABASE: usize = 2;
const CONNECTION_FROM: usize = 4;
const MESSAGE: usize = 13;

/// Whether the text begins with a record of a CSV log.
pub(super) fn is_csv(text: &str) -> bool {
    records(text).next().is_some_and(|record| {
        record.is_ok_and(|record| {
            record.len() >= FEWEST_COLUMNS && record.get(TIME).is_some_and(begins_with_a_date)
        })
    })
}

/// Reads a CSV log.
pub(super) fn csv(text: &str, collector: &mut Collector) {
    for record in records(text) {
        let Ok(record) = record else {
            collector.unreadable += 1;
            continue;
        };
        let field = |at: usize| record.get(at).unwrap_or_default();
        if record.len() < FEWEST_COLUMNS || !begins_with_a_date(field(TIME)) {
            collector.unreadable += 1;
            continue;
        }
        if let Some((how, _)) = message::authorized(field(MESSAGE)) {
            let from = From::host_and_port(field(CONNECTION_FROM));
            collector.login(field(ROLE), field(DATABASE), how, from, field(TIME));
        }
    }
}

/// Reads a JSON log: one object a line.
pub(super) fn json(text: &str, collector: &mut Collector) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Ok(record) = serde_json::from_str::<Record>(line) else {
            collector.unreadable += 1;
            continue;
        };
        if let Some((how, _)) = message::authorized(&record.message) {
            let from = From::host(&record.remote_host);
            collector.login(&record.user, &record.dbname, how, from, &record.timestamp);
        }
    }
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Record {
    timestamp: String,
    user: String,
    dbname: String,
    remote_host: String,
    message: String,
}

fn records(text: &str) -> impl Iterator<Item = Result<::csv::StringRecord, ::csv::Error>> {
    ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes())
        .into_records()
}

fn begins_with_a_date(text: &str) -> bool {
    let digits = |part: Option<&str>, length: usize| {
        part.is_some_and(|part| {
            part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let mut parts = text.split([' ', 'T']).next().unwrap_or_default().split('-');
    digits(parts.next(), 4) && digits(parts.next(), 2) && digits(parts.next(), 2)
}
