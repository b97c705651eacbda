//! Times as the server writes them: `2026-11-23 06:43:33.792 UTC`.

use super::scan::{Stop, number, run};

/// The longest abbreviation of a time zone that is believed.
const ZONE_MOST: usize = 32;

const LOW: &[u8; 24] = b"0000-00-00 00:00:00.000 ";
const HIGH: &[u8; 24] = b"9999-99-99 99:99:99.999 ";
const LOW_SECONDS: &[u8; 20] = b"0000-00-00 00:00:00 ";
const HIGH_SECONDS: &[u8; 20] = b"9999-99-99 99:99:99 ";

/// The length of the time with milliseconds and zone that `bytes` begin with.
#[inline]
pub(super) fn stamp(bytes: &[u8]) -> Result<usize, Stop> {
    Ok(LOW.len() + zone(fits(bytes, LOW, HIGH)?)?)
}

/// The length of the time with seconds and zone that `bytes` begin with.
#[inline]
pub(super) fn seconds(bytes: &[u8]) -> Result<usize, Stop> {
    Ok(LOW_SECONDS.len() + zone(fits(bytes, LOW_SECONDS, HIGH_SECONDS)?)?)
}

/// What follows bytes that lie between `low` and `high`, each for itself.
#[inline]
fn fits<'a, const N: usize>(
    bytes: &'a [u8],
    low: &[u8; N],
    high: &[u8; N],
) -> Result<&'a [u8], Stop> {
    if let Some((head, rest)) = bytes.split_first_chunk::<N>() {
        // Without an early way out the compiler compares sixteen at once.
        let mut fits = true;
        for at in 0..N {
            fits &= head[at].wrapping_sub(low[at]) <= high[at] - low[at];
        }
        return if fits { Ok(rest) } else { Err(Stop::Bad) };
    }
    let begins = bytes
        .iter()
        .zip(low.iter().zip(high))
        .all(|(byte, (low, high))| low <= byte && byte <= high);
    Err(if begins { Stop::More } else { Stop::Bad })
}

#[inline]
fn zone(bytes: &[u8]) -> Result<usize, Stop> {
    if bytes.starts_with(b"UTC,") {
        return Ok(3);
    }
    let of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-');
    match run(bytes, ZONE_MOST, of)? {
        0 => Err(Stop::Bad),
        length => Ok(length),
    }
}

/// Milliseconds since 1970, UTC, of a time with any number of decimals: `2026-11-23 06:43:33[.792...] ZONE`. `None` when the zone's
/// abbreviation does not mean one offset, or the date does not exist.
pub(super) fn milliseconds(time: &[u8]) -> Option<i64> {
    let (date, rest) = time.split_first_chunk::<19>()?;
    let mut digits = true;
    for at in [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18] {
        digits &= date[at].is_ascii_digit();
    }
    if !digits {
        return None;
    }
    let two = |at: usize| i64::from(date[at] - b'0') * 10 + i64::from(date[at + 1] - b'0');
    let year = two(0) * 100 + two(2);
    let (month, day, hour, minute, second) = (two(5), two(8), two(11), two(14), two(17));
    let known = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        // A leap second.
        && second <= 60;
    if !known {
        return None;
    }
    let (fraction, zone) = match rest.split_first()? {
        (b'.', rest) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let thousandths = (0..3).fold(0, |sum, at| {
                let digit = rest.get(at).filter(|_| at < length);
                sum * 10 + digit.map_or(0, |digit| i64::from(digit - b'0'))
            });
            (thousandths, rest.get(length..)?)
        }
        _ => (0, rest),
    };
    let offset = offset(zone.strip_prefix(b" ").unwrap_or(zone))?;
    let seconds = ((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second - offset;
    Some(seconds * 1000 + fraction)
}

/// Seconds east of Greenwich, of an abbreviation that means one offset and no other.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, digits) = match zone {
        b"UTC" | b"GMT" | b"Z" => return Some(0),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [_, _] => (digits, None),
        [_, _, b':', minutes @ ..] | [_, _, minutes @ ..] if minutes.len() == 2 => {
            (digits.get(..2)?, Some(minutes))
        }
        _ => return None,
    };
    let minutes = minutes
        .map_or(Some(0), number)
        .filter(|minutes| *minutes < 60)?;
    Some(sign * i64::try_from(number(hours)? * 60 + minutes).ok()? * 60)
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year that begins in March has its leap day at the end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + (153 * month + 2) / 5 + day
        - 1
        - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected numbers from Python: `int(datetime.fromisoformat(text).timestamp() * 1000)`.
    #[test]
    fn a_time_is_known_when_its_zone_means_one_offset() {
        let known = [
            ("2026-11-23 06:43:33.792 UTC", 1_795_416_213_792),
            ("2026-11-23 06:43:33 GMT", 1_795_416_213_000),
            ("2024-02-29 23:59:59.999 +03", 1_709_240_399_999),
            ("2024-02-29 23:59:59.999 -0330", 1_709_263_799_999),
            ("1969-12-31 23:59:59.000 UTC", -1000),
            ("2000-01-01 00:00:00.5 +05:45", 946_664_100_500),
            ("2026-11-23 07:00:18.748123456 UTC", 1_795_417_218_748),
        ];
        for (text, expected) in known {
            assert_eq!(milliseconds(text.as_bytes()), Some(expected), "{text}");
        }
        for text in [
            "2026-11-23 06:43:33.792 CST",
            "2026-11-23 06:43:33.792 IST",
            "2026-13-23 06:43:33.792 UTC",
            "2026-11-23 06:43:33.792",
            "2026-11-23 06:43:33.792 +1",
            "2026-11-23",
            "",
        ] {
            assert_eq!(milliseconds(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_stamp_is_measured_or_waited_for() {
        let whole = b"2026-11-23 06:43:33.792 UTC,";
        assert_eq!(stamp(whole), Ok(27));
        for length in 0..28 {
            assert_eq!(stamp(&whole[..length]), Err(Stop::More), "{length}");
        }
        assert_eq!(stamp(b"2026-11-23 06:43:33 UTC,"), Err(Stop::Bad));
        assert_eq!(stamp(b"2026-11-2x"), Err(Stop::Bad));
        assert_eq!(stamp(b"2026-11-23 06:43:33.792 ,"), Err(Stop::Bad));
        assert_eq!(seconds(b"2026-11-23 06:43:33 +03,"), Ok(23));
    }
}
