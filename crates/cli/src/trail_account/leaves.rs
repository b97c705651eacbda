//! What a journal's leaves say, each looked at once, payload aside.

use pgattest_catalog::wire::flag;
use pgattest_sinks::config::Name;
use pgattest_sinks::engine::Status;
use pgattest_trail::completeness::summary::{TEST_RULE, is_delivered};
use pgattest_trail::journal::{JournalError, JournalReader};
use pgattest_trail::leaf::{self, BlockLeaf, Leaf};
use std::collections::BTreeMap;
use std::path::Path;

/// What the leaves say, each looked at once, payload aside.
#[derive(Default)]
pub(super) struct Leaves {
    pub(super) instance: String,
    pub(super) system_identifier: String,
    pub(super) began: i64,
    pub(super) newest: i64,
    pub(super) stopped: bool,
    pub(super) redacted: u64,
    pub(super) audit_grade: bool,
    pub(super) retention_days: u32,
    pub(super) first_record: u64,
    pub(super) next_record: u64,
    /// Blocks that were sealed from then on are looked at.
    pub(super) from: i64,
    /// The first record that was not pruned.
    pub(super) oldest_record: u64,
    /// When the collector last wrote down what it is told.
    pub(super) configured: i64,
    pub(super) oldest: Option<BlockLeaf>,
    pub(super) newest_record: i64,
    pub(super) canaries: BTreeMap<(String, String), Canary>,
    pub(super) rules: BTreeMap<String, Rule>,
    pub(super) sinks: BTreeMap<String, Sink>,
}

#[derive(Default)]
pub(super) struct Canary {
    pub(super) found: i64,
    pub(super) missed: i64,
    pub(super) mark: String,
}

#[derive(Default)]
pub(super) struct Rule {
    pub(super) looks: bool,
    pub(super) fired: u64,
    pub(super) undelivered: u64,
    pub(super) last_fired: i64,
    pub(super) last_delivered: i64,
}

#[derive(Default)]
pub(super) struct Sink {
    /// Whether the collector is told to deliver to it.
    pub(super) wanted: bool,
    /// The kind that the configuration says.
    pub(super) kind: String,
    pub(super) next: u64,
    pub(super) at: i64,
    pub(super) dead: u64,
}

impl Leaves {
    pub(super) fn begin(reader: &JournalReader, from: i64) -> Result<Self, JournalError> {
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

    pub(super) fn take(&mut self, index: u64, leaf: &Leaf) {
        if index == 0 {
            self.began = leaf.at();
        }
        self.newest = leaf.at();
        self.stopped = matches!(leaf, Leaf::Stop { .. });
        self.note(leaf.clone());
    }

    /// What each sink's task wrote last, read once.
    pub(super) fn statuses(&self, journal: &Path) -> BTreeMap<String, Status> {
        self.sinks()
            .filter_map(|(name, _)| {
                let known = Name::try_from(name.clone()).ok()?;
                Some((name.clone(), Status::load(journal, &known)?))
            })
            .collect()
    }

    /// The sinks that the trail is shipped to now. What was taken out of the configuration is no longer one, whatever it has; a
    /// collector that never said what it is told ships to whatever confirmed anything.
    pub(super) fn sinks(&self) -> impl Iterator<Item = (&String, &Sink)> {
        self.sinks.iter().filter(|(_, sink)| self.is_current(sink))
    }

    fn is_current(&self, sink: &Sink) -> bool {
        sink.wanted || self.configured == 0
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
        for sink in self.sinks.values_mut() {
            sink.wanted = false;
        }
        for (name, sink) in told.sinks {
            let seen = self.sinks.entry(name).or_default();
            seen.kind = sink.kind;
            seen.wanted = true;
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

    pub(super) fn canaries(&self) -> Vec<[String; 5]> {
        self.canaries
            .iter()
            .filter(|((_, place), _)| {
                let sink = self.sinks.get(place);
                sink.is_none_or(|sink| self.is_current(sink))
            })
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

    pub(super) fn rules(&self) -> Vec<[String; 6]> {
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
                deadline_seconds: None,
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
    fn a_sink_that_was_taken_out_is_none_any_more_and_neither_are_its_canaries() {
        let mut leaves = Leaves::default();
        let canary = |place: &str| Leaf::Canary {
            at: 2,
            mark: "m".to_owned(),
            class: "ddl".to_owned(),
            place: place.to_owned(),
            found: false,
            system_identifier: None,
        };
        leaves.take(0, &told(1, &["old", "siem"], &[]));
        for (index, place) in (1..).zip(["old", "siem", "journal", "nobody"]) {
            leaves.take(index, &canary(place));
        }
        leaves.take(
            5,
            &Leaf::Watermark {
                at: 3,
                sink: "old".to_owned(),
                next: 7,
            },
        );
        let current = |leaves: &Leaves| -> (Vec<String>, Vec<String>) {
            let sinks = leaves.sinks().map(|(name, _)| name.clone()).collect();
            let places = leaves.canaries().into_iter().map(|[_, place, ..]| place);
            (sinks, places.collect())
        };
        assert_eq!(current(&leaves).0, ["old", "siem"]);
        leaves.take(6, &told(4, &["siem"], &[]));
        let (sinks, places) = current(&leaves);
        assert_eq!(sinks, ["siem"]);
        assert_eq!(places, ["journal", "nobody", "siem"]);
        // And back.
        leaves.take(7, &told(5, &["old", "siem"], &[]));
        assert_eq!(current(&leaves).0, ["old", "siem"]);
    }

    #[test]
    fn a_collector_that_never_said_ships_to_whatever_confirmed() {
        let mut leaves = Leaves::default();
        leaves.take(
            0,
            &Leaf::Watermark {
                at: 3,
                sink: "old".to_owned(),
                next: 7,
            },
        );
        assert_eq!(leaves.sinks().count(), 1);
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
