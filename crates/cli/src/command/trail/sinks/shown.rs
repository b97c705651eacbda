//! How far each sink is, whether that is well, and what is to be done where it is not.

use crate::args::SinksFormat;
use crate::failure::{Doing, Failure};
use crate::printer::Printer;
use crate::{CLEAN, FOUND};
use pgattest_model::ident::visible;
use pgattest_sinks::Name;
use pgattest_sinks::engine::{Known, Standing, known};
use pgattest_trail::{Journal, JournalReader};
use serde_json::json;
use std::fmt::Write;

pub(super) fn list(
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
    // To look takes the journal's lock for an instant: only where the answer matters.
    let collector = if sinks.iter().any(|sink| waits(sink, end)) {
        match Journal::is_written_to(reader.dir()) {
            Ok(true) => Collector::Runs,
            Ok(false) => Collector::Ended,
            Err(_) => Collector::Unseen,
        }
    } else {
        Collector::Runs
    };
    let sinks: Vec<(Known, Option<String>)> = sinks
        .into_iter()
        .map(|sink| {
            let advice = advice(&sink, end, collector);
            (sink, advice)
        })
        .collect();
    let text = match format {
        SinksFormat::Text => text(&sinks, end),
        SinksFormat::Json => json(&sinks, end),
    };
    printer.result(&text)?;
    if sinks.is_empty() {
        printer.note("no sink is configured or was ever run");
    }
    let well = sinks.iter().all(|(_, advice)| advice.is_none());
    Ok(if well { CLEAN } else { FOUND })
}

/// Who delivers now.
#[derive(Clone, Copy, PartialEq)]
enum Collector {
    /// Somebody has the journal open for writing.
    Runs,
    /// Nobody has.
    Ended,
    /// This account may not look.
    Unseen,
}

/// Records wait for it, or its last attempt failed.
fn waits(sink: &Known, end: u64) -> bool {
    let behind = sink.cursor.as_ref().is_ok_and(|cursor| cursor.next < end);
    behind
        || sink
            .status
            .as_ref()
            .is_some_and(|status| status.attempts > 0)
}

/// What is to be done about a sink; `None` when it is well. `end`: the number that the next record will have.
fn advice(sink: &Known, end: u64, collector: Collector) -> Option<String> {
    let name = &sink.name;
    let Ok(cursor) = &sink.cursor else {
        return Some(
            "put the cursor's file right as it says above, then start the collector again".into(),
        );
    };
    let Some(status) = &sink.status else {
        return Some(
            "start the collector with the configuration that has this sink: `pgattest trail run --config FILE`".into(),
        );
    };
    let behind = end.saturating_sub(cursor.next);
    let mut todo: Vec<String> = Vec::new();
    if waits(sink, end) {
        let runs = collector == Collector::Runs;
        todo.push(match status.standing {
            Standing::Stopped if runs => format!(
                "the collector that runs does not deliver to it: start it with a configuration that has this sink, or remove `sinks/{name}.json` and `sinks/{name}.status.json` of the journal if it is given up"
            ),
            Standing::Stopped if status.attempts > 0 => {
                "it was stopped while the last error stood in its way: put that right, then start the collector".into()
            }
            Standing::Retrying => {
                "it is tried again by itself while the collector runs: look at the receiver when it lasts".into()
            }
            Standing::Misconfigured => {
                "put right what the last error says: secrets are read anew by themselves, other settings need a restart of the collector".into()
            }
            Standing::Blocked => {
                "free or repair the collector's own disk, or the journal: it goes on by itself".into()
            }
            Standing::Stopped | Standing::Starting | Standing::Delivering => String::new(),
        });
        let by_itself = status.standing == Standing::Stopped && status.attempts > 0;
        if collector == Collector::Ended && !by_itself {
            todo.push(format!("start the collector: {behind} records wait"));
        }
        if collector == Collector::Unseen {
            todo.push(
                "see whether the collector runs: this account may not open the journal's `lock`"
                    .into(),
            );
        }
    }
    if sink.dead.0 > 0 {
        todo.push(format!(
            "find out why records were refused, and send them again: `pgattest trail sinks --config FILE --redeliver {name}`"
        ));
    }
    todo.retain(|step| !step.is_empty());
    (!todo.is_empty()).then(|| todo.join("; then "))
}

fn text(sinks: &[(Known, Option<String>)], end: u64) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let mut text = String::new();
    for (sink, advice) in sinks {
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
        if let Some(status) = &sink.status {
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
        if let Some(advice) = advice {
            let _ = writeln!(text, "  to do       {}", visible(advice));
        }
    }
    text
}

fn json(sinks: &[(Known, Option<String>)], end: u64) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let sinks: Vec<_> = sinks
        .iter()
        .map(|(sink, advice)| {
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
                "well": advice.is_none(),
                "to_do": advice,
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
