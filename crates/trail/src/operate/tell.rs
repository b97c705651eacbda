//! What a collector says to whoever operates it, besides its numbers.

use std::fmt;
use std::sync::Arc;

/// How much it matters.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Importance {
    /// Worth a line.
    Info,
    /// Not as it should be; the work goes on.
    Warning,
    /// Something is lost, or nothing goes on.
    Error,
}

impl fmt::Display for Importance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Takes messages: one line each, what happened, where, what to do next. File names in them are as they are: who shows a message
/// makes control characters visible.
#[derive(Clone)]
pub struct Teller(Arc<Tell>);

type Tell = dyn Fn(Importance, &str) + Send + Sync;

impl Teller {
    /// Hands every message to this function, from any thread.
    pub fn new(tell: impl Fn(Importance, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self::new(|_, _| {})
    }

    /// Something worth a line.
    pub fn info(&self, text: impl AsRef<str>) {
        (self.0)(Importance::Info, text.as_ref());
    }

    /// Something that is not as it should be.
    pub fn warn(&self, text: impl AsRef<str>) {
        (self.0)(Importance::Warning, text.as_ref());
    }

    /// Something was lost, or nothing goes on.
    pub fn error(&self, text: impl AsRef<str>) {
        (self.0)(Importance::Error, text.as_ref());
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller")
    }
}

/// An error with what caused it, in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
