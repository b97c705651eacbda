//! Who can lower what is audited, without being superuser.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{
    Acl, AclClass, CodeClass, CodeMark, DatabaseFacts, Function, Oid, PUBLIC,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeSet, HashSet};

declare_check! {
    /// ## What it checks
    /// The settings that decide what is audited (`pgaudit.*`, `log_statement`, `log_min_messages` and the other `log_` settings that a
    /// superuser sets, `session_replication_role`, `event_triggers`, and the preloaded libraries) are in superusers' hands: from 15
    /// nobody else is granted `SET` or `ALTER SYSTEM` on one of them, and no `SECURITY DEFINER` function whose owner may set them
    /// sets one for others: by a `SET` clause, or, where a superuser owns it, in its body (`set_config`, `SET LOCAL`, also inside
    /// `EXECUTE`). A body is looked at inside the server. A function that only its owner and superusers may execute is no finding; one that a trigger runs is,
    /// because a trigger asks for no privilege. Roles that a managed service makes for its customers count as superusers.
    ///
    /// Superusers can always lower it for themselves; who becomes one is ROL-02's subject. Not seen: a setting's name that a
    /// function takes as an argument or puts together from pieces, and functions in C.
    ///
    /// ## Why it matters
    /// Whoever can switch off the audit log does so first. A function with `SET pgaudit.log = 'none'` runs whatever it runs without a
    /// record; one that calls `set_config` leaves the caller's session unaudited after it has returned.
    ///
    /// ## How to fix it
    /// `REVOKE SET ON PARAMETER pgaudit.log FROM etl;`; `ALTER FUNCTION f() RESET pgaudit.log;`, or `REVOKE EXECUTE` on the function
    /// from those who are no administrators.
    ///
    /// ## References
    /// - PostgreSQL documentation, SQL commands GRANT (parameters), CREATE FUNCTION (SET clauses); chapter 20.1.3, Parameter
    ///   Interaction via SQL (numbers of version 15)
    pub AuditControl {
        id: "LOG-04",
        name: "audit-control",
        title: "Only superusers can lower what is audited",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc6_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

/// Settings, beside pgaudit's, that decide what is recorded.
const DECIDING: [&str; 15] = [
    "event_triggers",
    "log_connections",
    "log_destination",
    "log_disconnections",
    "log_error_verbosity",
    "log_min_duration_statement",
    "log_min_error_statement",
    "log_min_messages",
    "log_parameter_max_length",
    "log_replication_commands",
    "log_statement",
    "logging_collector",
    "session_preload_libraries",
    "session_replication_role",
    "shared_preload_libraries",
];

/// Roles that providers give their customers instead of SUPERUSER.
const MANAGED: [&str; 6] = [
    "rds_superuser",
    "rdsadmin",
    "cloudsqlsuperuser",
    "cloudsqladmin",
    "azure_pg_admin",
    "azuresu",
];

fn decides(setting: &str) -> bool {
    let setting = setting.to_ascii_lowercase();
    setting.starts_with("pgaudit.") || DECIDING.contains(&setting.as_str())
}

impl Check for AuditControl {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let memberships = context.facts.memberships.here()?;
        let shared = context.facts.shared_acls.here()?;
        let graph = context.role_graph()?;
        let granted: Vec<&Acl> = shared
            .value
            .iter()
            .filter(|acl| acl.class == AclClass::Parameter && decides(&acl.name))
            .filter(|acl| !is_administrator(context, acl.grantee))
            .collect();
        let mut observations = vec![
            shared.from.clone(),
            roles.from.clone(),
            memberships.from.clone(),
        ];
        let mut findings: Vec<Finding> = granted
            .iter()
            .map(|acl| on_parameter(context, graph, acl, &observations))
            .collect();

        observations.push(context.facts.databases.here()?.from.clone());
        // What PUBLIC may set, nobody needs a function for.
        let setters: Vec<&Acl> = granted
            .into_iter()
            .filter(|acl| acl.has("SET") && acl.grantee != PUBLIC)
            .collect();
        let mut count = 0;
        let mut not_seen = Vec::new();
        for database in &context.facts.inside {
            match in_database(context, graph, &setters, database, &observations) {
                Ok(found) => {
                    count += 1;
                    findings.extend(found);
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "databases",
            },
            findings,
            not_seen,
        })
    }
}

fn is_administrator(context: &Context<'_>, role: Oid) -> bool {
    context
        .role(role)
        .is_some_and(|role| role.superuser || MANAGED.contains(&role.name.as_str()))
}

fn on_parameter(
    context: &Context<'_>,
    graph: &RoleGraph,
    acl: &Acl,
    observations: &[ObservationId],
) -> Finding {
    let grantee = context.role_name(acl.grantee);
    let parameter = acl
        .name
        .split('.')
        .map(quote_ident)
        .collect::<Vec<_>>()
        .join(".");
    let is_used = acl.grantee == PUBLIC
        || context.role(acl.grantee).is_some_and(|role| role.can_login)
        || !graph.holders(acl.grantee).is_empty();
    let (severity, today) = if is_used {
        (Severity::High, "")
    } else {
        (Severity::Low, ", although no login role reaches it today")
    };
    Finding {
        subject: Subject::cluster(SubjectKind::Setting, parameter.clone()),
        cause: "a setting of the audit log is granted out".to_owned(),
        detail: format!(
            "{parameter} may be changed by {grantee} ({}){today}",
            acl.names()
        ),
        severity,
        observations: observations.to_vec(),
        remediation: format!(
            "REVOKE {} ON PARAMETER {parameter} FROM {grantee};",
            acl.names()
        ),
    }
}

/// Functions of one database that set such a setting with the rights of somebody who may.
fn in_database(
    context: &Context<'_>,
    graph: &RoleGraph,
    setters: &[&Acl],
    database: &DatabaseFacts,
    observations: &[ObservationId],
) -> Result<Vec<Finding>, Missing> {
    let functions = database.functions.here()?;
    let code = database.code_marks.here()?;
    let acls = database.acls.here()?;
    let triggers = database.triggers.here()?;
    let events = database.event_triggers.here()?;
    let sets: HashSet<Oid> = code
        .iter()
        .filter(|piece| piece.class == CodeClass::Function && piece.has(CodeMark::SetsAuditSetting))
        .map(|piece| piece.object)
        .collect();
    let may_set = |owner: Oid, setting: &str| {
        let granted = setters
            .iter()
            .filter(|acl| acl.name.eq_ignore_ascii_case(setting));
        is_administrator(context, owner)
            || granted
                .into_iter()
                .any(|acl| graph.inherits(owner).contains(acl.grantee))
    };
    let suspects: Vec<(&Function, &'static str)> = functions
        .value
        .iter()
        .filter(|function| function.security_definer && function.extension == 0)
        .filter_map(|function| {
            let by_clause = function
                .settings
                .iter()
                .any(|(name, _)| decides(name) && may_set(function.owner, name));
            if by_clause {
                Some((function, "for as long as it runs"))
            } else if sets.contains(&function.oid) && is_administrator(context, function.owner) {
                Some((function, "in its body"))
            } else {
                None
            }
        })
        .collect();
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    let fired: HashSet<Oid> = triggers
        .iter()
        .map(|trigger| trigger.function)
        .chain(events.iter().map(|trigger| trigger.function))
        .collect();
    let mut observations = observations.to_vec();
    observations.extend([
        functions.from.clone(),
        code.from.clone(),
        acls.from.clone(),
        triggers.from.clone(),
        events.from.clone(),
    ]);
    let findings = suspects.into_iter().filter_map(|(function, how)| {
        let callers: BTreeSet<Oid> = acls
            .iter()
            .filter(|acl| acl.class == AclClass::Function && acl.object == function.oid)
            .filter(|acl| acl.has("EXECUTE") && acl.grantee != function.owner)
            .map(|acl| acl.grantee)
            .filter(|grantee| !is_administrator(context, *grantee))
            .collect();
        let who = if callers.contains(&PUBLIC) {
            "PUBLIC may execute it".to_owned()
        } else if let Some(first) = callers.first() {
            match callers.len() {
                1 => format!("{} may execute it", context.role_name(*first)),
                count => format!("{count} roles may execute it"),
            }
        } else if fired.contains(&function.oid) {
            "a trigger runs it".to_owned()
        } else {
            return None;
        };
        let name = function.sql_name();
        let owner = context.role_name(function.owner);
        Some(Finding {
            subject: Subject::in_database(SubjectKind::Function, &database.name, name.clone()),
            cause: "a function lowers what is audited, for others than superusers".to_owned(),
            detail: format!(
                "{name} sets what is audited {how}, with the rights of {owner}; {who}"
            ),
            severity: Severity::High,
            observations: observations.clone(),
            remediation: format!(
                "REVOKE EXECUTE ON {} {name} FROM PUBLIC; -- and from every role that is no administrator, or take the setting out of it",
                function.sql_kind()
            ),
        })
    });
    Ok(findings.collect())
}
