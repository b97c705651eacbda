//! Times as they are recorded.

use jiff::Timestamp;

/// The collector's clock: RFC 3339 in UTC, milliseconds kept.
pub(crate) fn now() -> String {
    text(Timestamp::now())
}

/// RFC 3339 in UTC, milliseconds kept.
pub(crate) fn text(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Collector's clock minus server's clock, in milliseconds. The server said its time at some moment between `before` and
/// `after`: the middle is the best guess. `None` when what it said is no time.
pub(crate) fn skew(before: Timestamp, after: Timestamp, server: &str) -> Option<i64> {
    let server = server.parse::<Timestamp>().ok()?.as_millisecond();
    let middle = i64::midpoint(before.as_millisecond(), after.as_millisecond());
    Some(middle.saturating_sub(server))
}

#[cfg(test)]
mod tests {
    use super::{skew, text};
    use jiff::Timestamp;

    #[test]
    fn times_have_three_decimals() {
        assert_eq!(
            text(Timestamp::from_millisecond(1_767_323_045_006).unwrap()),
            "2026-01-02T03:04:05.006Z"
        );
        assert_eq!(
            text(Timestamp::from_second(1_767_323_045).unwrap()),
            "2026-01-02T03:04:05.000Z"
        );
    }

    #[test]
    fn skew_is_measured_from_the_middle_of_the_wait() {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        assert_eq!(
            skew(at(1_000), at(3_000), "1970-01-01T00:00:01.500Z"),
            Some(500)
        );
        assert_eq!(
            skew(at(1_000), at(3_000), "1970-01-01T00:00:05.000Z"),
            Some(-3_000)
        );
        assert_eq!(skew(at(1_000), at(3_000), "soon"), None);
    }
}
