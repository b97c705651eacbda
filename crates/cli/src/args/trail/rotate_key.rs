use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct TrailRotateKeyArgs {
    /// The collector's configuration, a trail.toml: it says where the journal and the keys are
    #[arg(long, value_name = "FILE", required_unless_present = "journal")]
    pub(crate) config: Option<PathBuf>,
    /// Without a configuration: the journal's folder
    #[arg(long, value_name = "DIR", conflicts_with = "config", requires = "keys")]
    pub(crate) journal: Option<PathBuf>,
    /// Without a configuration: the folder with the collector's keys
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "config",
        requires = "journal"
    )]
    pub(crate) keys: Option<PathBuf>,
}
