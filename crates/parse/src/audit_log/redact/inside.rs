//! The rules over characters: what is a secret by its look, and what follows a name in a connection string.

use super::names;
use super::sql::Findings;
use super::view::View;
use aho_corasick::AhoCorasick;
use memchr::memmem;
use regex::bytes::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// Secrets by their look; the group is what goes.
static LOOKS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        // Amazon's access key identifiers; JSON web tokens; tokens of GitHub, Stripe and Slack.
        r"(?-u)\b((?:AKIA|ASIA)[A-Z0-9]{12,})\b",
        r"(?-u)\b(eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?)",
        r"(?-u)\b(ghp_[A-Za-z0-9]{20,}|sk_live_[A-Za-z0-9]{10,}|xoxb-[A-Za-z0-9-]{10,})",
        // What is sent over HTTP.
        r"(?i-u)\bbearer\s+([A-Za-z0-9._~+/=-]{6,})",
        r#"(?i-u)\bauthorization:[ \t]*([^\r\n'"]+)"#,
        // PostgreSQL's own verifiers.
        r#"(?i-u)\bscram-sha-256\$([^\s'"]+)"#,
        r"(?i-u)\bmd5([0-9a-f]{32})\b",
        // The password of a URI: up to the last `@`.
        r#"(?-u)://[^\s'"/:@]*:([^\s'"]+)@"#,
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

/// The password of a connection URI that is all of a literal: any character may stand in it.
static URI: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s-u)^\s*[A-Za-z][A-Za-z0-9+.-]*://[^/:@]*:(.*)@").ok());

/// The same without its end: the rest is put together.
static OPEN_URI: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?-u)://[^\s/:@]*:(?:%[A-Za-z0-9$]+|\$[0-9]+|[^@/\s]*[^@/\s0-9][^@/\s]*)?$").ok()
});

static ASSIGNMENT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?-u)([A-Za-z0-9_.-]+)(\s*)=(\s*)").ok());

static NEAR: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"(?s-u) at or near "(.*)""#,
        r#"(?s-u)missing "=" after "(.*)""#,
        r#"(?s-u)^invalid [^"]*(?:"[^"]*")?[^"]*: "(.*)""#,
        r"(?s-u)Failing row contains \((.*)\)",
    ]
    .iter()
    .filter_map(|pattern| Regex::new(pattern).ok())
    .collect()
});

static KEY_VALUE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?s-u)\(([^()]*)\)=\((.*)\)").ok());

static CHANGED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?s-u)parameter "([^"]*)"(?: changed to|[^"]*:) "(.*)""#).ok());

/// Cuts what is a secret by its look.
pub(super) fn looks(view: &View, found: &mut Findings) {
    for pattern in LOOKS.iter() {
        for group in pattern
            .captures_iter(view.text())
            .filter_map(|captures| captures.get(1))
        {
            found.cut(view, group.range());
        }
    }
    private_keys(view, found);
}

/// The body of a key in PEM's armour, or what there is of it.
fn private_keys(view: &View, found: &mut Findings) {
    let text = view.text();
    for end in memmem::find_iter(text, b"PRIVATE KEY") {
        let before = text.get(end.saturating_sub(40)..end).unwrap_or_default();
        let begins = memmem::rfind(before, b"-----BEGIN")
            .and_then(|at| before.get(at + 10..))
            .filter(|kind| !kind.contains(&b'-'));
        let rest = text.get(end..).unwrap_or_default();
        let (Some(_), Some(armour)) = (begins, memmem::find(rest, b"-----")) else {
            continue;
        };
        let body = rest.get(armour + 5..).unwrap_or_default();
        let quote = memchr::memchr(b'\'', body).unwrap_or(body.len());
        let length = memmem::find(body, b"-----END").map_or(quote, |at| at.min(quote));
        let start = end + armour + 5;
        found.cut(view, start..start + length);
    }
}

/// Cuts the secrets of a connection string, or of anything that assigns like one. True when one is left open: what follows is
/// put together elsewhere.
pub(super) fn connection(view: &View, literal: bool, found: &mut Findings) -> bool {
    let text = view.text();
    let mut open = false;
    if literal {
        if let Some(group) = group(&URI, text) {
            found.cut(view, group);
        }
        open = OPEN_URI.as_ref().is_some_and(|uri| uri.is_match(text));
    }
    let Some(pattern) = ASSIGNMENT.as_ref() else {
        return open;
    };
    // With blanks around the sign it is a program's text, unless it begins as a connection string does.
    let spaced = literal
        && pattern.find(text).is_some_and(|first| {
            text.get(..first.start())
                .unwrap_or_default()
                .trim_ascii()
                .is_empty()
        });
    for captures in pattern.captures_iter(text) {
        let (Some(all), Some(name)) = (captures.get(0), captures.get(1)) else {
            continue;
        };
        let tight = all.len() == name.len() + 1;
        if !names::is_secret(name.as_bytes()) || !(tight || spaced) {
            continue;
        }
        let value = value(text, all.end());
        let bytes = text.get(value.clone()).unwrap_or_default();
        match bytes.first() {
            None => open |= literal,
            Some(b'%' | b'$') => {
                open |= literal;
                found.parameters |= bytes.starts_with(b"$");
            }
            // A comparison (`=>`), a variable.
            Some(b'>' | b':') => {}
            Some(_) => found.cut(view, value),
        }
    }
    open
}

/// The value that begins at `at`: between quotes, or up to a blank.
fn value(text: &[u8], at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    if rest.first() != Some(&b'\'') {
        let length = rest
            .iter()
            .position(u8::is_ascii_whitespace)
            .unwrap_or(rest.len());
        return at..at + length;
    }
    let mut length = 1;
    while let Some(byte) = rest.get(length) {
        match byte {
            b'\\' => length += 2,
            b'\'' => break,
            _ => length += 1,
        }
    }
    at + 1..at + length.min(rest.len())
}

/// What the server repeats of a statement when it complains. `something`: the record has a secret, or its statement is elsewhere.
pub(super) fn errors(view: &View, something: bool, ranges: &mut Vec<Range<usize>>) {
    let text = view.text();
    if something {
        for pattern in NEAR.iter() {
            if let Some(group) = pattern.captures(text).and_then(|found| found.get(1)) {
                ranges.push(view.source(group.range()));
            }
        }
    }
    for (pattern, is_secret) in [
        (&KEY_VALUE, names::is_secret as fn(&[u8]) -> bool),
        (&CHANGED, names::is_secret_setting),
    ] {
        let captures = pattern.as_ref().and_then(|pattern| pattern.captures(text));
        let pair = captures
            .as_ref()
            .and_then(|found| Some((found.get(1)?, found.get(2)?)));
        if let Some((name, value)) = pair
            && is_secret(name.as_bytes())
        {
            ranges.push(view.source(value.range()));
        }
    }
}

/// The values of a statement's parameters, wherever they are listed.
pub(super) fn parameters(view: &View, ranges: &mut Vec<Range<usize>>) {
    if let Some(at) = memmem::find(view.text(), b"$1 = ") {
        ranges.push(view.source(at + 5..view.text().len()));
    }
}

/// Secrets that stand in another place once more.
pub(super) fn repeated(view: &View, values: &AhoCorasick, ranges: &mut Vec<Range<usize>>) {
    for found in values.find_iter(view.text()) {
        ranges.push(view.source(found.range()));
    }
}

fn group(pattern: &LazyLock<Option<Regex>>, text: &[u8]) -> Option<Range<usize>> {
    let captures = pattern.as_ref()?.captures(text)?;
    Some(captures.get(1)?.range())
}
