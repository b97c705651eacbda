use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct TrailStatusArgs {
    /// The collector's configuration, a trail.toml
    #[arg(long, value_name = "FILE", required_unless_present = "journal")]
    pub(crate) config: Option<PathBuf>,
    /// Without a configuration: where the journal is
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) journal: Option<PathBuf>,
    /// How to say it
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: TrailStatusFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum TrailStatusFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
