//! `pgattest trail`: the audit log, one file a subcommand.

mod archive;
mod bar;
mod completeness;
mod detect;
mod hold;
mod place;
mod proof;
mod prune;
mod query;
mod records;
mod rotate_key;
mod run;
mod sinks;
mod status;
mod unused_grants;
mod verify;

use crate::args::TrailCommand;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn run(command: &TrailCommand, printer: &Printer) -> Result<u8, Failure> {
    match command {
        TrailCommand::Run(arguments) => run::run(arguments, printer),
        TrailCommand::Status(arguments) => status::run(arguments, printer),
        TrailCommand::Verify(arguments) => verify::run(arguments, printer),
        TrailCommand::Proof(arguments) => proof::run(arguments, printer),
        TrailCommand::Completeness(arguments) => completeness::run(arguments, printer),
        TrailCommand::Query(arguments) => query::run(arguments, printer),
        TrailCommand::Archive(arguments) => archive::run(arguments, printer),
        TrailCommand::Prune(arguments) => prune::run(arguments, printer),
        TrailCommand::RotateKey(arguments) => rotate_key::run(arguments, printer),
        TrailCommand::Hold(arguments) => hold::run(arguments, printer),
        TrailCommand::Sinks(arguments) => sinks::run(arguments, printer),
        TrailCommand::Detect(arguments) => detect::run(arguments, printer),
    }
}
