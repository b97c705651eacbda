//! Arguments of the commands that write: a policy, changes, and what takes them back.

use super::HomeArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// A connection string as psql takes it: a URL, `key=value` pairs, or a database's name
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The file to write, or to add to: what stands in it is kept [default: ./pgattest.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A log of the server's with its logins (`log_connections`), to know more programs than those connected now. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) connection_log: Vec<PathBuf>,
    /// Write to standard output, and leave every file alone
    #[arg(long)]
    pub(crate) print: bool,
    /// Add to a file that is there without asking to be run again
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 the plan is applied and held, 1 it waits for a restart, or did not hold and was taken back, 2 it \
could not be done; the journal then says how far it came."
)]
pub(crate) struct ApplyArgs {
    /// The plan, as `pgattest plan --out FILE` made it
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// The policy that the plan was made by [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Change without asking: the plan was read
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Go on where an earlier run stopped: at a restart, or by a crash
    #[arg(long)]
    pub(crate) resume: bool,
    /// A login that the new `pg_hba.conf` refuses, as the plan names it, and that may be refused. Repeatable
    #[arg(long, value_name = "LOGIN")]
    pub(crate) accept: Vec<String>,
    /// Leave the changes in place although the plan did not hold
    #[arg(long)]
    pub(crate) keep: bool,
    /// Where the policy's services are tried, as a connection string [default: where CONNECTION leads]
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) services_at: Option<String>,
    /// Seal an evidence package with the audits before and after into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct UndoArgs {
    /// The plan that was applied
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
    /// Take back without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// How to change a server.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    /// A connection string as `audit` takes it; the role that changes. Its way in is kept open
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The server's files are on this machine, and may be written: they are then replaced by renaming
    ///
    /// Without it files are read and written through the server, as `pg_read_file` and `COPY` do.
    #[arg(long)]
    pub(crate) host: bool,
    /// Go on past a restart: says when one is due, and waits until somebody restarted the server
    #[arg(long)]
    pub(crate) allow_restart: bool,
    /// What restarts the server, for `sh -c`. It is run when a restart is due, and never otherwise
    #[arg(long, value_name = "COMMAND")]
    pub(crate) restart_command: Option<String>,
    /// The longest that a restart is waited for, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) restart_timeout: u32,
    /// The longest that a statement waits for a lock, in milliseconds: the application waits behind it
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=600_000))]
    pub(crate) lock_timeout: u32,
    /// How often a transaction is tried that meets a lock
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) attempts: u32,
    /// Within how many seconds new connections must prove a new `pg_hba.conf`, before the old one comes back
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) prove_within: u32,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}
