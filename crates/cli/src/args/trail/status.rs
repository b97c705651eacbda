use super::place::TrailConfigArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct TrailStatusArgs {
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// The journal's directory
    #[arg(long, value_name = "DIR")]
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
