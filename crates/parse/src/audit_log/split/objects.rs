//! jsonlog and its kin: one object a line. A line that is no object of the form is searched for one that begins later in it.

use super::{Cut, TornReason};
use crate::audit_log::{cloud_sql, jsonlog, logtofile};
use memchr::{memchr, memmem};

/// Which objects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Object {
    Jsonlog,
    Pgauditlogtofile,
    CloudSql,
}

impl Object {
    /// How every record begins. The server writes a quote of a client's with a backslash before it, so a client cannot write this.
    /// Nothing for Google's, which is never torn on the way.
    fn head(self) -> &'static [u8] {
        match self {
            Self::Jsonlog => b"{\"timestamp\":\"",
            Self::Pgauditlogtofile => b"{\"log.source\":\"pgauditlogtofile\",",
            Self::CloudSql => b"{",
        }
    }

    /// The length of the record that `line` begins with, without a line end.
    fn measure(self, line: &[u8]) -> Option<usize> {
        match self {
            Self::Jsonlog => jsonlog::measure(line),
            Self::Pgauditlogtofile => logtofile::measure_json(line),
            Self::CloudSql => cloud_sql::measure(line),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Objects {
    object: Object,
    /// So many bytes hold no line end.
    searched: usize,
}

impl Objects {
    pub(super) fn new(object: Object) -> Self {
        Self {
            object,
            searched: 0,
        }
    }

    pub(super) fn next(&mut self, bytes: &[u8], end: bool, longest: usize) -> Cut {
        let seen = bytes.get(..longest).unwrap_or(bytes);
        let from = if self.searched > seen.len() {
            0
        } else {
            self.searched
        };
        let line = match memchr(b'\n', seen.get(from..).unwrap_or_default()) {
            Some(at) => seen.get(..=from + at).unwrap_or(seen),
            None if seen.len() < longest && !end => {
                self.searched = seen.len();
                return Cut::More;
            }
            None => seen,
        };
        let cut = self.cut(line);
        // A line with many beginnings of records in it is searched for its end once.
        self.searched = match cut {
            Cut::Torn(length, _) => line.len().saturating_sub(length + 1),
            _ => 0,
        };
        cut
    }

    fn cut(&self, line: &[u8]) -> Cut {
        let head = self.object.head();
        let content = line
            .strip_suffix(b"\n")
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let ended = content.is_some();
        let content = content.unwrap_or(line);
        if let Some(length) = self.object.measure(content) {
            if length == content.len() {
                return Cut::Record(line.len());
            }
            // Nothing but its line end was lost.
            if content
                .get(length..)
                .is_some_and(|rest| rest.starts_with(head))
            {
                return Cut::Record(length);
            }
        }
        let begins = line.starts_with(head) || head.starts_with(line);
        if self.object != Object::CloudSql
            && let Some(at) = memmem::find(line.get(1..).unwrap_or_default(), head)
        {
            return Cut::Torn(
                at + 1,
                if begins {
                    TornReason::Glued
                } else {
                    TornReason::Foreign
                },
            );
        }
        let reason = match (begins, ended) {
            (false, _) => TornReason::Foreign,
            (true, true) => TornReason::Fields,
            (true, false) => TornReason::CutShort,
        };
        Cut::Torn(line.len(), reason)
    }
}
