use super::completeness::TrailRecordsArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Alerts are JSON, one a line, on standard output. The same records give the same alerts, with the same identifiers. \
Exit codes: 0 no alert (with --test: every place took it), 1 alerts (with --test: a place did not), 2 the job could not be done."
)]
pub(crate) struct TrailDetectArgs {
    #[command(flatten)]
    pub(crate) records: TrailRecordsArgs,
    /// A directory of rules of your own, one a `.toml` file. Repeatable. One with the name of a shipped rule takes its place
    #[arg(long, value_name = "DIR")]
    pub(crate) rules: Vec<PathBuf>,
    /// Only these rules. Repeatable
    #[arg(long, value_name = "RULE")]
    pub(crate) only: Vec<String>,
    /// Run the examples that stand in the rules, and nothing else
    #[arg(long)]
    pub(crate) check: bool,
    /// Send a test alert to every place, say what came back, and leave it for the journal
    #[arg(long, conflicts_with_all = ["check", "log"])]
    pub(crate) test: bool,
    /// A file that alerts are appended to, flushed before the next one. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) alert_file: Vec<PathBuf>,
    /// A webhook's settings, a TOML file (docs/trail/detect.md). Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) alert_webhook: Vec<PathBuf>,
    /// Where the collector's rules keep their state, for --test [default: the journal's name with `.detect`, beside it]
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
}
