//! Which form a log has: told by its content, never by its name.

use super::stderr::RDS_PREFIX;
use super::{Cut, Splitter};

/// The form of a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// `log_destination = csvlog`. `columns`: 23 (12 and older), 24 (13) or 26 (14 to 18).
    Csvlog {
        /// Fields of a record.
        columns: u8,
    },
    /// `log_destination = jsonlog`, 15 and later: one object a line.
    Jsonlog,
    /// `log_destination = stderr`, with the server's `log_line_prefix`. Anybody who may name a role can forge lines in it: it is
    /// decoded, and never taken for audit-grade evidence.
    Stderr {
        /// `log_line_prefix` as `SHOW` has it.
        prefix: String,
    },
    /// Amazon RDS and Aurora in their text form: [`Format::Stderr`] with `%t:%r:%u@%d:[%p]:`.
    RdsStderr,
    /// pgauditlogtofile's `csv`.
    PgauditlogtofileCsv,
    /// pgauditlogtofile's `json`.
    PgauditlogtofileJson,
    /// Google Cloud's Data Access audit log of Cloud SQL and `AlloyDB`: one `LogEntry` a line, with a `PgAuditEntry` in it.
    CloudSql,
}

impl Format {
    /// The form's name in manifests and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Csvlog { .. } => "csvlog",
            Self::Jsonlog => "jsonlog",
            Self::Stderr { .. } => "stderr",
            Self::RdsStderr => "rds-stderr",
            Self::PgauditlogtofileCsv => "pgauditlogtofile-csv",
            Self::PgauditlogtofileJson => "pgauditlogtofile-json",
            Self::CloudSql => "cloud-sql",
        }
    }

    /// Whether nobody but the server can have written a record of this form.
    pub fn is_audit_grade(&self) -> bool {
        matches!(self, Self::Csvlog { .. } | Self::Jsonlog | Self::CloudSql)
    }
}

/// What the beginning of a log is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Detected {
    /// A log of this form.
    Form(Format),
    /// Plain text. What `log_line_prefix` is must be said: [`Format::Stderr`].
    NeedsPrefix,
    /// Too little is there to tell.
    Undecided,
}

/// So much of a log is looked at, in bytes.
pub const DETECTION: usize = 1 << 18;

/// The forms that can be told without being told anything, those that are easily mistaken for others last.
const FORMS: [Format; 8] = [
    Format::Csvlog { columns: 26 },
    Format::Csvlog { columns: 24 },
    Format::Csvlog { columns: 23 },
    Format::Jsonlog,
    Format::PgauditlogtofileJson,
    Format::CloudSql,
    Format::PgauditlogtofileCsv,
    Format::RdsStderr,
];

/// Tells the form of a log from its beginning (the first [`DETECTION`] bytes): the form that most bytes are records of. A log that
/// begins with something torn is told by what follows. `prefix`: the server's `log_line_prefix`, when it is known.
pub fn detect(beginning: &[u8], prefix: Option<&str>) -> Detected {
    let beginning = beginning.get(..DETECTION).unwrap_or(beginning);
    let given = prefix
        .filter(|prefix| *prefix != RDS_PREFIX)
        .map(|prefix| Format::Stderr {
            prefix: prefix.to_owned(),
        });
    let best = FORMS
        .into_iter()
        .chain(given)
        .map(|format| (bytes_of_records(&format, beginning), format))
        // The first of those that have the same.
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    match best {
        Some((found, format)) if found > 0 => Detected::Form(format),
        // A line of anything but a form that is known.
        _ if beginning.contains(&b'\n') => Detected::NeedsPrefix,
        _ => Detected::Undecided,
    }
}

fn bytes_of_records(format: &Format, bytes: &[u8]) -> usize {
    let mut splitter = Splitter::new(format.clone());
    let (mut rest, mut records) = (bytes, 0);
    loop {
        // Not the end, but all there is: a last record that is not whole does not count.
        let length = match splitter.next(rest, false) {
            Cut::Record(length) => {
                records += length;
                length
            }
            Cut::Torn(length, _) => length,
            Cut::More => return records,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}
