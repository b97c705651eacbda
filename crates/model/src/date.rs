//! A day of the calendar. Ours because a pure crate takes no library that has a clock in it.

use std::fmt;

/// A day in the Gregorian calendar, of the years 1 to 9999. Days compare by time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// The last day that there is: what is expected to have ended by then has ended.
    pub const LAST: Self = Self {
        year: 9999,
        month: 12,
        day: 31,
    };

    /// The day, or `None` when the calendar has no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_day = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days(year, month)).contains(&day);
        is_day.then_some(Self { year, month, day })
    }

    /// The day of an instant in milliseconds since 1970, UTC; `None` outside of the years 1 to 9999.
    pub fn of_millis(millis: i64) -> Option<Self> {
        // Days are counted from 0000-03-01, so that a leap day is the last of its year; 400 years are an era.
        let days = millis.div_euclid(86_400_000).checked_add(719_468)?;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self::new(
            u16::try_from(year).ok()?,
            u8::try_from(month).ok()?,
            u8::try_from(day).ok()?,
        )
    }

    /// The day of an RFC 3339 instant in UTC (`2026-03-01T09:30:00.250Z`); `None` for any other text.
    pub fn of_instant(instant: &str) -> Option<Self> {
        let (date, time) = instant.split_once('T')?;
        if !time.ends_with('Z') {
            return None;
        }
        let mut parts = date.split('-');
        let mut number = |digits: usize| {
            parts
                .next()
                .filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?
                .parse::<u16>()
                .ok()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() {
            return None;
        }
        Self::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// An instant in milliseconds since 1970 as people read it: `2026-03-01 09:30:00 UTC`.
pub fn instant(millis: i64) -> String {
    let Some(day) = Date::of_millis(millis) else {
        return format!("{millis} ms since 1970");
    };
    let seconds = millis.rem_euclid(86_400_000) / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{day} {hours:02}:{minutes:02}:{seconds:02} UTC")
}

const fn days(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => {
            29
        }
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::{Date, instant};

    #[test]
    fn an_instant_in_milliseconds_has_a_day() {
        for (millis, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31 23:59:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (951_868_800_000, "2000-03-01 00:00:00 UTC"),
            (1_772_357_400_250, "2026-03-01 09:30:00 UTC"),
            (4_107_542_399_999, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
            (i64::MAX, "9223372036854775807 ms since 1970"),
            (i64::MIN, "-9223372036854775808 ms since 1970"),
        ] {
            assert_eq!(instant(millis), expected);
        }
    }

    #[test]
    fn only_days_of_the_calendar_are_days() {
        assert!(Date::new(2024, 2, 29).is_some());
        assert!(Date::new(2000, 2, 29).is_some());
        for (year, month, day) in [
            (1900, 2, 29),
            (2026, 2, 29),
            (2026, 4, 31),
            (2026, 13, 1),
            (2026, 0, 1),
            (2026, 1, 0),
            (0, 1, 1),
            (10_000, 1, 1),
        ] {
            assert_eq!(Date::new(year, month, day), None, "{year} {month} {day}");
        }
    }

    #[test]
    fn an_instant_in_utc_has_a_day_and_nothing_else_has() {
        let day = Date::of_instant("2026-03-01T23:59:59.999Z");
        assert_eq!(day, Date::new(2026, 3, 1));
        assert_eq!(day.unwrap().to_string(), "2026-03-01");
        for bad in [
            "",
            "T",
            "2026-03-01",
            "2026-03-01T00:00:00+02:00",
            "2026-3-1T00:00:00Z",
            "2026-03-01-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "+026-03-01T00:00:00Z",
            "é026-03-01T00:00:00Z",
        ] {
            assert_eq!(Date::of_instant(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_compare_by_time() {
        assert!(Date::new(2026, 12, 31) < Date::new(2027, 1, 1));
        assert!(Date::new(2027, 1, 2) < Date::new(2027, 2, 1));
    }
}
