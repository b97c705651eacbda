//! `pgattest`, the command line.

mod args;
mod auditing;
mod changing;
mod collecting;
mod command;
mod connection_logs;
mod failure;
mod hba_files;
mod home;
mod looking;
mod output_file;
mod policy_file;
mod printer;
mod progress;
mod sealing;
mod trail_account;
mod trail_file;
mod trusted_keys;

use clap::Parser;
use std::process::ExitCode;

/// Nothing at or above the threshold.
const CLEAN: u8 = 0;
/// Findings, or a package that does not verify.
const FOUND: u8 = 1;
/// The job could not be done.
const UNDONE: u8 = 2;

fn main() -> ExitCode {
    // One provider of cryptography for every TLS connection of the process. There is none installed before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = args::Cli::parse();
    let printer = printer::Printer::new(cli.output);
    let code = command::run(cli.command, &printer).unwrap_or_else(|failure| {
        match &failure.rendered {
            Some(text) => {
                printer.rendered(text);
                if let Some(hint) = &failure.hint {
                    printer.hint(hint);
                }
            }
            None => printer.error(&failure.error, failure.hint.as_deref()),
        }
        UNDONE
    });
    ExitCode::from(code)
}
