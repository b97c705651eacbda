use super::place::TrailConfigArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct TrailProofArgs {
    /// The record's number, as `trail query` and every sink have it
    #[arg(value_name = "RECORD")]
    pub(crate) record: u64,
    /// The journal's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// Where to write the proof [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
