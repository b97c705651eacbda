//! What a trail says of itself, as observations of an audit: its journal is read and verified on the machine that audits.

use crate::failure::{Doing, Failure, OrHint};
use jiff::Timestamp;
use pgattest_catalog::trail::{self, Account};
use pgattest_catalog::wire::flag;
use pgattest_evidence::PublicKey;
use pgattest_model::{Observation, Policy};
use pgattest_sinks::config::Name;
use pgattest_sinks::engine::{Cursor, Status};
use pgattest_sinks::evidence::{Lock, Retention};
use pgattest_trail::completeness::summary::{TEST_RULE, is_delivered};
use pgattest_trail::completeness::{Options, Period, Summary};
use pgattest_trail::journal::{JournalError, JournalReader};
use pgattest_trail::leaf::{self, BlockLeaf, Leaf};
use pgattest_trail::verify::{self, Report, Request};
use std::collections::BTreeMap;
use std::path::Path;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// A collector shows that it lives this often, in milliseconds, unless it has something else to say.
const HEARTBEAT: i64 = 60_000;

/// Which trail, and how much of it.
pub(crate) struct Wanted<'a> {
    pub(crate) journal: &'a Path,
    /// Whose signature on its checkpoint is believed.
    pub(crate) keys: &'a [PublicKey],
    /// How many days are read record by record, up to now.
    pub(crate) days: u32,
}

/// Reads the trail. An error only when there is none, or it cannot be read at all: what is wrong with it is in the observations.
pub(crate) fn observations(
    wanted: &Wanted<'_>,
    policy: &Policy,
) -> Result<Vec<Observation>, Failure> {
    let started = Timestamp::now();
    let journal = wanted.journal;
    let unreadable = || format!("the trail at {} could not be read", journal.display());
    let reader = JournalReader::open(journal)
        .doing(unreadable)
        .or_hint("--trail takes the collector's journal: the directory with `checkpoint` in it")?;
    let from = started.as_millisecond() - i64::from(wanted.days) * DAY;
    let period = Period {
        from: Some(from),
        until: None,
    };
    let mut leaves = Leaves::begin(&reader, from).doing(unreadable)?;
    let every = |index, leaf: &Leaf| leaves.take(index, leaf);
    let summary =
        Summary::of_journal_and(&reader, period, options(policy), every).doing(unreadable)?;
    let report = verify::verify(
        journal,
        &Request {
            keys: wanted.keys,
            earlier: &[],
            witnesses: &[],
            second_keys: &[],
            records: Some(leaves.first_record..leaves.next_record),
            heartbeat_ms: HEARTBEAT,
        },
    )
    .doing(|| format!("the trail at {} could not be verified", journal.display()))?;
    let finished = Timestamp::now();
    let account = Account {
        place: journal.display().to_string(),
        started_at: started.to_string(),
        finished_at: finished.to_string(),
    };
    let told = Told {
        journal,
        reader: &reader,
        leaves: &leaves,
        report: &report,
        summary: &summary,
        statuses: leaves.statuses(journal),
        seen_at: finished.as_millisecond(),
    };
    Ok(vec![
        account.observation(trail::STATE, trail::STATE_COLUMNS, &[told.state()]),
        account.observation(trail::COVERAGE, trail::COVERAGE_COLUMNS, &told.coverage()),
        account.observation(trail::CANARIES, trail::CANARY_COLUMNS, &leaves.canaries()),
        account.observation(trail::DEFECTS, trail::DEFECT_COLUMNS, &told.defects()),
        account.observation(trail::SINKS, trail::SINK_COLUMNS, &told.sinks()),
        account.observation(trail::RULES, trail::RULE_COLUMNS, &leaves.rules()),
    ])
}

/// What completeness is told of the policy.
fn options(policy: &Policy) -> Options {
    let mut options = Options::default();
    if let Some(classes) = &policy.logging.classes {
        options.required_classes.clone_from(classes);
    }
    options
}

/// What the leaves say, each looked at once, payload aside.
#[derive(Default)]
struct Leaves {
    instance: String,
    system_identifier: String,
    began: i64,
    newest: i64,
    stopped: bool,
    redacted: u64,
    audit_grade: bool,
    retention_days: u32,
    first_record: u64,
    next_record: u64,
    /// Blocks that were sealed from then on are looked at.
    from: i64,
    /// The first record that was not pruned.
    oldest_record: u64,
    /// When the collector last wrote down what it is told.
    configured: i64,
    oldest: Option<BlockLeaf>,
    newest_record: i64,
    canaries: BTreeMap<(String, String), Canary>,
    rules: BTreeMap<String, Rule>,
    sinks: BTreeMap<String, Sink>,
}

#[derive(Default)]
struct Canary {
    found: i64,
    missed: i64,
    mark: String,
}

#[derive(Default)]
struct Rule {
    looks: bool,
    fired: u64,
    undelivered: u64,
    last_fired: i64,
    last_delivered: i64,
}

#[derive(Default)]
struct Sink {
    /// The kind that the configuration says.
    kind: String,
    next: u64,
    at: i64,
    dead: u64,
}

impl Leaves {
    fn begin(reader: &JournalReader, from: i64) -> Result<Self, JournalError> {
        let next_record = reader.next_record()?;
        Ok(Self {
            next_record,
            first_record: next_record,
            audit_grade: true,
            from,
            oldest_record: reader.oldest()?.0,
            ..Self::default()
        })
    }

    fn take(&mut self, index: u64, leaf: &Leaf) {
        if index == 0 {
            self.began = leaf.at();
        }
        self.newest = leaf.at();
        self.stopped = matches!(leaf, Leaf::Stop { .. });
        self.note(leaf.clone());
    }

    /// What each sink's task wrote last, read once.
    fn statuses(&self, journal: &Path) -> BTreeMap<String, Status> {
        self.sinks
            .keys()
            .filter_map(|name| {
                let known = Name::try_from(name.clone()).ok()?;
                Some((name.clone(), Status::load(journal, &known)?))
            })
            .collect()
    }

    /// What the collector is told from here on.
    fn told(&mut self, at: i64, told: leaf::Told) {
        self.configured = at;
        for rule in self.rules.values_mut() {
            rule.looks = false;
        }
        for rule in told.rules {
            self.rules.entry(rule).or_default().looks = true;
        }
        for (name, sink) in told.sinks {
            self.sinks.entry(name).or_default().kind = sink.kind;
        }
    }

    fn note(&mut self, leaf: Leaf) {
        match leaf {
            Leaf::Start { instance, .. } => self.instance = instance,
            Leaf::Configuration {
                at,
                told: Some(told),
                ..
            } => self.told(at, told),
            Leaf::Block(block) => self.block(block),
            Leaf::Canary {
                at,
                mark,
                class,
                place,
                found,
                system_identifier,
            } => {
                if let Some(identifier) = system_identifier {
                    self.system_identifier = identifier;
                }
                let seen = self.canaries.entry((class, place)).or_default();
                let when = if found {
                    &mut seen.found
                } else {
                    &mut seen.missed
                };
                *when = at.max(*when);
                seen.mark = mark;
            }
            Leaf::Alert {
                at,
                rule,
                delivered,
                ..
            } => {
                let rule = if rule == TEST_RULE {
                    "test".to_owned()
                } else {
                    rule
                };
                let seen = self.rules.entry(rule).or_default();
                seen.fired += 1;
                seen.last_fired = at;
                // In one place at least: a file beside a webhook is there for the case that the webhook is not.
                if delivered.iter().any(|answer| is_delivered(answer)) {
                    seen.last_delivered = at;
                } else {
                    seen.undelivered += 1;
                }
            }
            Leaf::Watermark { at, sink, next } => {
                let seen = self.sinks.entry(sink).or_default();
                seen.next = next.max(seen.next);
                seen.at = at;
            }
            Leaf::DeadLetter { sink, records, .. } => {
                self.sinks.entry(sink).or_default().dead += records.len() as u64;
            }
            Leaf::Pruned { retention_days, .. } => self.retention_days = retention_days,
            _ => {}
        }
    }

    fn block(&mut self, block: BlockLeaf) {
        self.redacted += u64::from(block.redacted);
        self.audit_grade &= matches!(block.format.as_str(), "csvlog" | "jsonlog" | "cloud-sql");
        self.newest_record = block.last_time.unwrap_or(0).max(self.newest_record);
        if block.sealed_at >= self.from {
            self.first_record = self.first_record.min(block.first_record);
        }
        if self.oldest.is_none()
            && block.first_record >= self.oldest_record
            && block.first_time.is_some()
        {
            self.oldest = Some(block);
        }
    }

    fn canaries(&self) -> Vec<[String; 5]> {
        self.canaries
            .iter()
            .map(|((class, place), seen)| {
                [
                    class.clone(),
                    place.clone(),
                    seen.found.to_string(),
                    seen.missed.to_string(),
                    seen.mark.clone(),
                ]
            })
            .collect()
    }

    fn rules(&self) -> Vec<[String; 6]> {
        self.rules
            .iter()
            .map(|(name, rule)| {
                [
                    name.clone(),
                    rule.fired.to_string(),
                    rule.undelivered.to_string(),
                    rule.last_fired.to_string(),
                    rule.last_delivered.to_string(),
                    flag(rule.looks).to_owned(),
                ]
            })
            .collect()
    }
}

/// Everything that the rows are made of.
struct Told<'a> {
    journal: &'a Path,
    reader: &'a JournalReader,
    leaves: &'a Leaves,
    report: &'a Report,
    summary: &'a Summary,
    statuses: BTreeMap<String, Status>,
    seen_at: i64,
}

impl Told<'_> {
    fn state(&self) -> [String; 22] {
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

    fn coverage(&self) -> Vec<[String; 4]> {
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

    fn defects(&self) -> Vec<[String; 5]> {
        self.summary
            .findings
            .iter()
            .map(|finding| {
                // The kind's name is the public one.
                let kind = serde_json::to_value(finding.kind)
                    .ok()
                    .and_then(|value| value.as_str().map(str::to_owned))
                    .unwrap_or_default();
                [
                    kind,
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

    fn sinks(&self) -> Vec<[String; 11]> {
        self.leaves
            .sinks
            .iter()
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

#[cfg(test)]
mod tests {
    use super::Leaves;
    use pgattest_trail::Leaf;
    use pgattest_trail::leaf::{Told, ToldSink};

    fn told(at: i64, sinks: &[&str], rules: &[&str]) -> Leaf {
        let sink = |name: &&str| {
            let sink = ToldSink {
                kind: "splunk-hec".to_owned(),
                place: "splunk.example:8088".to_owned(),
            };
            ((*name).to_owned(), sink)
        };
        Leaf::Configuration {
            at,
            configuration: "00".repeat(32),
            told: Some(Told {
                sinks: sinks.iter().map(sink).collect(),
                rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
                ..Told::default()
            }),
        }
    }

    #[test]
    fn a_sink_that_is_configured_is_known_before_it_delivers() {
        let mut leaves = Leaves::default();
        leaves.take(0, &told(1, &["siem"], &[]));
        assert_eq!(leaves.configured, 1);
        let sink = leaves.sinks.get("siem").unwrap();
        assert_eq!((sink.kind.as_str(), sink.next), ("splunk-hec", 0));
    }

    #[test]
    fn the_last_configuration_says_which_rules_look() {
        let mut leaves = Leaves::default();
        leaves.take(0, &told(1, &[], &["new-superuser", "bulk-read"]));
        leaves.take(
            1,
            &Leaf::Alert {
                at: 2,
                rule: "new-superuser".to_owned(),
                records: vec![7],
                delivered: vec!["file alerts.jsonl: ok: written".to_owned()],
            },
        );
        leaves.take(2, &told(3, &[], &["bulk-read"]));
        let rows = leaves.rules();
        let looks: Vec<_> = rows
            .iter()
            .map(|row| (row[0].as_str(), row[1].as_str(), row[5].as_str()))
            .collect();
        assert_eq!(
            looks,
            [("bulk-read", "0", "t"), ("new-superuser", "1", "f")]
        );
    }

    #[test]
    fn a_journal_of_an_older_version_says_nothing_of_it() {
        let mut leaves = Leaves::default();
        let old = "{\"type\":\"configuration\",\"at\":5,\"configuration\":\"ab\"}";
        leaves.take(0, &serde_json::from_str(old).unwrap());
        assert_eq!((leaves.configured, leaves.began), (0, 5));
    }
}
