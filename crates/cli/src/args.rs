//! The command line, as types.

mod change;
mod plan;
mod prove_logging;
mod trail;

pub(crate) use change::{ApplyArgs, ChangeArgs, InitArgs, UndoArgs};
pub(crate) use plan::{PlanArgs, PlanFormat, PlanFormatKind};
pub(crate) use prove_logging::ProveLoggingArgs;
pub(crate) use trail::*;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use pgattest_access::Right;
use pgattest_catalog::auditor::DEFAULT_ROLE;
use pgattest_collect::Limits;
use pgattest_model::Severity;
use std::path::PathBuf;
use std::time::Duration;

/// Audits PostgreSQL for SOC 2 and hands over evidence that anyone can re-perform.
#[derive(Debug, Parser)]
#[command(
    name = "pgattest",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 nothing at or above --fail-on, 1 findings (or a package that does not verify), 2 the job \
could not be done."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// How to talk.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArgs {
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more: every check with what it tested
    #[arg(long, short, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Write no colours (`NO_COLOR` does the same)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// How hard a server is asked.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct PaceArgs {
    /// Databases to look into at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) concurrency: u16,
    /// The longest that one query may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) statement_timeout: u32,
}

impl PaceArgs {
    /// The collector's limits, with or without handshakes.
    pub(crate) fn limits(self, probe: bool) -> Limits {
        Limits {
            concurrency: usize::from(self.concurrency),
            statement_timeout: Duration::from_secs(u64::from(self.statement_timeout)),
            probe,
            ..Limits::default()
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at a live PostgreSQL and draft pgattest.toml: services, superusers, tenants, classified columns
    Init(InitArgs),
    /// Look at a live PostgreSQL, judge it, and write reports and evidence
    Audit(AuditArgs),
    /// Plan what to change so that an audit passes: each change with whom it affects and how to take it back; changes nothing
    Plan(PlanArgs),
    /// Make the changes of a plan step by step, then audit again: a plan that does not hold is taken back
    Apply(ApplyArgs),
    /// Take back what a plan changed, the last change first
    Undo(UndoArgs),
    /// Try on the live system what settings only promise
    #[command(subcommand)]
    Prove(ProveCommand),
    /// The audit log: captured, sealed, shipped, kept, answerable
    #[command(subcommand)]
    Trail(TrailCommand),
    /// Say who can do what, and how they come to it: one role, one object, or every way to superuser
    Access(AccessArgs),
    /// Check an evidence package offline: signatures, digests, ledger proof, and every verdict again
    Verify(VerifyArgs),
    /// Print the SQL of a role that audits with as few rights as possible, or what undoes it; nothing is executed
    Grants(GrantsArgs),
    /// Show the page of one check, or list them all
    Explain(ExplainArgs),
    /// Show who can log in by `pg_hba.conf`: from the file's text, or from a server
    Hba(HbaArgs),
    /// Show the public key that evidence is signed with, in the forms an auditor needs
    Key(KeyArgs),
    /// List what the local ledger holds
    Ledger(LedgerArgs),
    /// Write a shell completion script to standard output
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// A connection string as psql takes it: a URL, `key=value` pairs, or a database's name
    ///
    /// What it leaves out comes from `service=`, the PG* environment variables and the password file, as in psql.
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The policy: what is intended, so that a decision is not taken for an accident [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A report to write: text, json, html, sarif, junit, csv or markdown; to standard output unless a FILE is named.
    /// Repeatable [default: text]
    #[arg(long = "format", value_name = "FORMAT[=FILE]", value_parser = parse_format)]
    pub(crate) formats: Vec<Format>,
    /// Seal an evidence package into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "high")]
    pub(crate) fail_on: FailOn,
    /// Make the exit code 1 also when a check could not be assessed
    #[arg(long)]
    pub(crate) fail_on_unknown: bool,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
    /// Leave out the handshakes: TLS versions, cipher suites and the certificate are then not assessed
    #[arg(long)]
    pub(crate) no_probe: bool,
    #[command(flatten)]
    pub(crate) trail: TrailAccountArgs,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}

/// Which audit trail an audit looks at.
#[derive(Args, Debug)]
pub(crate) struct TrailAccountArgs {
    /// The audit trail of this cluster: the journal of `pgattest trail run`, on this machine. Without it nothing is known of what
    /// was logged, shipped and kept
    #[arg(long = "trail", value_name = "DIR")]
    pub(crate) journal: Option<PathBuf>,
    /// The public key that the trail's checkpoints are signed with, received by another way than the journal. Repeatable [default: the
    /// key of this machine]
    #[arg(long = "trail-key", value_name = "FILE", requires = "journal")]
    pub(crate) keys: Vec<PathBuf>,
    /// How many days of the trail are read record by record
    #[arg(long = "trail-days", value_name = "N", default_value_t = 31, requires = "journal",
        value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub(crate) days: u32,
    /// The evidence package of an earlier audit of this cluster: the rows that changed since then are compared with the writes that
    /// the trail holds, and the trail is read from then on
    #[arg(long, value_name = "FILE", requires = "journal")]
    pub(crate) since: Option<PathBuf>,
    /// The public key that the earlier package is signed with. Repeatable [default: the key of this machine]
    #[arg(long = "since-key", value_name = "FILE", requires = "since")]
    pub(crate) since_keys: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProveCommand {
    /// Try logins in clear text, old TLS versions, weak cipher suites, and look at the certificate
    ///
    /// Nothing secret is sent: a login attempt ends where a password is asked for. The server logs the attempts.
    #[command(
        after_help = "Exit codes: 0 everything that should be refused was, 1 something was accepted that should not be, 2 it \
could not be told."
    )]
    Transport(TransportArgs),
    /// Perform one known statement per class, a refused one and failed logins, then find each line in the log and in the trail
    ///
    /// Everything is done in one transaction that is rolled back: nothing is left behind, also when it is interrupted. The server
    /// logs it, and whoever is alerted by failed logins will be.
    #[command(
        after_help = "Exit codes: 0 every line that is required was found, 1 one is missing or wrong or a secret can be read, 2 it \
could not be told."
    )]
    Logging(ProveLoggingArgs),
}

#[derive(Args, Debug)]
pub(crate) struct TransportArgs {
    /// A connection string as psql takes it; host and port are enough, only then less is known of what to expect
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// The policy: `transport.minimum_tls`, `transport.certificate_names` [default: ./pgattest.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A role to try to log in as, in clear. Repeatable [default: every login role, up to 50, or the role that connects]
    #[arg(long = "user", value_name = "ROLE")]
    pub(crate) users: Vec<String>,
    /// The database to name in login attempts [default: the one of the connection]
    #[arg(long, value_name = "DATABASE")]
    pub(crate) database: Option<String>,
    /// Text or JSON; JSON has every byte, text has them with --verbose
    #[arg(long, value_enum, default_value_t = ProofFormat::Text)]
    pub(crate) format: ProofFormat,
    /// Write the result to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ProofFormat {
    Text,
    Json,
}

#[derive(Args, Debug)]
#[command(
    group(ArgGroup::new("about").args(["role", "on"]).multiple(true)),
    after_help = "Exit codes: 0 answered, 2 the job could not be done."
)]
pub(crate) struct AccessArgs {
    /// A connection string as psql takes it: a URL, `key=value` pairs, or a database's name
    ///
    /// What it leaves out comes from `service=`, the PG* environment variables and the password file, as in psql.
    #[arg(value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// What this role can do, by its name as the server has it
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// Who can do what on this object, by its name as SQL: `public.orders`, `'schema app'`, `'function app.f'`
    #[arg(long, value_name = "OBJECT")]
    pub(crate) on: Option<String>,
    /// With --role or --on: this privilege only, SELECT for instance
    #[arg(long, value_name = "PRIVILEGE", value_parser = parse_right, requires = "about")]
    pub(crate) privilege: Option<Right>,
    /// The ways to superuser, to the server's operating-system account and to all data, of every login or of --role
    #[arg(long, conflicts_with_all = ["on", "privilege"])]
    pub(crate) to_superuser: bool,
    /// How far a role is thought to go for what it holds
    #[arg(long, value_enum, default_value_t = ViewArg::GrantItself)]
    pub(crate) view: ViewArg,
    /// Text or JSON
    #[arg(long, value_enum, default_value_t = AccessFormat::Text)]
    pub(crate) format: AccessFormat,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// `--view`: each goes as far as the one before it, and further.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ViewArg {
    /// What it has as it is, by inheritance
    InForce,
    /// And what the roles have that it can SET ROLE to
    SetRole,
    /// And what the roles have that it can grant itself
    GrantItself,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum AccessFormat {
    Text,
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The package: evidence-*.zip
    #[arg(value_name = "PACKAGE")]
    pub(crate) package: PathBuf,
    /// A public key to trust, received by another way than the package. Repeatable [default: the key of this machine]
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// A checkpoint of the ledger that was kept elsewhere: the package's must agree with it
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// The proof that one of that checkpoint and the package's continues the other (`pgattest ledger --since`)
    #[arg(long, value_name = "FILE", requires = "checkpoint")]
    pub(crate) consistency: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GrantsArgs {
    /// A connection string as `audit` takes it: asked for the server's version and its databases
    ///
    /// The database it names is the one that audits will have to connect to.
    #[arg(value_name = "CONNECTION", conflicts_with = "postgres")]
    pub(crate) connection: Option<String>,
    /// The role's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ROLE, value_parser = parse_role)]
    pub(crate) role: String,
    /// Connect to no server: print for this major version, and for the one database that the SQL is run in
    #[arg(long, value_name = "MAJOR", value_parser = clap::value_parser!(u32).range(13..=18))]
    pub(crate) postgres: Option<u32>,
    /// Print what undoes it
    #[arg(long)]
    pub(crate) revoke: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// A check's identifier or name: `ROL-01`, `superuser-roles`; none lists all
    #[arg(value_name = "CHECK")]
    pub(crate) check: Option<String>,
}

#[derive(Args, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct HbaArgs {
    /// A `pg_hba.conf` to read, without any server; none asks a server
    #[arg(value_name = "FILE", conflicts_with = "connection")]
    pub(crate) file: Option<PathBuf>,
    /// The server to ask, as psql takes it [default: as in psql]
    #[arg(long, value_name = "CONNECTION")]
    pub(crate) connection: Option<String>,
    /// A `pg_ident.conf` that goes with FILE
    #[arg(long, value_name = "FILE", requires = "file")]
    pub(crate) ident: Option<PathBuf>,
    /// The major version whose rules FILE is read by
    #[arg(long, value_name = "MAJOR", default_value_t = 18, value_parser = clap::value_parser!(u32).range(13..=18))]
    pub(crate) postgres: u32,
    /// Answer for one attempt: the role
    #[arg(long, value_name = "ROLE", requires = "database")]
    pub(crate) user: Option<String>,
    /// Answer for one attempt: the database
    #[arg(long, value_name = "NAME", requires = "user")]
    pub(crate) database: Option<String>,
    /// The attempt is physical replication; its database is not looked at
    #[arg(long, requires = "user")]
    pub(crate) replication: bool,
    /// Where the attempt comes from
    #[arg(
        long,
        value_name = "ADDRESS",
        requires = "user",
        conflicts_with = "local"
    )]
    pub(crate) from: Option<std::net::IpAddr>,
    /// The attempt uses TLS
    #[arg(long, requires = "user", conflicts_with_all = ["clear", "local"])]
    pub(crate) tls: bool,
    /// The attempt is not encrypted (the default)
    #[arg(long, requires = "user", conflicts_with = "local")]
    pub(crate) clear: bool,
    /// The attempt comes through the Unix socket
    #[arg(long, requires = "user")]
    pub(crate) local: bool,
    /// What to write
    #[arg(long, value_enum, default_value_t = HbaFormat::Text)]
    pub(crate) format: HbaFormat,
}

/// What `pgattest hba` writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum HbaFormat {
    /// A table
    Text,
    /// For programs
    Json,
}

#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    /// Which form to write
    #[arg(long, value_enum, default_value_t = KeyForm::All)]
    pub(crate) form: KeyForm,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct LedgerArgs {
    /// A directory with packages: each entry then says whether its package is there. Repeatable
    #[arg(long = "packages", value_name = "DIR")]
    pub(crate) packages: Vec<PathBuf>,
    /// Write the proof that the ledger only grew since this checkpoint, for who kept it, and nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) since: Option<PathBuf>,
    /// With --since: up to this checkpoint, a package's `ledger/checkpoint` for instance [default: now]
    #[arg(long, value_name = "FILE", requires = "since")]
    pub(crate) until: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) home: HomeArgs,
}

/// Where the key and the ledger live.
#[derive(Args, Clone, Debug)]
pub(crate) struct HomeArgs {
    /// Where the signing key and the ledger live [default: the user's data directory, `pgattest` below it]
    #[arg(
        long,
        value_name = "DIR",
        env = "PGATTEST_HOME",
        hide_env_values = true
    )]
    pub(crate) home: Option<PathBuf>,
}

/// One report to write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Format {
    pub(crate) kind: FormatKind,
    /// Standard output when `None`.
    pub(crate) file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum FormatKind {
    Text,
    Json,
    Html,
    Sarif,
    Junit,
    Csv,
    Markdown,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum KeyForm {
    /// Every form, with what each is for
    All,
    /// One line as in `authorized_keys`
    Openssh,
    /// One line for `ssh-keygen -Y verify -f`
    AllowedSigners,
    /// One line for verifiers of the ledger's signed notes
    Note,
}

/// `--fail-on`: a severity or `none`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum FailOn {
    Low,
    Medium,
    High,
    Critical,
    /// Findings never change the exit code
    None,
}

impl FailOn {
    pub(crate) const fn threshold(self) -> Option<Severity> {
        match self {
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
            Self::None => None,
        }
    }
}

/// PostgreSQL cuts longer names off, and has no name that is empty; the prefix is its own.
fn parse_role(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 63 {
        return Err("a role's name has 1 to 63 bytes".to_owned());
    }
    if text.starts_with("pg_") || matches!(text, "public" | "none") {
        return Err("PostgreSQL keeps this name for itself".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_right(text: &str) -> Result<Right, String> {
    let name = text.replace(['-', '_'], " ").to_ascii_uppercase();
    Right::named(&name).ok_or_else(|| {
        let all: Vec<&str> = Right::ALL.into_iter().map(Right::name).collect();
        format!("it is none of {}", all.join(", "))
    })
}

fn parse_format(text: &str) -> Result<Format, String> {
    let (word, file) = match text.split_once('=') {
        Some((_, "")) => return Err("no file after `=`".to_owned()),
        Some((word, file)) => (word, Some(PathBuf::from(file))),
        None => (text, None),
    };
    let kind = FormatKind::from_str(word, false).map_err(|_| {
        format!("`{word}` is not a format: text, json, html, sarif, junit, csv or markdown")
    })?;
    Ok(Format { kind, file })
}

#[cfg(test)]
mod tests {
    use super::{Cli, Format, FormatKind, parse_format};
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_format_may_name_a_file() {
        assert_eq!(
            parse_format("json"),
            Ok(Format {
                kind: FormatKind::Json,
                file: None
            })
        );
        assert_eq!(
            parse_format("html=a=b.html"),
            Ok(Format {
                kind: FormatKind::Html,
                file: Some("a=b.html".into())
            })
        );
        assert!(parse_format("pdf").is_err());
        assert!(parse_format("html=").is_err());
    }
}
