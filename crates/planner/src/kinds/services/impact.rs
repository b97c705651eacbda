//! Whom a change of owner affects.

use super::database::Inside;
use super::property::Thing;
use crate::planning::Planning;
use pgattest_access::RoleGraph;
use pgattest_model::ObservationId;
use pgattest_model::facts::{AclClass, Oid, RelationKind, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind};
use std::collections::BTreeSet;

/// Names that are listed; more are counted.
const NAMED: usize = 5;

/// What the former owner and others lose with the objects.
pub(super) fn of_objects(
    planning: &Planning<'_>,
    graph: &RoleGraph,
    inside: &Inside<'_>,
    login: &Role,
    owner: &str,
    things: &[&Thing],
) -> Vec<Impact> {
    let role = visible(&quote_ident(&login.name));
    let owner = visible(&quote_ident(owner));
    let database = visible(&quote_ident(&inside.database.name));
    let at = |kind, subject: String, detail: String| Impact {
        kind,
        subject,
        detail,
        observations: inside.observations.clone(),
    };
    let mut impacts = vec![at(
        ImpactKind::RightLost,
        role.clone(),
        format!(
            "role {role} can no longer alter, drop, truncate or grant on what it owned in database {database}, nor attach triggers \
             or foreign keys: migrations and owner-run jobs that log in as {role} fail until they run as {owner}{}",
            sessions(planning, inside.database.oid, login)
        ),
    )];
    let members = graph.all_members(login.oid);
    for member in members.roles().filter(|member| member.oid != login.oid) {
        let name = visible(&quote_ident(&member.name));
        let detail =
            format!("role {name} is a member of {role} and loses with it what the owner may do");
        impacts.push(at(ImpactKind::RightLost, name, detail));
    }
    let of_class = |class| -> BTreeSet<Oid> {
        let same = things.iter().filter(|thing| thing.class == class);
        same.map(|thing| thing.oid).collect()
    };
    let (relations, functions) = (of_class(AclClass::Relation), of_class(AclClass::Function));
    for relation in inside
        .relations
        .iter()
        .filter(|one| relations.contains(&one.oid))
    {
        let name = visible(&relation.sql_name());
        if relation.row_security && !relation.force_row_security {
            let detail = format!(
                "row-level security of {name} does not hold for its owner: from now on {role} sees and writes only what a policy \
                 lets it"
            );
            impacts.push(at(ImpactKind::RowsHidden, name, detail));
        } else if relation.kind == RelationKind::MaterializedView {
            let detail =
                format!("{role} can no longer refresh materialized view {name}; {owner} can");
            impacts.push(at(ImpactKind::RightLost, name, detail));
        }
    }
    let definers: Vec<String> = inside
        .functions
        .iter()
        .filter(|function| function.security_definer && functions.contains(&function.oid))
        .map(|function| visible(&function.sql_name()))
        .collect();
    if let Some(names) = listed(&definers) {
        let detail = format!(
            "{names}: SECURITY DEFINER, runs with the rights of {owner} and no longer with those of {role}; what it reads and \
             calls cannot be known from the catalogs"
        );
        impacts.push(at(ImpactKind::Unknown, owner.clone(), detail));
    }
    if maps_foreign_user(inside, login.oid)
        && things.iter().any(|thing| thing.class == AclClass::Relation)
    {
        let detail = format!(
            "{role} has a user mapping for a foreign server: views over foreign tables connect as their owner, and {owner} has none"
        );
        impacts.push(at(ImpactKind::Unknown, owner, detail));
    }
    impacts
}

/// What a declared service does not get back, because the policy does not name it.
pub(super) fn not_declared(inside: &Inside<'_>, login: &Role, names: &[String]) -> Option<Impact> {
    let role = visible(&quote_ident(&login.name));
    Some(Impact {
        kind: ImpactKind::RightLost,
        detail: format!(
            "the policy declares nothing for service {role} on {}, which it owned: it can no longer use that",
            listed(names)?
        ),
        subject: role,
        observations: inside.observations.clone(),
    })
}

/// What the former owner of a database loses.
pub(super) fn of_database(
    planning: &Planning<'_>,
    database: &pgattest_model::facts::Database,
    login: &Role,
    from: &ObservationId,
) -> Impact {
    let role = visible(&quote_ident(&login.name));
    let name = visible(&quote_ident(&database.name));
    Impact {
        kind: ImpactKind::RightLost,
        subject: role.clone(),
        detail: format!(
            "role {role} can no longer drop or rename database {name}, make schemas in it, set its settings or grant on it{}",
            sessions(planning, database.oid, login)
        ),
        observations: vec![from.clone()],
    }
}

/// Whether the role is at work, as far as can be seen.
fn sessions(planning: &Planning<'_>, database: Oid, login: &Role) -> String {
    let Ok(sessions) = planning.context.facts.sessions.here() else {
        return "; nobody saw who is connected".to_owned();
    };
    let count = sessions
        .iter()
        .filter(|session| session.role == login.oid && session.database == database)
        .count();
    match count {
        0 => "; no session of it was connected there".to_owned(),
        1 => "; 1 session of it was connected there".to_owned(),
        more => format!("; {more} sessions of it were connected there"),
    }
}

fn maps_foreign_user(inside: &Inside<'_>, role: Oid) -> bool {
    let Ok(mappings) = inside.facts.user_mappings.here() else {
        return false;
    };
    mappings.iter().any(|mapping| mapping.role == role)
}

/// `None` for no names.
fn listed(names: &[String]) -> Option<String> {
    let (shown, more) = names.split_at(names.len().min(NAMED));
    if shown.is_empty() {
        return None;
    }
    let shown = shown.join(", ");
    Some(match more.len() {
        0 => shown,
        more => format!("{shown} and {more} more"),
    })
}
