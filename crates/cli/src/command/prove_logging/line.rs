//! One canary in one place, and how it was found there.

use super::perform::Performed;
use pgattest_trail::canary::Class;
use pgattest_trail::canary::proof::PlaceKind;
use std::time::Duration;
use tokio::time::Instant;

/// Where a canary is looked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The server's log.
    Log,
    /// The collector's journal.
    Journal,
    /// What this sink has confirmed.
    Sink(String),
}

impl Place {
    /// Its name in reports and leaves.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Log => "log",
            Self::Journal => "journal",
            Self::Sink(name) => name,
        }
    }

    pub(super) fn kind(&self) -> PlaceKind {
        match self {
            Self::Log => PlaceKind::Log,
            Self::Journal => PlaceKind::Journal,
            Self::Sink(_) => PlaceKind::Sink,
        }
    }
}

/// How a canary was found in a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// With every field right.
    Right,
    /// With fields that are wrong.
    Wrong(Vec<String>),
    /// Not before the deadline.
    Missing,
    /// It cannot be told.
    Unknown(String),
}

/// One canary in one place.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) class: Class,
    pub(super) mark: String,
    pub(super) place: Place,
    pub(super) found: Found,
    /// The record's number in the journal.
    pub(super) record: Option<u64>,
    /// Whether the secret can be read there.
    pub(super) readable: bool,
    /// Whether the server says that it logs it.
    pub(super) expected: bool,
    /// When the canary was sent.
    at: Instant,
    /// How long after that it was seen there.
    pub(super) after: Option<Duration>,
    /// Seconds that it has from then on.
    pub(super) deadline: u32,
    /// When they are over.
    pub(super) due: Instant,
    /// Whether the last look that counts is done.
    pub(super) over: bool,
}

impl Line {
    pub(super) fn new(performed: &Performed, place: Place, deadline: u32) -> Self {
        let canary = &performed.canary;
        Self {
            class: canary.class,
            mark: canary.mark.clone(),
            place,
            found: Found::Missing,
            record: None,
            readable: false,
            expected: performed.expected,
            at: performed.at,
            after: None,
            deadline,
            due: performed.at + Duration::from_secs(u64::from(deadline)),
            over: false,
        }
    }

    /// It was seen just now.
    pub(super) fn seen(&mut self, found: Found, record: Option<u64>) {
        self.found = found;
        self.record = record;
        self.after = Some(self.at.elapsed());
    }

    /// What was not found cannot be told; what was found was found.
    pub(super) fn fail(&mut self, why: &str) {
        if self.found == Found::Missing {
            self.found = Found::Unknown(why.to_owned());
        }
    }

    /// The server's own log may have the secret: what must not have it is what comes after.
    pub(super) fn leaks(&self) -> bool {
        self.readable && self.place != Place::Log
    }
}
