//! Rules over a real journal: what is raised once, delivered, retried, sealed, and survives a restart.

use crate::completeness::CSVLOG;
use pgattest_evidence::SigningKey;
use pgattest_trail::block::{Block, FileId};
use pgattest_trail::completeness::summary::{Summary, TEST_RULE};
use pgattest_trail::completeness::{Options, Period};
use pgattest_trail::detect::watch::Watch;
use pgattest_trail::detect::{Alert, Place, Rule, shipped};
use pgattest_trail::{Journal, JournalOptions, JournalReader, Leaf};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// A place that can be broken.
#[derive(Clone, Default)]
struct Stub {
    name: String,
    got: Arc<Mutex<Vec<Alert>>>,
    broken: Arc<Mutex<bool>>,
}

impl Stub {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn place(&self) -> Box<dyn Place> {
        Box::new(self.clone())
    }

    fn rules(&self) -> Vec<String> {
        self.got
            .lock()
            .unwrap()
            .iter()
            .map(|alert| alert.rule.clone())
            .collect()
    }
}

impl Place for Stub {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn deliver(&mut self, alert: &Alert) -> Result<String, String> {
        if *self.broken.lock().unwrap() {
            return Err("refused".to_owned());
        }
        self.got.lock().unwrap().push(alert.clone());
        Ok("taken".to_owned())
    }
}

/// A record of csvlog with this message.
fn record(second: u32, message: &str) -> Vec<u8> {
    format!(
        "2026-11-23 06:43:{second:02}.000 UTC,\"app\",\"shop\",77,\"10.0.0.1:5\",6b03e095.4d,{},\"SELECT\",2026-11-23 06:43:00 UTC,3/1,0,LOG,00000,\"{}\",,,,,,,,,\"psql\",\"client backend\",,0\n",
        second + 1,
        message.replace('"', "\"\"")
    )
    .into_bytes()
}

fn block(offset: u64, records: &[Vec<u8>]) -> Block {
    let file = FileId::new("postgresql.csv", 1, 1, b"");
    Block::of_records(file, offset, CSVLOG, records)
}

fn journal(directory: &Path) -> Journal {
    let key = SigningKey::from_seed(&[7; 32]);
    Journal::open(directory, key, JournalOptions::default()).unwrap()
}

fn rules() -> Vec<Rule> {
    shipped::rules().unwrap()
}

const EVIL: &str = "AUDIT: SESSION,1,1,ROLE,ALTER ROLE,,,alter/**/role m superuser,<none>";
const PUBLIC: &str = "AUDIT: SESSION,2,1,ROLE,GRANT,,,grant all on t to public,<none>";
const PLAIN: &str = "AUDIT: SESSION,3,1,READ,SELECT,,,select 1,<none>";

#[test]
fn an_alert_is_raised_once_delivered_everywhere_and_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, state) = (folder.path().join("journal"), folder.path().join("state"));
    let mut journal = journal(&dir);
    journal
        .append(&block(0, &[record(1, PLAIN), record(2, EVIL)]))
        .unwrap();
    journal.commit().unwrap();

    let (one, two) = (Stub::new("one"), Stub::new("two"));
    *two.broken.lock().unwrap() = true;
    let open = || Watch::open(&state, rules(), vec![one.place(), two.place()]).unwrap();
    let mut watch = open();
    let mut reader = JournalReader::open(&dir).unwrap();
    let step = watch.look(&reader, 100).unwrap();
    assert_eq!((step.records, step.alerts), (2, 1));
    // Killed before the delivery: the alert is in the state.
    drop(watch);
    let mut watch = open();
    assert_eq!(watch.look(&reader, 100).unwrap().alerts, 0);
    let attempts = watch.deliver(|leaf| journal.note(&leaf)).unwrap();
    assert!(attempts[0].failed && attempts[0].is_news);
    assert_eq!(
        (one.rules(), two.rules()),
        (vec!["new-superuser".to_owned()], vec![])
    );
    assert_eq!(one.got.lock().unwrap()[0].records, [1]);

    // Still broken: nothing new, nothing sealed. Then mended, after another restart.
    assert!(!watch.deliver(|_| panic!("no news")).unwrap()[0].is_news);
    drop(watch);
    *two.broken.lock().unwrap() = false;
    let mut watch = open();
    watch.deliver(|leaf| journal.note(&leaf)).unwrap();
    assert_eq!(watch.pending(), 0);
    assert_eq!((one.rules().len(), two.rules().len()), (1, 1));

    // Later records, in a later run.
    let offset = journal.sealed(&block(0, &[]).file).unwrap();
    journal
        .append(&block(offset, &[record(3, PUBLIC), record(4, EVIL)]))
        .unwrap();
    journal.commit().unwrap();
    reader.refresh().unwrap();
    assert_eq!(
        watch.look(&reader, 100).unwrap().alerts,
        1,
        "the same text in the same session within a minute is told once"
    );
    watch.deliver(|leaf| journal.note(&leaf)).unwrap();
    watch.test().unwrap();
    watch.deliver(|leaf| journal.note(&leaf)).unwrap();
    journal.commit().unwrap();
    assert_eq!(one.rules(), ["new-superuser", "grant-to-public", TEST_RULE]);

    let reader = JournalReader::open(&dir).unwrap();
    let leaves: Vec<(String, Vec<u64>, Vec<String>)> = reader
        .leaves(0)
        .filter_map(|leaf| match leaf.unwrap().1 {
            Leaf::Alert {
                rule,
                records,
                delivered,
                ..
            } => Some((rule, records, delivered)),
            _ => None,
        })
        .collect();
    assert_eq!(leaves[0].2, ["one: ok: taken", "two: failed: refused"]);
    assert_eq!(leaves[1].2, ["two: ok: taken"]);
    assert_eq!(leaves[2].1, [2]);

    let summary = Summary::of_journal(&reader, Period::default(), Options::default()).unwrap();
    assert_eq!(summary.alerts.raised, 2);
    assert_eq!(
        (summary.alerts.delivered, summary.alerts.undelivered),
        (2, 0)
    );
    assert!(summary.last_alert_test.as_ref().unwrap().delivered);
    assert_eq!(summary.records(), 4);
    assert_eq!(
        summary.populations["csvlog"].missing_lines, 1,
        "the log begins in the session's second line"
    );
}

#[test]
fn a_damaged_state_is_told_and_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("detect.json"), "{\"half").unwrap();
    let error = Watch::open(folder.path(), rules(), Vec::new())
        .err()
        .unwrap();
    assert!(error.to_string().contains("detect.json"), "{error}");
}

#[test]
fn two_rules_of_one_name_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut twice = rules();
    twice.extend(rules());
    assert!(Watch::open(folder.path(), twice, Vec::new()).is_err());
}

#[test]
fn a_rule_that_would_be_defeated_or_is_wrong_is_refused() {
    let rule = |when: &str| {
        Rule::parse(
            "x",
            &format!(
                "id = \"x\"\ntitle = \"x\"\nseverity = \"low\"\ndescription = \"x\"\n[when]\n{when}"
            ),
        )
    };
    assert!(rule("field = \"user\"\nequals = \"x\"").is_ok());
    for (bad, why) in [
        (
            "field = \"statement\"\nmatches = \"superuser\"",
            "asked with `sql`",
        ),
        ("field = \"nosuch\"\nequals = \"x\"", "no field `nosuch`"),
        ("field = \"user\"", "exactly one of"),
        (
            "field = \"user\"\nequals = \"x\"\nprefix = \"y\"",
            "exactly one of",
        ),
        ("sql = \"Mixed\"", "both cases"),
        ("field = \"user\"\nmatches = \"(\"", "("),
        (
            "outside = { days = [\"mon\"], from = \"7\", to = \"19:00\" }",
            "no time",
        ),
        ("all = []", "empty"),
        ("nonsense = 1", "nonsense"),
    ] {
        let error = rule(bad).unwrap_err().to_string();
        assert!(error.contains(why), "{bad}: {error}");
    }
}
