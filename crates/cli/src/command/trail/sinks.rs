//! `pgattest trail sinks`: how far each sink is, a trial, dead letters once more.

use super::place::Place;
use crate::args::{SinksFormat, TrailSinksArgs};
use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use crate::trail_file::TrailFile;
use crate::{CLEAN, FOUND};
use pgattest_model::ident::visible;
use pgattest_sinks::engine::{Known, Standing, by_hand, known};
use pgattest_sinks::{Answer, Config, Name};
use pgattest_trail::JournalReader;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

pub(crate) fn run(arguments: &TrailSinksArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.config)?;
    if let Some(name) = &arguments.test {
        return test(name, place.needed("a trial of a sink")?, printer);
    }
    let named = arguments.journal.as_deref();
    if let Some(name) = &arguments.redeliver {
        let journal = place.journal(named)?;
        return redeliver(name, &journal, place.needed("a delivery")?, printer);
    }
    let configured: Vec<Name> = place
        .file()
        .map(|file| file.sink.keys().cloned().collect())
        .unwrap_or_default();
    list(
        &place.reader(named)?,
        &configured,
        arguments.format,
        printer,
    )
}

fn wanted<'a>(name: &str, configuration: &'a TrailFile) -> Result<(&'a Name, &'a Config), Failure> {
    let found = configuration
        .sink
        .iter()
        .find(|(known, _)| known.as_str() == name);
    let found = found.map(|(name, sink)| (name, &sink.config));
    found.ok_or_else(|| {
        let names: Vec<&str> = configuration.sink.keys().map(Name::as_str).collect();
        fail(format!("the configuration has no sink `{}`", visible(name)))
            .hint(format!("it has: {}", names.join(", ")))
    })
}

fn test(name: &str, configuration: &TrailFile, printer: &Printer) -> Result<u8, Failure> {
    let (name, config) = wanted(name, configuration)?;
    let now = jiff::Timestamp::now();
    let mark = format!("{}-{}", std::process::id(), now.as_nanosecond());
    configuration.refuse_missing_secrets(Some(name))?;
    let answer = by_hand::canary(config, &configuration.instance, &mark)
        .doing(|| format!("sink {name} could not be tried"))?;
    if answer == Answer::Durable {
        printer.result(&format!(
            "{name}: confirmed; look there for `pgattest canary {mark}`\n"
        ))?;
        return Ok(CLEAN);
    }
    printer.result(&format!("{name}: {}\n", visible(&said(&answer))))?;
    Ok(FOUND)
}

fn redeliver(
    name: &str,
    journal: &Path,
    configuration: &TrailFile,
    printer: &Printer,
) -> Result<u8, Failure> {
    let (name, config) = wanted(name, configuration)?;
    configuration.refuse_missing_secrets(Some(name))?;
    let done = by_hand::redeliver(journal, name, config)
        .doing(|| format!("the dead letters of sink {name} could not be sent"))?;
    let mut code = CLEAN;
    let mut text = String::new();
    for redelivered in &done {
        let file = redelivered
            .letter
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let what = if redelivered.answer == Answer::Durable {
            "delivered".to_owned()
        } else {
            code = FOUND;
            format!("stays: {}", said(&redelivered.answer))
        };
        let count = redelivered.letter.records.len();
        let _ = writeln!(text, "{file}  {count} records  {}", visible(&what));
    }
    if done.is_empty() {
        printer.note(&format!("sink {name} has no dead letters to send"));
    }
    printer.result(&text)?;
    Ok(code)
}

/// An answer, for people.
fn said(answer: &Answer) -> String {
    match answer {
        Answer::Durable => "confirmed".into(),
        Answer::DurableBut(refusals) => {
            let reason = refusals.first().map_or("", |refusal| &refusal.reason);
            format!("{} records are refused: {reason}", refusals.len())
        }
        Answer::DurableSome { refused, reason } => {
            format!("{refused} records are refused: {reason}")
        }
        Answer::First { rest, .. } => said(rest),
        Answer::FirstRefused { reason, .. } | Answer::Refused { reason } => {
            format!("refused: {reason}")
        }
        Answer::Again { reason, .. } => format!("not now: {reason}"),
        Answer::Misconfigured { reason } => format!("to be put right: {reason}"),
    }
}

fn list(
    reader: &JournalReader,
    configured: &[Name],
    format: SinksFormat,
    printer: &Printer,
) -> Result<u8, Failure> {
    let end = reader.next_record()?;
    let mut sinks = known(reader.dir(), configured)
        .doing(|| "what the sinks have written could not be read".into())?;
    for sink in &mut sinks {
        if let Some(status) = &mut sink.status {
            status.end = status.end.max(end);
        }
    }
    let text = match format {
        SinksFormat::Text => text(&sinks, end),
        SinksFormat::Json => json(&sinks, end),
    };
    printer.result(&text)?;
    if sinks.is_empty() {
        printer.note("no sink is configured or was ever run");
    }
    let well = sinks.iter().all(is_well);
    Ok(if well { CLEAN } else { FOUND })
}

fn is_well(sink: &Known) -> bool {
    let delivers = match &sink.status {
        Some(status) => !matches!(
            status.standing,
            Standing::Retrying | Standing::Misconfigured | Standing::Blocked
        ),
        None => false,
    };
    delivers && sink.dead.0 == 0 && sink.cursor.is_ok()
}

fn text(sinks: &[Known], end: u64) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut text = String::new();
    for sink in sinks {
        let (kind, standing) = sink.status.as_ref().map_or(("?", "never ran"), |status| {
            (status.kind.as_str(), status.standing.name())
        });
        let _ = writeln!(text, "{}  {}  {standing}", sink.name, visible(kind));
        if let Some(status) = sink
            .status
            .as_ref()
            .filter(|status| !status.place.is_empty())
        {
            let _ = writeln!(text, "  to          {}", visible(&status.place));
        }
        match &sink.cursor {
            Ok(cursor) => {
                let behind = end.saturating_sub(cursor.next);
                let since = sink
                    .status
                    .as_ref()
                    .map_or(0, |status| status.lag_seconds(now));
                let _ = writeln!(
                    text,
                    "  confirmed   {} records, up to {} of {end}",
                    cursor.delivered, cursor.next
                );
                if behind > 0 {
                    let _ = writeln!(text, "  behind      {behind} records, {since} s");
                }
            }
            Err(error) => {
                let _ = writeln!(text, "  cursor      {}", visible(error));
            }
        }
        if sink.dead.0 > 0 {
            let _ = writeln!(
                text,
                "  refused     {} records in {} dead letters: `--redeliver {}` sends them again",
                sink.dead.1, sink.dead.0, sink.name
            );
        }
        let Some(status) = &sink.status else { continue };
        if status.skipped > 0 {
            let _ = writeln!(
                text,
                "  never had   {} records: pruned or damaged before they were delivered",
                status.skipped
            );
        }
        if let Some(error) = &status.last_error {
            let at = pgattest_sinks::record::rfc3339(error.at);
            let _ = writeln!(text, "  last error  {at}  {}", visible(&error.reason));
        }
    }
    text
}

fn json(sinks: &[Known], end: u64) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let sinks: Vec<_> = sinks
        .iter()
        .map(|sink| {
            let cursor = sink.cursor.as_ref().ok();
            json!({
                "name": sink.name.as_str(),
                "kind": sink.status.as_ref().map(|status| &status.kind),
                "place": sink.status.as_ref().map(|status| &status.place),
                "standing": sink.status.as_ref().map(|status| status.standing.name()),
                "next": cursor.map(|cursor| cursor.next),
                "delivered": cursor.map(|cursor| cursor.delivered),
                "behind_records": cursor.map(|cursor| end.saturating_sub(cursor.next)),
                "behind_seconds": sink.status.as_ref().map(|status| status.lag_seconds(now)),
                "attempts": sink.status.as_ref().map(|status| status.attempts),
                "skipped": sink.status.as_ref().map(|status| status.skipped),
                "dead_letters": sink.dead.0,
                "dead_records": sink.dead.1,
                "last_error": sink.status.as_ref().and_then(|status| status.last_error.as_ref()),
                "cursor_error": sink.cursor.as_ref().err(),
            })
        })
        .collect();
    let document = json!({
        "schema": "pgattest.trail-sinks/1",
        "records": end,
        "sinks": sinks,
    });
    format!("{document:#}\n")
}
