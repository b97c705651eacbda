//! `pgattest trail prune`.

use super::archive::{named, now, writer};
use crate::args::TrailPruneArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use pgattest_archive::hold::Holds;
use pgattest_archive::retain::{self, Retention, below, bound, not_held};
use pgattest_trail::{JournalReader, Leaf};
use std::fmt::Write as _;

pub(crate) fn run(arguments: &TrailPruneArgs, printer: &Printer) -> Result<u8, Failure> {
    let retention = Retention {
        retention_days: arguments.retention_days,
        maximum_days: arguments.maximum_days,
    };
    if let Some(fault) = retention.fault() {
        return Err(fail(fault));
    }
    let days = retention.days(arguments.older_than)?;
    let reader = JournalReader::open(&arguments.journal)?;
    not_held(&holds(&reader)?)?;
    let (oldest, oldest_leaf) = reader.oldest()?;
    let (leaf, record) = first_kept(&reader, oldest_leaf, bound(now(), days))?;
    if !arguments.yes {
        printer.result(&would_go(arguments, days, oldest, record)?)?;
        printer.note("Nothing was removed: say --yes");
        return Ok(crate::CLEAN);
    }
    let Some(mut journal) = writer(&arguments.journal, &arguments.home, printer)? else {
        return Err(fail("the collector writes to the journal").hint(
            "stop it, prune, and start it again: it catches up with what was logged in between",
        ));
    };
    let pruned = journal.prune(leaf, days)?;
    drop(journal);
    let mut text = match pruned {
        Some(pruning) => format!(
            "{} segments, {} bytes, were removed from the journal: it holds records from {} on; manifests, tree and proofs stay\n",
            pruning.segments, pruning.bytes, pruning.oldest_record
        ),
        None => "the journal has no whole segment that is old enough\n".to_owned(),
    };
    if let Some(root) = &arguments.archive {
        let archive = named(root, arguments.instance.as_deref())?;
        // By what the journal no longer has: an interrupted run goes on here.
        let (oldest, _) = JournalReader::open(&arguments.journal)?.oldest()?;
        let removed = retain::prune(&archive, oldest)?;
        let _ = writeln!(
            text,
            "{} files were removed from the archive",
            removed.len()
        );
    }
    printer.result(&text)?;
    Ok(crate::CLEAN)
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
    arguments: &TrailPruneArgs,
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
    if let Some(root) = &arguments.archive {
        let archive = named(root, arguments.instance.as_deref())?;
        for batch in below(&archive, record)? {
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
