//! Login roles that hold predefined roles.

use super::approval::{Names, Provider, is_named, is_ordinary};
use super::reach;
use crate::context::Context;
use pgattest_access::{Path, RoleGraph};
use pgattest_model::facts::{Membership, Role};
use pgattest_model::{Missing, ObservationId};

/// The role names of monitoring that only read: settings, statistics and sessions, never a table.
pub(super) const READ_STATE: [&str; 4] = [
    "pg_monitor",
    "pg_read_all_settings",
    "pg_read_all_stats",
    "pg_stat_scan_tables",
];

/// The memberships as they concern ordinary roles: what superusers, and a provider's substitute for them, are members of
/// gives nobody anything that being superuser does not.
pub(super) struct Beneath {
    pub(super) graph: RoleGraph,
    pub(super) observations: Vec<ObservationId>,
    pub(super) not_seen: Vec<Missing>,
    /// Login roles that are no superusers and not the provider's.
    pub(super) logins: usize,
}

impl Beneath {
    /// From roles and memberships.
    pub(super) fn new(context: &Context<'_>) -> Result<Self, Missing> {
        let roles = context.facts.roles.here()?;
        let provider = Provider::of(context);
        let counts = |membership: &&Membership| {
            context.role(membership.member).is_none_or(|member| {
                !member.superuser
                    && !provider.is_some_and(|provider| provider.is_administrator(member))
            })
        };
        let memberships: Vec<Membership> = context
            .facts
            .memberships
            .here()?
            .iter()
            .filter(counts)
            .cloned()
            .collect();
        let graph = RoleGraph::new(roles.value, &memberships, context.version()?);
        Ok(Self {
            observations: reach::observations(context)?,
            not_seen: reach::not_seen(&graph),
            logins: graph
                .logins()
                .filter(|login| is_ordinary(login, provider))
                .count(),
            graph,
        })
    }

    /// The login roles that reach the role of this name without being on a list, with their paths. Superusers and the
    /// provider's roles are left out.
    pub(super) fn holders(
        &self,
        context: &Context<'_>,
        name: &str,
        approved: &[&Names],
    ) -> Vec<(&Role, Path)> {
        let Some(target) = self.graph.named(name) else {
            return Vec::new();
        };
        let provider = Provider::of(context);
        self.graph
            .holders(target.oid)
            .into_iter()
            .filter(|login| is_ordinary(login, provider) && !is_named(login, approved))
            .filter_map(|login| Some((login, self.graph.path(login.oid, target.oid)?)))
            .collect()
    }
}
