//! Rows changed, as the server counts them, against rows audited.
//!
//! The server counts inserted, updated and deleted rows by table, those of transactions that were rolled back too; so does pgaudit
//! record statements that were rolled back. Both sides therefore count attempts. What sets them apart without anything being wrong:
//!
//! - The counters are brought up to date at the end of a transaction, up to a few seconds late: audit records are counted from
//!   `slack` before the first snapshot to `slack` after the second one. A change within the slack may hide as many that were not audited.
//! - A foreign key's cascade, a trigger in C, logical replication and inheritance change rows without an audit record that names
//!   the table. Partitions are counted with their root.
//! - `COPY FROM` is one statement, and pgaudit tells no rows of it in every version.
//! - `TRUNCATE` changes no counter.
//! - `pgaudit.log_rows` tells what a statement returned where it has `RETURNING`, which is the same number.
//!
//! So *unaudited* is said of a table whose rows changed and of which no write at all was audited; *fewer rows* where rows are
//! known on both sides; and a table is never *covered* without both.

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
    /// Schema and name, quoted as the server does.
    pub name: String,
    /// The root of the partitioned table that it is a part of.
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
    /// Writes whose table pgaudit does not name.
    unnamed: u64,
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
        if audit.object_name.is_empty() {
            self.unnamed += 1;
            return;
        }
        let name = String::from_utf8_lossy(&audit.object_name).into_owned();
        let entry = self.tables.entry(name).or_default();
        if entry.statements == 0 {
            entry.first = seen.at.record;
        }
        entry.last = seen.at.record;
        entry.statements += 1;
        if let Some(rows) = audit.rows {
            entry.with_rows += 1;
            entry.rows = entry.rows.saturating_add(rows);
        }
    }

    /// Whether it counted anything.
    pub(super) fn weight(&self) -> u64 {
        self.tables
            .values()
            .map(|table| table.statements)
            .sum::<u64>()
            + self.unnamed
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
        let was: BTreeMap<&str, u64> = before
            .tables
            .iter()
            .map(|table| (table.name.as_str(), table.changed))
            .collect();
        let mut roots: BTreeMap<&str, Option<u64>> = BTreeMap::new();
        let mut parts: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for table in &after.tables {
            let root = table.root.as_deref().unwrap_or(&table.name);
            let is_reset = before.reset != after.reset;
            // A table that is new has counted from nothing.
            let delta = table
                .changed
                .checked_sub(was.get(table.name.as_str()).copied().unwrap_or(0));
            let sum = roots.entry(root).or_insert(Some(0));
            *sum = match (*sum, delta, is_reset) {
                (Some(sum), Some(delta), false) => Some(sum + delta),
                _ => None,
            };
            parts.entry(root).or_default().insert(&table.name);
        }
        roots
            .into_iter()
            .map(|(root, changed)| {
                let mut audited = Audited::default();
                let names = parts.get(root).into_iter().flatten().copied();
                for name in names.chain([root]).collect::<BTreeSet<_>>() {
                    if let Some(part) = self.tables.get(name) {
                        audited.add(part);
                    }
                }
                let result = self.judge(&before.database, root, changed, &audited);
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
    ) -> TableResult {
        let has_rows = audited.statements > 0 && audited.with_rows == audited.statements;
        let (result, detail) = match changed {
            None => (
                Comparison::Unknown,
                "the server's counters were reset in between".to_owned(),
            ),
            Some(0) => (Comparison::Covered, "no row was changed".to_owned()),
            Some(changed) if audited.statements == 0 && self.unnamed > 0 => (
                Comparison::Unknown,
                format!(
                    "{changed} rows were changed; {} audited writes do not name their table (`pgaudit.log_relation` is off)",
                    self.unnamed
                ),
            ),
            Some(changed) if audited.statements == 0 => (
                Comparison::Unaudited,
                format!(
                    "{changed} rows were changed and no write was audited: auditing was off for whoever did it, records are missing, or it was a cascade, replication or inheritance"
                ),
            ),
            Some(changed) if has_rows && audited.rows >= changed => (
                Comparison::Covered,
                format!("{changed} rows were changed and {} audited", audited.rows),
            ),
            Some(changed) if has_rows => (
                Comparison::FewerRows,
                format!(
                    "{changed} rows were changed and {} audited, in {} statements",
                    audited.rows, audited.statements
                ),
            ),
            Some(changed) => (
                Comparison::StatementsOnly,
                format!(
                    "{changed} rows were changed; {} writes were audited, whose rows are not all logged (`pgaudit.log_rows`): that all were audited is not shown",
                    audited.statements
                ),
            ),
        };
        TableResult {
            database: database.to_owned(),
            table: table.to_owned(),
            changed,
            statements: audited.statements,
            rows: has_rows.then_some(audited.rows),
            result,
            detail,
        }
    }
}

impl Audited {
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
