//! The grants of an evidence package, and what the log of the time before it can tell of them.

use crate::args::TrailQueryArgs;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::sealing;
use pgattest_access::RoleGraph;
use pgattest_archive::query::{Grant, TableName, UnusedGrants};
use pgattest_catalog::decode;
use pgattest_model::Missing;
use pgattest_model::facts::{
    Acl, AclClass, DatabaseFacts, Facts, Oid, PUBLIC, Relation, RelationKind, RoleSetting,
};
use pgattest_trail::JournalReader;
use pgattest_trail::completeness::{Kind, Options, Period, Tracker, Weight, source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The question. `journal`: where it is, if that is known.
pub(super) fn ask(
    arguments: &TrailQueryArgs,
    journal: Option<&Path>,
) -> Result<UnusedGrants, Failure> {
    let path = arguments.package.as_deref().ok_or_else(|| {
        fail("the question needs a package that says who was granted what")
            .hint("make one with `pgattest audit --out DIR` and name it: --package DIR/evidence-*.zip; `pgattest verify` checks it")
    })?;
    let package = pgattest_evidence::open(path)
        .map_err(Failure::from)
        .or_hint(
            "a package is the file that `pgattest audit --out DIR` made: DIR/evidence-*.zip",
        )?;
    let facts = decode(&sealing::observations(&package, "")?);
    let until = package
        .manifest()
        .period
        .finished_at
        .parse::<jiff::Timestamp>()
        .doing(|| format!("{} does not say when it was made", path.display()))?
        .as_millisecond();
    let from = arguments
        .from
        .unwrap_or(until.saturating_sub(i64::from(arguments.days) * DAY));
    let grants = grants(&facts).map_err(|missing| {
        fail(format!(
            "{} does not show the grants: {}",
            path.display(),
            missing.why
        ))
    })?;
    if let Some(to) = arguments.to
        && to < until
    {
        return Err(
            fail("--to lies before the package was made: later uses would not be seen")
                .hint("leave it out, or name an older package"),
        );
    }
    let unseen = match journal {
        Some(journal) => incomplete(journal, from, until)?,
        None => {
            vec!["nobody looked whether the log of the period is complete (--journal)".to_owned()]
        }
    };
    Ok(UnusedGrants {
        superusers: superusers(&facts),
        grants,
        unseen,
        from,
        until,
    })
}

/// What the journal says is missing of the period, or may be.
fn incomplete(journal: &Path, from: i64, until: i64) -> Result<Vec<String>, Failure> {
    let reader = JournalReader::open(journal)?;
    let mut tracker = Tracker::new(Options {
        required_classes: BTreeSet::new(),
        ..Options::default()
    });
    // From its beginning: of a session or a file that goes on from before the period, the period alone does not show what came before.
    let gone = source::journal(&mut tracker, &reader, Period::default(), |_, _| {})?;
    let result = tracker.finish();
    let mut counts: BTreeMap<Kind, u64> = BTreeMap::new();
    for finding in &result.findings {
        // Of the period, as far as its times tell; and of what counts: a log in text is never audit-grade.
        let is_of_it = finding.from.is_none_or(|at| at <= until)
            && finding.to.is_none_or(|at| at >= from)
            && finding.destination.as_deref() != Some("stderr");
        if is_of_it && finding.weight >= Weight::Suspicion {
            *counts.entry(finding.kind).or_default() += finding.count;
        }
    }
    let mut unseen: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| {
            let name = serde_json::to_value(kind).ok();
            let name = name
                .as_ref()
                .and_then(|name| name.as_str())
                .unwrap_or("fault");
            format!("the log is not complete: {count} of {name} (`pgattest trail completeness`)")
        })
        .collect();
    if gone.pruned > 0
        && result
            .coverage
            .oldest_time
            .is_none_or(|oldest| oldest > from)
    {
        unseen.push("records of the period were pruned from the journal".to_owned());
    }
    match result.coverage.from {
        Some(first) if first <= from => {}
        _ => unseen.push("the journal begins after the period does".to_owned()),
    }
    Ok(unseen)
}

fn superusers(facts: &Facts) -> BTreeSet<String> {
    let roles = facts.roles.here().map(|roles| roles.value.as_slice());
    roles
        .unwrap_or_default()
        .iter()
        .filter(|role| role.superuser)
        .map(|role| role.name.clone())
        .collect()
}

/// Everything that somebody granted on a table, database by database.
fn grants(facts: &Facts) -> Result<Vec<Grant>, Missing> {
    let graph = RoleGraph::new(
        facts.roles.here()?.value,
        facts.memberships.here()?.value,
        facts.version()?,
    );
    let auditing = Auditing::new(facts);
    let mut grants = Vec::new();
    for inside in &facts.inside {
        let relations = inside.relations.here()?.value;
        let named: BTreeMap<Oid, &Relation> = relations
            .iter()
            .filter(|relation| relation.kind != RelationKind::Sequence)
            .map(|relation| (relation.oid, relation))
            .collect();
        let columns: BTreeMap<(Oid, i16), &str> = inside
            .columns
            .here()?
            .value
            .iter()
            .map(|column| ((column.relation, column.number), column.name.as_str()))
            .collect();
        let lenders = lenders(inside)?;
        for acl in inside.acls.here()?.value {
            let on_table = matches!(acl.class, AclClass::Relation | AclClass::Column);
            let Some(relation) = named.get(&acl.object).filter(|_| on_table) else {
                continue;
            };
            // An owner's own rights and the built-in ones were granted by nobody.
            if acl.is_default || acl.grantee == acl.owner {
                continue;
            }
            let column = match acl.class {
                AclClass::Column => match columns.get(&(acl.object, acl.column)) {
                    Some(name) => Some((*name).to_owned()),
                    None => Some(format!("column {}", acl.column)),
                },
                _ => None,
            };
            let Ok(table) =
                TableName::new(Some(relation.schema_name.clone()), relation.name.clone())
            else {
                continue;
            };
            let roles = roles(&graph, acl);
            let lends = acl.grantee != PUBLIC
                && roles.iter().any(|name| {
                    let role = graph.named(name);
                    role.is_some_and(|role| lenders.contains(&role.oid))
                });
            for privilege in &acl.privileges {
                grants.push(Grant {
                    database: inside.name.clone(),
                    table: table.clone(),
                    column: column.clone(),
                    grantee: (acl.grantee != PUBLIC)
                        .then(|| graph.name(acl.grantee).unwrap_or("?").to_owned()),
                    privilege: privilege.name.clone(),
                    lends,
                    unseen: auditing.unseen(&privilege.name, inside.oid, &graph, acl),
                    roles: roles.clone(),
                });
            }
        }
    }
    grants.sort_by_key(|grant| {
        (
            grant.database.clone(),
            grant.table.sql(),
            grant.grantee.clone(),
            grant.column.clone(),
            grant.privilege.clone(),
        )
    });
    Ok(grants)
}

/// The grantee and its members; of PUBLIC those to whom the grant makes no difference.
fn roles(graph: &RoleGraph, acl: &Acl) -> BTreeSet<String> {
    if acl.grantee == PUBLIC {
        return graph
            .roles()
            .filter(|role| role.superuser || role.oid == acl.owner)
            .map(|role| role.name.clone())
            .collect();
    }
    let members = graph.all_members(acl.grantee);
    graph
        .roles()
        .filter(|role| role.oid == acl.grantee || members.contains(role.oid))
        .map(|role| role.name.clone())
        .collect()
}

/// Owners of views and of functions that run with their owner's privileges.
fn lenders(inside: &DatabaseFacts) -> Result<BTreeSet<Oid>, Missing> {
    let views = inside.relations.here()?.value.iter().filter(|relation| {
        matches!(
            relation.kind,
            RelationKind::View | RelationKind::MaterializedView
        )
    });
    let functions = inside
        .functions
        .here()?
        .value
        .iter()
        .filter(|function| function.security_definer);
    Ok(views
        .map(|view| view.owner)
        .chain(functions.map(|function| function.owner))
        .collect())
}

/// What pgaudit was told to record.
struct Auditing<'f> {
    /// `pgaudit.log`, or why it is not known.
    classes: Result<BTreeSet<&'static str>, String>,
    /// Why statements may not name their tables.
    relations: Option<String>,
    overrides: Option<&'f [RoleSetting]>,
}

impl<'f> Auditing<'f> {
    fn new(facts: &'f Facts) -> Self {
        let setting = |name: &str| {
            let settings = facts.settings.here().map_err(|missing| missing.why)?;
            match settings.value.get(name).map_err(|missing| missing.why)? {
                Some(setting) if setting.withheld => {
                    Err(format!("the value of {name} is not known"))
                }
                Some(setting) => Ok(setting.value.clone()),
                None => Err(format!("{name} is not set: pgaudit is not loaded")),
            }
        };
        let relations = match setting("pgaudit.log_relation") {
            Ok(value) if value == "on" => None,
            Ok(_) => {
                Some("pgaudit.log_relation is off: records do not name their tables".to_owned())
            }
            Err(reason) => Some(reason),
        };
        Self {
            classes: setting("pgaudit.log").map(|value| classes(&value)),
            relations,
            overrides: facts
                .role_settings
                .here()
                .ok()
                .map(|settings| settings.value.as_slice()),
        }
    }

    /// Why a use of the privilege in a database by one of the grant's roles may not be in the log.
    fn unseen(&self, privilege: &str, database: Oid, graph: &RoleGraph, acl: &Acl) -> Vec<String> {
        let class = if privilege == "SELECT" {
            "read"
        } else {
            "write"
        };
        let mut reasons = Vec::new();
        match &self.classes {
            Ok(classes) if classes.contains(class) => {}
            Ok(_) => reasons.push(format!("pgaudit.log has no `{class}`")),
            Err(reason) => reasons.push(reason.clone()),
        }
        reasons.extend(self.relations.clone());
        let Some(overrides) = self.overrides else {
            reasons.push("settings of roles and databases are not known".to_owned());
            return reasons;
        };
        let members = (acl.grantee != PUBLIC).then(|| graph.all_members(acl.grantee));
        for row in overrides {
            let concerns = (row.database == 0 || row.database == database)
                && (row.role == 0
                    || row.role == acl.grantee
                    || members
                        .as_ref()
                        .is_none_or(|members| members.contains(row.role)));
            let keeps = match row.name.as_str() {
                "pgaudit.log" => !row.withheld && classes(&row.value).contains(class),
                "pgaudit.log_relation" => row.value == "on",
                _ => true,
            };
            if concerns && !keeps {
                reasons.push(format!(
                    "{} is set otherwise for {}",
                    row.name,
                    graph
                        .name(row.role)
                        .filter(|_| row.role != 0)
                        .unwrap_or("a database")
                ));
            }
        }
        reasons
    }
}

/// The classes that a value of `pgaudit.log` turns on, of those that are about tables; what comes later counts.
fn classes(value: &str) -> BTreeSet<&'static str> {
    let mut on = BTreeSet::new();
    for word in value.split(',') {
        let word = word.trim().trim_matches('"').to_lowercase();
        let (add, name) = match word.strip_prefix('-') {
            Some(name) => (false, name),
            None => (true, word.as_str()),
        };
        for class in ["read", "write"] {
            if name == class || name == "all" {
                if add {
                    on.insert(class);
                } else {
                    on.remove(class);
                }
            }
        }
        if name == "none" {
            on.clear();
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::classes;

    #[test]
    fn later_words_count() {
        assert!(classes("ddl, role").is_empty());
        assert!(classes("all, -read").contains("write") && !classes("all, -read").contains("read"));
        assert!(classes("READ,none").is_empty());
        assert_eq!(classes("-all, \"write\"").len(), 1);
    }
}
