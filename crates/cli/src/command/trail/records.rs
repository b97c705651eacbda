//! Where `completeness` and `detect` get their records from.

use super::place::Place;
use crate::args::TrailRecordsArgs;
use crate::failure::{Doing, Failure, OrHint, fail};
use pgattest_parse::audit_log::Format;
use pgattest_parse::audit_log::format::{Detected, detect};
use pgattest_trail::JournalReader;
use pgattest_trail::completeness::Period;
use std::io::Read as _;

/// How much of a log file is looked at to tell its form.
const BEGINNING: u64 = 1 << 20;

/// The period that was asked for.
pub(super) fn period(arguments: &TrailRecordsArgs) -> Result<Period, Failure> {
    let moment = |text: &Option<String>| text.as_deref().map(moment).transpose();
    Ok(Period {
        from: moment(&arguments.from)?,
        until: moment(&arguments.to)?,
    })
}

/// Milliseconds since 1970; a day means its beginning, UTC.
fn moment(text: &str) -> Result<i64, Failure> {
    let full = if text.contains('T') || text.contains(' ') {
        text.to_owned()
    } else {
        format!("{text}T00:00:00Z")
    };
    full.parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond)
        .doing(|| format!("`{text}` is not a time"))
        .or_hint("write `2026-11-23` or `2026-11-23T06:00:00Z`")
}

/// The journal, unless log files are named.
pub(super) fn journal(arguments: &TrailRecordsArgs) -> Result<Option<JournalReader>, Failure> {
    if !arguments.log.is_empty() {
        return Ok(None);
    }
    let place = Place::of(&arguments.config)?;
    let named = arguments.journal.as_deref();
    match place.journal_if_any(named) {
        Some(_) => Ok(Some(place.reader(named)?)),
        None => Ok(None),
    }
}

/// The form of the log files: of the first one.
pub(super) fn format(arguments: &TrailRecordsArgs) -> Result<Format, Failure> {
    let first = arguments.log.first().ok_or_else(|| {
        fail("there is nothing to look at")
            .hint("name the collector's configuration with --config, a journal with --journal, or log files with --log")
    })?;
    let mut beginning = Vec::new();
    std::fs::File::open(first)
        .and_then(|file| file.take(BEGINNING).read_to_end(&mut beginning))
        .doing(|| format!("cannot read {}", first.display()))?;
    match detect(&beginning, arguments.prefix.as_deref()) {
        Detected::Form(format) => Ok(format),
        _ => Err(fail(format!("the form of {} cannot be told", first.display()))
            .hint("csvlog, jsonlog, pgauditlogtofile and Cloud SQL are known by their content; a log in text needs `--prefix`, the server's log_line_prefix")),
    }
}
