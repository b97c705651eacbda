//! PostgreSQL's regular expressions, where they mean the same as in a library.
//!
//! The server's engine is no library and its dialect has corners of its own. What both dialects read alike is handed to the
//! library; for everything else the answer is "not known", never a guess. Names are compared as bytes, as the server does while
//! nobody is connected to a database yet.

mod capture;
mod translate;

use capture::Capture;
use regex::bytes::{Regex, RegexBuilder};
use std::fmt;
use translate::translate;

/// How much a compiled expression may take, in bytes.
const LARGEST: usize = 1 << 20;

/// A regular expression as `pg_hba.conf` and `pg_ident.conf` have it, without the slash.
#[derive(Clone, Debug)]
pub struct Are {
    source: String,
    regex: Option<Regex>,
    breadth: Breadth,
    capture: Capture,
}

/// How much an expression matches, as far as its text shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Breadth {
    /// Any name at all.
    Everything,
    /// Some names, or nobody knows which.
    Some,
}

/// What the first pair of parentheses matched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FirstGroup {
    /// This text.
    Text(String),
    /// Nothing, because there is no such pair.
    Absent,
    /// Nobody knows without the server.
    Unclear,
}

/// An expression that the server certainly refuses, in its words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AreError(&'static str);

impl fmt::Display for AreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for AreError {}

impl PartialEq for Are {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Are {}

impl Are {
    /// Reads an expression. An error is certain; without one the server may still refuse what is not understood here.
    pub fn new(source: &str) -> Result<Self, AreError> {
        let translated = translate(source)?;
        let capture = translated.as_ref().map_or(Capture::Unclear, Capture::of);
        let regex = translated.and_then(|translated| compile(&translated.text));
        Ok(Self {
            breadth: breadth(source),
            source: source.to_owned(),
            regex,
            capture,
        })
    }

    /// The text it was read from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How much it matches.
    pub const fn breadth(&self) -> Breadth {
        self.breadth
    }

    /// Whether it matches a name; `None` when nobody knows without the server.
    pub fn matches(&self, name: &str) -> Option<bool> {
        self.regex
            .as_ref()
            .map(|regex| regex.is_match(name.as_bytes()))
    }

    /// What `\1` stands for after a name matched.
    pub fn first_group(&self, name: &str) -> FirstGroup {
        self.capture.first_group(name)
    }
}

/// Compiles text of the library's dialect over bytes.
fn compile(text: &str) -> Option<Regex> {
    RegexBuilder::new(text)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(LARGEST)
        .dfa_size_limit(LARGEST)
        .nest_limit(50)
        .build()
        .ok()
}

/// Reads nothing but `.*`, at most one `.+`, parentheses around one of them, and the two anchors.
fn breadth(source: &str) -> Breadth {
    let (text, from_start) = match source.strip_prefix('^') {
        Some(text) => (text, true),
        None => (source, false),
    };
    let (text, to_end) = match text.strip_suffix('$') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let text = text
        .replace("(?:", "(")
        .replace("(.*)", ".*")
        .replace("(.+)", ".+");
    // Between both anchors nothing is the empty name, and no name is empty.
    if text.is_empty() && from_start && to_end {
        return Breadth::Some;
    }
    let (mut rest, mut may_be_one) = (text.as_str(), true);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(".*") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".+").filter(|_| may_be_one) {
            (rest, may_be_one) = (after, false);
        } else {
            return Breadth::Some;
        }
    }
    Breadth::Everything
}

#[cfg(test)]
mod tests;
