use super::place::{TrailConfigArgs, TrailKeysArgs};
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done, or shown what would go; 2 the job could not be done, or is not allowed."
)]
pub(crate) struct TrailPruneArgs {
    /// The journal's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// Where the archive is, a directory or `s3://BUCKET/PREFIX`, if there is one: its files go with the journal's payload
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    /// The instance's name [default: the configuration's, else the only one that there is, else `main`]
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    /// Remove what was sealed more than so many days ago [default: --maximum-days, else --retention-days]
    #[arg(long, value_name = "DAYS")]
    pub(crate) older_than: Option<u32>,
    /// The floor: nothing younger is removed [default: the configuration's, else 365]
    #[arg(long, value_name = "DAYS")]
    pub(crate) retention_days: Option<u32>,
    /// The ceiling: nothing older may stay [default: the configuration's, if it has one]
    #[arg(long, value_name = "DAYS")]
    pub(crate) maximum_days: Option<u32>,
    /// Do it; otherwise it is only shown what would go
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    #[command(flatten)]
    pub(crate) keys: TrailKeysArgs,
}
