//! What gives a role a privilege.

use super::{Object, Predefined, Privileges, Right, Rights, View};
use crate::roles::Route;
use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC};
use pgattest_model::ident::{quote_ident, visible};
use std::fmt;

/// One reason why a role holds a privilege. Displays as a sentence without a period.
#[derive(Clone, Debug)]
pub struct Because<'a> {
    /// What gives it.
    pub source: Source<'a>,
    /// How the role comes to what gives it; no steps when it is given to the role itself or to everyone.
    pub route: Route,
    /// The privilege.
    pub right: Right,
}

/// What gives a privilege.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// Being a superuser.
    Superuser,
    /// An ACL entry for a role, on the object itself or, for a column, on its table.
    Granted {
        /// The entry.
        acl: &'a Acl,
        /// The grantor's name; its identifier when the role is unknown.
        grantor: String,
    },
    /// An ACL entry for PUBLIC.
    Public {
        /// The entry.
        acl: &'a Acl,
        /// The grantor's name; its identifier when the role is unknown.
        grantor: String,
    },
    /// Having the privileges of the owner; it gives the option to grant, never the privilege.
    Owner,
    /// Having the privileges of a predefined role.
    Predefined(Predefined),
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.route.steps.is_empty() {
            write!(f, "{}; ", self.route)?;
        }
        let end = visible(&quote_ident(self.route.end()));
        let quoted = |name: &str| visible(&quote_ident(name));
        let where_given = |acl: &Acl| match (acl.class, acl.is_default) {
            (AclClass::Column, _) => " on the column",
            (_, true) => " by default",
            _ => "",
        };
        let right = self.right;
        match &self.source {
            Source::Superuser => write!(f, "{end} is a superuser"),
            Source::Granted { acl, grantor } => {
                let grantor = quoted(grantor);
                write!(f, "{right} to {end} by {grantor}{}", where_given(acl))
            }
            Source::Public { acl, grantor } => {
                let grantor = quoted(grantor);
                write!(f, "{right} to PUBLIC by {grantor}{}", where_given(acl))
            }
            Source::Owner => write!(f, "{end} owns it and may grant {right}"),
            Source::Predefined(role) => write!(f, "{} gives {right}", role.name()),
        }
    }
}

impl<'a> Privileges<'a> {
    /// Every reason why the role holds the privilege in a view, the ones that need least first; none when it does not hold it,
    /// or when the role or the object is not known. Each comes with its shortest route.
    pub fn because(
        &self,
        view: View,
        role: Oid,
        object: Object<'_>,
        right: Right,
    ) -> Vec<Because<'a>> {
        self.reasons(view, role, object, right, |rights| rights.contains(right))
    }

    /// Every reason why the role may grant the privilege to others. As [`Self::because`].
    pub fn because_of_option(
        &self,
        view: View,
        role: Oid,
        object: Object<'_>,
        right: Right,
    ) -> Vec<Because<'a>> {
        self.reasons(view, role, object, right, |rights| rights.may_grant(right))
    }

    fn reasons(
        &self,
        view: View,
        role: Oid,
        object: Object<'_>,
        right: Right,
        has: impl Fn(Rights) -> bool,
    ) -> Vec<Because<'a>> {
        if self
            .rights(view, role, object)
            .is_none_or(|rights| !has(rights))
        {
            return Vec::new();
        }
        let graph = self.graph;
        let mut reasons = Vec::new();
        let mut note = |source: Source<'a>, route: Option<Route>| {
            reasons.extend(route.map(|route| Because {
                source,
                route,
                right,
            }));
        };
        let superuser = graph.route_to_any(view, role, |role, acting| acting && role.superuser);
        note(Source::Superuser, superuser);
        let mut places = vec![object];
        if object.class == AclClass::Column {
            places.push(Object::relation(object.oid));
        }
        for place in places {
            let Some(shape) = self.shape(place) else {
                continue;
            };
            for acl in self.rows_of(place).iter().copied() {
                if !has(shape.allowed(Rights::given(&acl.privileges))) {
                    continue;
                }
                let grantor = graph
                    .name(acl.grantor)
                    .map_or_else(|| acl.grantor.to_string(), str::to_owned);
                if acl.grantee == PUBLIC {
                    note(
                        Source::Public { acl, grantor },
                        graph.route(View::InForce, role, role),
                    );
                } else {
                    note(
                        Source::Granted { acl, grantor },
                        graph.route(view, role, acl.grantee),
                    );
                }
            }
            for (predefined, at) in &self.predefined {
                if has(shape.allowed(predefined.gives(shape.class)))
                    && let Some(target) = graph.at(*at)
                {
                    note(
                        Source::Predefined(*predefined),
                        graph.route(view, role, target.oid),
                    );
                }
            }
            if has(self.class(shape.class).only_options())
                && let Some(owner) = shape.owner.and_then(|owner| graph.at(owner as usize))
            {
                note(Source::Owner, graph.route(view, role, owner.oid));
            }
        }
        reasons.sort_by_key(|reason| (reason.route.view(), reason.route.steps.len()));
        reasons
    }
}
