//! Where records begin and end.
//!
//! # What can be relied on
//!
//! The pieces, one after the other, are the input. They are the same however the input came: at once or byte by byte. A record that
//! stands whole in the input behind a record, or behind anything torn, is given as a record.
//!
//! A client chooses much of what a log holds: statements, names, messages of its own. Nothing of it is ever taken for a record:
//!
//! - **csvlog** of 13 and later: within a quoted text every quote of the client's is doubled, so its quotes come in even runs, and
//!   an even run can write no quoted text but an empty one or one of quotes. A reader that has lost the parity sees the client's
//!   text outside of quotes, and as "texts" what stands between two real ones, which begins with a comma or a line end. The column
//!   of the process's kind must hold a text with neither, so no record is read that the server did not begin and end itself.
//!   Two cuts can still make a wrong record of two real ones, when both are in the same column or exactly at a quote: the rest of one
//!   is glued to the beginning of the other. Only the line numbers of the sessions tell that.
//! - **csvlog** of 12 and older has no such column: the rule is weaker there.
//! - **jsonlog**: a record begins with `{"timestamp":"`, and a client's quotes have a backslash before them.
//! - **stderr** in every form, and pgauditlogtofile's `csv` up to 1.5: anybody who may name a role can write records. Nothing here
//!   can tell them from real ones.
//!
//! # What it costs
//!
//! Time grows with the input, whatever it holds: a byte is read once when it belongs to a record, and at most a few dozen times
//! where something is torn, because only as many beginnings of records can be alive at one place as a record has texts. A caller has
//! to hold what belongs to one piece, which is at most [`LONGEST`] or what [`Splitter::with_longest`] says: a torn record is
//! noticed within the next record or two, not at the end of the log.

mod columns;
mod lines;
mod objects;

use super::Format;
use super::record::{Record, decode};

/// The longest record, in bytes: the server puts a record together in one buffer of less than a gigabyte.
pub const LONGEST: usize = 1 << 30;

/// Torn bytes come in pieces of at most this many.
pub const TORN_MOST: usize = 1 << 20;

/// A piece from the beginning of the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// A whole record of this many bytes, its line end included.
    Record(usize),
    /// This many bytes that are no record.
    Torn(usize, TornReason),
    /// Not decidable before more bytes are there. Never returned at the end of the input, unless there are no bytes at all.
    More,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum TornReason {
    /// The end of the log, or of what the splitter waits for, came before the end of the record.
    CutShort,
    /// A record begins in the middle of another one.
    Glued,
    /// Too few or too many fields, or fields of the wrong kind.
    Fields,
    /// Not of this form at all.
    Foreign,
}

/// Cuts a log into pieces. It holds how far it has looked, no bytes.
#[derive(Clone, Debug)]
pub struct Splitter {
    format: Format,
    longest: usize,
    form: Form,
}

/// What is known of the bytes since the last piece, by form.
#[derive(Clone, Debug)]
enum Form {
    Columns(columns::Columns),
    Objects(objects::Objects),
    Lines(Box<lines::Lines>),
}

impl Splitter {
    /// For a log of this form.
    pub fn new(format: Format) -> Self {
        Self::with_longest(format, LONGEST)
    }

    /// As [`new`](Self::new), for a caller that can hold no more than `longest` bytes. A record that is longer comes out as torn
    /// pieces, [`TornReason::CutShort`] the first.
    pub fn with_longest(format: Format, longest: usize) -> Self {
        let form = match &format {
            Format::Csvlog { columns } => Form::Columns(columns::Columns::new(*columns)),
            Format::Jsonlog => Form::Objects(objects::Objects::new(objects::Object::Jsonlog)),
            Format::PgauditlogtofileJson => {
                Form::Objects(objects::Objects::new(objects::Object::Pgauditlogtofile))
            }
            Format::CloudSql => Form::Objects(objects::Objects::new(objects::Object::CloudSql)),
            Format::Stderr { .. } | Format::RdsStderr | Format::PgauditlogtofileCsv => {
                Form::Lines(Box::new(lines::Lines::new(&format)))
            }
        };
        Self {
            format,
            longest: longest.clamp(1, LONGEST),
            form,
        }
    }

    /// The form.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The longest record that it waits for, in bytes.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// The piece that `bytes` begin with. `bytes` start where the last piece ended; after [`Cut::More`] they are the same with more
    /// behind them. `end`: nothing will follow them.
    ///
    /// A record is given only when it is certain: a file that ends within a record gives [`Cut::More`] until `end`.
    pub fn next(&mut self, bytes: &[u8], end: bool) -> Cut {
        if bytes.is_empty() {
            return Cut::More;
        }
        match &mut self.form {
            Form::Columns(form) => form.next(bytes, end, self.longest),
            Form::Objects(form) => form.next(bytes, end, self.longest),
            Form::Lines(form) => form.next(bytes, end, self.longest),
        }
    }

    /// As [`next`](Self::next), and the record when the piece is one: for who reads a log and keeps no pieces, in one pass.
    #[inline]
    pub fn next_record<'a>(&mut self, bytes: &'a [u8], end: bool) -> (Cut, Option<Record<'a>>) {
        if let Form::Columns(form) = &mut self.form
            && !bytes.is_empty()
        {
            return form.next_record(bytes, end, self.longest);
        }
        let cut = self.next(bytes, end);
        let piece = match cut {
            Cut::Record(length) => bytes.get(..length),
            _ => None,
        };
        let record = piece.and_then(|piece| match &self.form {
            Form::Lines(lines) => lines.decode(piece),
            _ => decode(&self.format, piece),
        });
        (cut, record)
    }
}
