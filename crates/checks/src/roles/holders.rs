//! Who can use what a role has for itself alone: attributes are never inherited, a session has them after `SET ROLE`.

use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, Severity};
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The ways to become each role.
pub(super) struct Holders<'a> {
    pub(super) graph: &'a RoleGraph,
    /// For each role, the first login role that may grant it to itself.
    granting: OnceCell<BTreeMap<Oid, Oid>>,
}

/// How near a role is to a login.
pub(super) struct Use {
    /// In words, after the role's name: `can log in`.
    pub(super) words: String,
    /// Steps that somebody has to take first.
    away: Away,
}

#[derive(Clone, Copy)]
enum Away {
    Here,
    OneGrant,
    OutOfReach,
}

impl Use {
    /// The severity of what is as bad as `worst` in the hands of a login role.
    pub(super) const fn severity(&self, worst: Severity) -> Severity {
        match (self.away, worst) {
            (Away::Here, worst) => worst,
            (Away::OneGrant, Severity::Critical) => Severity::High,
            (Away::OneGrant, Severity::High) => Severity::Medium,
            (Away::OneGrant | Away::OutOfReach, _) => Severity::Low,
        }
    }
}

impl<'a> Holders<'a> {
    /// From roles and memberships.
    pub(super) fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        Ok(Self {
            graph: context.role_graph()?,
            granting: OnceCell::new(),
        })
    }

    /// Who can use the role's attributes. Superusers could anyway, and do not count.
    pub(super) fn of(&self, role: &Role) -> Use {
        if role.can_login {
            return Use {
                words: "can log in".to_owned(),
                away: Away::Here,
            };
        }
        let holders: Vec<&Role> = self
            .graph
            .can_become(role.oid)
            .into_iter()
            .filter(|holder| !holder.superuser)
            .collect();
        let path = holders
            .first()
            .and_then(|first| self.graph.set_role_path(first.oid, role.oid));
        let (words, away) = match (path, holders.len()) {
            (Some(path), 1) => (format!("is open to a login role ({path})"), Away::Here),
            (Some(path), count) => (
                format!("is open to {count} login roles ({path} among them)"),
                Away::Here,
            ),
            (None, _) => match self.granting(role) {
                Some(grantor) => (
                    format!(
                        "can be granted to itself by login role {}",
                        quote_ident(grantor)
                    ),
                    Away::OneGrant,
                ),
                None => (
                    "is out of reach of every login role but superusers".to_owned(),
                    Away::OutOfReach,
                ),
            },
        };
        Use { words, away }
    }

    fn granting(&self, role: &Role) -> Option<&str> {
        let by = self
            .granting
            .get_or_init(|| first_grantors(self.graph))
            .get(&role.oid)?;
        self.graph.name(*by)
    }
}

/// For each role, the first login role that may grant it to itself.
fn first_grantors(graph: &RoleGraph) -> BTreeMap<Oid, Oid> {
    let mut grantors = BTreeMap::new();
    let mut administered: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
    for login in graph.logins().filter(|login| !login.superuser) {
        for oid in graph.can_set_role_to(login.oid).oids() {
            let targets = administered
                .entry(oid)
                .or_insert_with(|| graph.can_administer(oid).oids().collect());
            for &target in targets.iter() {
                grantors.entry(target).or_insert(login.oid);
            }
        }
    }
    grantors
}
