//! The project's own chores. `cargo xtask --help` lists them.
#![allow(clippy::print_stdout, reason = "a chore talks to whoever runs it")]
#![allow(
    clippy::disallowed_methods,
    reason = "a chore runs cargo, git and psql"
)]

mod bench;
mod generate;
mod new_check;
mod repository;
mod tidy;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Start a check: its file, its spec, and its lines in the module and the registry
    NewCheck {
        /// Its identifier in the catalogue: `ROL-07`
        id: String,
        /// Its name in kebab-case, the bad state or the subject: `bypass-paths`
        name: String,
        /// The compliant state, in one line without a period
        title: String,
    },
    /// Write the files that are made from code: check pages, JSON schema, command reference
    Gen {
        /// Write nothing; fail when a file is not as it would be written
        #[arg(long)]
        check: bool,
    },
    /// Check the rules of this repository
    Tidy,
    /// Measure speed, as ratios within one run
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
}

fn main() -> Result<()> {
    match Cli::parse().chore {
        Chore::NewCheck { id, name, title } => new_check::run(&id, &name, &title),
        Chore::Gen { check } => generate::run(check),
        Chore::Tidy => tidy::run(),
        Chore::Bench { what } => bench::run(&what),
    }
}
