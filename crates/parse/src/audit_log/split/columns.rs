//! csvlog. What fits every column is a record; where something does not, what follows is searched for the beginning of a record.

use super::{Cut, TORN_MOST, TornReason};
use crate::audit_log::csvlog::{self, Kind, Progress, Scan};
use crate::audit_log::record::Record;
use crate::audit_log::scan::Stop;
use memchr::memchr_iter;

/// What stands before a message: at most this many bytes. A role, a database and an address come with the startup packet, which
/// has at most 10,000 bytes.
const HEAD_MOST: usize = 1 << 16;

/// Bytes of a time before its first colon.
const BEFORE_COLON: usize = 13;

#[derive(Clone, Debug)]
pub(super) struct Columns {
    kinds: &'static [Kind],
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Reading what may be a record.
    Record(Progress),
    /// No record begins the bytes: looking for one behind.
    Torn {
        reason: TornReason,
        /// Where a column did not fit.
        bad: usize,
        /// No record begins before this.
        from: usize,
    },
}

const START: State = State::Record(Progress::START);

impl Columns {
    pub(super) fn new(columns: u8) -> Self {
        Self {
            kinds: csvlog::kinds(columns),
            state: START,
        }
    }

    /// The next piece, and the record when it is one.
    #[inline]
    pub(super) fn next_record<'a>(
        &mut self,
        bytes: &'a [u8],
        end: bool,
        longest: usize,
    ) -> (Cut, Option<Record<'a>>) {
        if let State::Record(Progress::START) = self.state {
            let seen = bytes.get(..longest).unwrap_or(bytes);
            let (scan, fields) = csvlog::scan_fields(seen, self.kinds, &mut { Progress::START });
            if let Scan::Whole(length) = scan {
                return (Cut::Record(length), Some(csvlog::record(bytes, &fields)));
            }
        }
        let cut = self.next(bytes, end, longest);
        let record = match cut {
            Cut::Record(length) => bytes.get(..length).map(|bytes| {
                let (_, fields) = csvlog::scan_fields(bytes, self.kinds, &mut { Progress::START });
                csvlog::record(bytes, &fields)
            }),
            _ => None,
        };
        (cut, record)
    }

    pub(super) fn next(&mut self, bytes: &[u8], end: bool, longest: usize) -> Cut {
        let cut = self.cut(bytes, end, longest);
        if cut != Cut::More {
            self.state = START;
        }
        cut
    }

    fn cut(&mut self, bytes: &[u8], end: bool, longest: usize) -> Cut {
        if let State::Record(mut progress) = self.state {
            // Bytes that are fewer than they were are others than promised: from the beginning.
            if progress.start > bytes.len() {
                progress = Progress::START;
            }
            let seen = bytes.get(..longest).unwrap_or(bytes);
            let (reason, bad) = match csvlog::scan(seen, self.kinds, &mut progress, |_, _| ()) {
                Scan::Whole(length) => return Cut::Record(length),
                Scan::More if seen.len() < longest && !end => {
                    self.state = State::Record(progress);
                    return Cut::More;
                }
                Scan::More => (TornReason::CutShort, seen.len()),
                Scan::Bad(at) if progress.column == 0 => (TornReason::Foreign, at),
                Scan::Bad(at) => (TornReason::Fields, at),
            };
            self.state = State::Torn {
                reason,
                bad,
                from: 1,
            };
        }
        let State::Torn { reason, bad, from } = self.state else {
            return Cut::More;
        };
        match head(bytes, from, end) {
            Found::At(at) => Cut::Torn(at, glued(reason, bad, at, bytes)),
            Found::Nowhere => Cut::Torn(bytes.len().min(TORN_MOST), reason),
            Found::NotBefore(from) => {
                self.state = State::Torn { reason, bad, from };
                Cut::More
            }
        }
    }
}

/// A record that begins where another one has not ended is glued to it.
fn glued(reason: TornReason, bad: usize, at: usize, bytes: &[u8]) -> TornReason {
    let on_a_line = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\n');
    match reason {
        TornReason::Fields | TornReason::CutShort if at < bad || !on_a_line => TornReason::Glued,
        reason => reason,
    }
}

enum Found {
    /// What stands before a message begins here.
    At(usize),
    /// Not in what is one torn piece.
    Nowhere,
    /// More bytes are needed to say; not before this place.
    NotBefore(usize),
}

/// The first place, not before `from`, that what stands before a message begins at.
fn head(bytes: &[u8], from: usize, end: bool) -> Found {
    // The first place that is not decided by the bytes that are there.
    let undecided = bytes.len().saturating_sub(BEFORE_COLON).max(from);
    let search = bytes.get(from + BEFORE_COLON..).unwrap_or_default();
    for colon in memchr_iter(b':', search) {
        let at = from + colon;
        if at > TORN_MOST {
            return Found::Nowhere;
        }
        let candidate = bytes.get(at..).unwrap_or_default();
        let whole = candidate.get(..HEAD_MOST);
        match csvlog::is_head(whole.unwrap_or(candidate)) {
            Ok(()) => return Found::At(at),
            Err(Stop::More) if whole.is_none() && !end => return Found::NotBefore(at),
            Err(_) => (),
        }
    }
    if end || undecided > TORN_MOST {
        Found::Nowhere
    } else {
        Found::NotBefore(undecided)
    }
}
