use clap::Args;
use std::path::PathBuf;

/// The collector's configuration: what is not named beside it is taken from it.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrailConfigArgs {
    /// The collector's configuration, a trail.toml: journal, keys, archive, instance, rules and sinks are taken from it, unless they
    /// are named here
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}

/// Where the collector's signing key is.
#[derive(Args, Clone, Debug)]
pub(crate) struct TrailKeysArgs {
    /// The directory above the collector's `keys` [default: the `keys` of --config, else what `PGATTEST_HOME` says, else the user's data
    /// directory]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) home: Option<PathBuf>,
}
