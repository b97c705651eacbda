//! `pgattest prove logging`.

use super::{ProofFormat, TrailConfigArgs};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct ProveLoggingArgs {
    /// A connection string as psql takes it. The role needs no more than to connect and to make temporary tables
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// Do it: without this, what would be done is told and nothing is
    #[arg(long)]
    pub(crate) yes: bool,
    /// The policy: `logging.classes` says which classes are required [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The server's log directory [default: the log is read through the connection, where that is permitted]
    #[arg(long, value_name = "DIR")]
    pub(crate) logs: Option<PathBuf>,
    /// A journal of `pgattest trail run`: looked into as well, told what was found, and with it every sink that the collector is told of
    #[arg(long, value_name = "DIR")]
    pub(crate) trail: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// Of these sinks only: that they have confirmed the records. Repeatable [default: every sink of the configuration, else of the last
    /// one that the journal tells of]
    #[arg(long = "sink", value_name = "NAME")]
    pub(crate) sinks: Vec<String>,
    /// The same database through the pooler, as psql takes it
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) pooler: Option<String>,
    /// A connection that is asked for a password, as psql takes it: the login with a wrong one is tried there [default: CONNECTION]
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) login_at: Option<String>,
    /// How long each line may take to arrive, in seconds from the statement on. A sink may have `deadline_seconds` of its own
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) deadline: u32,
    /// Text or JSON
    #[arg(long, value_enum, default_value_t = ProofFormat::Text)]
    pub(crate) format: ProofFormat,
}
