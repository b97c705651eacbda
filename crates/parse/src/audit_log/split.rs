//! Where records begin and end.

use super::Format;

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
    /// The end of the log came before the end of the record.
    CutShort,
    /// A record begins in the middle of another one.
    Glued,
    /// Too few or too many fields, or fields of the wrong kind.
    Fields,
    /// Not of this form at all.
    Foreign,
}

/// Cuts a log into pieces. It holds what it has learnt of the form, no bytes.
#[derive(Clone, Debug)]
pub struct Splitter {
    format: Format,
}

impl Splitter {
    /// For a log of this form.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// The form.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The piece that `bytes` begin with. `bytes` start where the last piece ended; `end`: nothing will follow them.
    ///
    /// A record is given only when it is certain: a file that ends within a record gives [`Cut::More`] until `end`.
    pub fn next(&mut self, bytes: &[u8], end: bool) -> Cut {
        let _ = (bytes, end);
        todo!("the splitter")
    }
}
