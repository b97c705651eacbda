use super::place::TrailConfigArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Where records come from: a journal, or log files as they are.
#[derive(Args, Debug)]
pub(crate) struct TrailRecordsArgs {
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// The journal's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// A log file, in place of a journal. Repeatable: in the order in which they were written
    #[arg(long, value_name = "FILE", conflicts_with = "journal")]
    pub(crate) log: Vec<PathBuf>,
    /// `log_line_prefix` of the server, for log files of the form stderr
    #[arg(long, value_name = "PREFIX", requires = "log")]
    pub(crate) prefix: Option<String>,
    /// Only what was logged from then on, by the records' time: `2026-11-23` or `2026-11-23T06:00:00Z`
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// Only what was logged before then
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Answer {
    Text,
    Json,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Line numbers prove that nothing is missing between two records of a session. What they cannot prove (the end of a \
session, what was never logged) is listed under `Not assessed` with what would prove it. Exit codes: 0 nothing is missing as far as \
that reaches, 1 something is or may be missing, 2 it could not be looked at."
)]
pub(crate) struct TrailCompletenessArgs {
    #[command(flatten)]
    pub(crate) records: TrailRecordsArgs,
    /// Whether `log_disconnections` was on all the time [default: taken to be on where a disconnection is recorded]
    #[arg(long, value_name = "BOOL")]
    pub(crate) log_disconnections: Option<bool>,
    /// The classes that pgaudit is to log
    #[arg(long, value_name = "CLASS", value_delimiter = ',', default_values = ["ddl", "role", "write"])]
    pub(crate) classes: Vec<String>,
    /// Sessions that were alive, one identifier a line; the first line is the time of asking in milliseconds since 1970
    #[arg(long, value_name = "FILE")]
    pub(crate) live: Option<PathBuf>,
    /// The server's row counters at the beginning, as docs/trail/completeness.md asks for them
    #[arg(long, value_name = "FILE", requires = "changes_after")]
    pub(crate) changes_before: Option<PathBuf>,
    /// The row counters at the end
    #[arg(long, value_name = "FILE", requires = "changes_before")]
    pub(crate) changes_after: Option<PathBuf>,
    /// How late the counters may be, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) slack: u32,
    /// How to answer
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub(crate) format: Answer,
}
