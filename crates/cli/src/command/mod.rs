//! One file a subcommand.

mod access;
mod apply;
mod audit;
mod completions;
mod explain;
mod grants;
mod hba;
mod init;
mod key;
mod ledger;
mod plan;
mod prove;
mod prove_logging;
mod trail;
mod transport;
mod undo;
mod verify;

use crate::args::Command;
use crate::failure::Failure;
use crate::printer::Printer;

/// Runs a subcommand; the value is the exit code.
pub(crate) fn run(command: Command, printer: &Printer) -> Result<u8, Failure> {
    match command {
        Command::Access(arguments) => access::run(&arguments, printer),
        Command::Audit(arguments) => audit::run(&arguments, printer),
        Command::Init(arguments) => init::run(&arguments, printer),
        Command::Apply(arguments) => apply::run(&arguments, printer),
        Command::Undo(arguments) => undo::run(&arguments, printer),
        Command::Plan(arguments) => plan::run(&arguments, printer),
        Command::Prove(command) => prove::run(&command, printer),
        Command::Trail(command) => trail::run(&command, printer),
        Command::Verify(arguments) => verify::run(&arguments, printer),
        Command::Grants(arguments) => grants::run(&arguments, printer),
        Command::Explain(arguments) => explain::run(&arguments, printer),
        Command::Hba(arguments) => hba::run(&arguments, printer),
        Command::Key(arguments) => key::run(&arguments, printer),
        Command::Ledger(arguments) => ledger::run(&arguments, printer),
        Command::Completions { shell } => completions::run(shell, printer),
    }
}
