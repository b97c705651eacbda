//! Who can do what on one object.

use super::holding::{self, Subject, Told};
use super::names::Named;
use super::no_role;
use super::wanted::Wanted;
use super::world::{Place, World};
use crate::failure::{Failure, fail};
use pgattest_access::{Object, Right};
use pgattest_model::facts::{AclClass, Role};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{Collected, Missing};
use pgattest_report::access::{self, Answer, Holder, Holding};
use std::collections::BTreeSet;

/// The first version in which privileges are granted on parameters.
const PARAMETERS: u32 = 15;

pub(super) fn answer(
    world: &World<'_>,
    wanted: &Wanted,
    role: Option<&str>,
) -> Result<(Answer, Vec<Missing>), Failure> {
    let only = role
        .map(|name| world.graph.named(name).ok_or_else(|| no_role(name)))
        .transpose()?;
    let mut exact = false;
    world.visit(|place| {
        exact |= candidates(place, wanted)
            .iter()
            .any(|(object, named)| wanted.is(object.class, named));
    });
    let mut objects = Vec::new();
    let missing = world.visit(|place| {
        for (object, named) in candidates(place, wanted) {
            let found = if exact {
                wanted.is(object.class, &named)
            } else {
                wanted.ends(object.class, &named)
            };
            if !found {
                continue;
            }
            let ask = Ask { world, place, only };
            objects.extend(ask.about(object, &named, false));
            if object.class == AclClass::Relation {
                for (column, named) in columns(place, object) {
                    objects.extend(ask.about(column, &named, true));
                }
            }
        }
    });
    if objects.is_empty() {
        objects.extend(parameter(world, wanted, only));
    }
    if objects.is_empty() {
        return Err(not_found(wanted, &missing));
    }
    Ok((Answer::Object { objects }, missing))
}

/// Objects of the place that may be meant, with their names.
fn candidates<'p>(place: &'p Place<'_>, wanted: &Wanted) -> Vec<(Object<'p>, Named)> {
    let named = |object: Object<'p>| {
        let rows = place.privileges.rows(object);
        (object, place.names.of(object, rows))
    };
    if wanted.class == Some(AclClass::Column) && place.database.is_some() {
        // Also those on which nobody granted: their table's privileges are theirs.
        let listed = place
            .privileges
            .objects()
            .filter(|object| object.class == AclClass::Column);
        let all: BTreeSet<Object<'p>> = listed.chain(place.names.all_columns()).collect();
        return all.into_iter().map(named).collect();
    }
    place
        .privileges
        .objects()
        .filter(|object| place.has(object.class))
        .filter(|object| wanted.class.is_none_or(|class| class == object.class))
        .map(named)
        .collect()
}

/// Columns of a relation on which somebody granted.
fn columns<'p>(place: &'p Place<'_>, relation: Object<'_>) -> Vec<(Object<'p>, Named)> {
    place
        .privileges
        .objects()
        .filter(|object| object.class == AclClass::Column && object.oid == relation.oid)
        .map(|object| {
            let rows = place.privileges.rows(object);
            (object, place.names.of(object, rows))
        })
        .collect()
}

/// A parameter that nobody granted: superusers set it.
fn parameter(world: &World<'_>, wanted: &Wanted, only: Option<&Role>) -> Option<access::Object> {
    let name = wanted.parameter()?;
    let Collected::Here { value, .. } = &world.facts.settings else {
        return None;
    };
    value.require(&name).ok()?;
    if world.graph.version().major() < PARAMETERS {
        return None;
    }
    let mut found = None;
    world.visit(|place| {
        if place.database.is_none() {
            let object = Object::parameter(&name);
            let named = place.names.of(object, &[]);
            found = Ask { world, place, only }.about(object, &named, false);
        }
    });
    found
}

struct Ask<'s> {
    world: &'s World<'s>,
    place: &'s Place<'s>,
    /// The only role to tell of.
    only: Option<&'s Role>,
}

impl Ask<'_> {
    fn about(
        &self,
        object: Object<'_>,
        named: &Named,
        own_columns: bool,
    ) -> Option<access::Object> {
        let Self { world, place, .. } = *self;
        let subject = Subject {
            place,
            object,
            named,
            own_columns,
        };
        if subject.mask(world).is_empty() {
            return None;
        }
        let graph = place.privileges.graph();
        let asked = |role: &&Role| self.only.is_none_or(|only| only.oid == role.oid);
        let mut holders: Vec<Holder> = graph
            .roles()
            .filter(asked)
            .filter(|role| !role.superuser)
            .filter_map(|role| {
                let mut holding = subject.holding(world, role.oid, Told::BeyondPublic)?;
                holding.blocked = subject.blocked(world, role.oid);
                holding
                    .blocked
                    .extend(holding::no_connect(world, place, role.oid));
                Some(Holder {
                    role: quote_ident(&role.name),
                    login: role.can_login,
                    holding,
                })
            })
            .collect();
        holders.sort_by_key(|holder| !holder.login);
        let rows = place.privileges.rows(object);
        let of_table = place.privileges.rows(Object::relation(object.oid));
        let owner = rows.first().or_else(|| match object.class {
            AclClass::Column => of_table.first(),
            _ => None,
        });
        Some(access::Object {
            database: place.name(),
            kind: named.kind,
            name: named.sql.clone(),
            owner: owner.and_then(|row| graph.name(row.owner)).map(quote_ident),
            public: subject
                .of_public(world)
                .map(|holding| self.narrowed(&subject, holding)),
            holders,
            superusers: graph
                .roles()
                .filter(asked)
                .filter(|role| role.superuser)
                .map(|role| quote_ident(&role.name))
                .collect(),
        })
    }

    /// What everybody holds is worth something to who comes so far.
    fn narrowed(&self, subject: &Subject<'_>, mut holding: Holding) -> Holding {
        let privileges = self.place.privileges;
        let lacks = |object: Object<'_>, right: Right| {
            let public = privileges.of_public(object);
            public.is_some_and(|public| !public.contains(right))
        };
        holding.blocked.extend(subject.untrusted());
        if let Some(schema) = subject.named.schema
            && lacks(Object::new(AclClass::Schema, schema), Right::Usage)
        {
            holding.blocked.push(format!(
                "only for roles with USAGE on schema {}, which PUBLIC does not have",
                visible(&self.place.names.schema(schema))
            ));
        }
        if let Some(database) = self.place.database
            && lacks(
                Object::new(AclClass::Database, database.oid),
                Right::Connect,
            )
        {
            holding.blocked.push(format!(
                "only for roles with CONNECT on database {}, which PUBLIC does not have",
                visible(&quote_ident(&database.name))
            ));
        }
        holding
    }
}

fn not_found(wanted: &Wanted, missing: &[Missing]) -> Failure {
    let unseen = missing.first().map_or_else(String::new, |first| {
        format!("; not everything was seen: {}", first.why)
    });
    fail(format!(
        "no object `{}` was found that has the privilege{unseen}",
        wanted.text
    ))
    .hint(
        "write it as SQL does, with its kind where that helps: public.orders, 'schema app', 'function app.total'. The server's \
         own objects are known where their privileges are not as initdb left them",
    )
}
