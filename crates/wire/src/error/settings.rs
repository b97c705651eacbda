//! What can be wrong with connection settings, before any connection is tried.

use std::io;
use std::path::PathBuf;

use crate::text::printable;
use crate::values::Origin;

/// Connection settings that cannot be used.
///
/// The message says what is wrong and where. It never shows a value from a connection string,
/// because a slip in quoting puts the password anywhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The connection string cannot be read.
    #[error("connection string: {problem} at character {position}")]
    Syntax {
        /// The character at fault, counted from 1.
        position: usize,
        /// What is wrong there.
        problem: SyntaxProblem,
    },
    /// A keyword that libpq does not have.
    #[error("{origin}: {}", unknown_key(.key.as_deref(), *.position))]
    UnknownKey {
        /// The keyword, unless it may be part of a password.
        key: Option<String>,
        /// The character at which it starts, counted from 1, when it is in a connection string.
        position: Option<usize>,
        /// What was probably meant.
        suggestion: Option<&'static str>,
        /// Where it stands.
        origin: Origin,
    },
    /// A keyword that would change what happens in a way that pgattest cannot follow.
    #[error("{origin}: `{key}` is not supported with this value")]
    Unsupported {
        /// The keyword.
        key: &'static str,
        /// Where it stands.
        origin: Origin,
        /// Why, and what to do instead.
        why: &'static str,
    },
    /// A value that does not fit its keyword.
    #[error("{origin}: the value of `{key}` is not {expected}")]
    InvalidValue {
        /// The keyword.
        key: &'static str,
        /// Where it stands.
        origin: Origin,
        /// What would fit, in words that follow "is not".
        expected: String,
    },
    /// Two settings that exclude each other.
    #[error("{origin}: `{key}` cannot be combined with {other}")]
    Conflict {
        /// The keyword at fault.
        key: &'static str,
        /// Where it stands.
        origin: Origin,
        /// The other setting.
        other: &'static str,
    },
    /// Lists of different length.
    #[error("{given} values of `{key}` cannot be matched to {hosts} hosts")]
    ListLength {
        /// The keyword of the list at fault.
        key: &'static str,
        /// Its number of values.
        given: usize,
        /// The number of hosts.
        hosts: usize,
    },
    /// The service is in none of the service files.
    #[error("service `{}` is not defined in {}", printable(.name), paths(.searched))]
    ServiceMissing {
        /// The name of the service.
        name: String,
        /// The files that were read.
        searched: Vec<PathBuf>,
    },
    /// A service file that should be there cannot be read.
    #[error("service file `{}` cannot be read", printable(&.path.to_string_lossy()))]
    ServiceFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line of a service file makes no sense.
    #[error("{}:{line}: {problem}", printable(&.path.to_string_lossy()))]
    ServiceSyntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No role was given and the operating system has no name for the user.
    #[error("no role to connect as: the operating-system user has no name")]
    NoUser,
}

/// What is wrong at a place in a connection string.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxProblem {
    /// A keyword without a value.
    #[error("missing `=` after a keyword")]
    MissingEquals,
    /// A keyword/value pair without its keyword.
    #[error("missing keyword before `=`")]
    MissingKeyword,
    /// A single quote that nothing closes.
    #[error("unterminated quoted value")]
    UnterminatedQuote,
    /// A URL of another kind.
    #[error("this is not a `postgresql://` URL")]
    ForeignScheme,
    /// An IPv6 address without its closing bracket.
    #[error("missing `]` after an IPv6 address")]
    MissingBracket,
    /// Brackets with nothing between them.
    #[error("empty IPv6 address")]
    EmptyAddress,
    /// Text between an IPv6 address and the port.
    #[error("unexpected character after an IPv6 address")]
    AfterBracket,
    /// A query parameter without a value.
    #[error("missing `=` in a query parameter")]
    MissingParameterEquals,
    /// A query parameter with two `=`.
    #[error("extra `=` in a query parameter")]
    ExtraParameterEquals,
    /// `%` without two hexadecimal digits.
    #[error("`%` without two hexadecimal digits")]
    BadPercent,
    /// `%00`.
    #[error("a NUL byte, which is not allowed")]
    Nul,
    /// An `@` after the host began, as an unencoded `@` or `/` in a password leaves it.
    #[error("unexpected `@`: the user name, password or database holds an unencoded `@` or `/`")]
    UnencodedUserInfo,
}

impl SettingsError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { problem, .. } => Some(problem.hint().to_owned()),
            Self::UnknownKey {
                key: None, origin, ..
            } => Some(match origin {
                Origin::ConnectionString => {
                    "quote a value that contains spaces: password='two words'; in a URL, \
                     percent-encode `&` as %26"
                        .to_owned()
                }
                _ => "see the list of connection parameters in the libpq manual".to_owned(),
            }),
            Self::UnknownKey { suggestion, .. } => Some(match suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None => "see the list of connection parameters in the libpq manual".to_owned(),
            }),
            Self::Unsupported { why, .. } => Some((*why).to_owned()),
            Self::InvalidValue { .. } => None,
            Self::Conflict { key, .. } => Some(format!("remove `{key}`, or change the other")),
            Self::ListLength { key, .. } => Some(if *key == "port" {
                "give one port for all hosts, or one for each".to_owned()
            } else {
                "give one address for each host; an empty one is allowed between commas".to_owned()
            }),
            Self::ServiceMissing { .. } => Some(
                "add a `[name]` section to ~/.pg_service.conf, or set PGSERVICEFILE".to_owned(),
            ),
            Self::ServiceFile { .. } => {
                Some("correct PGSERVICEFILE or `servicefile`, or the file's permissions".to_owned())
            }
            Self::ServiceSyntax { .. } => {
                Some("write `[service]` headings and `keyword=value` lines below them".to_owned())
            }
            Self::NoUser => Some("give `user=` in the connection string, or set PGUSER".to_owned()),
        }
    }
}

impl SyntaxProblem {
    fn hint(self) -> &'static str {
        match self {
            Self::MissingEquals | Self::MissingKeyword => {
                "write keyword=value pairs, with quotes around values that contain spaces: \
                 password='two words'"
            }
            Self::UnterminatedQuote => "close the quote, and write a quote inside a value as \\'",
            Self::ForeignScheme => "use postgresql://user@host:port/database",
            Self::BadPercent | Self::Nul => "write a literal `%` as %25",
            Self::UnencodedUserInfo => "percent-encode them: `@` is %40, `/` is %2F",
            Self::ExtraParameterEquals => "percent-encode `=` inside a value as %3D",
            Self::MissingBracket | Self::EmptyAddress | Self::AfterBracket => {
                "write an IPv6 address as [2001:db8::1]:5432"
            }
            Self::MissingParameterEquals => "write ?keyword=value&keyword=value",
        }
    }
}

fn unknown_key(key: Option<&str>, position: Option<usize>) -> String {
    let name = match key {
        Some(key) => format!("unknown keyword `{}`", printable(key)),
        None => "unknown keyword".to_owned(),
    };
    match position {
        Some(position) => format!("{name} at character {position}"),
        None => name,
    }
}

fn paths(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "any service file: there is none".to_owned();
    }
    paths
        .iter()
        .map(|path| format!("`{}`", printable(&path.to_string_lossy())))
        .collect::<Vec<_>>()
        .join(" or ")
}
