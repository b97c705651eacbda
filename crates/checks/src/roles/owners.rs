//! Login roles that act as an owner.

use super::approval::{Provider, is_named, is_ordinary};
use crate::context::Context;
use pgattest_access::{Path, RoleGraph};
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, Role};

/// Who acts as which owner.
pub(super) struct Owners<'a, 'f> {
    context: &'a Context<'f>,
    graph: &'a RoleGraph,
}

/// One login role that acts as an owner.
pub(super) struct Acting<'a> {
    pub(super) login: &'a Role,
    pub(super) how: How,
}

/// How it does.
pub(super) enum How {
    /// It is the owner.
    Itself,
    /// With every statement it sends.
    Inherits(Path),
    /// After `SET ROLE`.
    Becomes(Path),
}

impl<'a, 'f> Owners<'a, 'f> {
    /// From roles, memberships and the policy.
    pub(super) fn new(context: &'a Context<'f>) -> Result<Self, Missing> {
        Ok(Self {
            context,
            graph: context.role_graph()?,
        })
    }

    /// The login roles that act as this owner without approval: the owner itself first, then whoever inherits it, by name.
    /// Nobody for a superuser, whose members ROL-02 names.
    ///
    /// Becoming the owner with `SET ROLE` is how a migration does its work on purpose, and so is held against nobody while the
    /// policy does not say who migrates (`access.schema_owners`).
    pub(super) fn acting(&self, owner: Oid) -> Vec<Acting<'a>> {
        let provider = Provider::of(self.context);
        let Some(role) = self.graph.role(owner) else {
            return Vec::new();
        };
        if !is_ordinary(role, provider) {
            return Vec::new();
        }
        let declared = self.context.policy.access.schema_owners.is_some();
        let itself = role.can_login.then_some(Acting {
            login: role,
            how: How::Itself,
        });
        let (inheriting, becoming): (Vec<_>, Vec<_>) = self
            .graph
            .holders(owner)
            .into_iter()
            .filter_map(|login| {
                let path = self.graph.path(login.oid, owner)?;
                let how = if path.needs_set_role() {
                    How::Becomes(path)
                } else {
                    How::Inherits(path)
                };
                Some(Acting { login, how })
            })
            .partition(|acting| matches!(acting.how, How::Inherits(_)));
        itself
            .into_iter()
            .chain(inheriting)
            .chain(becoming.into_iter().filter(|_| declared))
            .filter(|acting| is_ordinary(acting.login, provider) && !self.is_approved(acting.login))
            .collect()
    }

    fn is_approved(&self, login: &Role) -> bool {
        let access = &self.context.policy.access;
        is_named(login, &[&access.schema_owners, &access.superusers])
    }
}
