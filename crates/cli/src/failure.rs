//! Errors that end the program: what happened, and what to do next.

use std::fmt;

/// Why the job could not be done. The exit code is 2.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) hint: Option<String>,
    /// The error as it has to be shown, when it is more than a line.
    pub(crate) rendered: Option<String>,
}

/// A failure that is one sentence.
pub(crate) fn fail(message: impl fmt::Display) -> Failure {
    Failure {
        error: anyhow::anyhow!("{message}"),
        hint: None,
        rendered: None,
    }
}

impl Failure {
    /// The same failure with what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure from an error that may know itself what to do next.
    pub(crate) fn of(error: impl Into<anyhow::Error>, hint: Option<String>) -> Self {
        Self {
            hint,
            ..Self::from(error)
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            hint: None,
            rendered: None,
        }
    }
}

/// Adds what to do next to an error.
pub(crate) trait OrHint<T> {
    fn or_hint(self, hint: &str) -> Result<T, Failure>;
}

impl<T> OrHint<T> for Result<T, Failure> {
    fn or_hint(self, hint: &str) -> Self {
        self.map_err(|failure| failure.hint(hint))
    }
}

/// Adds what was being done to an error.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            error: error.into().context(what()),
            hint: None,
            rendered: None,
        })
    }
}
