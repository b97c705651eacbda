//! Forms whose records are lines and what belongs to them: stderr, and pgauditlogtofile's `csv`.

use super::{Cut, TORN_MOST, TornReason};
use crate::audit_log::Format;
use crate::audit_log::logtofile;
use crate::audit_log::record::Record;
use crate::audit_log::scan::Stop;
use crate::audit_log::stderr::{HEAD_MOST, Line, RDS_PREFIX, Reader};
use memchr::memchr;

#[derive(Clone, Debug)]
pub(super) struct Lines {
    reader: Option<Reader>,
    /// What the lines before `at` are.
    piece: Piece,
    /// Where a line begins that is not decided.
    at: usize,
    /// From there, so many bytes hold no line end.
    searched: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece {
    /// Nothing yet.
    Nothing,
    Record,
    Torn(TornReason),
}

/// A row of pgauditlogtofile up to 1.5 that is longer is not waited for: a quote that never closes may be noticed late in that form.
const ROW_MOST: usize = 1 << 24;

impl Lines {
    pub(super) fn new(format: &Format) -> Self {
        let reader = match format {
            Format::Stderr { prefix } => Some(Reader::new(prefix)),
            Format::RdsStderr => Some(Reader::new(RDS_PREFIX)),
            _ => None,
        };
        Self {
            reader,
            piece: Piece::Nothing,
            at: 0,
            searched: 0,
        }
    }

    pub(super) fn next(&mut self, bytes: &[u8], end: bool, longest: usize) -> Cut {
        if self.at + self.searched > bytes.len() {
            self.restart();
        }
        let cut = match self.reader.take() {
            Some(reader) => {
                let cut = self.plain(&reader, bytes, end, longest);
                self.reader = Some(reader);
                cut
            }
            None => self.rows(bytes, end, longest.min(ROW_MOST)),
        };
        if cut != Cut::More {
            self.restart();
        }
        cut
    }

    /// Decodes a piece that is a record.
    pub(super) fn decode<'a>(&self, piece: &'a [u8]) -> Option<Record<'a>> {
        match &self.reader {
            Some(reader) => reader.decode(piece),
            None => logtofile::decode_csv(piece),
        }
    }

    fn restart(&mut self) {
        self.piece = Piece::Nothing;
        self.at = 0;
        self.searched = 0;
    }

    /// The end of the line at `at`, its line end included; `None` when it is not there.
    fn line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let from = self.at + self.searched;
        let found = memchr(b'\n', bytes.get(from..).unwrap_or_default());
        self.searched = if found.is_some() {
            0
        } else {
            bytes.len() - self.at
        };
        found.map(|found| from + found + 1)
    }

    fn plain(&mut self, reader: &Reader, bytes: &[u8], end: bool, longest: usize) -> Cut {
        let bytes = bytes.get(..longest).unwrap_or(bytes);
        let full = bytes.len() == longest;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return match self.piece {
                    Piece::Record if end => Cut::Record(self.at),
                    Piece::Torn(reason) if end => Cut::Torn(self.at, reason),
                    Piece::Record if full => Cut::Torn(self.at, TornReason::CutShort),
                    Piece::Torn(reason) if full => Cut::Torn(self.at, reason),
                    _ => Cut::More,
                };
            }
            let line_end = self.line_end(bytes);
            // Its beginning says what a line is.
            let known = line_end.is_some()
                || rest.len() >= HEAD_MOST
                || rest.first() == Some(&b'\t')
                || end
                || full;
            if !known {
                return Cut::More;
            }
            let line = reader.line(
                line_end
                    .and_then(|end| bytes.get(self.at..end))
                    .unwrap_or(rest),
            );
            match (self.piece, line) {
                (Piece::Record, Line::First | Line::Foreign) => return Cut::Record(self.at),
                (Piece::Torn(reason), Line::First) => return Cut::Torn(self.at, reason),
                _ => (),
            }
            let Some(line_end) = line_end else {
                if !end && !full {
                    return Cut::More;
                }
                let reason = match self.piece {
                    Piece::Torn(reason) => reason,
                    Piece::Nothing | Piece::Record => TornReason::CutShort,
                };
                return Cut::Torn(bytes.len(), reason);
            };
            self.at = line_end;
            if self.piece == Piece::Nothing {
                self.piece = match line {
                    Line::First => Piece::Record,
                    Line::Adds => Piece::Torn(TornReason::Fields),
                    Line::Continues | Line::Foreign => Piece::Torn(TornReason::Foreign),
                };
            }
            if let Piece::Torn(reason) = self.piece
                && self.at >= TORN_MOST
            {
                return Cut::Torn(self.at, reason);
            }
        }
    }

    fn rows(&mut self, bytes: &[u8], end: bool, longest: usize) -> Cut {
        let bytes = bytes.get(..longest).unwrap_or(bytes);
        let full = bytes.len() == longest;
        if self.piece == Piece::Nothing {
            // A row ends with a line: nothing is decided before there is a new one.
            if self.line_end(bytes).is_none() && !end && !full {
                return Cut::More;
            }
            let reason = match logtofile::measure_csv(bytes) {
                Ok(length) => return Cut::Record(length),
                Err(Stop::More) if !end && !full => {
                    self.searched = bytes.len();
                    return Cut::More;
                }
                Err(Stop::More) => TornReason::CutShort,
                Err(Stop::Bad) if logtofile::begins_row(bytes) => TornReason::Fields,
                Err(Stop::Bad) => TornReason::Foreign,
            };
            self.piece = Piece::Torn(reason);
            self.searched = 0;
        }
        let Piece::Torn(reason) = self.piece else {
            return Cut::More;
        };
        loop {
            let Some(line_end) = self.line_end(bytes) else {
                return if end || full {
                    Cut::Torn(bytes.len(), reason)
                } else {
                    Cut::More
                };
            };
            self.at = line_end;
            let next = bytes.get(line_end..).unwrap_or_default();
            if next.len() < logtofile::BEGIN_MOST && !end && !full {
                // Looked at again from the line before.
                self.at = line_end - 1;
                return Cut::More;
            }
            if next.is_empty() || logtofile::begins_row(next) || line_end >= TORN_MOST {
                return Cut::Torn(line_end, reason);
            }
        }
    }
}
