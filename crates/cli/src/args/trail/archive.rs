use super::place::{TrailConfigArgs, TrailKeysArgs};
use clap::Args;
use std::path::PathBuf;

/// Where an archive is, and whose.
#[derive(Args, Clone, Debug)]
pub(crate) struct ArchivePlace {
    /// Where the archive is: a directory, or `s3://BUCKET/PREFIX`
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    /// The instance's name [default: the configuration's, else the only one that there is, else `main`]
    #[arg(long, value_name = "NAME")]
    pub(crate) instance: Option<String>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 done, or nothing is wrong; 1 something is wrong (--check); 2 the job could not be done."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct TrailArchiveArgs {
    /// The journal's directory
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) place: ArchivePlace,
    /// Read every file and compare it with what was recorded; change nothing
    #[arg(long, conflicts_with_all = ["repair", "rebuild", "compact"])]
    pub(crate) check: bool,
    /// Read every file, and make those again that are not as they were written
    #[arg(long, conflicts_with = "rebuild")]
    pub(crate) repair: bool,
    /// Make every file again whose records the journal still has
    #[arg(long)]
    pub(crate) rebuild: bool,
    /// Merge the small files of days that are over
    #[arg(long)]
    pub(crate) compact: bool,
    /// How large a file may become, in MB
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) file_size: u64,
    #[command(flatten)]
    pub(crate) keys: TrailKeysArgs,
}
