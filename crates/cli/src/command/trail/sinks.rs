//! `pgattest trail sinks`: how far each sink is, a trial, dead letters once more.

mod shown;

use super::place::Place;
use crate::args::TrailSinksArgs;
use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use crate::trail_file::TrailFile;
use crate::{CLEAN, FOUND};
use pgattest_model::ident::visible;
use pgattest_sinks::engine::by_hand;
use pgattest_sinks::{Answer, Config, Name};
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
    let reader = place.reader(named)?;
    shown::list(&reader, &configured, arguments.format, printer)
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
