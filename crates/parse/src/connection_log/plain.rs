//! Plain lines. What stands before the message is `log_line_prefix`, which nobody told: what is looked for in it is the process
//! (`[%p]`, `pid=%p`) or the session (`%c`), which join a login to the line that has its address, and the client's host (`%h`, `%r`).

use super::{Collector, From, message};
use regex::Regex;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Between the prefix and the message.
const SEVERITY: &str = "LOG:  ";

/// Reads plain lines.
pub(super) fn read(text: &str, collector: &mut Collector) {
    let mut hosts: HashMap<String, From> = HashMap::new();
    for line in text.lines() {
        let Some((prefix, said)) = line.split_once(SEVERITY) else {
            continue;
        };
        if let Some(host) = message::received(said) {
            if let Some(key) = key(prefix) {
                hosts.insert(key, From::host(host));
            }
        } else if let Some((how, rest)) = message::authorized(said) {
            let Some((role, database)) = message::names(rest, how) else {
                collector.unreadable += 1;
                continue;
            };
            let joined = key(prefix).and_then(|key| hosts.get(&key)).copied();
            let from = joined.unwrap_or_else(|| host(prefix));
            collector.login(role, database, how, from, time(prefix));
        }
    }
}

/// What names the session in a prefix.
fn key(prefix: &str) -> Option<String> {
    static KEY: OnceLock<Option<Regex>> = OnceLock::new();
    let key = KEY.get_or_init(|| {
        // A session is its start and its process in hexadecimal digits; a process stands in brackets or after its name.
        Regex::new(r"(?i)\b([0-9a-f]{8}\.[0-9a-f]{1,8})\b|\[(\d+)(?:-\d+)?\]|\b(?:pid|process|p)\s*[=:]\s*(\d+)").ok()
    });
    let found = key.as_ref()?.captures(prefix)?;
    let group = found.iter().skip(1).flatten().next()?;
    Some(group.as_str().to_owned())
}

/// The client's host in the prefix of a login: an address with a port in parentheses, or after `client=`, `host=` and the like.
fn host(prefix: &str) -> From {
    if prefix.contains("[local]") {
        return From::Socket;
    }
    prefix
        .split([' ', ',', '=', '@', '|', ';', '\t'])
        .map(|word| {
            let word = word.trim_matches(['[', ']', '"', '\'']);
            // `%r` is the host with its port in parentheses.
            word.split_once('(').map_or(word, |(host, _)| host)
        })
        .map(From::host)
        .find(|from| matches!(from, From::Address(_)))
        .unwrap_or(From::Unknown)
}

/// The time in a prefix, as it is written; empty when there is none.
fn time(prefix: &str) -> &str {
    static TIME: OnceLock<Option<Regex>> = OnceLock::new();
    let time = TIME.get_or_init(|| {
        Regex::new(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?: ?[A-Z]{2,5}| ?[+-]\d{2}(?::?\d{2})?)?").ok()
    });
    time.as_ref()
        .and_then(|time| time.find(prefix))
        .map_or("", |found| found.as_str())
}
