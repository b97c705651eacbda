//! A server's own words.

use std::fmt;

use tokio_postgres::error::DbError;

use crate::text::printable;

/// An error or notice from a server, or from a pooler that answers for it.
///
/// It is hostile text: `Display` escapes what acts on a terminal, the accessors do not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerMessage(Box<DbError>);

impl ServerMessage {
    pub(crate) fn new(error: DbError) -> Self {
        Self(Box::new(error))
    }

    /// The SQLSTATE, which no translation changes.
    pub fn sqlstate(&self) -> &str {
        self.0.code().code()
    }

    /// The message in the server's language, as it came.
    pub fn message(&self) -> &str {
        self.0.message()
    }

    /// The detail, as it came.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail()
    }

    /// The server's own advice, as it came.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint()
    }

    /// The function of PostgreSQL's source that reports the error, which no translation changes.
    pub(crate) fn routine(&self) -> Option<&str> {
        self.0.routine()
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.message()))?;
        if let Some(detail) = self.detail() {
            write!(f, " ({})", printable(detail))?;
        }
        if let Some(hint) = self.hint() {
            write!(f, " (the server's hint: {})", printable(hint))?;
        }
        write!(f, " [{}]", printable(self.sqlstate()))
    }
}
