//! `pgattest plan`.

use super::PaceArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
#[command(
    after_help = "Nothing is changed. Exit codes: 0 nothing to change, 1 there are changes, 2 the job could not be done."
)]
pub(crate) struct PlanArgs {
    /// A connection string as psql takes it: a URL, `key=value` pairs, or a database's name
    ///
    /// What it leaves out comes from `service=`, the PG* environment variables and the password file, as in psql.
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The policy: what is intended; the plan makes the cluster follow it [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Write the plan to this file, as `pgattest apply` takes it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// How to show the plan: text, json, markdown, html, sql, undo-sql, aws or terraform; on standard output unless a FILE is named.
    /// Repeatable [default: text]
    #[arg(long = "format", value_name = "FORMAT[=FILE]", value_parser = parse_format)]
    pub(crate) formats: Vec<PlanFormat>,
    /// A log of the server's with its logins (`log_connections`), as CSV, JSON or plain lines: each login in it is tried against
    /// the new `pg_hba.conf`. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) connection_log: Vec<PathBuf>,
    /// Close findings of these checks only
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Leave these checks alone
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    pub(crate) except: Vec<String>,
    /// Read `pg_hba.conf` from this machine's disk, instead of through the server: the server runs here
    #[arg(long)]
    pub(crate) host: bool,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Leave out the handshakes: what they would show is then not planned for
    #[arg(long)]
    pub(crate) no_probe: bool,
}

/// One rendering to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct PlanFormat {
    pub(crate) kind: PlanFormatKind,
    /// Standard output when `None`.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PlanFormatKind {
    Text,
    Json,
    Markdown,
    Html,
    Sql,
    UndoSql,
    Aws,
    Terraform,
}

fn parse_format(text: &str) -> Result<PlanFormat, String> {
    let (word, file) = match text.split_once('=') {
        Some((_, "")) => return Err("no file after `=`".to_owned()),
        Some((word, file)) => (word, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let kind = PlanFormatKind::from_str(word, false).map_err(|_| {
        format!(
            "`{word}` is not a format: text, json, markdown, html, sql, undo-sql, aws or terraform"
        )
    })?;
    Ok(PlanFormat { kind, file })
}

#[cfg(test)]
mod tests {
    use super::{PlanFormat, PlanFormatKind, parse_format};

    #[test]
    fn a_format_may_name_a_file() {
        assert_eq!(
            parse_format("undo-sql=back.sql"),
            Ok(PlanFormat {
                kind: PlanFormatKind::UndoSql,
                file: Some("back.sql".into())
            })
        );
        assert!(parse_format("sarif").is_err());
        assert!(parse_format("sql=").is_err());
    }
}
