//! What one role can do, over objects that are alike.

use super::holding::{self, Subject, Told};
use super::names::Named;
use super::world::{Place, World};
use super::{no_role, ways};
use crate::failure::Failure;
use pgattest_access::{Object, Rights};
use pgattest_model::Missing;
use pgattest_model::facts::{Acl, AclClass, Oid, Privilege};
use pgattest_model::ident::quote_ident;
use pgattest_report::access::{self, Answer, Group};
use std::collections::{BTreeMap, HashMap};

pub(super) fn answer(world: &World<'_>, name: &str) -> Result<(Answer, Vec<Missing>), Failure> {
    let role = world.graph.named(name).ok_or_else(|| no_role(name))?;
    let mut places = Vec::new();
    let mut missing = Vec::new();
    if role.superuser {
        // Everything, also in what nobody listed: there is nothing to find out.
    } else {
        missing = world.visit(|place| {
            let groups = groups(world, place, role.oid);
            if groups.is_empty() {
                return;
            }
            places.push(access::Place {
                database: place.name(),
                blocked: holding::no_connect(world, place, role.oid)
                    .into_iter()
                    .collect(),
                groups,
            });
        });
    }
    let ways = match world.escalation() {
        Ok(escalation) => {
            missing.extend(escalation.not_seen().iter().cloned());
            Some(ways::of(world, &escalation, role.oid))
        }
        Err(why) => {
            missing.push(why);
            None
        }
    };
    let answer = access::Role {
        role: quote_ident(&role.name),
        attributes: holding::attributes(role),
        everything: holding::everything(world, role.oid),
        ways,
        places,
    };
    Ok((Answer::Role(answer), missing))
}

/// Objects that are told of together before anything is computed: same kind, same ACL entries, same obstacles.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Alike<'p> {
    class: AclClass,
    kind: &'static str,
    blocked: Vec<String>,
    entries: Vec<(Oid, Oid, bool, &'p [Privilege])>,
}

fn groups(world: &World<'_>, place: &Place<'_>, role: Oid) -> Vec<Group> {
    let mut groups: Vec<(AclClass, Group)> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for group in place.privileges.groups() {
        let Some(class) = group.class().filter(|class| place.has(*class)) else {
            continue;
        };
        // All objects of the group have the same answer; a column's also depends on its table.
        let nothing = group.objects().next().is_none_or(|first| {
            let rights = place.privileges.rights(world.view, role, first);
            rights.is_none_or(Rights::is_empty)
        });
        if nothing && class != AclClass::Column {
            continue;
        }
        for (alike, objects) in alike(world, place, role, group.objects()) {
            let Some((first, named)) = objects.first() else {
                continue;
            };
            let subject = Subject {
                place,
                object: *first,
                named,
                own_columns: true,
            };
            let Some(mut holding) = subject.holding(world, role, Told::BeyondSuperuser) else {
                continue;
            };
            holding.blocked = alike.blocked;
            let names = objects.iter().map(|(_, named)| named.sql.clone());
            let key = format!("{} {holding:?}", alike.kind);
            if let Some((_, same)) = numbers.get(&key).and_then(|at| groups.get_mut(*at)) {
                same.objects.extend(names);
            } else {
                numbers.insert(key, groups.len());
                groups.push((
                    alike.class,
                    Group {
                        kind: alike.kind,
                        holding,
                        objects: names.collect(),
                    },
                ));
            }
        }
    }
    for (_, group) in &mut groups {
        group.objects.sort();
    }
    groups.sort_by(|(a_class, a), (b_class, b)| {
        let order = |class: &AclClass, group: &Group| {
            let only_public = group
                .holding
                .because
                .iter()
                .all(|because| because.grantee == "PUBLIC" && because.path.is_empty());
            (*class, group.kind, only_public)
        };
        let by_kind = order(a_class, a).cmp(&order(b_class, b));
        by_kind.then_with(|| a.objects.cmp(&b.objects))
    });
    groups.into_iter().map(|(_, group)| group).collect()
}

type Objects<'p> = Vec<(Object<'p>, Named)>;

fn alike<'p>(
    world: &World<'_>,
    place: &'p Place<'_>,
    role: Oid,
    objects: impl Iterator<Item = Object<'p>>,
) -> BTreeMap<Alike<'p>, Objects<'p>> {
    let mut sorted: BTreeMap<Alike<'p>, Objects<'p>> = BTreeMap::new();
    let mut blocked_by_schema: HashMap<Oid, Vec<String>> = HashMap::new();
    for object in objects {
        let rows = place.privileges.rows(object);
        let named = place.names.of(object, rows);
        let subject = Subject {
            place,
            object,
            named: &named,
            own_columns: true,
        };
        let blocked = match named.schema {
            // There are many objects in few schemas.
            Some(schema) => blocked_by_schema
                .entry(schema)
                .or_insert_with(|| subject.blocked(world, role))
                .clone(),
            None => subject.blocked(world, role),
        };
        let entry = |row: &&'p Acl| {
            (
                row.grantee,
                row.grantor,
                row.is_default,
                row.privileges.as_slice(),
            )
        };
        let alike = Alike {
            class: object.class,
            kind: named.kind,
            blocked,
            entries: rows.iter().map(entry).collect(),
        };
        sorted.entry(alike).or_default().push((object, named));
    }
    sorted
}
