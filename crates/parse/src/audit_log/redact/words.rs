//! Whether a piece can hold a secret at all: one pass over its bytes.

use super::Format;
use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};
use std::cell::RefCell;
use std::sync::LazyLock;

/// Every rule needs one of these, in upper or lower case.
const WORDS: [&str; 27] = [
    "passw",
    "passfile",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "authorization:",
    "bearer ",
    "apikey",
    "_key",
    ".key",
    "-key",
    "crypt",
    "hmac",
    "digest",
    "akia",
    "asia",
    "private key",
    "sha-256$",
    "md5",
    "://",
    "eyj",
    "jwt",
    "ghp_",
    "sk_live_",
    "xoxb-",
];

/// Only in a log of lines, where a statement is another piece than its parameters and its error.
const ALONE: [&str; 2] = ["arameters: $1 = ", " at or near "];

/// A bit that upper and lower case letters differ in.
const CASE: u8 = 0x20;

struct Searcher {
    fast: Option<packed::Searcher>,
    /// Where the processor lacks what `fast` needs.
    plain: Option<AhoCorasick>,
}

impl Searcher {
    fn new(words: &[&str]) -> Self {
        let folded: Vec<Vec<u8>> = words
            .iter()
            .map(|word| word.bytes().map(|byte| byte | CASE).collect())
            .collect();
        let fast = packed::Config::new().builder().extend(&folded).build();
        let plain = match fast {
            Some(_) => None,
            None => AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::DFA))
                .build(&folded)
                .ok(),
        };
        Self { fast, plain }
    }

    /// Where the first word begins. Folding a byte that is no letter makes it another one: sometimes a word too many, never one
    /// too few.
    fn first(&self, bytes: &[u8]) -> Option<usize> {
        thread_local! {
            static FOLDED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        FOLDED.with_borrow_mut(|folded| {
            folded.clear();
            folded.extend(bytes.iter().map(|byte| byte | CASE));
            match (&self.fast, &self.plain) {
                (Some(fast), _) => fast.find(&folded[..]).map(|found| found.start()),
                (None, Some(plain)) => plain.find(&folded[..]).map(|found| found.start()),
                // Without a search everything is suspicious.
                (None, None) => Some(0),
            }
        })
    }
}

static COMMON: LazyLock<Searcher> = LazyLock::new(|| Searcher::new(&WORDS));
static LINES: LazyLock<Searcher> = LazyLock::new(|| {
    let all: Vec<&str> = WORDS.iter().chain(&ALONE).copied().collect();
    Searcher::new(&all)
});

/// Whether a piece of this form has a word that a rule begins with.
pub(super) fn any(format: &Format, piece: &[u8]) -> bool {
    first(format, piece).is_some()
}

/// Where the first of them begins.
pub(super) fn first(format: &Format, piece: &[u8]) -> Option<usize> {
    match format {
        Format::Stderr { .. } | Format::RdsStderr => LINES.first(piece),
        _ => COMMON.first(piece),
    }
}

/// Whether a text within a piece has one.
pub(super) fn within(text: &[u8]) -> bool {
    COMMON.first(text).is_some()
}
