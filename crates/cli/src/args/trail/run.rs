use super::super::HomeArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Args, Debug)]
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
    /// Print the JSON schema of trail.toml, for editors, and end
    #[arg(long)]
    pub(crate) schema: bool,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}
