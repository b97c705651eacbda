use super::place::{TrailConfigArgs, TrailKeysArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "While a hold is in force, nothing is pruned. Exit codes: 0 done, 2 the job could not be done."
)]
pub(crate) struct TrailHoldArgs {
    #[command(subcommand)]
    pub(crate) command: HoldCommand,
    /// The journal's directory
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    #[command(flatten)]
    pub(crate) keys: TrailKeysArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Set a hold
    Set {
        /// Its name: the matter
        name: String,
        /// Why, and by whose word
        #[arg(long)]
        reason: String,
    },
    /// Lift a hold
    Lift {
        /// Its name
        name: String,
        /// Why, and by whose word
        #[arg(long)]
        reason: String,
    },
    /// List the holds in force
    List,
}
