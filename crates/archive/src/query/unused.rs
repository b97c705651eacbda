//! Grants that nobody used: privileges on tables against what audited records say. Unknown is never unused: a grant of which the log
//! cannot tell is told with the reason.

use super::shape::{Texts, table};
use super::{Filter, Population, TableName};
use crate::error::{ArchiveError, damaged};
use arrow::array::{Array as _, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::array::{StringBuilder, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is read of each audited record.
pub(crate) const SOURCES: [&str; 8] = [
    "record_number",
    "log_time",
    "user_name",
    "database_name",
    "class",
    "command",
    "object_name",
    "audit_statement",
];

/// A statement that names no object and has none of these touches no table. pgaudit has a record for each statement within a
/// function.
const TOUCHING: [&str; 9] = [
    "from", "join", "into", "update", "delete", "table", "copy", "merge", "truncate",
];

/// The answer's columns.
pub(crate) const NAMES: [&str; 9] = [
    "verdict",
    "database_name",
    "object_name",
    "column_name",
    "grantee",
    "privilege",
    "last_use",
    "record_number",
    "detail",
];

/// A privilege on a table that was granted.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The database.
    pub database: String,
    /// The table.
    pub table: TableName,
    /// The column, when the grant is on one.
    pub column: Option<String>,
    /// The role; `None`: PUBLIC.
    pub grantee: Option<String>,
    /// `SELECT`.
    pub privilege: String,
    /// The role and every member of it, direct or not: a record names who logged in. Of a grant to PUBLIC: those to whom it makes no
    /// difference, the table's owner and superusers.
    pub roles: BTreeSet<String>,
    /// Whether views or functions run with the privileges of one of the roles.
    pub lends: bool,
    /// Why the log cannot tell whether it was used.
    pub unseen: Vec<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct UnusedGrants {
    /// The grants.
    pub grants: Vec<Grant>,
    /// Superusers: they need no grant, and become any role.
    pub superusers: BTreeSet<String>,
    /// Why the log of the period cannot tell of any grant: what its completeness lacks, torn pieces among it.
    pub unseen: Vec<String>,
    /// From when on a use counts, in milliseconds since 1970: the filter's beginning.
    pub from: i64,
    /// Until when, to within a day, the archive has to reach: when the grants were looked at, in milliseconds since 1970.
    pub until: i64,
}

/// How far the archive's end may lie before that moment: a server may have been idle.
const A_DAY: i64 = 24 * 60 * 60 * 1000;

/// Uses that were seen.
#[derive(Clone, Copy, Debug)]
struct Use {
    records: u64,
    last: i64,
    time: Option<i64>,
}

/// Uses of one object in one database, by role and command.
type ByRole = BTreeMap<(String, String), Use>;

/// What audited records say.
#[derive(Debug, Default)]
pub(crate) struct Uses {
    objects: BTreeMap<(String, String), ByRole>,
    /// Reads and writes that name no object, by database and role.
    unnamed: BTreeMap<(String, String), u64>,
    /// Audited records without a role or a database.
    nameless: u64,
}

impl Uses {
    pub(crate) fn add(&mut self, batch: &RecordBatch, path: &str) -> Result<(), ArchiveError> {
        self.try_add(batch)
            .ok_or_else(|| damaged(path, "a column has another type"))
    }

    fn try_add(&mut self, batch: &RecordBatch) -> Option<()> {
        let texts = |name: &str| Texts::of(batch.column_by_name(name)?);
        let (users, databases) = (texts("user_name")?, texts("database_name")?);
        let (classes, commands) = (texts("class")?, texts("command")?);
        let (objects, statements) = (texts("object_name")?, texts("audit_statement")?);
        let numbers = batch
            .column_by_name("record_number")?
            .as_primitive_opt::<Int64Type>()?;
        let times = batch
            .column_by_name("log_time")?
            .as_primitive_opt::<TimestampMillisecondType>()?;
        for row in 0..batch.num_rows() {
            let (Some(user), Some(database)) = (users.get(row), databases.get(row)) else {
                self.nameless += 1;
                continue;
            };
            let Some(object) = objects.get(row) else {
                let is_use = matches!(classes.get(row), Some("READ" | "WRITE") | None);
                if is_use && statements.get(row).is_none_or(may_touch) {
                    let key = (database.to_owned(), user.to_owned());
                    *self.unnamed.entry(key).or_default() += 1;
                }
                continue;
            };
            let command = commands.get(row).unwrap_or_default();
            // COPY says by its class which way.
            let command = match (command, classes.get(row)) {
                ("COPY", Some("READ")) => "SELECT",
                ("COPY", _) => "INSERT",
                (other, _) => other,
            };
            let time = (!times.is_null(row)).then(|| times.value(row));
            let seen = self
                .objects
                .entry((database.to_owned(), object.to_owned()))
                .or_default()
                .entry((user.to_owned(), command.to_owned()))
                .or_insert(Use {
                    records: 0,
                    last: numbers.value(row),
                    time,
                });
            seen.records += 1;
            seen.last = seen.last.max(numbers.value(row));
            seen.time = seen.time.max(time);
        }
        Some(())
    }

    /// The grants with their verdicts, in their order.
    pub(crate) fn rows(
        &self,
        asked: &UnusedGrants,
        filter: &Filter,
        begins_before: bool,
        population: &Population,
    ) -> Result<RecordBatch, ArchiveError> {
        let mut unseen = asked.unseen.clone();
        unseen.extend(self.uncovered(asked, filter, begins_before, population));
        let mut texts: [StringBuilder; 7] = Default::default();
        let (mut times, mut records) = (Vec::new(), Vec::new());
        for grant in asked
            .grants
            .iter()
            .filter(|grant| is_asked_for(grant, filter))
        {
            let judged = self.judge(grant, asked, &unseen);
            let object = grant.table.sql();
            let row = [
                Some(judged.verdict),
                Some(&grant.database),
                Some(&object),
                grant.column.as_deref(),
                Some(grant.grantee.as_deref().unwrap_or("PUBLIC")),
                Some(&grant.privilege),
                Some(&judged.detail),
            ];
            for (column, text) in texts.iter_mut().zip(row) {
                column.append_option(text);
            }
            times.push(judged.last.and_then(|last| last.time));
            records.push(judged.last.map(|last| last.last));
        }
        let mut arrays: Vec<ArrayRef> = texts
            .into_iter()
            .map(|mut text| Arc::new(text.finish()) as ArrayRef)
            .collect();
        let uses: [ArrayRef; 2] = [
            Arc::new(TimestampMillisecondArray::from(times)),
            Arc::new(Int64Array::from(records)),
        ];
        // Before the last one, as in `NAMES`.
        let detail = arrays.len() - 1;
        arrays.splice(detail..detail, uses);
        table(&NAMES, arrays, "the answer")
    }

    /// What the archive lacks of the period.
    fn uncovered(
        &self,
        asked: &UnusedGrants,
        filter: &Filter,
        begins_before: bool,
        population: &Population,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        let (from, _) = filter.range();
        match population.looked.times {
            None => reasons.push("the archive has no record of the period".to_owned()),
            Some((first, last)) => {
                if first > from && !begins_before {
                    reasons.push(format!(
                        "the archive's records begin at {}",
                        super::render::timestamp(first)
                    ));
                }
                if last < asked.until.saturating_sub(A_DAY) {
                    reasons.push(format!(
                        "the archive's records end at {}",
                        super::render::timestamp(last)
                    ));
                }
            }
        }
        let lacking: u64 = population
            .holes
            .iter()
            .map(|(first, last)| last.saturating_sub(*first).saturating_add(1))
            .sum();
        if lacking > 0 {
            reasons.push(format!("{lacking} records are not in the archive"));
        }
        if self.nameless > 0 {
            reasons.push(format!(
                "{} audited records do not say whose they are",
                self.nameless
            ));
        }
        reasons
    }

    fn judge(&self, grant: &Grant, asked: &UnusedGrants, everywhere: &[String]) -> Judged {
        let key = (grant.database.clone(), grant.table.sql());
        let on_table = self.objects.get(&key);
        let seen = |matches: &dyn Fn(&str, &str) -> bool| -> Option<Use> {
            on_table
                .into_iter()
                .flatten()
                .filter(|((user, command), _)| matches(user, command))
                .map(|(_, seen)| *seen)
                .reduce(joined)
        };
        let privilege = grant.privilege.as_str();
        let own = seen(&|user, command| grant.is_of(user) && command == privilege);
        if let (Some(seen), None) = (own, &grant.column) {
            return Judged {
                verdict: "used",
                last: Some(seen),
                detail: format!("{} audited records", seen.records),
            };
        }
        let mut reasons: Vec<String> = everywhere.iter().chain(&grant.unseen).cloned().collect();
        if own.is_some() {
            reasons.push("the table was used, and pgaudit names no columns".to_owned());
        }
        // Of a table that a statement needs several privileges on, pgaudit names one: the first of INSERT, UPDATE, DELETE, SELECT.
        let hiding: &[&str] = match privilege {
            "SELECT" => &["INSERT", "UPDATE", "DELETE", "MERGE"],
            "DELETE" => &["INSERT", "UPDATE", "MERGE"],
            "UPDATE" => &["INSERT", "MERGE"],
            "INSERT" => &["MERGE"],
            _ => {
                reasons.push(format!(
                    "pgaudit does not say on which table {privilege} was used"
                ));
                &[]
            }
        };
        if let Some(seen) = seen(&|user, command| grant.is_of(user) && hiding.contains(&command)) {
            reasons.push(format!(
                "{} audited statements that write the table may have needed it",
                seen.records
            ));
        }
        let unnamed: u64 = self
            .unnamed
            .iter()
            .filter(|((database, user), _)| *database == grant.database && grant.is_of(user))
            .map(|(_, count)| count)
            .sum();
        if unnamed > 0 {
            reasons.push(format!(
                "{unnamed} audited statements of its roles do not name their tables"
            ));
        }
        let others = seen(&|user, command| {
            !grant.is_of(user)
                && (command == privilege || hiding.contains(&command))
                && (grant.lends || asked.superusers.contains(user))
                && grant.grantee.is_some()
        });
        if let Some(seen) = others {
            reasons.push(format!(
                "{} audited records of others, who may have acted for it (a view, a function, or SET ROLE of a superuser)",
                seen.records
            ));
        }
        Judged {
            verdict: if reasons.is_empty() {
                "unused"
            } else {
                "unknown"
            },
            last: None,
            detail: reasons.join("; "),
        }
    }
}

struct Judged {
    verdict: &'static str,
    last: Option<Use>,
    detail: String,
}

impl Grant {
    /// Whether what this role did counts as a use of the grant.
    fn is_of(&self, user: &str) -> bool {
        self.roles.contains(user) == self.grantee.is_some()
    }
}

/// Whether a statement may touch a table.
fn may_touch(statement: &str) -> bool {
    statement
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .any(|word| {
            TOUCHING
                .iter()
                .any(|touching| word.eq_ignore_ascii_case(touching))
        })
}

fn is_asked_for(grant: &Grant, filter: &Filter) -> bool {
    let database = filter.database.as_ref();
    let table = filter.table.as_ref();
    let is_user = |name: &String| grant.grantee.as_ref() == Some(name);
    database.is_none_or(|database| *database == grant.database)
        && table.is_none_or(|table| table.object_test()(&grant.table.sql()))
        && (filter.users.is_empty() || filter.users.iter().any(is_user))
}

fn joined(one: Use, other: Use) -> Use {
    Use {
        records: one.records + other.records,
        last: one.last.max(other.last),
        time: one.time.max(other.time),
    }
}
