//! `pgattest completions`.

use crate::args::Cli;
use crate::failure::Failure;
use crate::printer::Printer;
use clap::CommandFactory;
use clap_complete::Shell;

pub(crate) fn run(shell: Shell, printer: &Printer) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pgattest", &mut script);
    printer.result(&String::from_utf8_lossy(&script))?;
    Ok(crate::CLEAN)
}
