//! `pgattest prove`: trying what settings only promise.

use super::{prove_logging, transport};
use crate::args::ProveCommand;
use crate::failure::Failure;
use crate::printer::Printer;

pub(crate) fn run(command: &ProveCommand, printer: &Printer) -> Result<u8, Failure> {
    match command {
        ProveCommand::Transport(arguments) => transport::run(arguments, printer),
        ProveCommand::Logging(arguments) => prove_logging::run(arguments, printer),
    }
}
