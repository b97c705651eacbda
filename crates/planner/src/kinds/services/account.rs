//! The role of a service, and the group that holds its privileges.

use super::holdings::lasting;
use super::names::{self, Chosen};
use pgattest_access::RoleGraph;
use pgattest_model::Policy;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::policy::Service;
use std::collections::BTreeSet;

/// The first version in which a membership says whether it is inherited.
const OPTIONS_PER_GRANT: u32 = 16;

/// Where a service's privileges are.
pub(super) struct Account<'a> {
    /// The role that logs in; `None`: it has to be made.
    pub(super) role: Option<&'a Role>,
    /// Who is granted to: the group, or the role itself where it would inherit no group.
    pub(super) holder: Chosen,
    /// Whether that is the role itself.
    pub(super) is_direct: bool,
    /// What makes them, and what takes that back.
    pub(super) make: Vec<(String, String)>,
    /// Whoever holds a privilege so that the service has it.
    pub(super) counts: BTreeSet<Oid>,
}

impl<'a> Account<'a> {
    /// `None` when no name is left for the group.
    pub(super) fn of(graph: &'a RoleGraph, policy: &Policy, service: &Service) -> Option<Self> {
        let role = graph.named(&service.role);
        let name = quote_ident(&service.role);
        let mut make = Vec::new();
        if role.is_none() {
            make.push((
                format!("CREATE ROLE {name} LOGIN;"),
                format!("DROP ROLE {name};"),
            ));
        }
        let mut counts = role.map_or_else(BTreeSet::new, |role| lasting(graph, role.oid));
        let options = graph.version().major() >= OPTIONS_PER_GRANT;
        let inherits = role.is_none_or(|role| role.inherit);
        if let Some(role) = role.filter(|role| !role.inherit && !options) {
            // Such a role has what it is granted itself, and would have to type SET ROLE for anything else.
            counts.retain(|one| *one == role.oid);
            return Some(Self {
                role: Some(role),
                holder: Chosen {
                    name: role.name.clone(),
                    oid: Some(role.oid),
                },
                is_direct: true,
                make,
                counts,
            });
        }
        let holder = names::choose(
            graph,
            policy,
            &service.role,
            "access",
            |_| false,
            |group| is_own(graph, group, role),
        )?;
        let group = quote_ident(&holder.name);
        if holder.oid.is_none() {
            make.push((
                format!("CREATE ROLE {group} NOLOGIN;"),
                format!("DROP ROLE {group};"),
            ));
        }
        let is_member = holder.oid.is_some_and(|oid| counts.contains(&oid));
        if !is_member {
            let option = if inherits { "" } else { " WITH INHERIT TRUE" };
            make.push((
                format!("GRANT {group} TO {name}{option};"),
                format!("REVOKE {group} FROM {name};"),
            ));
        }
        counts.extend(holder.oid);
        Some(Self {
            role,
            holder,
            is_direct: false,
            make,
            counts,
        })
    }
}

/// Whether the group is this role's alone and gives nothing but what it was granted itself.
fn is_own(graph: &RoleGraph, group: &Role, role: Option<&Role>) -> bool {
    let own = |oid: Oid| oid == group.oid || role.is_some_and(|role| role.oid == oid);
    let joined = graph
        .all_members(group.oid)
        .oids()
        .any(|member| member != group.oid);
    let inherited = role.is_some_and(|role| graph.inherits(role.oid).contains(group.oid));
    graph.all_members(group.oid).oids().all(own)
        && graph.member_of(group.oid).len() == 1
        && (inherited || !joined)
}
