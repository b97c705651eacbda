//! pgaudit in memory, and its event triggers in every database.

use super::settings::preloads;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, EventTrigger, Extension, Setting};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// The library `pgaudit` is loaded through `shared_preload_libraries`, will still be after the next restart, and the
    /// extension `pgaudit` is created, with both of its event triggers enabled, in every database that accepts connections.
    /// Template databases are left out: nobody works in them, and an extension in `template1` would be copied into databases
    /// whose owners did not ask for it.
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

/// What `CREATE EXTENSION pgaudit` makes, in every version.
const TRIGGERS: [&str; 2] = ["pgaudit_ddl_command_end", "pgaudit_sql_drop"];

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
        let working: Vec<&DatabaseFacts> = context
            .facts
            .inside
            .iter()
            .filter(|database| !templates.contains(&database.oid))
            .collect();

        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        if preloads(&libraries.value, "pgaudit") {
            match after_restart(context, libraries, from) {
                Ok(finding) => findings.extend(finding),
                Err(missing) => not_seen.push(missing),
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

/// A restart may bring another value: the files say which.
fn after_restart(
    context: &Context<'_>,
    libraries: &Setting,
    from: &ObservationId,
) -> Result<Option<Finding>, Missing> {
    if !libraries.pending_restart {
        return Ok(None);
    }
    let files = context.facts.file_settings.here()?;
    let line = files.value.iter().rev().find(|line| line.name == LIBRARIES);
    if line.is_some_and(|line| preloads(&line.value, "pgaudit")) {
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

fn in_database(database: &DatabaseFacts) -> Result<Option<Finding>, Missing> {
    let extensions = database.extensions.here()?;
    let triggers = database.event_triggers.here()?;
    let name = quote_ident(&database.name);
    let (cause, detail, remediation, shown_by) = if !extensions.iter().any(is_pgaudit) {
        (
            "extension pgaudit is missing",
            format!("database {name} has no extension pgaudit: DDL records name no object"),
            "CREATE EXTENSION pgaudit;".to_owned(),
            extensions.from,
        )
    } else if let Some(trigger) = silent_trigger(triggers.value) {
        (
            "an event trigger of pgaudit does not fire",
            format!(
                "event trigger {trigger} of database {name} is disabled or missing: DDL records name no object"
            ),
            format!("ALTER EVENT TRIGGER {trigger} ENABLE;"),
            triggers.from,
        )
    } else {
        return Ok(None);
    };
    Ok(Some(Finding {
        cause: cause.to_owned(),
        detail,
        severity: Severity::Medium,
        observations: vec![shown_by.clone()],
        remediation,
        subject: Subject::in_database(SubjectKind::Database, database.name.clone(), name),
    }))
}

fn is_pgaudit(extension: &Extension) -> bool {
    extension.name == "pgaudit"
}

/// `O` and `A` fire in ordinary sessions; `D` never, `R` only where changes are replicated.
fn silent_trigger(triggers: &[EventTrigger]) -> Option<&'static str> {
    TRIGGERS.into_iter().find(|wanted| {
        !triggers
            .iter()
            .any(|trigger| trigger.name == *wanted && matches!(trigger.enabled.as_str(), "O" | "A"))
    })
}
