//! What the log proves of its own completeness.

mod collector;
mod defects;
mod late;
mod made;
mod real;
mod samples;

use pgattest_parse::audit_log::{Format, Record};
use pgattest_trail::completeness::{Completeness, Kind, Options, Tracker};

pub(crate) const CSVLOG: Format = Format::Csvlog { columns: 26 };

/// What is found in these records, numbered from 0.
pub(crate) fn track<'a>(
    options: Options,
    records: impl IntoIterator<Item = Record<'a>>,
) -> Completeness {
    let mut tracker = Tracker::new(options);
    for (number, record) in (0..).zip(records) {
        tracker.decoded(number, &CSVLOG, &record);
    }
    tracker.finish()
}

/// Missing lines by session: what the findings say.
pub(crate) fn holes(result: &Completeness) -> Vec<(String, u64, u64)> {
    let mut holes: Vec<_> = result
        .of(Kind::Hole)
        .map(|finding| {
            let (from, to) = finding.lines.unwrap();
            (finding.session.clone().unwrap(), from, to)
        })
        .collect();
    holes.sort();
    holes
}
