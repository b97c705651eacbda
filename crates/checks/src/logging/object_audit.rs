//! pgaudit's role for auditing classified columns.

use super::classified::{Classified, ClassifiedRelation, unknown};
use super::pgaudit::recorded;
use super::pgaudit_classes::AuditBaseline;
use super::settings::{Baseline, baseline};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{AclClass, DatabaseFacts, Oid, PUBLIC, Relation, RelationKind, Role};
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// Reads and changes of the columns that `[[classification]]` of `pgattest.toml` names leave an audit record: because
    /// `pgaudit.log` records every statement of that kind (`read`, `write`), or because `pgaudit.role` names a role that is granted
    /// the privilege on the table or, for SELECT, INSERT and UPDATE, on the column (that is how pgaudit is told which objects to
    /// audit). And, where `pgaudit.role` is set, for the cluster or a database: the role exists (pgaudit accepts any name and then
    /// audits nothing), cannot log in, no login role reaches it (the grants would be real for its members), and no role has
    /// another `pgaudit.role` of its own.
    ///
    /// Grants to PUBLIC and the privileges of an owner do not make pgaudit audit. A view and a partition are audited by grants on
    /// themselves; name them in the classification when they are queried directly.
    ///
    /// ## Why it matters
    /// Who looked at personal data is the question after an incident. `pgaudit.log = 'read'` for a whole cluster is often too much to
    /// keep, and a misspelt role leaves no trace: no error, no warning, no record.
    ///
    /// ## How to fix it
    /// `CREATE ROLE pgaudit_objects NOLOGIN;`, `ALTER SYSTEM SET pgaudit.role = 'pgaudit_objects';`, reload, and
    /// `GRANT SELECT, INSERT, UPDATE, DELETE ON app.customers TO pgaudit_objects;` for every classified table.
    ///
    /// ## References
    /// - pgaudit documentation, Object Audit Logging
    /// - PostgreSQL documentation, chapter 5.7, Privileges (numbers of version 15)
    pub ObjectAudit {
        id: "LOG-05",
        name: "object-audit",
        title: "Every access to a classified column leaves an audit record",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::C1_1],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const NAME: &str = "pgaudit.role";

impl Check for ObjectAudit {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let Some(audit) = AuditBaseline::of(context)? else {
            return Ok(Verdict::NotApplicable(
                "pgaudit is not loaded: no object can be audited".to_owned(),
            ));
        };
        let needed = || Missing::because(format!("this server has no setting `{NAME}`"));
        let auditors = Auditors::of(context, baseline(context, NAME)?.ok_or_else(needed)?)?;
        if context.policy.classification.is_empty() && auditors.is_unset() {
            return Ok(Verdict::NotAssessed(Missing::because(
                "which columns hold classified data is not known; declare [[classification]]",
            )));
        }
        let classes = recorded(audit.session().log).unwrap_or_default();
        let mut findings = auditors.troubles(context)?;
        let mut not_seen = Vec::new();
        let mut matched = BTreeSet::new();
        let mut count = 0;
        for database in &context.facts.inside {
            let classified = match Classified::of(context.policy, database) {
                Ok(classified) => classified,
                Err(missing) => {
                    not_seen.push(missing);
                    continue;
                }
            };
            matched.extend(classified.matched.iter().copied());
            count += classified
                .relations
                .iter()
                .map(|one| one.columns.len())
                .sum::<usize>();
            if classified.relations.is_empty() {
                continue;
            }
            match uncovered(context, &auditors, database, &classified, &classes) {
                Ok(found) => findings.extend(found),
                Err(missing) => not_seen.push(missing),
            }
        }
        not_seen.extend(unknown(context.policy, &matched).into_iter().map(|entry| {
            Missing::because(format!(
                "the policy classifies `{entry}`, which no database that was seen has"
            ))
        }));
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "classified columns",
            },
            findings,
            not_seen,
        })
    }
}

/// Which role tells pgaudit what to audit, where.
struct Auditors<'a> {
    cluster: Baseline<'a>,
    /// Of databases that say so themselves.
    databases: BTreeMap<Oid, &'a str>,
    seen_in: Vec<ObservationId>,
}

impl<'a> Auditors<'a> {
    fn of(context: &Context<'a>, cluster: Baseline<'a>) -> Result<Self, Missing> {
        let rows = context.facts.role_settings.here()?;
        let mut seen_in = cluster.seen_in.clone();
        seen_in.push(rows.from.clone());
        Ok(Self {
            cluster,
            databases: rows
                .value
                .iter()
                .filter(|row| row.role == 0 && row.database != 0 && is_role_setting(&row.name))
                .map(|row| (row.database, row.value.as_str()))
                .collect(),
            seen_in,
        })
    }

    fn is_unset(&self) -> bool {
        self.cluster.value.is_empty() && self.databases.values().all(|name| name.is_empty())
    }

    fn in_database(&self, database: Oid) -> &'a str {
        self.databases
            .get(&database)
            .copied()
            .unwrap_or(self.cluster.value)
    }

    /// What is wrong with the roles themselves, and with who has another.
    fn troubles(&self, context: &Context<'_>) -> Result<Vec<Finding>, Missing> {
        let roles = context.facts.roles.here()?;
        let rows = context.facts.role_settings.here()?;
        let databases = context.facts.databases.here()?;
        let memberships = context.facts.memberships.here()?;
        let graph = context.role_graph()?;
        let mut observations = self.seen_in.clone();
        observations.extend([roles.from.clone(), memberships.from.clone()]);
        let names: BTreeSet<&str> = std::iter::once(self.cluster.value)
            .chain(self.databases.values().copied())
            .filter(|name| !name.is_empty())
            .collect();
        let mut findings = Vec::new();
        for name in names {
            match graph.named(name) {
                None => findings.push(missing_role(name, &observations)),
                Some(role) => findings.extend(weak_role(graph, role, &observations)),
            }
        }
        for row in rows.iter() {
            let is_override = row.role != 0 && is_role_setting(&row.name);
            if is_override && row.value != self.in_database(row.database) {
                let statement = row.statement(roles.value, databases.value);
                findings.push(Finding {
                    subject: Subject::cluster(SubjectKind::Setting, format!("{statement} SET {NAME}")),
                    cause: "a role has another pgaudit.role of its own".to_owned(),
                    detail: format!(
                        "{statement} SET {NAME} = {}: its sessions are audited by other grants than everybody's",
                        quote_literal(&row.value)
                    ),
                    severity: Severity::High,
                    observations: observations.clone(),
                    remediation: format!("{statement} RESET {NAME};"),
                });
            }
        }
        Ok(findings)
    }
}

fn is_role_setting(name: &str) -> bool {
    name.eq_ignore_ascii_case(NAME)
}

fn missing_role(name: &str, observations: &[ObservationId]) -> Finding {
    let role = quote_ident(name);
    Finding {
        subject: Subject::cluster(SubjectKind::Setting, NAME),
        cause: "pgaudit.role names a role that does not exist".to_owned(),
        detail: format!("{NAME} names {role}, which does not exist: no object is audited"),
        severity: Severity::High,
        observations: observations.to_vec(),
        remediation: format!("CREATE ROLE {role} NOLOGIN;"),
    }
}

fn weak_role(graph: &RoleGraph, role: &Role, observations: &[ObservationId]) -> Vec<Finding> {
    let name = quote_ident(&role.name);
    let finding = |cause: &str, detail: String, remediation: String| Finding {
        subject: Subject::cluster(SubjectKind::Role, name.clone()),
        cause: cause.to_owned(),
        detail,
        severity: Severity::Medium,
        observations: observations.to_vec(),
        remediation,
    };
    let mut findings = Vec::new();
    if role.can_login {
        findings.push(finding(
            "pgaudit.role can log in",
            format!(
                "role {name}, by whose grants pgaudit knows what to audit, can log in and use them"
            ),
            format!("ALTER ROLE {name} NOLOGIN;"),
        ));
    }
    let holders: Vec<String> = graph
        .holders(role.oid)
        .into_iter()
        .filter(|holder| !holder.superuser)
        .map(|holder| quote_ident(&holder.name))
        .collect();
    if let Some(first) = holders.first() {
        findings.push(finding(
            "pgaudit.role has members",
            format!(
                "role {name}, by whose grants pgaudit knows what to audit, is reached by {} of the login roles, such as {first}, which so have the grants",
                holders.len()
            ),
            format!("REVOKE {name} FROM {first}; -- and from every other member"),
        ));
    }
    findings
}

/// A relation with classified columns, and the commands on it that leave no record.
#[derive(Clone, Debug)]
pub struct Uncovered<'a> {
    /// The database.
    pub database: &'a DatabaseFacts,
    /// The relation.
    pub relation: &'a Relation,
    /// `DELETE`, `INSERT`, `SELECT`, `UPDATE`: the privileges that `pgaudit.role` lacks on it.
    pub commands: BTreeSet<&'static str>,
}

/// What `pgaudit.role` has to be granted, in every database that could be read. Nothing while pgaudit is not loaded.
pub fn not_audited<'a>(context: &Context<'a>) -> Result<Vec<Uncovered<'a>>, Missing> {
    let (Some(audit), Some(cluster)) = (AuditBaseline::of(context)?, baseline(context, NAME)?)
    else {
        return Ok(Vec::new());
    };
    let auditors = Auditors::of(context, cluster)?;
    let classes = recorded(audit.session().log).unwrap_or_default();
    let mut found = Vec::new();
    for database in &context.facts.inside {
        let Ok(classified) = Classified::of(context.policy, database) else {
            continue;
        };
        let granted = granted(context, &auditors, database, &classified)?;
        found.extend(classified.relations.iter().filter_map(|one| {
            let commands = lost(one, &granted, &classes);
            (!commands.is_empty()).then_some(Uncovered {
                database,
                relation: one.relation,
                commands,
            })
        }));
    }
    Ok(found)
}

/// The privileges of `pgaudit.role` on the classified relations of one database, by relation and column.
fn granted<'a>(
    context: &Context<'_>,
    auditors: &Auditors<'_>,
    database: &'a DatabaseFacts,
    classified: &Classified<'_>,
) -> Result<BTreeMap<(Oid, i16), BTreeSet<&'a str>>, Missing> {
    let acls = database.acls.here()?;
    let graph = context.role_graph()?;
    let wanted: BTreeSet<Oid> = classified
        .relations
        .iter()
        .map(|one| one.relation.oid)
        .collect();
    let mut granted: BTreeMap<(Oid, i16), BTreeSet<&str>> = BTreeMap::new();
    if let Some(auditor) = graph.named(auditors.in_database(database.oid)) {
        let inherits = graph.inherits(auditor.oid);
        let theirs = acls.value.iter().filter(|acl| {
            matches!(acl.class, AclClass::Relation | AclClass::Column)
                && !acl.is_default
                && acl.grantee != PUBLIC
                && wanted.contains(&acl.object)
                && inherits.contains(acl.grantee)
        });
        for acl in theirs {
            let names = acl.privileges.iter().map(|given| given.name.as_str());
            granted
                .entry((acl.object, acl.column))
                .or_default()
                .extend(names);
        }
    }
    Ok(granted)
}

/// The classified relations of one database to which some access leaves no record.
fn uncovered(
    context: &Context<'_>,
    auditors: &Auditors<'_>,
    database: &DatabaseFacts,
    classified: &Classified<'_>,
    classes: &BTreeSet<&'static str>,
) -> Result<Vec<Finding>, Missing> {
    let acls = database.acls.here()?;
    let graph = context.role_graph()?;
    let auditor = graph.named(auditors.in_database(database.oid));
    let granted = granted(context, auditors, database, classified)?;
    let mut observations = auditors.seen_in.clone();
    observations.extend(classified.seen_in.iter().cloned());
    observations.push(acls.from.clone());
    let findings = classified.relations.iter().filter_map(|one| {
        let lost = lost(one, &granted, classes);
        let severity = if lost.contains("SELECT") {
            Severity::High
        } else {
            Severity::Medium
        };
        if lost.is_empty() {
            return None;
        }
        let name = one.relation.sql_name();
        let commands: Vec<&str> = lost.into_iter().collect();
        let commands = commands.join(", ");
        let (detail, remediation) = match auditor {
            Some(auditor) => (
                format!("{commands} on {name}, which holds classified columns, leaves no audit record: {NAME} lacks the privilege"),
                format!("GRANT {commands} ON {name} TO {};", quote_ident(&auditor.name)),
            ),
            None => (
                format!("{commands} on {name}, which holds classified columns, leaves no audit record: {NAME} is not set to a role that exists"),
                format!("set {NAME} to a role without login and grant it {commands} on {name}"),
            ),
        };
        Some(Finding {
            subject: Subject::in_database(SubjectKind::Relation, &database.name, name),
            cause: if severity == Severity::High {
                "reads of classified columns leave no audit record"
            } else {
                "changes of classified columns leave no audit record"
            }
            .to_owned(),
            detail,
            severity,
            observations: observations.clone(),
            remediation,
        })
    });
    Ok(findings.collect())
}

/// The commands on a relation's classified columns that are recorded neither by their class nor by a grant.
fn lost(
    one: &ClassifiedRelation<'_>,
    granted: &BTreeMap<(Oid, i16), BTreeSet<&str>>,
    classes: &BTreeSet<&'static str>,
) -> BTreeSet<&'static str> {
    let commands: &[&str] = match one.relation.kind {
        RelationKind::MaterializedView => &["SELECT"],
        RelationKind::Sequence => &[],
        _ => &["SELECT", "INSERT", "UPDATE", "DELETE"],
    };
    let has = |column: i16, command: &str| {
        granted
            .get(&(one.relation.oid, column))
            .is_some_and(|names| names.contains(command))
    };
    commands
        .iter()
        .copied()
        .filter(|command| {
            let class = if *command == "SELECT" {
                "read"
            } else {
                "write"
            };
            let by_column = *command != "DELETE"
                && one.columns.iter().all(|column| has(column.number, command));
            !(classes.contains(class) || has(0, command) || by_column)
        })
        .collect()
}
