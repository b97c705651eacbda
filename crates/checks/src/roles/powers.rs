//! What being able to act as a role leads to, beyond the role itself.

use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;

/// Predefined roles that are as good as the whole server or all of its data.
const PREDEFINED: [&str; 5] = [
    "pg_execute_server_program",
    "pg_write_server_files",
    "pg_read_server_files",
    "pg_write_all_data",
    "pg_read_all_data",
];

/// An attribute, and what a role that has it is called.
type Attribute = (fn(&Role) -> bool, &'static str);

const ATTRIBUTES: [Attribute; 3] = [
    (|role| role.superuser, "superuser"),
    (|role| role.bypass_rls, "BYPASSRLS role"),
    (|role| role.replication, "REPLICATION role"),
];

/// Where memberships lead.
pub(super) struct Powers<'a> {
    graph: &'a RoleGraph,
}

impl<'a> Powers<'a> {
    /// From roles and memberships.
    pub(super) fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        Ok(Self {
            graph: context.role_graph()?,
        })
    }

    /// The worst that whoever becomes one of these roles can act as, the roles themselves included: `superuser admin`. `None`
    /// when they lead to ordinary privileges only.
    pub(super) fn worst(&self, roles: &[Oid]) -> Option<String> {
        let attribute = ATTRIBUTES.iter().find_map(|(held, called)| {
            roles.iter().find_map(|&oid| {
                let becomes = self.graph.can_set_role_to(oid);
                let role = becomes.roles().find(|role| held(role))?;
                Some((*called, quote_ident(&role.name)))
            })
        });
        let words = |(called, name): (&str, String)| format!("{called} {name}");
        match attribute {
            Some(superuser) if superuser.0 == ATTRIBUTES[0].1 => Some(words(superuser)),
            attribute => self.predefined(roles).or_else(|| attribute.map(words)),
        }
    }

    fn predefined(&self, roles: &[Oid]) -> Option<String> {
        PREDEFINED.iter().find_map(|name| {
            let target = self.graph.named(name)?.oid;
            roles
                .iter()
                .any(|&oid| self.graph.reaches(oid).contains(target))
                .then(|| (*name).to_owned())
        })
    }
}
