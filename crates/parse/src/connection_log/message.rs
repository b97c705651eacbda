//! The message that tells of a login.

/// How somebody came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct How {
    pub(super) tls: bool,
    pub(super) replication: bool,
}

const TO_A_DATABASE: &str = "connection authorized: user=";
const TO_REPLICATION: &str = "replication connection authorized: user=";
const RECEIVED: &str = "connection received: host=";

/// What comes after the names, the first of them that is there.
const AFTER_NAMES: [&str; 3] = [
    " application_name=",
    " SSL enabled (protocol=",
    " GSS (authenticated=",
];

/// Whether a message tells of a login; what follows `user=` then.
pub(super) fn authorized(message: &str) -> Option<(How, &str)> {
    let (replication, rest) = match message.strip_prefix(TO_REPLICATION) {
        Some(rest) => (true, rest),
        None => (false, message.strip_prefix(TO_A_DATABASE)?),
    };
    let how = How {
        tls: is_encrypted(rest),
        replication,
    };
    Some((how, rest))
}

/// The host of a client that knocked.
pub(super) fn received(message: &str) -> Option<&str> {
    let rest = message.strip_prefix(RECEIVED)?;
    Some(
        rest.split_once(" port=")
            .map_or(rest, |(host, _)| host)
            .trim_end(),
    )
}

/// Role and database out of what follows `user=`. `None` when there should be a database and is none. A name that holds
/// ` database=` is read wrongly: nothing in the line tells.
pub(super) fn names(rest: &str, how: How) -> Option<(&str, &str)> {
    if how.replication {
        return Some((before_the_rest(rest), ""));
    }
    let (role, rest) = rest.split_once(" database=")?;
    Some((role, before_the_rest(rest)))
}

fn before_the_rest(text: &str) -> &str {
    let ends = AFTER_NAMES.iter().filter_map(|after| text.find(after));
    let end = ends.min().unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim_end()
}

/// TLS stands last, in parentheses.
fn is_encrypted(rest: &str) -> bool {
    let rest = rest.trim_end();
    rest.ends_with(')')
        && rest.rfind(" SSL enabled (protocol=").is_some_and(|at| {
            rest.get(at..)
                .is_some_and(|last| last.matches('(').count() == 1)
        })
}
