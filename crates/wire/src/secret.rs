//! Values that must never reach a log, an error or a report.

use zeroize::Zeroizing;

/// A secret, such as a password: bytes that are wiped from memory when dropped.
///
/// It has no `Debug`, `Display` or `PartialEq`, so that no message can hold it by accident.
/// PostgreSQL passwords are bytes, not necessarily UTF-8.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Wraps the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is nothing in it, which libpq treats as no password at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
