//! `pgattest trail prune`.

use super::archive::now;
use super::place::Place;
use crate::args::TrailPruneArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use pgattest_archive::Archive;
use pgattest_archive::hold::Holds;
use pgattest_archive::retain::{self, Retention, below, bound, not_held};
use pgattest_archive::task::Config;
use pgattest_trail::inbox::request::{self, Answer, AskError, Request};
use pgattest_trail::journal::Pruning;
use pgattest_trail::{JournalReader, Leaf};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

/// How long the collector is waited for: it looks once a second, and seals soon after.
const LONGEST: Duration = Duration::from_mins(1);

pub(crate) fn run(arguments: &TrailPruneArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.config)?;
    let configured = place
        .file()
        .and_then(|file| file.archive.as_ref())
        .map(Config::retention)
        .unwrap_or_default();
    let retention = Retention {
        retention_days: arguments
            .retention_days
            .unwrap_or(configured.retention_days),
        maximum_days: arguments.maximum_days.or(configured.maximum_days),
    };
    if let Some(fault) = retention.fault() {
        return Err(fail(fault));
    }
    let days = retention.days(arguments.older_than)?;
    let reader = place.reader(arguments.journal.as_deref())?;
    let archive = place
        .archive_if_any(arguments.archive.as_deref())?
        .map(|at| place.archive_at(&at, arguments.instance.as_deref()))
        .transpose()?;
    not_held(&holds(&reader)?)?;
    let (oldest, oldest_leaf) = reader.oldest()?;
    let (leaf, record) = first_kept(&reader, oldest_leaf, bound(now(), days))?;
    if !arguments.yes {
        printer.result(&would_go(archive.as_ref(), days, oldest, record)?)?;
        printer.note("Nothing was removed: say --yes");
        return Ok(crate::CLEAN);
    }
    let pruned = match place.writer(reader.dir(), &arguments.keys)? {
        Some(mut journal) => journal.prune(leaf, days)?,
        None => ask_collector(reader.dir(), &Request::Prune { days })?,
    };
    let mut text = match pruned {
        Some(pruning) => format!(
            "{} segments, {} bytes, were removed from the journal: it holds records from {} on; manifests, tree and proofs stay\n",
            pruning.segments, pruning.bytes, pruning.oldest_record
        ),
        None => "the journal has no whole segment that is old enough\n".to_owned(),
    };
    if let Some(archive) = &archive {
        // By what the journal no longer has: an interrupted run goes on here.
        let (oldest, _) = JournalReader::open(reader.dir())?.oldest()?;
        let removed = retain::prune(archive, oldest)?;
        let _ = writeln!(
            text,
            "{} files were removed from the archive",
            removed.len()
        );
    }
    printer.result(&text)?;
    Ok(crate::CLEAN)
}

/// Has the collector do it, which has the journal open. What was removed, if anything.
pub(super) fn ask_collector(journal: &Path, request: &Request) -> Result<Option<Pruning>, Failure> {
    let answer = request::ask(journal, request, LONGEST).map_err(|error| {
        let hint = match error {
            AskError::Withdrawn(_) => {
                "another `pgattest trail` command may have the journal open: try again when it is done. A collector of an older version \
                 takes no requests: stop it, do it, and start it again"
            }
            AskError::Unanswered(_) => {
                "`pgattest trail status` and the collector's messages say how it is; its journal's volume may be full"
            }
            AskError::Journal(_) | AskError::Answer { .. } => {
                "run it as root or as the collector's account: who may write into the journal's folder `inbox` may ask"
            }
        };
        Failure::of(error, Some(hint.to_owned()))
    })?;
    match answer {
        Answer::Done { pruned } => Ok(pruned),
        Answer::Refused { reason } => Err(fail(format!("the collector refuses it: {reason}"))),
    }
}

/// The holds in force.
pub(super) fn holds(reader: &JournalReader) -> Result<Holds, Failure> {
    let mut holds = Holds::default();
    for leaf in reader.leaves(0) {
        holds.read(&leaf?.1);
    }
    Ok(holds)
}

/// The first block that is young enough to stay: its leaf, and its first record. The tree's size when none is.
fn first_kept(reader: &JournalReader, from: u64, bound: i64) -> Result<(u64, u64), Failure> {
    for leaf in reader.leaves(from) {
        if let (index, Leaf::Block(block)) = leaf?
            && block.sealed_at >= bound
        {
            return Ok((index, block.first_record));
        }
    }
    Ok((reader.size(), reader.next_record()?))
}

fn would_go(
    archive: Option<&Archive>,
    days: u32,
    oldest: u64,
    record: u64,
) -> Result<String, Failure> {
    let mut text = if record > oldest {
        format!(
            "records {oldest} to {} were sealed more than {days} days ago: the journal's whole segments of them would go; manifests, \
             tree and proofs would stay\n",
            record - 1
        )
    } else {
        format!("no record was sealed more than {days} days ago\n")
    };
    if let Some(archive) = archive {
        for batch in below(archive, record)? {
            for (name, size) in &batch.parts {
                let _ = writeln!(
                    text,
                    "{}, {size} bytes, would go with them",
                    archive.full_path(name)
                );
            }
        }
    }
    Ok(text)
}
