//! Reading an `ErrorResponse` that nobody has authenticated.

use std::fmt;

use super::exchange::{NoAnswer, Talk};
use crate::text::printable;

/// The longest message that is read.
const LONGEST: usize = 16 * 1024;

/// What a server says when it refuses. Before a login anybody in between could have written it. Hostile text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServerError {
    /// `FATAL`, whatever the server's language.
    pub severity: String,
    /// The five-character code.
    pub sqlstate: String,
    /// The message, in the server's language.
    pub message: String,
    /// The file of the server's source, such as `auth.c`; empty from a pooler.
    pub file: String,
    /// The function in it, such as `ClientAuthentication`; empty from a pooler.
    pub routine: String,
}

/// Reads the rest of a message whose kind, `E`, was read already.
pub(super) async fn read(talk: &mut Talk) -> Result<ServerError, NoAnswer> {
    Ok(ServerError::parse(&message_body(talk).await?))
}

/// The body of a message of PostgreSQL's protocol, after its kind.
pub(super) async fn message_body(talk: &mut Talk) -> Result<Vec<u8>, NoAnswer> {
    let length = talk.exactly(4).await?;
    let length = match length.as_slice() {
        [a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    };
    let body = usize::try_from(length)
        .ok()
        .and_then(|length| length.checked_sub(4))
        .filter(|body| *body <= LONGEST)
        .ok_or_else(|| NoAnswer::NotUnderstood(format!("a message of {length} bytes")))?;
    talk.exactly(body).await
}

impl ServerError {
    /// Reads the body of an `ErrorResponse`. What is missing is empty.
    pub(crate) fn parse(body: &[u8]) -> Self {
        let mut error = Self::default();
        let mut localized = String::new();
        for field in body.split(|byte| *byte == 0) {
            let Some((kind, value)) = field.split_first() else {
                break;
            };
            let value = String::from_utf8_lossy(value).into_owned();
            match kind {
                b'S' => localized = value,
                b'V' => error.severity = value,
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'F' => error.file = value,
                b'R' => error.routine = value,
                _ => {}
            }
        }
        if error.severity.is_empty() {
            error.severity = localized;
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            printable(&self.severity),
            printable(&self.sqlstate),
            printable(&self.message)
        )?;
        if !self.routine.is_empty() {
            write!(
                f,
                " ({}, {})",
                printable(&self.routine),
                printable(&self.file)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::ServerError;
    use proptest::prelude::*;

    #[test]
    fn fields_are_read_in_any_order_and_unknown_ones_skipped() {
        let error =
            ServerError::parse(b"SFATAL\0Rroutine\0VFATAL\0Zx\0C28000\0Mno\x1b\0Fauth.c\0\0");
        assert_eq!(
            error.to_string(),
            "FATAL 28000: no\\u{1b} (routine, auth.c)"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(body: Vec<u8>) {
            let _ = ServerError::parse(&body).to_string();
        }
    }
}
