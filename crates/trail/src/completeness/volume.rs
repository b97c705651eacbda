//! How much was logged: hours of silence, and clocks that went back.

use super::result::{Finding, Kind, Weight};
use super::sessions::At;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;

/// Records of different processes are not quite in the order of their times; more than this is no disorder.
const CLOCK_SLACK: i64 = 60_000;

/// How many hours of the same time of day there have to be before one of them can be called silent.
const SAME_HOURS: usize = 7;

/// How many hours of any time of day.
const ANY_HOURS: usize = 24;

/// Records by hour, of one form of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Volume {
    hours: BTreeMap<i64, u64>,
    latest: Option<At>,
}

impl Volume {
    /// Takes a record's time.
    pub(super) fn take(&mut self, destination: &str, at: At, findings: &mut Vec<Finding>) {
        let Some(time) = at.time else {
            return;
        };
        *self.hours.entry(time.div_euclid(HOUR)).or_default() += 1;
        if let Some(latest) = self.latest
            && let Some(before) = latest.time
        {
            if before - time > CLOCK_SLACK {
                let mut finding = Finding::new(
                    Kind::ClockBack,
                    Weight::Suspicion,
                    format!(
                        "the log's time went back by {} seconds between record {} and record {}: the clock was set, or records were put in",
                        (before - time) / 1000,
                        latest.record,
                        at.record
                    ),
                );
                finding.records = vec![latest.record, at.record];
                finding.from = Some(time);
                finding.to = Some(before);
                finding.destination = Some(destination.to_owned());
                findings.push(finding);
            } else if time <= before {
                return;
            }
        }
        self.latest = Some(at);
    }

    /// The end of the period. The first and the last hour are not whole and are not judged.
    pub(super) fn finish(&self, destination: &str, busy: u64, findings: &mut Vec<Finding>) {
        let (Some(&first), Some(&last)) = (self.hours.keys().next(), self.hours.keys().next_back())
        else {
            return;
        };
        // A clock that jumped by years would give an hour for each; nobody has logged for a century.
        if last - first > 24 * 366 * 20 {
            return;
        }
        let count = |hour: i64| self.hours.get(&hour).copied().unwrap_or(0);
        let whole: Vec<i64> = (first + 1..last).collect();
        let by_time_of_day: Vec<Vec<u64>> = (0..24)
            .map(|time_of_day| {
                whole
                    .iter()
                    .filter(|hour| hour.rem_euclid(24) == time_of_day)
                    .map(|&hour| count(hour))
                    .collect()
            })
            .collect();
        let same: Vec<Option<Baseline>> = by_time_of_day
            .into_iter()
            .map(|counts| (counts.len() >= SAME_HOURS).then(|| Baseline::of(counts)))
            .collect();
        let any = (whole.len() >= ANY_HOURS)
            .then(|| Baseline::of(whole.iter().map(|&hour| count(hour)).collect()));
        let mut run: Option<(i64, i64, u64, Baseline, bool)> = None;
        for &hour in &whole {
            let time_of_day = usize::try_from(hour.rem_euclid(24)).unwrap_or(0);
            let (baseline, is_same) = match (same.get(time_of_day).copied().flatten(), any) {
                (Some(baseline), _) => (baseline, true),
                (None, Some(baseline)) => (baseline, false),
                (None, None) => continue,
            };
            if baseline.is_broken_by(count(hour), busy) {
                match &mut run {
                    Some((_, to, records, ..)) if *to + 1 == hour => {
                        *to = hour;
                        *records += count(hour);
                    }
                    _ => {
                        findings.extend(run.take().map(|run| silence(destination, run)));
                        run = Some((hour, hour, count(hour), baseline, is_same));
                    }
                }
            }
        }
        findings.extend(run.map(|run| silence(destination, run)));
    }
}

/// The middle of the counts and how far they usually lie from it.
#[derive(Clone, Copy, Debug)]
struct Baseline {
    median: u64,
    deviation: u64,
    hours: usize,
}

impl Baseline {
    fn of(mut counts: Vec<u64>) -> Self {
        let median = middle(&mut counts);
        let mut distances: Vec<u64> = counts.iter().map(|&count| count.abs_diff(median)).collect();
        Self {
            median,
            deviation: middle(&mut distances),
            hours: counts.len(),
        }
    }

    /// Below a tenth of the median, and further from it than three and a half robust standard deviations (1.4826 times the median
    /// distance). Median and median distance are the same with half of the hours missing.
    fn is_broken_by(self, count: u64, busy: u64) -> bool {
        let distance = self.median.saturating_sub(count);
        self.median >= busy
            && count.saturating_mul(10) <= self.median
            && distance.saturating_mul(10_000) > self.deviation.saturating_mul(51_891)
    }
}

fn middle(counts: &mut [u64]) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

fn silence(
    destination: &str,
    (from, to, records, baseline, is_same): (i64, i64, u64, Baseline, bool),
) -> Finding {
    let hours = to - from + 1;
    let which = if is_same {
        "that time of day"
    } else {
        "any time of day"
    };
    let mut finding = Finding::new(
        Kind::Silence,
        Weight::Suspicion,
        format!(
            "{records} records in {hours} hours, where {} an hour are usual at {which} (median of {} hours, median distance from it {})",
            baseline.median, baseline.hours, baseline.deviation
        ),
    );
    finding.from = Some(from * HOUR);
    finding.to = Some((to + 1) * HOUR);
    finding.count = u64::try_from(hours).unwrap_or(1);
    finding.destination = Some(destination.to_owned());
    finding
}
