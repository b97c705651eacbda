//! Triggers that do not fire.

use super::replica_sessions;
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use crate::grants::holders::Holders;
use crate::grants::words::few;
use pgattest_model::facts::{Function, Oid, Relation, RelationKind, Trigger};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Seen,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, HashMap};

declare_check! {
    /// ## What it checks
    /// - Every trigger on a table or view fires in ordinary sessions. One that is disabled is medium; high where it, or its function, is named
    ///   like something that writes a history (`audit`, `history`, `log`, `track` ..), and where it enforces a constraint or foreign key. One
    ///   that is for replicated changes only (`ENABLE REPLICA`) is a step less.
    /// - No role, database or configuration starts sessions with `session_replication_role = replica`, in which ordinary triggers and foreign keys do
    ///   nothing: high, and low for a role that cannot log in.
    /// - From PostgreSQL 15 on: nobody was granted that setting who is not in `access.administrators` (or `access.superusers`) in `pgattest.toml`: high, and low where no
    ///   login role can use the role today.
    ///
    /// Event triggers are LOG-03's subject. Tables of extensions are left out.
    ///
    /// ## Why it matters
    /// A trigger that was disabled for a data load and never enabled again leaves a gap in the history that nobody sees: the table that it would have
    /// written to looks as it always did. A foreign key that is off is still in the table's definition and says that the data is consistent.
    ///
    /// ## How to fix it
    /// `ALTER TABLE shop.orders ENABLE TRIGGER audit_orders;`, then find out what was missed. Drop what is not meant to fire. For a constraint's
    /// own triggers: `ALTER TABLE shop.orders ENABLE TRIGGER ALL;`, then look for rows that break it.
    ///
    /// ## References
    /// - PostgreSQL documentation, reference page ALTER TABLE: DISABLE TRIGGER (numbers of version 15)
    /// - PostgreSQL documentation, chapter 20.11.1, Statement Behavior: `session_replication_role`
    pub DisabledTriggers {
        id: "FUN-09",
        name: "disabled-triggers",
        title: "Every trigger fires in every session",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc7_2, Criterion::Cc8_1],
        area: Area::CodeTrust,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for DisabledTriggers {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let holders = Holders::new(context, &[&context.policy.access.administrators])?;
        let mut findings = replica_sessions::stored(context)?;
        findings.extend(replica_sessions::granted(context, &holders)?);
        let (databases, mut not_seen) = context.in_databases(|database| &database.relations)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut count = 0;
        for database in &databases {
            let inside = database.database;
            match (inside.triggers.here(), inside.functions.here()) {
                (Ok(triggers), Ok(functions)) => {
                    let relations = relations(database);
                    count += relations.len();
                    findings.extend(silent(database, &relations, triggers, functions));
                }
                (Err(missing), _) | (_, Err(missing)) => not_seen.push(missing),
            }
        }
        if count == 0 && findings.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds a table or view".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "tables and views",
            },
            findings,
            not_seen,
        })
    }
}

/// What can have a trigger.
fn relations<'a>(database: &InDatabase<'a, Vec<Relation>>) -> HashMap<Oid, &'a Relation> {
    database
        .rows
        .value
        .iter()
        .filter(|relation| relation.extension == 0)
        .filter(|relation| {
            !matches!(
                relation.kind,
                RelationKind::Sequence | RelationKind::MaterializedView
            )
        })
        .map(|relation| (relation.oid, relation))
        .collect()
}

/// Why one trigger that does not fire is worth knowing, the worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Constraint,
    History,
    Other,
}

/// The triggers of one database that do not fire in ordinary sessions: one finding for each table and kind.
fn silent(
    database: &InDatabase<'_, Vec<Relation>>,
    relations: &HashMap<Oid, &Relation>,
    triggers: Seen<'_, Vec<Trigger>>,
    functions: Seen<'_, Vec<Function>>,
) -> Vec<Finding> {
    let off: Vec<&Trigger> = triggers
        .iter()
        .filter(|trigger| matches!(trigger.enabled.as_str(), "D" | "R"))
        .collect();
    if off.is_empty() {
        return Vec::new();
    }
    let functions_by_oid: HashMap<Oid, &Function> = functions
        .iter()
        .map(|function| (function.oid, function))
        .collect();
    let mut grouped: BTreeMap<(Oid, Kind, bool), Vec<&Trigger>> = BTreeMap::new();
    for trigger in off {
        let function = functions_by_oid.get(&trigger.function);
        let kind = kind(trigger, function.map(|function| function.name.as_str()));
        grouped
            .entry((trigger.relation, kind, trigger.enabled == "R"))
            .or_default()
            .push(trigger);
    }
    grouped
        .into_iter()
        .filter_map(|((relation, kind, replica), triggers_off)| {
            let relation = relations.get(&relation)?;
            let from = vec![
                database.rows.from.clone(),
                triggers.from.clone(),
                functions.from.clone(),
            ];
            Some(silent_finding(
                &database.database.name,
                relation,
                kind,
                replica,
                &triggers_off,
                from,
            ))
        })
        .collect()
}

fn kind(trigger: &Trigger, function: Option<&str>) -> Kind {
    if trigger.is_constraint {
        Kind::Constraint
    } else if [Some(trigger.name.as_str()), function]
        .into_iter()
        .flatten()
        .any(writes_history)
    {
        Kind::History
    } else {
        Kind::Other
    }
}

/// Whether a name speaks of keeping a record of changes: one of its words is, or begins with, one of these.
fn writes_history(name: &str) -> bool {
    const WHOLE: [&str; 7] = ["log", "logs", "logged", "logging", "logger", "cdc", "trail"];
    const BEGINNINGS: [&str; 7] = [
        "audit",
        "histor",
        "journal",
        "ledger",
        "track",
        "versioning",
        "changelog",
    ];
    name.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| {
            WHOLE.contains(&word)
                || BEGINNINGS
                    .iter()
                    .any(|beginning| word.starts_with(beginning))
        })
}

/// The cause of the finding that a trigger which does not fire is part of.
pub fn cause(trigger: &Trigger, function: Option<&str>) -> &'static str {
    weight(kind(trigger, function), trigger.enabled == "R").0
}

const fn weight(kind: Kind, replica: bool) -> (&'static str, Severity) {
    match (kind, replica) {
        (Kind::Constraint, false) => (
            "triggers that enforce a constraint are disabled",
            Severity::High,
        ),
        (Kind::Constraint, true) => (
            "triggers that enforce a constraint fire for replicated changes only",
            Severity::Medium,
        ),
        (Kind::History, false) => (
            "triggers that keep a record of changes are disabled",
            Severity::High,
        ),
        (Kind::History, true) => (
            "triggers that keep a record of changes fire for replicated changes only",
            Severity::Medium,
        ),
        (Kind::Other, false) => ("triggers are disabled", Severity::Medium),
        (Kind::Other, true) => ("triggers fire for replicated changes only", Severity::Low),
    }
}

fn silent_finding(
    database: &str,
    relation: &Relation,
    kind: Kind,
    replica: bool,
    triggers: &[&Trigger],
    observations: Vec<ObservationId>,
) -> Finding {
    let table = relation.sql_name();
    let (cause, severity) = weight(kind, replica);
    let internal = triggers
        .iter()
        .filter(|trigger| trigger.is_internal)
        .count();
    let mut names: Vec<String> = triggers
        .iter()
        .filter(|trigger| !trigger.is_internal)
        .map(|trigger| quote_ident(&trigger.name))
        .collect();
    names.sort();
    let state = if replica {
        "for replicated changes only"
    } else {
        "disabled"
    };
    let what = match (names.len(), internal) {
        (0, 1) => "1 trigger of the server's own".to_owned(),
        (0, count) => format!("{count} triggers of the server's own"),
        (1, 0) => format!("trigger {}", few(&names)),
        (_, 0) => format!("triggers {}", few(&names)),
        (_, count) => format!("triggers {} and {count} of the server's own", few(&names)),
    };
    let verb = if triggers.len() == 1 { "is" } else { "are" };
    let remediation = match names.as_slice() {
        [name] if internal == 0 => format!("ALTER TABLE {table} ENABLE TRIGGER {name};"),
        _ => format!("ALTER TABLE {table} ENABLE TRIGGER ALL;"),
    };
    Finding {
        cause: cause.to_owned(),
        detail: format!(
            "{what} on {} {table} {verb} {state}",
            relation.kind.as_str()
        ),
        severity,
        observations,
        remediation,
        subject: Subject::in_database(SubjectKind::Relation, database, table),
    }
}

#[cfg(test)]
mod tests {
    use super::writes_history;

    #[test]
    fn names_of_history_writers_are_known_by_their_words() {
        for name in [
            "audit_orders",
            "Orders_AUDIT",
            "tr_history",
            "if_modified_audit",
            "log_change",
            "orders history",
            "auditing",
            "track_changes",
        ] {
            assert!(writes_history(name), "{name}");
        }
        for name in [
            "login_check",
            "catalog",
            "set_updated_at",
            "blog_slug",
            "truck",
            "",
        ] {
            assert!(!writes_history(name), "{name}");
        }
    }
}
