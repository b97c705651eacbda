use super::super::HomeArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 it was told to end, or, with --once, every sink has everything; 1 with --once, a sink was left behind; 2 \
the job could not be done."
)]
pub(crate) struct TrailRunArgs {
    /// The collector's configuration, a trail.toml
    #[arg(long, value_name = "FILE", required_unless_present_any = ["logs", "schema"])]
    pub(crate) config: Option<PathBuf>,
    /// Without a configuration: a directory that the server logs into, or `-` for standard input. Repeatable
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "config",
        requires = "journal"
    )]
    pub(crate) logs: Vec<PathBuf>,
    /// Without a configuration: where the journal is
    #[arg(long, value_name = "DIR", conflicts_with = "config", requires = "logs")]
    pub(crate) journal: Option<PathBuf>,
    /// Without a configuration: the instance's name in the trail
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with = "config",
        default_value = "default"
    )]
    pub(crate) instance: String,
    /// Catch up with what is there, hand it to the sinks, and end
    #[arg(long, visible_alias = "until-idle")]
    pub(crate) once: bool,
    /// With --once: how long a sink that takes nothing is tried again before it is left behind
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        requires = "once",
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub(crate) sink_wait: u32,
    /// Print the JSON schema of trail.toml, for editors, and end
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}
