//! `pgattest trail completeness`.

use super::records;
use crate::args::{CompletenessFormat, TrailCompletenessArgs};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::printer::Printer;
use pgattest_trail::completeness::changes::{Snapshot, Snapshots};
use pgattest_trail::completeness::input::LiveSessions;
use pgattest_trail::completeness::{Options, Tracker, Weight, source};
use std::path::Path;

pub(crate) fn run(arguments: &TrailCompletenessArgs, printer: &Printer) -> Result<u8, Failure> {
    let period = records::period(&arguments.records)?;
    let mut tracker = Tracker::new(options(arguments)?);
    let mut pruned = 0;
    if let Some(reader) = records::journal(&arguments.records)? {
        pruned = source::journal(&mut tracker, &reader, period, |_, _| {})?.pruned;
    } else {
        if period.from.is_some() || period.until.is_some() {
            return Err(fail("--from and --to need a journal")
                .hint("name the log files of the period instead"));
        }
        let format = records::format(&arguments.records)?;
        source::log_files(&mut tracker, &arguments.records.log, &format)?;
    }
    let mut result = tracker.finish();
    if pruned > 0 {
        result.not_assessed.push(format!(
            "{pruned} records were pruned by the retention policy; nothing of them was tested"
        ));
    }
    match arguments.format {
        CompletenessFormat::Text => printer.result(&result.to_text())?,
        CompletenessFormat::Json => {
            let mut text = serde_json::to_string_pretty(&result)?;
            text.push('\n');
            printer.result(&text)?;
        }
    }
    let records: u64 = result
        .populations
        .values()
        .map(|population| population.records)
        .sum();
    if records == 0 {
        return Err(
            fail("there are no records in that period: nothing was shown")
                .hint("look at the period and at the collector: `pgattest trail status`"),
        );
    }
    Ok(u8::from(result.worst() >= Some(Weight::Suspicion)))
}

fn options(arguments: &TrailCompletenessArgs) -> Result<Options, Failure> {
    let changes = match (&arguments.changes_before, &arguments.changes_after) {
        (Some(before), Some(after)) => vec![Snapshots {
            before: snapshot(before)?,
            after: snapshot(after)?,
            slack: i64::from(arguments.slack) * 1000,
        }],
        _ => Vec::new(),
    };
    Ok(Options {
        log_disconnections: arguments.log_disconnections,
        required_classes: arguments
            .classes
            .iter()
            .map(|class| class.trim().to_lowercase())
            .collect(),
        live: arguments.live.as_deref().map(live).transpose()?,
        changes,
        ..Options::default()
    })
}

fn snapshot(path: &Path) -> Result<Snapshot, Failure> {
    let bytes = read(path)?;
    serde_json::from_slice(&bytes)
        .doing(|| format!("{} holds no row counters", path.display()))
        .or_hint("write it with the query of docs/trail/completeness.md: `psql -AtX -f QUERY`")
}

fn live(path: &Path) -> Result<LiveSessions, Failure> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let at = lines
        .next()
        .and_then(|line| line.parse().ok())
        .ok_or_else(|| {
            fail(format!(
                "the first line of {} is no time in milliseconds",
                path.display()
            ))
            .hint("write it with the query of docs/trail/completeness.md")
        })?;
    Ok(LiveSessions {
        at,
        sessions: lines.map(str::to_owned).collect(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).doing(|| format!("cannot read {}", path.display()))
}
