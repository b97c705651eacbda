//! What rules remember, and when they fire.

use super::alert::{Alert, RECORDS};
use super::fields::Fields;
use super::rule::{How, Rule, RuleError};
use pgattest_parse::audit_log::{Decoder, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

/// How many keys a rule remembers; the ones that were longest not seen are forgotten.
const KEYS: usize = 100_000;

/// How many windows make a baseline at most.
const WINDOWS: usize = 168;

/// pgaudit repeats a text for each statement in it. The same text in the same session is told once within this time.
const SAME_TEXT: i64 = 60_000;

/// How much of a statement an alert carries.
const STATEMENT: usize = 4_096;

/// A record to look at.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Its number.
    pub number: u64,
    /// For its form.
    pub decoder: &'a Decoder,
    /// Its bytes, after redaction.
    pub bytes: &'a [u8],
}

/// What all rules remember. It can be saved, and gone on with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Memory {
    rules: BTreeMap<String, RuleMemory>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct RuleMemory {
    /// Of the rule's text; another text begins anew.
    digest: String,
    /// Time of the first record that the rule was about.
    begin: Option<i64>,
    /// Time of the latest one.
    latest: Option<i64>,
    keys: BTreeMap<String, KeyMemory>,
    /// Texts that were told, by session and digest, with their time.
    told: VecDeque<(String, i64)>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct KeyMemory {
    /// When it was seen last.
    last: i64,
    /// Threshold: records within the time. Baseline: records of the window.
    recent: VecDeque<(i64, u64)>,
    /// Threshold: nothing is told before then.
    quiet_until: i64,
    /// Baseline: the window, what came together in it, and whether it was told.
    window: i64,
    sum: u64,
    count: u64,
    told: bool,
    history: VecDeque<u64>,
}

/// Rules over records.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Rule>,
    memory: Memory,
    required: BTreeSet<String>,
    instance: Option<String>,
}

impl Engine {
    /// With these rules, and what they remember. Two rules with one name are an error.
    pub fn new(rules: Vec<Rule>, memory: Memory) -> Result<Self, RuleError> {
        let mut names = BTreeSet::new();
        if let Some(twice) = rules.iter().find(|rule| !names.insert(rule.id.clone())) {
            return Err(RuleError::Twice(twice.id.clone()));
        }
        let mut memory = memory;
        memory.rules.retain(|id, memory| {
            rules
                .iter()
                .any(|rule| rule.id == *id && rule.digest == memory.digest)
        });
        Ok(Self {
            rules,
            memory,
            required: crate::completeness::Options::default().required_classes,
            instance: None,
        })
    }

    /// The classes that pgaudit is to log.
    pub fn set_required(&mut self, required: BTreeSet<String>) {
        self.required = required;
    }

    /// Whose log it is.
    pub fn set_instance(&mut self, instance: &str) {
        self.instance = Some(instance.to_owned());
    }

    /// What to save.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Looks at a record. One that cannot be decoded raises nothing: `completeness` tells of it.
    pub fn take(&mut self, input: Input<'_>) -> Vec<Alert> {
        input
            .decoder
            .decode(input.bytes)
            .map(|record| self.decoded(input.number, &record))
            .unwrap_or_default()
    }

    /// Looks at a record that is decoded already.
    pub fn decoded(&mut self, number: u64, record: &Record<'_>) -> Vec<Alert> {
        let Self {
            rules,
            memory,
            required,
            instance,
        } = self;
        let fields = Fields::new(record, required);
        let mut alerts = Vec::new();
        for rule in rules.iter() {
            if !rule.when.holds(&fields) {
                continue;
            }
            let remembered = memory
                .rules
                .entry(rule.id.clone())
                .or_insert_with(|| RuleMemory {
                    digest: rule.digest.clone(),
                    ..RuleMemory::default()
                });
            if let Some(fired) = remembered.fires(rule, number, &fields) {
                alerts.push(alert(rule, fired, &fields, instance.as_deref()));
            }
        }
        alerts
    }
}

/// That a rule fires, and with what.
struct Fired {
    key: BTreeMap<String, String>,
    records: Vec<u64>,
    count: u64,
    detail: String,
}

impl RuleMemory {
    fn fires(&mut self, rule: &Rule, number: u64, fields: &Fields<'_>) -> Option<Fired> {
        // A record without a time is taken to be of the time of the one before it: order is what counts.
        let now = fields.record.time_ms.or(self.latest).unwrap_or(0);
        self.latest = self.latest.max(Some(now));
        let begin = *self.begin.get_or_insert(now);
        let fired = match &rule.how {
            How::Each => self.each(number, now, fields),
            How::Threshold { count, within, by } => {
                self.threshold(number, now, *count, *within, key_of(by, fields))
            }
            How::FirstSeen { of, known, learn } => self.first_seen(
                number,
                now,
                now.saturating_sub(begin) >= *learn,
                key_of(of, fields),
                &key_of(known, fields),
            ),
            How::Baseline { .. } => self.baseline(&rule.how, number, now, fields),
        };
        self.forget();
        fired
    }

    fn each(&mut self, number: u64, now: i64, fields: &Fields<'_>) -> Option<Fired> {
        let text = fields.statement().or_else(|| fields.failed_statement());
        if let Some(text) = text {
            let session = fields.record.session.as_deref().unwrap_or_default();
            let mut hash = Sha256::new();
            hash.update(session);
            hash.update([0]);
            hash.update(text);
            let told = hex::encode(hash.finalize());
            while self
                .told
                .front()
                .is_some_and(|(_, at)| now.saturating_sub(*at) > SAME_TEXT)
            {
                self.told.pop_front();
            }
            if self.told.iter().any(|(known, _)| *known == told) {
                return None;
            }
            self.told.push_back((told, now));
            if self.told.len() > 1_024 {
                self.told.pop_front();
            }
        }
        Some(Fired {
            key: BTreeMap::new(),
            records: vec![number],
            count: 1,
            detail: String::new(),
        })
    }

    fn threshold(
        &mut self,
        number: u64,
        now: i64,
        count: u64,
        within: i64,
        key: BTreeMap<String, String>,
    ) -> Option<Fired> {
        let memory = self.keys.entry(flat(&key)).or_default();
        memory.last = memory.last.max(now);
        memory.recent.push_back((now, number));
        while memory
            .recent
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > within)
        {
            memory.recent.pop_front();
        }
        // What is told of one burst is enough until it has lasted that long again.
        if now < memory.quiet_until {
            memory.recent.clear();
            return None;
        }
        if (memory.recent.len() as u64) < count {
            return None;
        }
        memory.quiet_until = now.saturating_add(within);
        let records: Vec<u64> = memory.recent.drain(..).map(|(_, number)| number).collect();
        Some(Fired {
            key,
            count: records.len() as u64,
            detail: format!("{} records within {} seconds", records.len(), within / 1000),
            records,
        })
    }

    fn first_seen(
        &mut self,
        number: u64,
        now: i64,
        has_learnt: bool,
        key: BTreeMap<String, String>,
        known: &BTreeMap<String, String>,
    ) -> Option<Fired> {
        let known_key = format!("known {}", flat(known));
        let is_known = known.is_empty() || self.keys.contains_key(&known_key);
        if !known.is_empty() {
            let memory = self.keys.entry(known_key).or_default();
            memory.last = memory.last.max(now);
        }
        let seen_key = format!("seen {}", flat(&key));
        let is_new = !self.keys.contains_key(&seen_key);
        let memory = self.keys.entry(seen_key).or_default();
        memory.last = memory.last.max(now);
        (is_new && is_known && has_learnt).then(|| Fired {
            key,
            records: vec![number],
            count: 1,
            detail: "never seen together before".to_owned(),
        })
    }

    fn baseline(&mut self, how: &How, number: u64, now: i64, fields: &Fields<'_>) -> Option<Fired> {
        let How::Baseline {
            measure,
            by,
            window,
            factor,
            at_least,
            without,
            needs,
        } = how
        else {
            return None;
        };
        let amount = match measure {
            Some(name) => fields.get(name).first()?.parse::<u64>().ok()?,
            None => 1,
        };
        let key = key_of(by, fields);
        let memory = self.keys.entry(flat(&key)).or_default();
        let index = now.div_euclid(*window);
        // A clock that went back does not open an old window again.
        if index > memory.window || memory.count == 0 {
            if memory.count > 0 {
                memory.history.push_back(memory.sum);
                if memory.history.len() > WINDOWS {
                    memory.history.pop_front();
                }
            }
            memory.window = index;
            memory.sum = 0;
            memory.count = 0;
            memory.told = false;
            memory.recent.clear();
        }
        memory.last = memory.last.max(now);
        memory.sum = memory.sum.saturating_add(amount);
        memory.count += 1;
        if memory.recent.len() < RECORDS {
            memory.recent.push_back((now, number));
        }
        let mut usual: Vec<u64> = memory.history.iter().copied().collect();
        usual.sort_unstable();
        let median = usual
            .get(usual.len() / 2)
            .copied()
            .filter(|_| usual.len() >= *needs);
        let limit = match median {
            Some(median) => median.saturating_mul(*factor).max(*at_least),
            None => *without,
        };
        if memory.told || memory.sum < limit {
            return None;
        }
        memory.told = true;
        let what = measure.unwrap_or("records");
        let usual = match median {
            Some(median) => format!(
                "{median} in the middle of the {} windows before it",
                usual.len()
            ),
            None => "no baseline yet".to_owned(),
        };
        let mut records: Vec<u64> = memory.recent.iter().map(|(_, number)| *number).collect();
        if records.last() != Some(&number) {
            records.push(number);
        }
        Some(Fired {
            key,
            records,
            count: memory.count,
            detail: format!(
                "{} {what} within {} seconds; {usual}",
                memory.sum,
                window / 1000
            ),
        })
    }

    /// Forgets a tenth of the keys when there are too many.
    fn forget(&mut self) {
        if self.keys.len() <= KEYS {
            return;
        }
        let mut ages: Vec<i64> = self.keys.values().map(|key| key.last).collect();
        ages.sort_unstable();
        let limit = ages.get(KEYS / 10).copied().unwrap_or(0);
        let mut left = KEYS / 10;
        self.keys.retain(|_, key| {
            let goes = key.last <= limit && left > 0;
            left -= usize::from(goes);
            !goes
        });
    }
}

fn key_of(names: &[&'static str], fields: &Fields<'_>) -> BTreeMap<String, String> {
    names
        .iter()
        .map(|name| {
            let value = fields.get(name).first().cloned().unwrap_or_default();
            ((*name).to_owned(), value.into_owned())
        })
        .collect()
}

/// A key as one text; no value can look like two.
fn flat(key: &BTreeMap<String, String>) -> String {
    serde_json::to_string(key).unwrap_or_default()
}

fn alert(rule: &Rule, fired: Fired, fields: &Fields<'_>, instance: Option<&str>) -> Alert {
    let mut record = BTreeMap::new();
    for name in [
        "user",
        "database",
        "host",
        "application",
        "session",
        "sqlstate",
        "audit.command",
        "audit.object_name",
        "statement",
    ] {
        if let Some(value) = fields.get(name).first().filter(|value| !value.is_empty()) {
            let end = (0..=STATEMENT.min(value.len()))
                .rev()
                .find(|end| value.is_char_boundary(*end))
                .unwrap_or(0);
            record.insert(
                name.to_owned(),
                value.get(..end).unwrap_or_default().to_owned(),
            );
        }
    }
    let settings: Vec<String> = fields
        .changes()
        .iter()
        .map(|change| match &change.value {
            Some(value) => format!("{} = {value}", change.name),
            None => format!("{} reset", change.name),
        })
        .collect();
    if !settings.is_empty() {
        record.insert("settings".to_owned(), settings.join(", "));
    }
    let mut detail = rule.title.clone();
    for (name, value) in &fired.key {
        let _ = write!(detail, ", {name} {value}");
    }
    if fired.key.is_empty() {
        for name in ["user", "database", "host"] {
            if let Some(value) = record.get(name) {
                let _ = write!(detail, ", {name} {value}");
            }
        }
    }
    if !fired.detail.is_empty() {
        detail.push_str(": ");
        detail.push_str(&fired.detail);
    }
    let mut records = fired.records;
    records.truncate(RECORDS);
    let at = fields.record.time_ms;
    Alert {
        schema: "pgattest.alert/1".to_owned(),
        id: Alert::identify(&rule.id, &records, &fired.key),
        rule: rule.id.clone(),
        title: rule.title.clone(),
        severity: rule.severity,
        at,
        time: at
            .and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
            .map_or_else(
                || String::from_utf8_lossy(&fields.record.time).into_owned(),
                |at| at.to_string(),
            ),
        instance: instance.map(str::to_owned),
        detail,
        key: fired.key,
        record,
        records,
        count: fired.count,
        proof: None,
    }
}
