//! Why a change could not be made.

use pgattest_wire::ConnectError;

/// Why a change could not be made or taken back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server refused a statement.
    #[error("the server refused `{statement}`")]
    Refused {
        /// The statement.
        statement: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// A file does not hold what the plan was made from.
    #[error("{path} does not hold what the plan was made from any more; make a new plan")]
    FileMoved {
        /// Its path on the server.
        path: String,
    },
    /// The server did not read its files again.
    #[error("the server did not read its configuration again within 30 seconds")]
    NotReloaded,
    /// It cannot be done from here.
    #[error("{0}")]
    NotFromHere(String),
}
