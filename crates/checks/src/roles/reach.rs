//! Ways from a login role to another role, for the checks that print them.

use crate::context::Context;
use pgattest_access::{Path, RoleGraph};
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// The first version in which one membership can be granted by several grantors, and is revoked from each of them.
pub(super) const GRANTORS_PER_MEMBERSHIP: u32 = 16;

/// The observations that a statement about who reaches whom rests on.
pub(crate) fn observations(context: &Context<'_>) -> Result<Vec<ObservationId>, Missing> {
    Ok(vec![
        context.facts.roles.here()?.from.clone(),
        context.facts.memberships.here()?.from.clone(),
    ])
}

/// Login roles that a membership could make more powerful than they are: a superuser has everything already.
pub(super) fn ordinary_logins(graph: &RoleGraph) -> Vec<&Role> {
    graph.logins().filter(|role| !role.superuser).collect()
}

/// What is not known about a graph in which some memberships lead nowhere.
pub(crate) fn not_seen(graph: &RoleGraph) -> Vec<Missing> {
    if graph.unknown().is_empty() {
        return Vec::new();
    }
    let oids: Vec<String> = graph.unknown().iter().map(ToString::to_string).collect();
    vec![Missing::because(format!(
        "memberships name roles that are not among the roles read (oid {})",
        oids.join(", ")
    ))]
}

/// The role a path ends at: its name, or the member's own for a path without a step.
pub(super) fn end(path: &Path) -> &str {
    path.hops.last().map_or(&path.member, |hop| &hop.name)
}

/// The statements that take away the last membership of a path: the one that makes the difference.
pub(super) fn revoke_last(context: &Context<'_>, graph: &RoleGraph, path: &Path) -> String {
    let Some((last, before)) = path.hops.split_last() else {
        return String::new();
    };
    let member = before.last().map_or(path.member.as_str(), |hop| &hop.name);
    let statement = format!(
        "REVOKE {} FROM {}",
        quote_ident(&last.name),
        quote_ident(member)
    );
    if graph.version().major() < GRANTORS_PER_MEMBERSHIP {
        return format!("{statement};");
    }
    let grantors = grantors(context, graph.named(member).map(|role| role.oid), last.role);
    let statements: Vec<String> = grantors
        .into_iter()
        .map(|grantor| match grantor {
            // What a superuser revokes without naming a grantor is what the bootstrap superuser granted.
            Role::BOOTSTRAP => format!("{statement};"),
            other => format!(
                "{statement} GRANTED BY {};",
                graph
                    .name(other)
                    .map_or_else(|| other.to_string(), quote_ident)
            ),
        })
        .collect();
    if statements.is_empty() {
        format!("{statement};")
    } else {
        statements.join(" ")
    }
}

fn grantors(context: &Context<'_>, member: Option<Oid>, role: Oid) -> BTreeSet<Oid> {
    let Ok(memberships) = context.facts.memberships.here() else {
        return BTreeSet::new();
    };
    memberships
        .iter()
        .filter(|membership| Some(membership.member) == member && membership.role == role)
        .map(|membership| membership.grantor)
        .collect()
}
