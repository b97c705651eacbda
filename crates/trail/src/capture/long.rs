//! A record that is longer than what is held: it is sealed in parts.
//!
//! Every rule of the redactor needs a word that means a secret. Where a record has none, in any part so far nor in what is read ahead,
//! its parts are kept as they are. Where it has one, no part can tell where the secret's literal began: what lies between the first
//! quotation mark of the first part and the last one of the last part goes.

use super::prepare::Rule;
use crate::block::PieceKind;
use memchr::{memchr, memchr2_iter};
use pgattest_parse::audit_log::{Format, Splitter, TornReason, redact};

/// A word of a secret is no longer than this.
const LONGEST_WORD: usize = 64;

/// What is known of such a record, after some of its parts.
#[derive(Clone, Debug)]
pub(super) struct LongRecord {
    /// A word of a secret was seen.
    suspicious: bool,
    /// Whether its next byte lies within a quoted text.
    quoted: bool,
    /// It has ended: what follows is another piece.
    over: bool,
    parts: u64,
}

impl LongRecord {
    /// Whether a piece is the first part of one. `ahead`: what was read, from the piece on. It has to begin behind a whole record, so
    /// that nothing of its own beginning is missing.
    pub(super) fn begins(splitter: &Splitter, kind: PieceKind, ahead: &[u8]) -> Option<Self> {
        let is_long = kind == PieceKind::Torn(TornReason::CutShort)
            && ahead.len() >= splitter.longest()
            && matches!(splitter.format(), Format::Csvlog { .. } | Format::Jsonlog);
        is_long.then_some(Self {
            suspicious: false,
            quoted: false,
            over: false,
            parts: 0,
        })
    }

    /// Takes the next part: the first `length` bytes of `ahead`; `before` is the end of the part before it. Says what of it may be kept.
    pub(super) fn part(
        &mut self,
        format: &Format,
        before: &[u8],
        length: usize,
        ahead: &[u8],
    ) -> Rule {
        if self.over {
            return Rule::Torn;
        }
        self.suspicious = self.suspicious || is_suspicious(format, before, ahead);
        let part = ahead.get(..length).unwrap_or(ahead);
        let end = self.end(format, part);
        self.over = end.is_some();
        self.parts += 1;
        match (end, self.suspicious) {
            // Behind its end is something else.
            (end, false) => Rule::Keep(end.unwrap_or(part.len())),
            (Some(_), true) => Rule::Torn,
            (None, true) if self.parts == 1 => Rule::Torn,
            (None, true) => Rule::TakeOut,
        }
    }

    /// Where the record ends in the part.
    fn end(&mut self, format: &Format, part: &[u8]) -> Option<usize> {
        if *format == Format::Jsonlog {
            return memchr(b'\n', part).map(|at| at + 1);
        }
        for at in memchr2_iter(b'"', b'\n', part) {
            if part.get(at) == Some(&b'"') {
                self.quoted = !self.quoted;
            } else if !self.quoted {
                return Some(at + 1);
            }
        }
        None
    }
}

fn is_suspicious(format: &Format, before: &[u8], ahead: &[u8]) -> bool {
    let from = before.len().saturating_sub(LONGEST_WORD);
    let seam = [
        before.get(from..).unwrap_or_default(),
        ahead.get(..LONGEST_WORD).unwrap_or(ahead),
    ]
    .concat();
    redact::may_hold_secret(format, &seam) || redact::may_hold_secret(format, ahead)
}
