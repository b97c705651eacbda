//! Arguments of the commands that write: a policy, changes, and what takes them back.

use super::HomeArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "The cluster is only read. What is in the file stays; what init adds is marked `inferred`, for somebody to read and \
decide. Exit codes: 0 written, or nothing to add, 2 there is something to add and --yes was not given, or the job could not be done."
)]
pub(crate) struct InitArgs {
    /// A connection string as psql takes it: a URL, `key=value` pairs, or a database's name
    ///
    /// What it leaves out comes from `service=`, the PG* environment variables and the password file, as in psql.
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The file to write, or to add to: what stands in it is kept [default: ./pgattest.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A log of the server's with its logins (`log_connections`), to know more programs than those connected now. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) connection_log: Vec<PathBuf>,
    /// Write the whole policy to standard output, and leave every file alone
    #[arg(long)]
    pub(crate) print: bool,
    /// Add to a file that is there; without it, what would be added is only shown
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
    /// The policy that the plan was made by [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Do not ask: the plan was read
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Go on where an earlier run stopped: at a restart, or by a crash
    #[arg(long)]
    pub(crate) resume: bool,
    /// A login that will be refused and may be, as the plan names it: without this the plan is not begun. Repeatable
    #[arg(long, value_name = "LOGIN")]
    pub(crate) accept: Vec<String>,
    /// Leave the changes in place even if the plan did not hold, or a service fails
    #[arg(long)]
    pub(crate) keep: bool,
    /// Where the policy's services log in to be tried, as a connection string; their passwords come from the password file
    /// [default: where CONNECTION leads]
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) services_at: Option<String>,
    /// Seal an evidence package with the audits before and after into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 everything is taken back, 1 something stays, and is named, 2 it could not be done; running it again \
goes on."
)]
pub(crate) struct UndoArgs {
    /// The plan that was applied, in whole or in part
    #[arg(value_name = "PLAN")]
    pub(crate) plan: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// How to change a server.
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    /// A connection string as `audit` takes it, of the role that makes the changes; its own way in is kept open
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
    /// The longest that a statement waits for a lock, in milliseconds: the application waits behind it. In transactions at most
    /// half of the shortest `deadlock_timeout` of any role
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
