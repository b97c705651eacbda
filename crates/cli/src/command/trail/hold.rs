//! `pgattest trail hold`.

use super::archive::{now, writer};
use super::prune::holds;
use crate::args::{HoldCommand, TrailHoldArgs};
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use pgattest_archive::query::render::timestamp;
use pgattest_model::ident::visible;
use pgattest_trail::{JournalReader, Leaf};
use std::fmt::Write as _;

pub(crate) fn run(arguments: &TrailHoldArgs, printer: &Printer) -> Result<u8, Failure> {
    let Some(dir) = &arguments.journal else {
        return Err(fail("no journal is named").hint("name its directory: --journal DIR"));
    };
    let in_force = holds(&JournalReader::open(dir)?)?;
    let (name, reason, active) = match &arguments.command {
        HoldCommand::List => {
            let mut text = String::new();
            for hold in in_force.active() {
                let _ = writeln!(
                    text,
                    "{}  since {}  {}",
                    visible(&hold.name),
                    timestamp(hold.since),
                    visible(&hold.reason)
                );
            }
            printer.result(&text)?;
            return Ok(crate::CLEAN);
        }
        HoldCommand::Set { name, reason } => (name, reason, true),
        HoldCommand::Lift { name, reason } => (name, reason, false),
    };
    if name.trim().is_empty() || reason.trim().is_empty() {
        return Err(fail("a hold has a name and a reason"));
    }
    if !active && in_force.get(name).is_none() {
        return Err(fail(format!("no hold `{name}` is in force"))
            .hint("`pgattest trail hold list` shows those that are"));
    }
    let Some(mut journal) = writer(dir, &arguments.home, printer)? else {
        return Err(fail("the collector writes to the journal, and a hold is written there").hint(
            "stop it, set the hold, and start it again: it catches up with what was logged in between. Nothing is pruned while it runs",
        ));
    };
    journal.note(&Leaf::Hold {
        at: now(),
        name: name.clone(),
        active,
        reason: reason.clone(),
    })?;
    journal.commit()?;
    let done = if active { "is in force" } else { "is lifted" };
    printer.note(&format!("The hold {} {done}", visible(name)));
    Ok(crate::CLEAN)
}
