//! The rows of the trail's account.

use super::leaves::Leaves;
use super::{HEARTBEAT, public_name};
use pgattest_catalog::wire::flag;
use pgattest_sinks::config::Name;
use pgattest_sinks::engine::{Cursor, Status};
use pgattest_sinks::evidence::{Lock, Retention};
use pgattest_trail::completeness::Summary;
use pgattest_trail::journal::JournalReader;
use pgattest_trail::verify::Report;
use std::collections::BTreeMap;
use std::path::Path;

/// Everything that the rows are made of.
pub(super) struct Told<'a> {
    pub(super) journal: &'a Path,
    pub(super) reader: &'a JournalReader,
    pub(super) leaves: &'a Leaves,
    pub(super) report: &'a Report,
    pub(super) summary: &'a Summary,
    pub(super) statuses: BTreeMap<String, Status>,
    pub(super) seen_at: i64,
}

impl Told<'_> {
    pub(super) fn state(&self) -> [String; 22] {
        let (leaves, report) = (self.leaves, self.report);
        let intact_why = report.problems.first().map_or_else(String::new, |problem| {
            let more = match report.problems.len() {
                1 => String::new(),
                all => format!(", and {} more", all - 1),
            };
            format!("{}: {}{more}", problem.place, problem.problem)
        });
        // Three heartbeats: one may be late, and the clock of the next look is not the collector's.
        let running = !leaves.stopped && self.seen_at - leaves.newest <= 3 * HEARTBEAT;
        let (anchored, anchored_by) = self.anchored();
        let oldest = leaves.oldest.as_ref().and_then(|block| block.first_time);
        [
            report.origin.clone(),
            leaves.instance.clone(),
            leaves.system_identifier.clone(),
            report.leaves.to_string(),
            report.root.clone(),
            report.signed_by.clone().unwrap_or_default(),
            flag(report.verified).to_owned(),
            intact_why,
            self.seen_at.to_string(),
            oldest.unwrap_or(0).to_string(),
            leaves.newest_record.to_string(),
            leaves.began.to_string(),
            leaves.newest.to_string(),
            flag(running).to_owned(),
            leaves.next_record.to_string(),
            report.torn.to_string(),
            leaves.redacted.to_string(),
            flag(leaves.audit_grade).to_owned(),
            anchored.to_string(),
            anchored_by,
            self.retention_days().to_string(),
            leaves.configured.to_string(),
        ]
    }

    /// When somebody else last confirmed a checkpoint of this journal.
    fn anchored(&self) -> (i64, String) {
        let witnessed = self
            .report
            .witnessed
            .iter()
            .map(|seen| (seen.time, seen.witness.clone()));
        let stamped = self
            .report
            .stamped
            .iter()
            .map(|seen| (seen.time, "a time-stamping authority".to_owned()));
        let told = witnessed.chain(stamped).max();
        let (time, by) = told.unwrap_or_default();
        let millis = i64::try_from(time).unwrap_or(0).saturating_mul(1000);
        let locked = self
            .evidence()
            .filter(|(_, evidence)| !matches!(evidence.lock, Lock::None))
            .filter_map(|(name, evidence)| Some((evidence.newest.as_ref()?.at, name)))
            .max();
        match locked {
            Some((at, name)) if at > millis => (at, format!("sink {name}, under lock")),
            _ => (millis, by),
        }
    }

    /// What the collector was told to keep: nothing removes anything unless it was told to.
    fn retention_days(&self) -> u32 {
        match self.leaves.retention_days {
            // Never pruned: everything is still there.
            0 => u32::MAX,
            days => days,
        }
    }

    fn evidence(&self) -> impl Iterator<Item = (&str, &pgattest_sinks::SinkEvidence)> {
        self.statuses
            .iter()
            .filter_map(|(name, status)| Some((name.as_str(), status.evidence.as_ref()?)))
    }

    pub(super) fn coverage(&self) -> Vec<[String; 4]> {
        let coverage = &self.summary.coverage;
        let mut rows = Vec::new();
        let mut from = coverage.from.unwrap_or(self.leaves.began);
        for outage in &self.report.outages {
            rows.push([
                from.to_string(),
                outage.from.to_string(),
                flag(true).to_owned(),
                String::new(),
            ]);
            rows.push([
                outage.from.to_string(),
                outage.to.to_string(),
                flag(false).to_owned(),
                outage
                    .reason
                    .clone()
                    .unwrap_or_else(|| "it said nothing".to_owned()),
            ]);
            from = outage.to;
        }
        rows.push([
            from.to_string(),
            self.leaves.newest.to_string(),
            flag(true).to_owned(),
            String::new(),
        ]);
        rows
    }

    pub(super) fn defects(&self) -> Vec<[String; 5]> {
        self.summary
            .findings
            .iter()
            .map(|finding| {
                [
                    public_name(finding.kind),
                    finding
                        .from
                        .or(finding.to)
                        .unwrap_or(self.leaves.began)
                        .to_string(),
                    finding
                        .session
                        .clone()
                        .unwrap_or_else(|| self.leaves.instance.clone()),
                    finding.detail.trim_end_matches('.').to_owned(),
                    finding
                        .records
                        .first()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                ]
            })
            .collect()
    }

    pub(super) fn sinks(&self) -> Vec<[String; 11]> {
        self.leaves
            .sinks()
            .map(|(name, sink)| {
                let known = Name::try_from(name.clone()).ok();
                let cursor = known
                    .as_ref()
                    .and_then(|known| Cursor::load(self.journal, known).ok())
                    .unwrap_or_default();
                let mut status = self.statuses.get(name).cloned().unwrap_or_default();
                if status.kind.is_empty() {
                    status.kind.clone_from(&sink.kind);
                }
                let evidence = &status.evidence;
                let retention = evidence.as_ref().map_or(0, |seen| match seen.retention {
                    Retention::Unlimited => u32::MAX,
                    Retention::Days(days) => days,
                });
                let locked = evidence
                    .as_ref()
                    .is_some_and(|seen| matches!(seen.lock, Lock::Compliance(_)));
                let oldest = evidence.as_ref().and_then(|seen| seen.oldest);
                let next = cursor.next.max(sink.next);
                [
                    name.clone(),
                    status.kind.clone(),
                    flag(!matches!(status.kind.as_str(), "" | "stdout" | "file")).to_owned(),
                    next.to_string(),
                    self.waiting_since(next).to_string(),
                    cursor.at.max(sink.at).to_string(),
                    retention.to_string(),
                    oldest.map_or(0, |oldest| oldest.at).to_string(),
                    flag(locked).to_owned(),
                    sink.dead.to_string(),
                    match status.last_error {
                        Some(error) => error.reason,
                        None if next == 0 => {
                            "it is configured, and has never confirmed a record".to_owned()
                        }
                        None => String::new(),
                    },
                ]
            })
            .collect()
    }

    /// When the block of the first record that is not confirmed was sealed; 0 when everything is confirmed.
    fn waiting_since(&self, next: u64) -> i64 {
        if next >= self.leaves.next_record {
            return 0;
        }
        match self.reader.find_record(next) {
            Ok(Some((_, block))) => block.sealed_at,
            // Not to be found is not confirmed either.
            Ok(None) | Err(_) => self.leaves.began.max(1),
        }
    }
}
