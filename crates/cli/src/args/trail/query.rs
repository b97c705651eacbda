use super::archive::ArchivePlace;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Each row has its record's number: `pgattest trail proof` proves it. What the answer rests on is said on standard \
error; in JSON it is part of the answer.\nExit codes: 0 answered, 2 the job could not be done."
)]
pub(crate) struct TrailQueryArgs {
    /// The question
    #[arg(value_enum)]
    pub(crate) question: Asked,
    /// What it is about: a table for `touched`, a session for `session`
    #[arg(value_name = "SUBJECT")]
    pub(crate) subject: Option<String>,
    #[command(flatten)]
    pub(crate) place: ArchivePlace,
    /// Logged at this time or later: `2026-01-31`, or a time with its zone (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_from)]
    pub(crate) from: Option<i64>,
    /// Logged at this time or earlier; a day is meant to its end
    #[arg(long, value_name = "TIME", value_parser = parse_to)]
    pub(crate) to: Option<i64>,
    /// Only of this role, by its name as the server has it. Repeatable
    #[arg(long = "user", value_name = "ROLE")]
    pub(crate) users: Vec<String>,
    /// Only in this database
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Only about this table: `orders`, `public.orders`, a part quoted as SQL does
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
    /// For `superusers`: whom it is about. Repeatable [default: the policy's approved superusers]
    #[arg(long = "superuser", value_name = "ROLE")]
    pub(crate) superusers: Vec<String>,
    /// The policy: superusers, classified columns [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// For `unused-grants`: the evidence package (`pgattest audit --out`) that says who was granted what
    #[arg(long, value_name = "FILE")]
    pub(crate) package: Option<PathBuf>,
    /// For `unused-grants`: the journal that tells whether the log of the period is complete. Without it nothing is called unused
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// For `unused-grants`: so many days before the package was made, unless --from says otherwise
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: u32,
    /// How to say it
    #[arg(long, value_enum, default_value_t = QueryFormat::Text)]
    pub(crate) format: QueryFormat,
    /// At most so many rows are written; the others are counted
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Asked {
    /// Who tried to touch a table
    Touched,
    /// Changes of structure
    Ddl,
    /// Roles, memberships and privileges
    Roles,
    /// Connections refused
    FailedLogins,
    /// What superusers did
    Superusers,
    /// Reads of tables with classified columns
    Classified,
    /// One session, in order
    Session,
    /// Records of each class, by day and role
    Counts,
    /// Grants on tables that no audited statement used; `unknown` where the log cannot tell
    UnusedGrants,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum QueryFormat {
    /// For people
    Text,
    /// For spreadsheets
    Csv,
    /// For programs: `pgattest.trail-query/1`
    Json,
}

fn parse_from(text: &str) -> Result<i64, String> {
    parse(text, false)
}

fn parse_to(text: &str) -> Result<i64, String> {
    parse(text, true)
}

fn parse(text: &str, end: bool) -> Result<i64, String> {
    let wrong =
        || "a day such as `2026-01-31`, or a time such as `2026-01-31T08:00:00Z`".to_owned();
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        let begin = pgattest_archive::name::midnight(day).ok_or_else(wrong)?;
        return Ok(if end { begin + 86_399_999 } else { begin });
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(at.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::{parse_from, parse_to};

    #[test]
    fn a_day_is_whole_and_a_time_has_its_zone() {
        assert_eq!(parse_from("1970-01-02"), Ok(86_400_000));
        assert_eq!(parse_to("1970-01-01"), Ok(86_399_999));
        assert_eq!(parse_to("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(parse_from("yesterday").is_err());
        assert!(parse_from("1970-01-01T00:00:00").is_err(), "no zone");
    }
}
