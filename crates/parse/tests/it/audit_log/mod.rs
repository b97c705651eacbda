//! The server's log as an audit trail: real logs, hostile ones, and real servers.

mod forms;
mod properties;
mod samples;
mod servers;

use std::borrow::Cow;

use pgattest_parse::audit_log::{Cut, Decoder, Format, Record, Splitter, TornReason};

/// What the splitter made of a log: each piece with the reason when it is torn. All of them together are the log.
pub(crate) fn pieces<'a>(format: &Format, log: &'a [u8]) -> Vec<(&'a [u8], Option<TornReason>)> {
    let mut splitter = Splitter::new(format.clone());
    let mut rest = log;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (length, reason) = match splitter.next(rest, true) {
            Cut::Record(length) => (length, None),
            Cut::Torn(length, reason) => (length, Some(reason)),
            Cut::More => panic!("not decided at the end: {:?}", text(rest)),
        };
        assert!(length > 0 && length <= rest.len());
        let (piece, after) = rest.split_at(length);
        pieces.push((piece, reason));
        rest = after;
    }
    pieces
}

/// The records among the pieces, and what is torn.
pub(crate) fn read<'a>(
    format: &Format,
    log: &'a [u8],
) -> (Vec<Record<'a>>, Vec<(String, TornReason)>) {
    let decoder = Decoder::new(format.clone());
    let mut records = Vec::new();
    let mut torn = Vec::new();
    for (piece, reason) in pieces(format, log) {
        match reason {
            None => records.push(
                decoder
                    .decode(piece)
                    .unwrap_or_else(|| panic!("not decoded: {}", text(piece))),
            ),
            Some(reason) => torn.push((text(piece), reason)),
        }
    }
    (records, torn)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// That two forms say the same of one event. Only csvlog tells the empty text from NULL: jsonlog leaves both out.
pub(crate) fn assert_equal(csv: &Record<'_>, json: &Record<'_>) {
    assert_eq!(csv.time, json.time);
    assert_eq!(text(&csv.message), text(&json.message));
    let numbers = |record: &Record<'_>| {
        (
            record.time_ms,
            record.pid,
            record.port,
            record.line,
            record.transaction,
            record.leader_pid,
            record.query_id,
        )
    };
    assert_eq!(numbers(csv), numbers(json));
    for (name, csv, json) in [
        ("user", &csv.user, &json.user),
        ("database", &csv.database, &json.database),
        ("host", &csv.host, &json.host),
        ("session", &csv.session, &json.session),
        ("command tag", &csv.command_tag, &json.command_tag),
        ("session start", &csv.session_start, &json.session_start),
        (
            "virtual transaction",
            &csv.virtual_transaction,
            &json.virtual_transaction,
        ),
        ("severity", &csv.severity, &json.severity),
        ("sqlstate", &csv.sqlstate, &json.sqlstate),
        ("detail", &csv.detail, &json.detail),
        ("hint", &csv.hint, &json.hint),
        ("internal query", &csv.internal_query, &json.internal_query),
        ("context", &csv.context, &json.context),
        ("statement", &csv.statement, &json.statement),
        ("location", &csv.location, &json.location),
        (
            "application name",
            &csv.application_name,
            &json.application_name,
        ),
        ("backend type", &csv.backend_type, &json.backend_type),
    ] {
        let said = |said: &Option<Cow<'_, [u8]>>| {
            said.as_deref().map(text).filter(|text| !text.is_empty())
        };
        assert_eq!(said(csv), said(json), "{name}");
    }
}
