//! Rows changed since an earlier audit: the counters of its evidence package against those of this one.

use super::public_name;
use crate::failure::{Failure, OrHint, fail};
use crate::sealing;
use jiff::Timestamp;
use pgattest_catalog::decode;
use pgattest_evidence::{Anchors, PublicKey, Verdict, verify};
use pgattest_model::facts::{DatabaseFacts, Oid, RowCounter};
use pgattest_model::{Collected, Facts, Missing, Observation, ObservationId, Seen};
use pgattest_trail::completeness::Summary;
use pgattest_trail::completeness::changes::{
    Comparison, Counted, Snapshot, Snapshots, TableResult,
};
use std::collections::BTreeMap;
use std::path::Path;

/// How late the server's counters may be, in milliseconds.
const SLACK: i64 = 60_000;

/// What was seen at one time, and what it means.
struct Moment<'a> {
    observations: &'a [Observation],
    facts: Facts,
}

/// The counters of two moments, database by database.
pub(crate) struct Changes {
    pub(super) pairs: Vec<Snapshots>,
    /// Databases of which nothing can be told, and why.
    untold: Vec<(String, String)>,
    from: i64,
    until: i64,
}

impl Changes {
    /// Between the audit in the package at `path`, which one of these keys signed, and what was observed now.
    pub(crate) fn since(
        path: &Path,
        keys: &[PublicKey],
        now: &[Observation],
    ) -> Result<Self, Failure> {
        let earlier = believed(path, keys)?;
        let before = Moment::of(&earlier);
        let after = Moment::of(now);
        let identifier = |moment: &Moment<'_>| {
            let server = moment.facts.server.here();
            server.map(|server| server.system_identifier.clone()).ok()
        };
        if identifier(&before).is_none() || identifier(&before) != identifier(&after) {
            return Err(fail(format!(
                "the package {} is of another cluster: its counters say nothing of this one",
                path.display()
            ))
            .hint("--since takes an evidence package of an earlier audit of the same cluster"));
        }
        let (from, until) = (before.began(), after.ended());
        if from >= until {
            return Err(fail(format!(
                "the package {} is not earlier than this audit",
                path.display()
            ))
            .hint("--since takes an evidence package of an earlier audit"));
        }
        let mut changes = Self {
            pairs: Vec::new(),
            untold: Vec::new(),
            from,
            until,
        };
        for database in &after.facts.inside {
            match pair(&before, &after, database) {
                Ok(pair) => changes.pairs.push(pair),
                Err(why) => changes.untold.push((database.name.clone(), why)),
            }
        }
        Ok(changes)
    }

    /// From when on the trail is to be read.
    pub(super) fn begin(&self) -> i64 {
        let moments = self.pairs.iter().map(|pair| pair.before.at);
        moments.min().unwrap_or(self.from) - SLACK
    }

    /// How far the trail is to reach.
    pub(super) fn end(&self) -> i64 {
        let moments = self.pairs.iter().map(|pair| pair.after.at);
        moments.max().unwrap_or(self.until)
    }

    /// The rows of the account: tables whose rows changed, and what cannot be told.
    pub(super) fn rows(&self, summary: &Summary) -> Vec<[String; 8]> {
        let compared = summary
            .tables
            .iter()
            .filter(|table| table.changed != Some(0))
            .map(|table| self.table(table));
        let untold = self.untold.iter().cloned();
        let unreached = self
            .pairs
            .iter()
            .filter(|pair| !pair.after.tables.is_empty())
            .filter(|pair| {
                let mut tables = summary.tables.iter();
                !tables.any(|table| table.database == pair.after.database)
            })
            .map(|pair| {
                let why = "the trail does not reach over the time between the two audits";
                (pair.after.database.clone(), why.to_owned())
            });
        let untold = untold.chain(unreached).map(|(database, why)| {
            let unknown = TableResult {
                database,
                table: String::new(),
                changed: None,
                statements: 0,
                rows: None,
                result: Comparison::Unknown,
                detail: why,
            };
            self.table(&unknown)
        });
        compared.chain(untold).collect()
    }

    fn table(&self, table: &TableResult) -> [String; 8] {
        let pair = self
            .pairs
            .iter()
            .find(|pair| pair.after.database == table.database);
        let (from, until) = pair.map_or((self.from, self.until), |pair| {
            (pair.before.at, pair.after.at)
        });
        [
            table.database.clone(),
            table.table.clone(),
            from.to_string(),
            until.to_string(),
            table.changed.unwrap_or(0).to_string(),
            table.statements.to_string(),
            public_name(table.result),
            table.detail.clone(),
        ]
    }
}

/// What the package's collector saw, when the package is as it was signed by somebody who is trusted.
fn believed(path: &Path, keys: &[PublicKey]) -> Result<Vec<Observation>, Failure> {
    let anchors = Anchors {
        checkpoint: None,
        consistency: None,
        ledger: None,
    };
    let report = verify(path, keys, &anchors)
        .map_err(Failure::from)
        .or_hint(
            "--since takes the file that `pgattest audit --out DIR` made: DIR/evidence-*.zip",
        )?;
    let not_believed = |why: String| {
        fail(format!(
            "the package {} is not to be believed: {why}",
            path.display()
        ))
        .hint(format!(
            "pgattest verify {} says more; --since-key FILE names the key of another machine",
            path.display()
        ))
    };
    if let Some(problem) = report.problems().next() {
        return Err(not_believed(problem.to_string()));
    }
    match (report.verdict(), &report.package) {
        (Verdict::Verified, Some(package)) => sealing::observations(package, ""),
        _ => Err(not_believed("no key that is trusted signed it".to_owned())),
    }
}

impl<'a> Moment<'a> {
    fn of(observations: &'a [Observation]) -> Self {
        Self {
            observations,
            facts: decode(observations),
        }
    }

    fn began(&self) -> i64 {
        let times = self.observations.iter();
        times
            .filter_map(|one| millis(&one.server_started_at))
            .min()
            .unwrap_or(i64::MAX)
    }

    fn ended(&self) -> i64 {
        let times = self.observations.iter();
        times
            .filter_map(|one| millis(&one.server_finished_at))
            .max()
            .unwrap_or(i64::MIN)
    }

    fn observation(&self, id: &ObservationId) -> Option<&Observation> {
        self.observations.iter().find(|one| one.id == *id)
    }
}

/// The counters of one database at both moments, or why there is nothing to compare.
fn pair(
    before: &Moment<'_>,
    after: &Moment<'_>,
    database: &DatabaseFacts,
) -> Result<Snapshots, String> {
    let roots = roots(database).map_err(|missing| missing.why)?;
    let now = counted(&database.row_counters)?;
    let at = after.observation(now.from);
    let at = at.and_then(|one| millis(&one.server_finished_at));
    let at = at.ok_or("when the counters were read is not recorded")?;
    let now_tables = tables(now.value, &roots);
    let reset = now.value.first().map(|counter| counter.reset.clone());
    // The same database, whatever it is called; one of another identifier is new, and began with nothing.
    let was = before
        .facts
        .inside
        .iter()
        .find(|was| was.oid == database.oid);
    let earlier = match was {
        None if before.facts.databases.is_here() => Snapshot {
            at: before.began(),
            database: database.name.clone(),
            reset: reset.clone(),
            tables: Vec::new(),
        },
        None => return Err("the earlier audit did not see which databases there were".to_owned()),
        Some(was) => {
            let counters =
                counted(&was.row_counters).map_err(|why| format!("in the earlier audit, {why}"))?;
            let at = before.observation(counters.from);
            let at = at.and_then(|one| millis(&one.server_started_at));
            Snapshot {
                at: at.ok_or("when the earlier counters were read is not recorded")?,
                database: database.name.clone(),
                reset: counters
                    .value
                    .first()
                    .map_or_else(|| reset.clone(), |counter| Some(counter.reset.clone())),
                tables: tables(counters.value, &BTreeMap::new()),
            }
        }
    };
    Ok(Snapshots {
        before: earlier,
        after: Snapshot {
            at,
            database: database.name.clone(),
            reset,
            tables: now_tables,
        },
        slack: SLACK,
    })
}

/// Counters that the server kept up.
fn counted(counters: &Collected<Vec<RowCounter>>) -> Result<Seen<'_, Vec<RowCounter>>, String> {
    let counters = counters.here().map_err(|missing| missing.why)?;
    if counters.value.iter().any(|counter| !counter.counting) {
        return Err("the server does not count rows: `track_counts` is off".to_owned());
    }
    Ok(counters)
}

fn tables(counters: &[RowCounter], roots: &BTreeMap<Oid, Oid>) -> Vec<Counted> {
    let names: BTreeMap<Oid, &str> = counters
        .iter()
        .map(|counter| (counter.oid, counter.name.as_str()))
        .collect();
    counters
        .iter()
        .map(|counter| Counted {
            oid: Some(counter.oid),
            name: counter.name.clone(),
            root: roots
                .get(&counter.oid)
                .and_then(|root| names.get(root))
                .map(|name| (*name).to_owned()),
            changed: counter.changed,
        })
        .collect()
}

/// The uppermost parent of everything that has one. Of several parents the first: a statement for another one is then not counted
/// with it, which shows as rows that were not audited, never as a pass.
fn roots(database: &DatabaseFacts) -> Result<BTreeMap<Oid, Oid>, Missing> {
    let mut parents: BTreeMap<Oid, Oid> = BTreeMap::new();
    for one in database.inheritance.here()?.value {
        parents.entry(one.child).or_insert(one.parent);
    }
    let root = |child: Oid| {
        let mut at = child;
        // The catalog has no loops; whatever it has, this ends.
        for _ in 0..parents.len() {
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => break,
            }
        }
        at
    };
    Ok(parents.keys().map(|child| (*child, root(*child))).collect())
}

fn millis(text: &str) -> Option<i64> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_millisecond())
}
