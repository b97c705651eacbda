//! Places in the text, and the names met while reading it.

use pgattest_model::Place;
use pgattest_model::policy::{Named, NamedKind};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// What is gathered beside the values.
pub(super) struct Reading<'a> {
    text: &'a str,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    names: Vec<Named>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let after_newline = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(after_newline).collect(),
            names: Vec::new(),
        }
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        let line = self.lines.partition_point(|begin| *begin <= span.start);
        let begin = line
            .checked_sub(1)
            .and_then(|line| self.lines.get(line))
            .copied()
            .unwrap_or(0);
        let before = self.text.get(begin..span.start).unwrap_or_default();
        Place {
            start: span.start,
            end: span.end,
            line,
            column: before.chars().count() + 1,
        }
    }

    /// The names of a list, each remembered with its place.
    pub(super) fn list(
        &mut self,
        kind: NamedKind,
        key: &'static str,
        list: Vec<Spanned<String>>,
    ) -> BTreeSet<String> {
        list.into_iter()
            .map(|name| self.one(kind, key, name))
            .collect()
    }

    /// One name, remembered with its place.
    pub(super) fn one(
        &mut self,
        kind: NamedKind,
        key: &'static str,
        name: Spanned<String>,
    ) -> String {
        let span = name.span();
        let name = name.into_inner();
        self.note(kind, key, name.clone(), span);
        name
    }

    /// Remembers a name that stands within what is written there.
    pub(super) fn note(
        &mut self,
        kind: NamedKind,
        key: &'static str,
        name: String,
        span: Range<usize>,
    ) {
        let place = self.place(span);
        self.names.push(Named {
            kind,
            key,
            name,
            place,
        });
    }

    /// Every name so far.
    pub(super) fn names(&mut self) -> Vec<Named> {
        std::mem::take(&mut self.names)
    }
}
