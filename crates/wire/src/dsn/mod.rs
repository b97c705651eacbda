//! Connection strings, as libpq and psql read them.

mod keyvalue;
mod uri;

use crate::error::{SettingsError, SyntaxProblem};
use crate::keyword;
use crate::secret::Secret;
use crate::values::{Origin, Values};

/// Reads a connection string: a URI, keyword/value pairs, or a bare database name as psql takes it.
pub(crate) fn parse(text: &str) -> Result<Values, SettingsError> {
    if let Some(scheme) = ["postgresql://", "postgres://"]
        .into_iter()
        .find(|scheme| text.starts_with(scheme))
    {
        return uri::parse(text, scheme.len());
    }
    if has_foreign_scheme(text) {
        return Err(syntax(text, 0, SyntaxProblem::ForeignScheme));
    }
    if text.contains('=') {
        return keyvalue::parse(text);
    }
    let mut values = Values::default();
    if let Some(dbname) = keyword::find("dbname").filter(|_| !text.is_empty()) {
        values.set(dbname, Secret::new(text), Origin::ConnectionString);
    }
    Ok(values)
}

/// Whether this is a URL for another driver, such as `jdbc:postgresql://` or `mysql://`.
fn has_foreign_scheme(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c))
    })
}

/// An error at a byte offset of the connection string.
fn syntax(text: &str, offset: usize, problem: SyntaxProblem) -> SettingsError {
    SettingsError::Syntax {
        position: character_at(text, offset),
        problem,
    }
}

/// The error of a keyword that does not exist.
///
/// The keyword is named only if it cannot be a piece of a password: when a password came before it
/// and it resembles no keyword, it may be the rest of a password with a space or `&` in it.
fn unknown_key(text: &str, offset: usize, key: &str, after_password: bool) -> SettingsError {
    let suggestion = keyword::nearest(key);
    let named = suggestion.is_some() || !after_password;
    SettingsError::UnknownKey {
        key: named.then(|| key.to_owned()),
        position: Some(character_at(text, offset)),
        suggestion,
        origin: Origin::ConnectionString,
    }
}

/// The number of the character at a byte offset, counted from 1.
fn character_at(text: &str, offset: usize) -> usize {
    text.char_indices()
        .take_while(|(at, _)| *at < offset)
        .count()
        + 1
}

#[cfg(test)]
mod tests;
