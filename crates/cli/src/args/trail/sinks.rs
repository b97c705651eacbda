use super::place::TrailConfigArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 every sink has what is sealed or is on its way to it, 1 one is stopped behind, fails or has dead letters (`to do` says what helps), 2 it could not be looked at."
)]
pub(crate) struct TrailSinksArgs {
    /// The journal's folder
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// Send one canary to this sink and say what came back
    #[arg(
        long,
        value_name = "NAME",
        requires = "config",
        conflicts_with = "redeliver"
    )]
    pub(crate) test: Option<String>,
    /// Send the dead letters of this sink again
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) redeliver: Option<String>,
    /// How to say how far each sink is
    #[arg(long, value_enum, default_value_t = SinksFormat::Text)]
    pub(crate) format: SinksFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SinksFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
