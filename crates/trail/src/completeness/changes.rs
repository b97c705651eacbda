//! Rows changed, as the server counts them, against rows audited.
//!
//! The server counts inserted, updated and deleted rows by table, those of transactions that were rolled back too; so does pgaudit
//! record statements that were rolled back. Both sides therefore count attempts. What sets them apart without anything being wrong:
//!
//! - The counters are brought up to date at the end of a transaction, up to a few seconds late: audit records are counted from
//!   `slack` before the first snapshot to `slack` after the second one. A change within the slack may hide as many that were not audited.
//! - Logical replication and triggers in C change rows without an audit record that names the table. (A foreign key's cascade has
//!   one: it is a statement that pgaudit sees.)
//! - A statement that fails after it changed rows is counted, and has an error's record, not an audit record, where
//!   `pgaudit.log_rows` is on: the rows are known only at its end. A row that moves to another partition counts twice.
//! - `COPY FROM` is one audit record; where `pgaudit.log_rows` is on it tells neither its table nor its rows (it says 0). The table is
//!   taken from the statement's text; where that does not tell, it may be any.
//! - `TRUNCATE` changes no counter.
//! - A server that crashed counts from nothing, and does not always say so.
//!
//! Partitions and children by inheritance are counted with their root, as a statement names what it was written for.
//!
//! So *unaudited* is said of a table whose rows changed and of which no write at all was audited; *fewer rows* where rows are
//! known on both sides; and a table is never *covered* without both.

use super::copied;
use super::result::{Finding, Kind, Weight};
use super::tracker::Seen;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What gives a snapshot, as one row of JSON; run in each database.
pub const SNAPSHOT_QUERY: &str = "\
SELECT json_build_object(
  'at', (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
  'database', current_database(),
  'reset', (SELECT stats_reset::text FROM pg_stat_database WHERE datname = current_database()),
  'tables', (SELECT coalesce(json_agg(json_build_object(
      'oid', s.relid::bigint,
      'name', format('%I.%I', s.schemaname, s.relname),
      'root', (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.oid = pg_partition_root(s.relid)),
      'changed', s.n_tup_ins + s.n_tup_upd + s.n_tup_del) ORDER BY s.relid), '[]')
    FROM pg_stat_user_tables s))";

/// Counters of one database at one moment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// When, in milliseconds since 1970, by the server's clock.
    pub at: i64,
    /// The database.
    pub database: String,
    /// When the counters were last reset, as the server says.
    pub reset: Option<String>,
    /// The tables.
    pub tables: Vec<Counted>,
}

/// A table's counters.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What it stays the same table by, whatever it is called; by its name when this is absent.
    #[serde(default)]
    pub oid: Option<u32>,
    /// Schema and name, quoted as the server does.
    pub name: String,
    /// The root of the partitions, or of the inheritance, that it is a part of.
    pub root: Option<String>,
    /// Rows inserted, updated and deleted.
    pub changed: u64,
}

/// Two snapshots of one database.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snapshots {
    /// The earlier one.
    pub before: Snapshot,
    /// The later one.
    pub after: Snapshot,
    /// How late the counters may be, in milliseconds.
    pub slack: i64,
}

/// How a table came off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// As many rows were audited as were changed, or more.
    Covered,
    /// Writes were audited; how many rows they changed is not logged.
    StatementsOnly,
    /// Rows were changed and no write was audited.
    Unaudited,
    /// Fewer rows were audited than changed.
    FewerRows,
    /// The two sides cannot be compared.
    Unknown,
}

/// One table, both sides.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TableResult {
    /// The database.
    pub database: String,
    /// The table, or the root of its partitions.
    pub table: String,
    /// Rows changed between the snapshots; absent when the counters were reset.
    pub changed: Option<u64>,
    /// Audited statements that write to it.
    pub statements: u64,
    /// Rows of them, when all of them tell.
    pub rows: Option<u64>,
    /// How it came off.
    pub result: Comparison,
    /// Why, in a sentence.
    pub detail: String,
}

/// What was audited of a table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
struct Audited {
    statements: u64,
    with_rows: u64,
    rows: u64,
    first: u64,
    last: u64,
}

/// Writes audited within the window, of one form of the log.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Written {
    tables: BTreeMap<String, Audited>,
    /// Writes whose table nothing names.
    unnamed: Audited,
    /// Copies that only their text names: how many, by the name there.
    copies: BTreeMap<String, u64>,
    /// Whether records from before and after the window were seen.
    before: bool,
    after: bool,
}

impl Written {
    /// Takes a record.
    pub(super) fn take(&mut self, seen: &Seen<'_>, snapshots: &Snapshots) {
        let Some(time) = seen.at.time else {
            return;
        };
        if time < snapshots.before.at {
            self.before = true;
        }
        if time > snapshots.after.at {
            self.after = true;
        }
        let within = time >= snapshots.before.at.saturating_sub(snapshots.slack)
            && time <= snapshots.after.at.saturating_add(snapshots.slack);
        let Some(audit) = seen.audit.as_ref().filter(|_| within) else {
            return;
        };
        let is_here = seen.record.database.as_deref() == Some(snapshots.before.database.as_bytes());
        if !is_here || !audit.class.eq_ignore_ascii_case(b"WRITE") {
            return;
        }
        let is_copy = audit.command.eq_ignore_ascii_case(b"COPY");
        let entry = if !audit.object_name.is_empty() {
            let name = String::from_utf8_lossy(&audit.object_name).into_owned();
            self.tables.entry(name).or_default()
        } else if let Some(name) = audit
            .statement
            .text()
            .and_then(copied::target)
            .filter(|_| is_copy)
        {
            *self.copies.entry(name).or_default() += 1;
            return;
        } else {
            &mut self.unnamed
        };
        entry.take(seen.at.record, audit.rows.filter(|_| !is_copy));
    }

    /// Whether another form of the same log has more of it.
    pub(super) fn is_fuller_in(&self, other: &Self) -> bool {
        let reach = |written: &Self| written.before && written.after;
        (reach(self), self.weight()) < (reach(other), other.weight())
    }

    fn weight(&self) -> u64 {
        let named = self.tables.values().map(|table| table.statements);
        named.sum::<u64>() + self.unnamed.statements + self.copies.values().sum::<u64>()
    }

    /// Compares both sides.
    pub(super) fn compare(
        &self,
        snapshots: &Snapshots,
        findings: &mut Vec<Finding>,
        not_assessed: &mut Vec<String>,
    ) -> Vec<TableResult> {
        let (before, after) = (&snapshots.before, &snapshots.after);
        if before.database != after.database || before.at >= after.at {
            not_assessed.push(
                "rows changed: the two snapshots are not of one database, or not in order"
                    .to_owned(),
            );
            return Vec::new();
        }
        if !self.before || !self.after {
            not_assessed.push(format!(
                "rows changed: the records do not reach over the time between the snapshots of `{}`; nothing was concluded",
                before.database
            ));
            return Vec::new();
        }
        groups(snapshots)
            .into_iter()
            .map(|(root, group)| {
                let mut audited = Audited::default();
                let mut copies = 0;
                for name in group.names.iter().chain([&root]).collect::<BTreeSet<_>>() {
                    if let Some(part) = self.tables.get(*name) {
                        audited.add(part);
                    }
                    let copied = copied::names(name);
                    let counts = copied.iter().filter_map(|name| self.copies.get(name));
                    copies += counts.sum::<u64>();
                }
                let result = self.judge(&before.database, root, group.changed, &audited, copies);
                findings.extend(finding(&result, &audited, snapshots));
                result
            })
            .collect()
    }

    fn judge(
        &self,
        database: &str,
        table: &str,
        changed: Option<u64>,
        audited: &Audited,
        copies: u64,
    ) -> TableResult {
        let (result, detail) = match changed {
            None => (
                Comparison::Unknown,
                "the server's counters were reset in between".to_owned(),
            ),
            Some(0) => (Comparison::Covered, "no row was changed".to_owned()),
            Some(changed) => self.covers(changed, audited, copies),
        };
        TableResult {
            database: database.to_owned(),
            table: table.to_owned(),
            changed,
            statements: audited.statements + copies,
            rows: audited.all_rows().filter(|_| copies == 0),
            result,
            detail,
        }
    }

    /// How many changed rows, not none, came off.
    fn covers(&self, changed: u64, audited: &Audited, copies: u64) -> (Comparison, String) {
        let lacking = match audited.all_rows() {
            Some(rows) if rows >= changed => {
                return (
                    Comparison::Covered,
                    format!("{changed} rows were changed and {rows} audited"),
                );
            }
            Some(rows) => changed - rows,
            None if audited.statements == 0 => changed,
            None => {
                return (
                    Comparison::StatementsOnly,
                    format!(
                        "{changed} rows were changed; {} writes were audited, whose rows are not all logged (`pgaudit.log_rows`): that all were audited is not shown",
                        audited.statements
                    ),
                );
            }
        };
        if copies > 0 {
            return (
                Comparison::StatementsOnly,
                format!(
                    "{changed} rows were changed and {} audited; whether {copies} audited COPY wrote the other {lacking} is not shown: pgaudit does not tell their rows",
                    changed - lacking
                ),
            );
        }
        // Everything where `pgaudit.log_relation` is off, and copies whose text does not tell.
        let unnamed = &self.unnamed;
        if unnamed.statements > 0 && unnamed.all_rows().is_none_or(|rows| rows >= lacking) {
            return (
                Comparison::Unknown,
                format!(
                    "{changed} rows were changed and {} audited; {} audited writes do not name their table (`pgaudit.log_relation` is off, or a COPY) and may be of the other {lacking}",
                    changed - lacking,
                    unnamed.statements
                ),
            );
        }
        if audited.statements == 0 {
            return (
                Comparison::Unaudited,
                format!(
                    "{changed} rows were changed and no write was audited: auditing was off for whoever did it, records are missing, statements failed after they had changed rows, or replication changed them"
                ),
            );
        }
        (
            Comparison::FewerRows,
            format!(
                "{changed} rows were changed and {} audited, in {} statements",
                audited.rows, audited.statements
            ),
        )
    }
}

/// A table with everything that is counted with it.
#[derive(Default)]
struct Group<'a> {
    /// Rows changed; `None` when the counters do not say.
    changed: Option<u64>,
    /// What its parts were called, at either moment.
    names: BTreeSet<&'a str>,
}

/// By the root's name.
fn groups(snapshots: &Snapshots) -> BTreeMap<&str, Group<'_>> {
    let (before, after) = (&snapshots.before, &snapshots.after);
    let key = |table: &Counted| match table.oid {
        Some(oid) => oid.to_string(),
        None => table.name.clone(),
    };
    let was: BTreeMap<String, &Counted> = before
        .tables
        .iter()
        .map(|table| (key(table), table))
        .collect();
    let is_reset = before.reset != after.reset;
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for table in &after.tables {
        let earlier = was.get(&key(table)).copied();
        // A table that is new has counted from nothing.
        let delta = table
            .changed
            .checked_sub(earlier.map_or(0, |earlier| earlier.changed))
            .filter(|_| !is_reset);
        let root = table.root.as_deref().unwrap_or(&table.name);
        let group = groups.entry(root).or_insert(Group {
            changed: Some(0),
            names: BTreeSet::new(),
        });
        group.changed = group.changed.zip(delta).map(|(sum, delta)| sum + delta);
        group.names.insert(&table.name);
        group
            .names
            .extend(earlier.map(|earlier| earlier.name.as_str()));
    }
    groups
}

impl Audited {
    fn take(&mut self, record: u64, rows: Option<u64>) {
        if self.statements == 0 {
            self.first = record;
        }
        self.last = record;
        self.statements += 1;
        if let Some(rows) = rows {
            self.with_rows += 1;
            self.rows = self.rows.saturating_add(rows);
        }
    }

    fn add(&mut self, part: &Self) {
        self.first = if self.statements == 0 {
            part.first
        } else {
            self.first.min(part.first)
        };
        self.last = self.last.max(part.last);
        self.statements += part.statements;
        self.with_rows += part.with_rows;
        self.rows = self.rows.saturating_add(part.rows);
    }

    /// The rows of all statements; `None` when there is none, or one does not tell.
    fn all_rows(&self) -> Option<u64> {
        (self.statements > 0 && self.with_rows == self.statements).then_some(self.rows)
    }
}

fn finding(result: &TableResult, audited: &Audited, snapshots: &Snapshots) -> Option<Finding> {
    if !matches!(result.result, Comparison::Unaudited | Comparison::FewerRows) {
        return None;
    }
    let mut finding = Finding::new(
        Kind::RowsUnaudited,
        Weight::Suspicion,
        format!(
            "{} in `{}`: {}",
            result.table, result.database, result.detail
        ),
    );
    if audited.statements > 0 {
        finding.records = vec![audited.first, audited.last];
    }
    finding.from = Some(snapshots.before.at);
    finding.to = Some(snapshots.after.at);
    finding.count = result.changed.unwrap_or(0);
    Some(finding)
}
