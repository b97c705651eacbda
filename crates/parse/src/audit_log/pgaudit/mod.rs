//! The record within a record: what pgaudit says of one statement.
//!
//! `AUDIT: TYPE,statement,substatement,CLASS,COMMAND,OBJECT TYPE,object name,statement text,parameters[,rows]`: CSV, in which a field
//! is quoted only when it holds a comma, a quote or a line end. The parameters are CSV themselves ([`parameters`]), the object's
//! name is one or more identifiers ([`ObjectName`]).
//!
//! What pgaudit does not tell apart stays so: NULL and the empty text are both nothing; a parameter whose value is `<none>` looks
//! like no parameters.

mod object_name;
#[cfg(test)]
mod tests;

use super::Record;
use super::csvlog::single_quotes;
use super::record::Text;
use super::scan::number;
use memchr::{memchr, memchr3};
use std::borrow::Cow;

pub use object_name::ObjectName;

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
    /// `<long param suppressed>`: `pgaudit.log_parameter_max_size`. As a whole: one of several parameters is
    /// [`Parameter::TooLong`].
    TooLong,
}

impl<'a> Said<'a> {
    fn read(text: Text<'a>) -> Self {
        match text.as_ref() {
            b"<none>" => Self::None,
            b"<not logged>" => Self::NotLogged,
            b"<previously logged>" => Self::Before,
            b"<long param suppressed>" => Self::TooLong,
            _ => Self::Text(text),
        }
    }

    /// The text, when it is there.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Parameter<'a> {
    /// The value; empty for NULL as well.
    Value(Text<'a>),
    /// `<long param suppressed>`: `pgaudit.log_parameter_max_size`.
    TooLong,
}

/// Before a record within a message.
const MARK: &[u8] = b"AUDIT: ";

/// Reads what pgaudit says in a record, when pgaudit wrote it.
///
/// A function of anybody's may write `AUDIT: ` with `RAISE LOG`. pgaudit hides the statement and the context of its records, and
/// gives them neither detail nor hint; a function cannot hide its context, nor a role without privileges the statement: a record with
/// any of those is none of pgaudit's. Where that cannot be told: in stderr logs all of it stands on other lines, and those can be
/// forged; pgauditlogtofile (whose records have no severity) writes contexts that pgaudit had hidden, and takes any message that
/// begins as pgaudit's do.
pub fn of<'a>(record: &'a Record<'_>) -> Option<Audit<'a>> {
    // `pgaudit.log_level` may be warning, which has 01000.
    let state = matches!(record.sqlstate.as_deref(), None | Some(b"00000" | b"01000"));
    let hidden = record.context.is_none() || record.severity.is_none();
    let plain = record.statement.is_none() && record.detail.is_none() && record.hint.is_none();
    if state && hidden && plain {
        read(&record.message)
    } else {
        None
    }
}

/// Reads the message of a record. `None` when it is no audit record, or one that is damaged. Whether pgaudit wrote it the message
/// alone does not tell: see [`of`].
pub fn read(message: &[u8]) -> Option<Audit<'_>> {
    let mut fields = Fields {
        rest: Some(message.strip_prefix(MARK)?),
    };
    let kind = fields
        .next()?
        .filter(|kind| matches!(kind.as_ref(), b"SESSION" | b"OBJECT"))?;
    let audit = Audit {
        kind,
        statement_id: number(&fields.next()??)?,
        substatement_id: number(&fields.next()??)?,
        class: fields.next()??,
        command: fields.next()??,
        object_type: fields.next()??,
        object_name: fields.next()??,
        statement: Said::read(fields.next()??),
        parameters: Said::read(fields.next()??),
        // By count: the setting can change within a log.
        rows: match fields.next() {
            None => None,
            Some(rows) => Some(number(&rows?)?),
        },
    };
    fields.rest.is_none().then_some(audit)
}

/// The values of parameters as [`Audit::parameters`] has them. `None` when the text is damaged.
pub fn parameters(text: &[u8]) -> Option<Vec<Parameter<'_>>> {
    let fields = Fields { rest: Some(text) };
    fields
        .map(|field| {
            field.map(|value| {
                if value.as_ref() == b"<long param suppressed>" {
                    Parameter::TooLong
                } else {
                    Parameter::Value(value)
                }
            })
        })
        .collect()
}

/// The fields of a line of CSV as pgaudit writes it. A field that is damaged is `None`, and the last.
struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Text<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.rest.take()?;
        let (text, end) = if let Some(inner) = bytes.strip_prefix(b"\"") {
            match quoted(inner) {
                Some((text, length)) => (text, length + 1),
                None => return Some(None),
            }
        } else {
            let end = memchr(b',', bytes).unwrap_or(bytes.len());
            let text = bytes.get(..end).unwrap_or_default();
            // pgaudit quotes a field with any of these.
            if memchr3(b'"', b'\n', b'\r', text).is_some() {
                return Some(None);
            }
            (Cow::Borrowed(text), end)
        };
        match bytes.get(end) {
            None => (),
            Some(b',') => self.rest = bytes.get(end + 1..),
            Some(_) => return Some(None),
        }
        Some(Some(text))
    }
}

/// The text that `bytes` begin with, up to its quote, and the length with the quote.
#[inline]
fn quoted(bytes: &[u8]) -> Option<(Text<'_>, usize)> {
    let mut at = 0;
    let mut doubled = false;
    loop {
        at += memchr(b'"', bytes.get(at..)?)?;
        if bytes.get(at + 1) != Some(&b'"') {
            let text = bytes.get(..at)?;
            let text = if doubled {
                Cow::Owned(single_quotes(text))
            } else {
                Cow::Borrowed(text)
            };
            return Some((text, at + 1));
        }
        doubled = true;
        at += 2;
    }
}
