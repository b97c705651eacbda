//! When the records of a block were logged.

use pgattest_parse::audit_log::{Format, decode};

/// When the earliest and the latest record were logged, in milliseconds since 1970; `None` when no record says.
///
/// The forms that begin with a time of fixed width are compared as text, and only the two that matter are decoded: a time zone that
/// changes within a block has every record decoded.
pub(crate) fn of<'a>(
    format: &Format,
    records: impl Iterator<Item = &'a [u8]> + Clone,
) -> Option<(i64, i64)> {
    let begins_with = match format {
        Format::Csvlog { .. } => Some(0),
        Format::Jsonlog => Some(b"{\"timestamp\":\"".len()),
        _ => None,
    };
    let time = |record: &[u8]| decode(format, record).and_then(|record| record.time_ms);
    if let Some(begin) = begins_with
        && let Some((first, last)) = extremes(records.clone(), begin)
    {
        return Some((time(first)?, time(last)?));
    }
    records.filter_map(time).fold(None, |seen, time| {
        Some(seen.map_or((time, time), |(first, last): (i64, i64)| {
            (first.min(time), last.max(time))
        }))
    })
}

/// The records with the least and the greatest time as text, when all have one of the same shape and zone.
fn extremes<'a>(
    records: impl Iterator<Item = &'a [u8]>,
    begin: usize,
) -> Option<(&'a [u8], &'a [u8])> {
    /// `2026-11-23 06:43:33.792`, then a blank and the zone.
    const WIDTH: usize = 23;
    const ZONE: usize = 4;
    let time = |record: &'a [u8]| record.get(begin..begin + WIDTH);
    let zone = |record: &'a [u8]| record.get(begin + WIDTH..begin + WIDTH + ZONE);
    let mut found: Option<(&[u8], &[u8])> = None;
    for record in records {
        let Some((first, last)) = found else {
            time(record).and(zone(record))?;
            found = Some((record, record));
            continue;
        };
        if zone(first)? != zone(record)? {
            return None;
        }
        found = Some((
            if time(record)? < time(first)? {
                record
            } else {
                first
            },
            if time(record)? > time(last)? {
                record
            } else {
                last
            },
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::extremes;

    #[test]
    fn the_earliest_and_latest_record_are_found_whatever_their_order() {
        let record = |time: &str, zone: &str| format!("2026-11-23 {time} {zone},u,d").into_bytes();
        let three = [
            record("06:43:33.792", "UTC"),
            record("05:00:00.001", "UTC"),
            record("06:43:33.793", "UTC"),
        ];
        let (first, last) = extremes(three.iter().map(Vec::as_slice), 0).unwrap();
        assert_eq!(first, three[1]);
        assert_eq!(last, three[2]);
        let mixed = [
            record("06:43:33.792", "CET"),
            record("06:43:33.792", "CEST"),
        ];
        assert_eq!(
            extremes(mixed.iter().map(Vec::as_slice), 0),
            None,
            "zones differ"
        );
    }
}
