//! Which form a log has.

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
    /// Google Cloud's Data Access audit log of Cloud SQL and AlloyDB: one `LogEntry` a line, with a `PgAuditEntry` in it.
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
