//! What `pg_hba.conf` and `pg_ident.conf` have in common: lines, continuation, quotes, comma lists, and other files.
//!
//! The rules are the server's, by major: a backslash at the end of a line continues it from 14 on, `include`,
//! `include_if_exists` and `include_dir` are read from 16 on, `@file` always was.

mod include;
mod logical;
mod scan;

pub use include::{Files, NoFiles, Unreadable};
pub(crate) use include::{beside, is_configuration};

use include::Reader;
use pgattest_model::ServerVersion;
use std::ops::Range;

/// One file that took part, as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Source {
    /// The path it was asked for by.
    pub path: String,
    /// Its text; places are bytes of it.
    pub text: String,
}

/// A place in one of the sources.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Position of the file in the list of sources.
    pub source: usize,
    /// The line it begins in, from 1. What is continued counts as the line where it began, as for the server.
    pub line: u32,
    /// Bytes of the source's text, on character boundaries.
    pub span: Range<usize>,
}

/// One word of a line, without its quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token {
    /// The text the server compares.
    pub text: String,
    /// Whether it began with a quote, which makes `"all"` a name and `"+x"` no group. (Quotes further in do not, and a regular
    /// expression stays one.)
    pub quoted: bool,
    /// Where it stands; for a word out of `@file`, in that file.
    pub place: Place,
}

/// One line that is not empty: its fields, each a list of words, or why it could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// The whole line with what continues it.
    pub place: Place,
    /// The fields; never empty lists.
    pub fields: Vec<Vec<Token>>,
    /// What is wrong.
    pub problem: Option<Problem>,
}

/// What is wrong with a line, in the server's words as far as it has any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The server's message. It may repeat a piece of the line.
    pub message: String,
    /// What it is about.
    pub place: Place,
}

/// The lines of a file and of everything it includes, in the order the server uses them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthFile {
    /// Every file that was read; the first is the file itself.
    pub sources: Vec<Source>,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// Splits a file into lines and words.
///
/// `path` is where it stands, for file names relative to it; `files` gives what it includes.
pub fn tokenize(path: &str, text: &str, version: ServerVersion, files: &dyn Files) -> AuthFile {
    let mut reader = Reader::new(version, files);
    let source = reader.add(path, text.to_owned());
    let mut lines = Vec::new();
    reader.file(source, 0, &mut lines);
    AuthFile {
        sources: reader.sources,
        lines,
    }
}

/// A message without the pieces of the line that it repeats, which may be a secret: the same reduction that the server does for
/// a live audit.
pub(crate) fn without_pieces(message: &str) -> String {
    let quoted = match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let (before, after) = (message.get(..first), message.get(last + 1..));
            format!(
                "{}\"...\"{}",
                before.unwrap_or_default(),
                after.unwrap_or_default()
            )
        }
        _ => message.to_owned(),
    };
    match quoted.split_once(": ") {
        Some((before, _)) => before.to_owned(),
        None => quoted,
    }
}

#[cfg(test)]
mod tests;
