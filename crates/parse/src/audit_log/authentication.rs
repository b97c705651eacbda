//! Who tried to come in, and how it ended.
//!
//! | | 13 | 14 and 15 | 16 and 17 | 18 |
//! |---|---|---|---|---|
//! | `connection received` | yes | yes | yes | yes |
//! | `connection authenticated: identity=` | no | yes | yes | yes |
//! | `connection authenticated: user= method=trust` | no | no | yes | yes |
//! | `connection authorized`, `disconnection` | yes | yes | yes | yes |
//! | `connection ready: setup total=` | no | no | no | when asked for |
//!
//! Refusals are told by SQLSTATE and command tag, whatever language the server speaks. The other events all have SQLSTATE `00000`:
//! they are told by their English message. In another language (`lc_messages`) what is left is told by the command tag and the
//! message's shape.
//!
//! A function may write any message with `RAISE LOG`, but not without the CONTEXT and the statement that it comes from, which the
//! server's own messages about a connection never have: a record with either is no event. Plain-text logs (stderr) have those on
//! lines of their own, and anybody who may name a role can forge them.

use super::Record;
use super::record::Text;
use memchr::memmem;
use std::borrow::Cow;

/// What a record says of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// A client has connected; nobody is known yet.
    Received,
    /// The client has shown who it is (14 and later).
    Authenticated {
        /// Who, as the method knows it.
        identity: Text<'a>,
        /// `scram-sha-256`, `trust`.
        method: Text<'a>,
    },
    /// The session may begin.
    Authorized {
        /// Encrypted with TLS, as the message says. The message also has the client's `application_name`, which may imitate it: `false`
        /// is certain, `true` is not when the client gave a name.
        tls: bool,
        /// For replication.
        replication: bool,
    },
    /// Refused: whatever ends a connection before its session begins. SQLSTATE class 28, 3D000, 53300, 57P03, 08P01 and the like.
    Refused {
        /// The role exists as far as the record tells; `Some(false)` when it says the role does not.
        role_exists: Option<bool>,
    },
    /// The session has ended.
    Disconnected,
}

/// Reads what a record says of a connection. By SQLSTATE and process title where the language of messages does not matter, by the
/// English message elsewhere.
pub fn read<'a>(record: &'a Record<'_>) -> Option<Event<'a>> {
    let sqlstate = record.sqlstate.as_deref().unwrap_or(b"00000");
    if !matches!(sqlstate.get(..2), Some(b"00" | b"01" | b"02")) {
        return is_connecting(record).then(|| Event::Refused {
            role_exists: role_exists(record, sqlstate),
        });
    }
    if sqlstate != b"00000" || record.context.is_some() || record.statement.is_some() {
        return None;
    }
    english(&record.message).or_else(|| foreign(record))
}

/// Whether a session has not begun yet: the process title says so.
fn is_connecting(record: &Record<'_>) -> bool {
    let tag = record.command_tag.as_deref();
    match tag {
        Some(b"authentication" | b"startup" | b"initializing") => true,
        // Nobody is known yet. Without a title at all (stderr without `%i`), the severity has to do.
        Some(b"") => record.host.is_some(),
        None => {
            record.severity.as_deref() == Some(b"FATAL")
                && record.line.is_none()
                && refusing(record)
        }
        Some(_) => false,
    }
}

/// Messages of [`is_connecting`] that a session which has begun cannot end with.
fn refusing(record: &Record<'_>) -> bool {
    let message: &[u8] = &record.message;
    let begins = [
        &b"password authentication failed for user "[..],
        b"no pg_hba.conf entry for ",
        b"pg_hba.conf rejects ",
        b"role \"",
        b"database \"",
        b"sorry, too many clients already",
        b"too many connections for ",
        b"remaining connection slots are reserved",
        b"permission denied for database ",
        b"the database system is ",
    ];
    begins.iter().any(|begin| message.starts_with(begin))
        || memmem::find(message, b" authentication failed for user ").is_some()
}

/// Whether the role exists, as far as a refusal tells.
fn role_exists(record: &Record<'_>, sqlstate: &[u8]) -> Option<bool> {
    let user = record.user.as_deref()?;
    let says = |text: &[u8], before: &[u8], after: &[u8]| {
        let rest = text
            .strip_prefix(before)
            .and_then(|rest| rest.strip_prefix(user));
        rest.is_some_and(|rest| rest.starts_with(after))
    };
    let detail = record.detail.as_deref().unwrap_or_default();
    if says(detail, b"Role \"", b"\" does not exist.")
        || says(&record.message, b"role \"", b"\" does not exist")
    {
        return Some(false);
    }
    let exists = match sqlstate {
        // Nothing is said of the role before the line of pg_hba.conf: it is the password that was wrong.
        b"28P01" => {
            detail.starts_with(b"Connection matched ")
                || says(detail, b"Password does not match for user \"", b"\"")
                || says(detail, b"User \"", b"\" has ")
        }
        // Both are looked up after the client has shown who it is.
        b"3D000" | b"42501" => true,
        _ => {
            says(
                &record.message,
                b"role \"",
                b"\" is not permitted to log in",
            ) || says(&record.message, b"too many connections for role \"", b"\"")
        }
    };
    exists.then_some(true)
}

fn english(message: &[u8]) -> Option<Event<'_>> {
    if message.starts_with(b"connection received: host=") {
        return Some(Event::Received);
    }
    if let Some(rest) = message.strip_prefix(b"connection authenticated: ") {
        let rest = rest
            .strip_prefix(b"identity=\"")
            .or_else(|| rest.strip_prefix(b"user=\""))?;
        return authenticated(rest, b"\" method=");
    }
    if let Some(rest) = message.strip_prefix(b"connection authorized: ") {
        return Some(Event::Authorized {
            tls: is_tls(rest),
            replication: false,
        });
    }
    if let Some(rest) = message.strip_prefix(b"replication connection authorized: ") {
        return Some(Event::Authorized {
            tls: is_tls(rest),
            replication: true,
        });
    }
    message
        .starts_with(b"disconnection: session time: ")
        .then_some(Event::Disconnected)
}

/// `IDENTITY" method=METHOD (FILE:LINE)`. An identity may hold anything, so its end is the last one.
fn authenticated<'a>(text: &'a [u8], between: &[u8]) -> Option<Event<'a>> {
    let at = memmem::rfind(text, between)?;
    let method = text.get(at + between.len()..)?;
    let end = memmem::find(method, b" (").unwrap_or(method.len());
    Some(Event::Authenticated {
        identity: Cow::Borrowed(text.get(..at)?),
        method: Cow::Borrowed(method.get(..end)?),
    })
}

/// ` SSL enabled (protocol=TLSv1.3, cipher=..., bits=256)`, at the end or before what is said of GSSAPI; 13 has `compression` too.
fn is_tls(text: &[u8]) -> bool {
    memmem::rfind(text, b" SSL enabled (protocol=").is_some_and(|_| text.ends_with(b")"))
}

/// An event in another language than English.
fn foreign<'a>(record: &'a Record<'_>) -> Option<Event<'a>> {
    let message: &[u8] = &record.message;
    let client = record.host.is_some();
    match (record.command_tag.as_deref()?, &record.user) {
        // The only message of a client of whom nothing is known but the address.
        (b"", None) if client && record.line == Some(1) => Some(Event::Received),
        (b"authentication", Some(_)) if client => {
            let method = message.ends_with(b")")
                && !message.ends_with(b"))")
                && ends_in_a_line_number(message);
            if !method {
                return Some(Event::Authorized {
                    tls: is_tls_in_any_language(message),
                    replication: false,
                });
            }
            let identity = message.get(memchr::memchr(b'"', message)? + 1..)?;
            let quote = memchr::memrchr(b'"', identity)?;
            let method = identity.get(quote + 1..)?;
            let method = method.get(memchr::memchr(b'=', method)? + 1..)?;
            let end = memmem::find(method, b" (").unwrap_or(method.len());
            Some(Event::Authenticated {
                identity: Cow::Borrowed(identity.get(..quote)?),
                method: Cow::Borrowed(method.get(..end)?),
            })
        }
        (b"idle", Some(_)) if client && has_a_duration(message) => Some(Event::Disconnected),
        _ => None,
    }
}

/// `(…:12)` at the end.
fn ends_in_a_line_number(message: &[u8]) -> bool {
    let inner = message.strip_suffix(b")").unwrap_or_default();
    let digits = inner
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let before = inner.len().saturating_sub(digits + 1);
    digits > 0 && inner.get(before) == Some(&b':') && memmem::find(inner, b" (").is_some()
}

/// What is left of ` SSL enabled (protocol=TLSv1.3, ...` in every language.
fn is_tls_in_any_language(message: &[u8]) -> bool {
    message.ends_with(b")") && memmem::find(message, b"=TLSv").is_some()
}

/// `: 0:00:00.007 `, as the session's time is written in every language.
fn has_a_duration(message: &[u8]) -> bool {
    let Some(at) = memmem::find(message, b": ") else {
        return false;
    };
    let time = message.get(at + 2..).unwrap_or_default();
    let time = memmem::find(time, b": ")
        .filter(|at| *at < 64)
        .and_then(|at| time.get(at + 2..))
        .unwrap_or(time);
    let hours = time.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let shape = b":00:00.000 ";
    let rest = time.get(hours..hours + shape.len()).unwrap_or_default();
    hours > 0
        && rest.len() == shape.len()
        && rest.iter().zip(shape).all(|(byte, shape)| {
            if *shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == shape
            }
        })
}
