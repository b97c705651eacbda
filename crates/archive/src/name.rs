//! Names of files: they alone say what the archive holds.
//!
//! A *batch* is a run of whole blocks. It has one *part* for each day (UTC) that its records were logged on:
//!
//! ```text
//! instance=NAME/dt=2026-11-23/r000000000000-000000131072.1of2.parquet
//!               └ the day       └ first      └ behind the last └ part 1 of 2
//! ```
//!
//! A batch counts when all its parts are there. Of two batches the one that contains the other counts: it was made from it.

use jiff::civil::Date;
use std::fmt;

/// How the name of a file begins that is not finished. Engines overlook names with a dot.
pub(crate) const UNFINISHED: &str = ".unfinished-";

/// A part's name. Orders by record number, then by part.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PartName {
    /// The number of the batch's first record.
    pub first: u64,
    /// The number behind its last.
    pub end: u64,
    /// Which part, from 1, in the order of days.
    pub part: u32,
    /// How many parts the batch has.
    pub parts: u32,
    /// The day, UTC.
    pub day: Date,
}

impl PartName {
    /// The path below the instance's folder.
    pub fn path(&self) -> String {
        format!("dt={}/{self}", self.day)
    }

    /// Reads `dt=DAY/NAME`. `None`: not the archive's.
    pub fn parse(path: &str) -> Option<Self> {
        let (folder, name) = path.split_once('/')?;
        let day: Date = folder.strip_prefix("dt=")?.parse().ok()?;
        let (range, part) = name
            .strip_prefix('r')?
            .strip_suffix(".parquet")?
            .split_once('.')?;
        let (first, end) = range.split_once('-')?;
        let (part, parts) = part.split_once("of")?;
        let name = Self {
            first: first.parse().ok()?,
            end: end.parse().ok()?,
            part: part.parse().ok()?,
            parts: parts.parse().ok()?,
            day,
        };
        // Only the one way to write it counts, so that no two names mean the same part.
        let sound = name.first < name.end && name.part >= 1 && name.part <= name.parts;
        (sound && name.path() == path).then_some(name)
    }
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first,
            end,
            part,
            parts,
            ..
        } = self;
        write!(f, "r{first:012}-{end:012}.{part}of{parts}.parquet")
    }
}

/// The day, UTC, that a time in milliseconds since 1970 falls on.
pub fn day(milliseconds: i64) -> Option<Date> {
    let at = jiff::Timestamp::from_millisecond(milliseconds).ok()?;
    Some(jiff::tz::Offset::UTC.to_datetime(at).date())
}

/// The earliest moment of a day, UTC, in milliseconds since 1970.
pub fn midnight(day: Date) -> Option<i64> {
    let at = jiff::tz::TimeZone::UTC.to_timestamp(day.into()).ok()?;
    Some(at.as_millisecond())
}

/// Whether the text can be the instance's part of a path in every store and engine.
pub fn is_instance(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.len() <= 100
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::{PartName, day, is_instance, midnight};

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        let name = PartName {
            first: 0,
            end: 131_072,
            part: 1,
            parts: 2,
            day: jiff::civil::date(2026, 11, 23),
        };
        assert_eq!(
            name.path(),
            "dt=2026-11-23/r000000000000-000000131072.1of2.parquet"
        );
        assert_eq!(PartName::parse(&name.path()), Some(name));
    }

    #[test]
    fn other_names_are_not_the_archives() {
        for path in [
            "dt=2026-11-23/.unfinished-r000000000000-000000131072.1of2.parquet",
            "dt=2026-11-23/r0-131072.1of2.parquet",
            "dt=2026-11-23/r000000000007-000000000007.1of1.parquet",
            "dt=2026-11-23/r000000000000-000000000007.3of2.parquet",
            "dt=2026-11-23/r000000000000-000000000007.0of2.parquet",
            "dt=2026-13-23/r000000000000-000000000007.1of1.parquet",
            "r000000000000-000000000007.1of1.parquet",
            "dt=2026-11-23/../r000000000000-000000000007.1of1.parquet",
        ] {
            assert_eq!(PartName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn days_are_those_of_utc() {
        let date = jiff::civil::date(1969, 12, 31);
        assert_eq!(day(-1), Some(date));
        assert_eq!(midnight(date), Some(-86_400_000));
        assert_eq!(day(i64::MAX), None);
    }

    #[test]
    fn an_instance_is_no_path() {
        assert!(is_instance("prod-1.eu"));
        for name in ["", "..", ".hidden", "a/b", "a=b", "ü", "a b"] {
            assert!(!is_instance(name), "{name}");
        }
    }
}
