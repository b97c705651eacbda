//! pgaudit in memory, and its event triggers in every database.

use super::event_triggers::{SILENCING, affected, silences};
use super::settings::{baseline, preloads};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{
    DatabaseFacts, EventTrigger, Extension, FileSetting, Function, Relation, Setting,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// The library `pgaudit` is loaded through `shared_preload_libraries`, will still be after the next restart, and the
    /// extension `pgaudit` is created, with both of its event triggers enabled and calling its own functions, in every database
    /// that accepts connections; and ordinary sessions fire event triggers (`session_replication_role` is not `replica`, and from
    /// 17 `event_triggers` is not off; exemptions for a role or database are LOG-03's subject). What a restart will bring is read from the configuration files; without a look at them, a change
    /// there is seen only once the server was told to reload.
    ///
    /// Template databases without a table are left out: nobody works in them, and an extension in `template1` would be copied
    /// into databases whose owners did not ask for it. One that holds tables is worked in, or makes databases that are.
    ///
    /// ## Why it matters
    /// Without the library nothing is audited at all. Without the extension DDL is still recorded, but the record has neither
    /// the type nor the name of the object, and objects that fall with another one (`DROP .. CASCADE`) are not named: the
    /// question who changed a table can then only be answered by reading statement texts.
    ///
    /// ## How to fix it
    /// Add `pgaudit` to `shared_preload_libraries` (keep what is there) and restart the server; on a managed service the setting
    /// is in the parameter group. Then, in each database: `CREATE EXTENSION pgaudit;`. Create the extension before
    /// `pgaudit.log` is set, and again in each new database.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 20.11, Client Connection Defaults (Shared Library Preloading)
    /// - PostgreSQL 16 documentation, chapter 40, Event Triggers
    pub PgauditLoaded {
        id: "LOG-01",
        name: "pgaudit-loaded",
        title: "pgaudit is loaded and created in every database",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

const LIBRARIES: &str = "shared_preload_libraries";

/// The event triggers that `CREATE EXTENSION pgaudit` makes, in every version, each on its event and with a function called as
/// itself.
const TRIGGERS: [(&str, &str); 2] = [
    ("pgaudit_ddl_command_end", "ddl_command_end"),
    ("pgaudit_sql_drop", "sql_drop"),
];

impl Check for PgauditLoaded {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (libraries, from) = context.setting(LIBRARIES)?;
        if libraries.withheld {
            return Err(
                Missing::because(format!("the value of `{LIBRARIES}` was withheld"))
                    .seen_in(from.clone()),
            );
        }
        let templates: BTreeSet<_> = context
            .connectable()?
            .into_iter()
            .filter(|database| database.is_template)
            .map(|database| database.oid)
            .collect();
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        let mut working: Vec<&DatabaseFacts> = Vec::new();
        for database in &context.facts.inside {
            if !templates.contains(&database.oid) {
                working.push(database);
                continue;
            }
            match database.relations.here() {
                Ok(relations) if relations.iter().any(is_own_table) => working.push(database),
                Ok(_) => {}
                Err(missing) => not_seen.push(missing),
            }
        }

        if preloads(&libraries.value, "pgaudit") {
            match after_restart(context, libraries, from) {
                Ok(finding) => findings.extend(finding),
                Err(missing) => not_seen.push(missing),
            }
            for name in SILENCING {
                match silenced(context, name) {
                    Ok(finding) => findings.extend(finding),
                    Err(missing) => not_seen.push(missing),
                }
            }
        } else {
            findings.push(not_loaded(libraries, from));
        }
        for database in &working {
            match in_database(database) {
                Ok(finding) => findings.extend(finding),
                Err(missing) => not_seen.push(missing),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: working.len(),
                of: "databases",
            },
            findings,
            not_seen,
        })
    }
}

fn not_loaded(libraries: &Setting, from: &ObservationId) -> Finding {
    let waiting = if libraries.pending_restart {
        "; another value waits for a restart"
    } else {
        ""
    };
    Finding {
        cause: "pgaudit is not loaded".to_owned(),
        detail: format!("{LIBRARIES} does not name pgaudit: nothing is audited{waiting}"),
        severity: Severity::High,
        observations: vec![from.clone()],
        remediation: format!(
            "add pgaudit to {LIBRARIES}, keeping what is there, and restart the server"
        ),
        subject: Subject::cluster(SubjectKind::Setting, LIBRARIES),
    }
}

/// A restart may bring another value: the files say which, also before the server was told to reload them.
fn after_restart(
    context: &Context<'_>,
    libraries: &Setting,
    from: &ObservationId,
) -> Result<Option<Finding>, Missing> {
    let files = match context.facts.file_settings.here() {
        Ok(files) => files,
        Err(missing) if libraries.pending_restart => return Err(missing),
        Err(_) => return Ok(None),
    };
    let named = |line: &&FileSetting| line.name.eq_ignore_ascii_case(LIBRARIES);
    let line = files.value.iter().rev().find(named);
    // The command line wins over the files.
    if libraries.source == "command line"
        || line.is_some_and(|line| preloads(&line.value, "pgaudit"))
    {
        return Ok(None);
    }
    Ok(Some(Finding {
        cause: "pgaudit will be gone after the next restart".to_owned(),
        detail: format!("{LIBRARIES} names pgaudit now, but no longer in the configuration files"),
        severity: Severity::High,
        observations: vec![from.clone(), files.from.clone()],
        remediation: format!("put pgaudit back into {LIBRARIES} before the server is restarted"),
        subject: Subject::cluster(SubjectKind::Setting, LIBRARIES),
    }))
}

/// No session fires event triggers unless its role or database says otherwise.
fn silenced(context: &Context<'_>, name: &str) -> Result<Option<Finding>, Missing> {
    let Some(value) = baseline(context, name)?.filter(|found| silences(name, found.value)) else {
        return Ok(None);
    };
    let (affected, not_seen) = affected(context, name);
    if affected.is_empty() {
        return not_seen.into_iter().next().map_or(Ok(None), Err);
    }
    let detail = format!(
        "{name} is '{}' (from {}): no event trigger of pgaudit fires, and DDL records name no object",
        value.value, value.origin
    );
    Ok(Some(Finding {
        cause: "sessions fire no event triggers".to_owned(),
        detail,
        severity: Severity::Medium,
        remediation: if value.origin == "ALTER ROLE ALL" {
            format!("ALTER ROLE ALL RESET {name};")
        } else {
            format!("ALTER SYSTEM RESET {name};")
        },
        observations: value.seen_in,
        subject: Subject::cluster(SubjectKind::Setting, name),
    }))
}

fn in_database(database: &DatabaseFacts) -> Result<Option<Finding>, Missing> {
    let extensions = database.extensions.here()?;
    let triggers = database.event_triggers.here()?;
    let functions = database.functions.here()?;
    let name = quote_ident(&database.name);
    let pgaudit = extensions.iter().find(|row| row.name == "pgaudit");
    let silent =
        pgaudit.and_then(|pgaudit| silent_trigger(triggers.value, functions.value, pgaudit));
    let (cause, detail, remediation, shown_by) = match (pgaudit, silent) {
        (None, _) => (
            "extension pgaudit is missing",
            format!("database {name} has no extension pgaudit: DDL records name no object"),
            "CREATE EXTENSION pgaudit;".to_owned(),
            vec![extensions.from.clone()],
        ),
        (Some(_), Some((trigger, Silence::Off))) => (
            "an event trigger of pgaudit does not fire",
            format!(
                "event trigger {trigger} of database {name} is disabled or missing: DDL records name no object"
            ),
            format!("ALTER EVENT TRIGGER {trigger} ENABLE;"),
            vec![triggers.from.clone()],
        ),
        (Some(_), Some((trigger, Silence::Foreign))) => (
            "an event trigger is called as pgaudit's and is not",
            format!(
                "event trigger {trigger} of database {name} does not call pgaudit's own function: DDL records name no object"
            ),
            "DROP EXTENSION pgaudit; CREATE EXTENSION pgaudit;".to_owned(),
            vec![triggers.from.clone(), functions.from.clone()],
        ),
        (Some(_), None) => return Ok(None),
    };
    Ok(Some(Finding {
        cause: cause.to_owned(),
        detail,
        severity: Severity::Medium,
        observations: shown_by,
        remediation,
        subject: Subject::in_database(SubjectKind::Database, database.name.clone(), name),
    }))
}

fn is_own_table(relation: &Relation) -> bool {
    relation.can_have_policies() && relation.extension == 0
}

/// Why an event trigger does not do pgaudit's work.
#[derive(Clone, Copy)]
enum Silence {
    /// It is not there, or does not fire.
    Off,
    /// It fires something else, or on something else.
    Foreign,
}

/// `O` and `A` fire in ordinary sessions; `D` never, `R` only where changes are replicated.
fn silent_trigger(
    triggers: &[EventTrigger],
    functions: &[Function],
    pgaudit: &Extension,
) -> Option<(&'static str, Silence)> {
    TRIGGERS.into_iter().find_map(|(wanted, event)| {
        let trigger = triggers
            .iter()
            .find(|trigger| trigger.name == wanted)
            .filter(|trigger| matches!(trigger.enabled.as_str(), "O" | "A"));
        let Some(trigger) = trigger else {
            return Some((wanted, Silence::Off));
        };
        let function = functions.iter().find(|row| row.oid == trigger.function);
        let is_its_own = trigger.event == event
            && function.is_some_and(|row| {
                row.name == wanted && row.extension == pgaudit.oid && row.language == "c"
            });
        (!is_its_own).then_some((wanted, Silence::Foreign))
    })
}
