//! `pgattest trail hold`.

use super::archive::now;
use super::place::Place;
use super::prune::{ask_collector, holds};
use crate::args::{HoldCommand, TrailHoldArgs};
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use pgattest_archive::query::render::timestamp;
use pgattest_model::ident::visible;
use pgattest_trail::Leaf;
use pgattest_trail::inbox::request::Request;
use std::fmt::Write as _;

pub(crate) fn run(arguments: &TrailHoldArgs, printer: &Printer) -> Result<u8, Failure> {
    let place = Place::of(&arguments.config)?;
    let reader = place.reader(arguments.journal.as_deref())?;
    let in_force = holds(&reader)?;
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
    let request = Request::Hold {
        name: name.clone(),
        active,
        reason: reason.clone(),
    };
    if let Some(fault) = request.fault() {
        return Err(fail(fault));
    }
    if !active && in_force.get(name).is_none() {
        return Err(fail(format!("no hold `{name}` is in force"))
            .hint("`pgattest trail hold list` shows those that are"));
    }
    let by = if let Some(mut journal) = place.writer(reader.dir(), &arguments.keys)? {
        journal.note(&Leaf::Hold {
            at: now(),
            name: name.clone(),
            active,
            reason: reason.clone(),
        })?;
        journal.commit()?;
        ""
    } else {
        ask_collector(reader.dir(), &request)?;
        ", by the collector that runs"
    };
    let done = if active { "is in force" } else { "is lifted" };
    printer.note(&format!(
        "The hold {} {done}: sealed in the journal{by}",
        visible(name)
    ));
    Ok(crate::CLEAN)
}
