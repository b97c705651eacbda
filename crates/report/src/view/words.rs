//! Numbers, times and subjects in words, the same in every report for people.

use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{Population, Run, Severity, Status, Subject, SubjectKind, TargetIdentity};

/// `1,000,000`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 finding`, `1,009 findings`.
pub(crate) fn count(number: usize, singular: &str) -> String {
    format!(
        "{} {singular}{}",
        thousands(number),
        if number == 1 { "" } else { "s" }
    )
}

/// `tested 14 login roles`.
pub(crate) fn tested(population: &Population) -> String {
    format!("tested {} {}", thousands(population.count), population.of)
}

/// `1 policy`, `1,000 relations`; `subjects` when the kinds differ.
pub(crate) fn subjects<'a>(all: impl ExactSizeIterator<Item = &'a Subject>) -> String {
    let number = all.len();
    let mut kind = None;
    for subject in all {
        match kind {
            None => kind = Some(subject.kind),
            Some(first) if first == subject.kind => {}
            Some(_) => return count(number, "subject"),
        }
    }
    match kind {
        Some(SubjectKind::Policy) if number != 1 => format!("{} policies", thousands(number)),
        Some(kind) => count(number, kind.as_str()),
        None => count(number, "subject"),
    }
}

/// `role app`, `relation public.orders in shop`; harmless to show.
pub(crate) fn subject(subject: &Subject) -> String {
    format!(
        "{} {}{}",
        subject.kind.as_str(),
        visible(&subject.name),
        place(subject)
    )
}

/// ` in shop` for what is inside a database; nothing for the database itself and what the cluster shares.
pub(crate) fn place(subject: &Subject) -> String {
    match &subject.database {
        Some(database) if subject.kind != SubjectKind::Database => {
            format!(" in {}", self::database(database))
        }
        _ => String::new(),
    }
}

/// A database's name as SQL would have it; harmless to show.
pub(crate) fn database(name: &str) -> String {
    visible(&quote_ident(name))
}

/// `PostgreSQL 15.18, self-hosted, primary`.
pub(crate) fn server(target: &TargetIdentity) -> String {
    let version = target.version.map_or_else(
        || "of unknown version".to_owned(),
        |version| version.to_string(),
    );
    let place = if target.in_recovery {
        "standby"
    } else {
        "primary"
    };
    let flavour = if target.flavour.is_empty() {
        String::new()
    } else {
        format!(", {}", visible(&target.flavour))
    };
    format!("PostgreSQL {version}{flavour}, {place}")
}

/// `3: analytics, postgres, shop`; the first few of many.
pub(crate) fn databases(names: &[String]) -> String {
    const SHOWN: usize = 12;
    if names.is_empty() {
        return "none was looked into".to_owned();
    }
    let first: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| database(name))
        .collect();
    let more = names.len().saturating_sub(SHOWN);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {} more", thousands(more))
    };
    format!("{}: {}{more}", thousands(names.len()), first.join(", "))
}

/// When, how long, and how far the two clocks were apart.
pub(crate) fn period(run: &Run) -> String {
    let at = |instant: &str| {
        if instant.is_empty() {
            "an unknown time".to_owned()
        } else {
            visible(instant)
        }
    };
    let took = duration(&run.started_at, &run.finished_at)
        .map_or_else(String::new, |span| format!(" ({span})"));
    format!(
        "{} to {}{took}, {}",
        at(&run.started_at),
        at(&run.finished_at),
        skew(run.clock_skew_ms)
    )
}

/// How far the collector's clock was from the server's.
pub(crate) fn skew(milliseconds: Option<i64>) -> String {
    match milliseconds {
        None => "clock skew not measured".to_owned(),
        Some(0) => "clocks agree".to_owned(),
        Some(ahead @ 1..) => format!("our clock {ahead} ms ahead of the server's"),
        Some(behind) => format!("our clock {} ms behind the server's", behind.unsigned_abs()),
    }
}

/// Whether intent was declared or guessed.
pub(crate) const fn policy(run: &Run) -> &'static str {
    if run.policy_given {
        "given"
    } else {
        "inferred: no policy file was given"
    }
}

/// The mark that stands beside a status word; never instead of it.
pub(crate) const fn mark(status: Status) -> &'static str {
    match status {
        Status::Fail => "✗",
        Status::NotAssessed => "?",
        Status::Waived => "~",
        Status::Pass => "✓",
        Status::NotApplicable => "–",
    }
}

/// `2 critical, 1 high`, without the severities that have none.
pub(crate) fn severities(counts: impl Iterator<Item = (Severity, usize)>) -> String {
    let some: Vec<String> = counts
        .filter(|(_, number)| *number > 0)
        .map(|(severity, number)| format!("{} {severity}", thousands(number)))
        .collect();
    some.join(", ")
}

/// `2.3s`, `4m 10s`: the time between two RFC 3339 instants in UTC; `None` when either is not one, or when they are
/// the wrong way round. Ours because a pure crate takes no library that has a clock in it.
pub(crate) fn duration(started: &str, finished: &str) -> Option<String> {
    let milliseconds = milliseconds(finished)?
        .checked_sub(milliseconds(started)?)
        .filter(|span| *span >= 0)?;
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    Some(match seconds {
        0 => format!("{rest}ms"),
        1..60 => format!("{seconds}.{}s", rest / 100),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    })
}

/// Milliseconds since 1970 of `2026-03-01T09:30:00.250Z`.
fn milliseconds(instant: &str) -> Option<i64> {
    let (date, time) = instant.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    let clock = hour < 24
        && minute < 60
        && second <= 60
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !(in_range && clock) {
        return None;
    }
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    Some(seconds * 1000 + thousandths.parse::<i64>().ok()?)
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let digits = |part: &str| {
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse().ok())
            .flatten()
    };
    text.split(separator)
        .map(digits)
        .collect::<Option<Vec<i64>>>()?
        .try_into()
        .ok()
}

/// Days since 1970-01-01 in the Gregorian calendar. The year begins in March here, so that a leap day comes last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::{days, duration, milliseconds, thousands};

    #[test]
    fn thousands_are_separated() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(thousands),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn days_agree_with_known_dates() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 2, 29), 11_016);
        assert_eq!(days(2026, 3, 1), 20_513);
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let at = |time: &str| format!("2026-03-01T{time}Z");
        let span = |from: &str, to: &str| duration(&at(from), &at(to));
        assert_eq!(
            span("09:30:00.250", "09:30:00.900").as_deref(),
            Some("650ms")
        );
        assert_eq!(span("09:30:00", "09:30:02.35").as_deref(), Some("2.3s"));
        assert_eq!(span("09:30:00", "09:34:10").as_deref(), Some("4m 10s"));
        assert_eq!(span("09:30:00", "11:31:00").as_deref(), Some("2h 1m"));
        assert_eq!(
            duration("2026-02-28T23:59:59Z", "2026-03-01T00:00:00Z").as_deref(),
            Some("1.0s")
        );
    }

    #[test]
    fn what_is_no_instant_has_no_duration() {
        let good = "2026-03-01T09:30:00Z";
        for bad in [
            "",
            "Z",
            "2026-03-01",
            "2026-13-01T00:00:00Z",
            "2026-03-01T09:30:00+02:00",
            "2026-03-01T9:x:0Z",
            "2026-03-01T09:30:00.é1Z",
        ] {
            assert_eq!(milliseconds(bad), None, "{bad}");
            assert_eq!(duration(good, bad), None, "{bad}");
        }
        assert_eq!(duration(good, "2026-03-01T09:29:59Z"), None);
    }
}
