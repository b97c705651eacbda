//! Connection settings as they were written, before anybody interprets them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::error::SettingsError;
use crate::keyword::Keyword;
use crate::secret::Secret;
use crate::text::printable;

/// Where a setting came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The connection string on the command line or in a policy.
    ConnectionString,
    /// A line of a service file.
    ServiceFile {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Variable(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectionString => f.write_str("the connection string"),
            Self::ServiceFile { path, line } => {
                write!(f, "{}:{line}", printable(&path.to_string_lossy()))
            }
            Self::Variable(name) => write!(f, "{name}"),
        }
    }
}

/// One setting. The value is a [`Secret`] whatever its keyword is, because a mistake in a
/// connection string (an unquoted space, an unencoded `@`) moves the password to another keyword.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) keyword: &'static Keyword,
    pub(crate) value: Secret,
    pub(crate) origin: Origin,
}

/// The settings given so far, by keyword.
#[derive(Clone, Default)]
pub(crate) struct Values {
    by_name: BTreeMap<&'static str, Given>,
}

impl Values {
    /// Sets a value; a later one replaces an earlier one, as in a connection string.
    pub(crate) fn set(&mut self, keyword: &'static Keyword, value: Secret, origin: Origin) {
        self.by_name.insert(
            keyword.name,
            Given {
                keyword,
                value,
                origin,
            },
        );
    }

    /// Sets a value unless there is one, as a source of lower precedence does.
    pub(crate) fn set_if_absent(
        &mut self,
        keyword: &'static Keyword,
        value: Secret,
        origin: Origin,
    ) {
        if !self.by_name.contains_key(keyword.name) {
            self.set(keyword, value, origin);
        }
    }

    /// Everything given, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Given> {
        self.by_name.values()
    }

    /// What was given for a keyword, unless it is empty: libpq gives an empty value its default.
    pub(crate) fn get(&self, name: &str) -> Option<&Given> {
        self.by_name
            .get(name)
            .filter(|given| !given.value.is_empty())
    }

    /// What was given for a keyword, even if it is empty.
    pub(crate) fn given(&self, name: &str) -> Option<&Given> {
        self.by_name.get(name)
    }

    /// The text given for a keyword, unless it is empty.
    ///
    /// # Errors
    ///
    /// The value is not UTF-8 or holds a NUL, which the protocol cannot carry.
    pub(crate) fn text(&self, name: &str) -> Result<Option<(&str, &Given)>, SettingsError> {
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(given.value.expose())
            .ok()
            .filter(|text| !text.contains('\0'))
            .ok_or_else(|| given.invalid("text in UTF-8 without NUL bytes"))?;
        Ok(Some((text, given)))
    }
}

impl Given {
    /// The error of a value that cannot be used. It never shows the value.
    pub(crate) fn invalid(&self, expected: impl Into<String>) -> SettingsError {
        SettingsError::InvalidValue {
            key: self.keyword.name,
            origin: self.origin.clone(),
            expected: expected.into(),
        }
    }
}
