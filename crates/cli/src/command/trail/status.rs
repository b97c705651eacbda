//! `pgattest trail status`.

use super::place::Place;
use crate::args::{TrailStatusArgs, TrailStatusFormat};
use crate::failure::{Failure, OrHint, fail};
use crate::printer::Printer;
use pgattest_model::ident::visible;
use pgattest_trail::operate::{Status, status};
use std::fmt::Write as _;

pub(crate) fn run(arguments: &TrailStatusArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.config)?;
    let journal = place.journal(arguments.journal.as_deref())?;
    let found = status(&journal, place.file().map(|file| &file.capture))
        .map_err(|error| fail(pgattest_trail::operate::with_causes(&error)))
        .or_hint("name the journal of a collector: `pgattest trail run` makes it")?;
    let text = match arguments.format {
        TrailStatusFormat::Json => json(&found)?,
        TrailStatusFormat::Text => text(&found),
    };
    printer.result(&text)?;
    Ok(crate::CLEAN)
}

fn json(status: &Status) -> Result<String, Failure> {
    let mut value = serde_json::to_value(status)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("schema".to_owned(), "pgattest.trail-status/1".into());
    }
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn text(status: &Status) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<20}{value}");
    };
    let life = match (status.stopped, status.leaves) {
        (_, 0) => "never started",
        (true, _) => "stopped in an orderly way",
        (false, _) => "running, or ended without saying so: see the last sign of life",
    };
    row("collector", life.to_owned());
    row("last sign of life", time(status.last_sign_of_life));
    row("last block sealed", time(status.last_sealed));
    row("latest record", time(status.last_record));
    row("records", status.records.to_string());
    row("of them torn", status.torn.to_string());
    row("of them redacted", status.redacted.to_string());
    row("blocks", status.blocks.to_string());
    row("leaves", status.leaves.to_string());
    row("bytes of logs", status.source_bytes.to_string());
    let behind = status.behind_bytes.map_or_else(
        || "not looked at: name the configuration, and let this account read the logs".to_owned(),
        |bytes| format!("{bytes} bytes"),
    );
    row("behind the logs", behind);
    for (sink, (next, at)) in &status.sinks {
        let left = status.records.saturating_sub(*next);
        let value = format!("{left} records behind, {}", time(Some(*at)));
        row(&format!("sink {}", visible(sink)), value);
    }
    let canary = match &status.last_canary {
        None => "never looked for".to_owned(),
        Some((at, place, found)) => {
            let found = if *found { "found" } else { "NOT found" };
            format!("{found} in {}, {}", visible(place), time(Some(*at)))
        }
    };
    row("last canary", canary);
    row("gaps", status.gaps.to_string());
    for (at, reason) in &status.last_gaps {
        let _ = writeln!(text, "  {}  {}", time(Some(*at)), visible(reason));
    }
    text
}

fn time(milliseconds: Option<i64>) -> String {
    milliseconds
        .and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
        .map_or_else(
            || "never".to_owned(),
            |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        )
}
