//! What gives a role a privilege.

use super::shape::Shape;
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

/// Something that gives a role privileges on one object, with everything it gives.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    /// What gives them.
    pub source: Source<'a>,
    /// How the role comes to what gives them; no steps when they are given to the role itself or to everyone.
    pub route: Route,
    /// What it gives, with the options to grant.
    pub rights: Rights,
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
        self.grounds(view, role, object)
            .into_iter()
            .filter(|ground| has(ground.rights))
            .map(|ground| Because {
                source: ground.source,
                route: ground.route,
                right,
            })
            .collect()
    }

    /// Everything that gives the role something on the object: what [`Self::because`] tells of one privilege, for all of them
    /// at once and in the same order.
    pub fn grounds(&self, view: View, role: Oid, object: Object<'_>) -> Vec<Ground<'a>> {
        if self.rights(view, role, object).is_none_or(Rights::is_empty) {
            return Vec::new();
        }
        let graph = self.graph;
        let mut grounds = Vec::new();
        let is_column = object.class == AclClass::Column;
        let mut note = |source: Source<'a>, rights: Rights, route: &dyn Fn() -> Option<Route>| {
            let rights = if is_column {
                rights.intersection(Shape::column_rights())
            } else {
                rights
            };
            if rights.is_empty() {
                return;
            }
            grounds.extend(route().map(|route| Ground {
                source,
                route,
                rights,
            }));
        };
        note(Source::Superuser, self.all(object.class), &|| {
            graph.route_to_any(view, role, |role, acting| acting && role.superuser)
        });
        let mut places = vec![object];
        if is_column {
            places.push(Object::relation(object.oid));
        }
        for place in places {
            let Some(shape) = self.shape(place) else {
                continue;
            };
            for acl in self.rows(place).iter().copied() {
                let given = shape.allowed(Rights::given(&acl.privileges));
                let grantor = graph
                    .name(acl.grantor)
                    .map_or_else(|| acl.grantor.to_string(), str::to_owned);
                if acl.grantee == PUBLIC {
                    note(Source::Public { acl, grantor }, given, &|| {
                        graph.route(View::InForce, role, role)
                    });
                } else {
                    note(Source::Granted { acl, grantor }, given, &|| {
                        graph.route(view, role, acl.grantee)
                    });
                }
            }
            for (predefined, at) in &self.predefined {
                let gives = shape.allowed(predefined.gives(shape.class));
                if let Some(target) = graph.at(*at) {
                    note(Source::Predefined(*predefined), gives, &|| {
                        graph.route(view, role, target.oid)
                    });
                }
            }
            if let Some(owner) = shape.owner.and_then(|owner| graph.at(owner as usize)) {
                note(
                    Source::Owner,
                    self.class(shape.class).only_options(),
                    &|| graph.route(view, role, owner.oid),
                );
            }
        }
        grounds.sort_by_key(|ground| (ground.route.view(), ground.route.steps.len()));
        grounds
    }
}
