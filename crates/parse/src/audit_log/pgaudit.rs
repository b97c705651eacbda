//! The record within a record: what pgaudit says of one statement.

use super::record::Text;

/// One audit record. It says what was attempted: a statement that was rolled back is here, too.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Audit<'a> {
    /// `SESSION` or `OBJECT`.
    pub kind: Text<'a>,
    /// The statement's number within the session.
    pub statement_id: u64,
    /// The number of the statement within the statement.
    pub substatement_id: u64,
    /// `READ`, `WRITE`, `DDL`, `ROLE`, `FUNCTION`, `MISC`.
    pub class: Text<'a>,
    /// `SELECT`, `CREATE TABLE`.
    pub command: Text<'a>,
    /// `TABLE`, `INDEX`; empty when pgaudit does not say.
    pub object_type: Text<'a>,
    /// The object, as pgaudit quotes it; empty when pgaudit does not say.
    pub object_name: Text<'a>,
    /// The statement, or why it is not there.
    pub statement: Said<'a>,
    /// The parameters as pgaudit writes them (CSV), or why they are not there.
    pub parameters: Said<'a>,
    /// Rows retrieved or affected, with `pgaudit.log_rows`.
    pub rows: Option<u64>,
}

/// A text, or pgaudit's reason for leaving it out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Said<'a> {
    /// The text.
    Text(Text<'a>),
    /// `<none>`: there is none.
    None,
    /// `<not logged>`: a setting keeps it out.
    NotLogged,
    /// `<previously logged>`: `pgaudit.log_statement_once`.
    Before,
    /// `<long param suppressed>`: `pgaudit.log_parameter_max_size`.
    TooLong,
}

/// Reads the message of a record. `None` when it is no audit record, or one that is damaged.
pub fn read<'a>(message: &'a [u8]) -> Option<Audit<'a>> {
    let _ = message;
    todo!("pgaudit")
}
