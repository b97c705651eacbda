use super::place::TrailConfigArgs;
use clap::{Args, ValueEnum};
use std::ops::Range;
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 everything that was looked at is right, 1 something is not, 2 it could not be looked at."
)]
pub(crate) struct TrailVerifyArgs {
    /// The journal's folder
    #[arg(long, value_name = "DIR", conflicts_with = "proof")]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: TrailConfigArgs,
    /// Check the proof of one record, made by `trail proof`; no journal is needed
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// A public key to believe, received by another way than the journal. Repeatable [default: with --config the collector's own, which
    /// shows damage, not an owner of this machine who writes everything anew]
    #[arg(long = "key", value_name = "FILE", required_unless_present = "config")]
    pub(crate) keys: Vec<PathBuf>,
    /// A checkpoint of the journal that was kept elsewhere: the journal has to continue it. Repeatable
    #[arg(long = "checkpoint", value_name = "FILE", conflicts_with = "proof")]
    pub(crate) checkpoints: Vec<PathBuf>,
    /// Verifier keys of witnesses, one a line: each has to have signed. Repeatable
    #[arg(long = "witness", value_name = "FILE")]
    pub(crate) witnesses: Vec<PathBuf>,
    /// A second key (P-256 public key, PEM or DER) that signs checkpoints, too: it has to have signed. Repeatable
    #[arg(long = "second-key", value_name = "FILE", conflicts_with = "proof")]
    pub(crate) second_keys: Vec<PathBuf>,
    /// Only one record, or some: `17`, `17-42`. The rest of the journal is not read
    #[arg(long, value_name = "RECORDS", value_parser = parse_records, conflicts_with = "proof")]
    pub(crate) records: Option<Range<u64>>,
    /// How often the collector shows that it lives, in seconds: twice as long without a leaf is a silence. 0 asks for none [default: the
    /// configuration's, else 60]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) heartbeat: Option<u32>,
    /// How to say what was found
    #[arg(long, value_enum, default_value_t = VerificationFormat::Text)]
    pub(crate) format: VerificationFormat,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum VerificationFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

fn parse_records(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| "a number of a record, or two with `-` between".to_owned())
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(text)?, number(text)?),
    };
    match last.checked_add(1) {
        Some(end) if first <= last => Ok(first..end),
        _ => Err("the last record comes before the first".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_records;

    #[test]
    fn records_are_one_or_some() {
        assert_eq!(parse_records("7"), Ok(7..8));
        assert_eq!(parse_records("7-9"), Ok(7..10));
        for bad in ["", "-", "9-7", "a", "1-", "18446744073709551615"] {
            assert!(parse_records(bad).is_err(), "{bad}");
        }
    }
}
