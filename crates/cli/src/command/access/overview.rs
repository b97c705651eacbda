//! The cluster in numbers: who can log in, on how much each holds something, and who has a way up.

use super::holding::{self, possible};
use super::ways;
use super::world::{Place, World};
use pgattest_access::{Object, Rights};
use pgattest_model::Missing;
use pgattest_model::facts::{AclClass, Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_report::access::{Answer, Count, Login, Overview};
use std::collections::BTreeMap;

type Counts = BTreeMap<(AclClass, &'static str), Count>;

pub(super) fn answer(world: &World<'_>) -> (Answer, Vec<Missing>) {
    let logins: Vec<(&Role, Option<String>)> = world
        .graph
        .logins()
        .map(|role| (role, holding::everything(world, role.oid)))
        .collect();
    let mut public = Counts::new();
    let mut beyond: BTreeMap<Oid, Counts> = BTreeMap::new();
    let mut missing = world.visit(|place| {
        for lot in lots(place) {
            let open = lot.public(world, place);
            lot.count(&mut public, open);
            let bounded = logins.iter().filter(|(_, all)| all.is_none());
            for (role, _) in bounded {
                let rights = lot.rights(world, place, role.oid);
                let more = rights.without(open);
                lot.count(beyond.entry(role.oid).or_default(), more);
            }
        }
    });
    let escalation = match world.escalation() {
        Ok(escalation) => {
            missing.extend(escalation.not_seen().iter().cloned());
            Some(escalation)
        }
        Err(why) => {
            missing.push(why);
            None
        }
    };
    let logins = logins
        .into_iter()
        .map(|(role, everything)| {
            let ways = escalation
                .as_ref()
                .map(|escalation| ways::of(world, escalation, role.oid));
            Login {
                role: quote_ident(&role.name),
                attributes: holding::attributes(role),
                everything,
                beyond_public: beyond.remove(&role.oid).map(list).unwrap_or_default(),
                ways: ways.as_ref().map(Vec::len),
                worst: ways.and_then(|ways| ways.into_iter().next()),
            }
        })
        .collect();
    let overview = Overview {
        public: list(public),
        logins,
    };
    (Answer::Overview(overview), missing)
}

/// Objects of one kind for which one of them speaks.
struct Lot<'p> {
    first: Object<'p>,
    kind: &'static str,
    objects: usize,
}

fn lots<'p>(place: &'p Place<'_>) -> Vec<Lot<'p>> {
    let mut lots: Vec<Lot<'p>> = Vec::new();
    for group in place.privileges.groups() {
        if !group.class().is_some_and(|class| place.has(class)) {
            continue;
        }
        let mut kinds: BTreeMap<&'static str, Lot<'p>> = BTreeMap::new();
        for object in group.objects() {
            let kind = place.names.of(object, place.privileges.rows(object)).kind;
            let lot = || Lot {
                first: object,
                kind,
                objects: 0,
            };
            if object.class == AclClass::Column {
                // What a column's table gives is not the same for all of them.
                lots.push(Lot {
                    objects: 1,
                    ..lot()
                });
            } else {
                kinds.entry(kind).or_insert_with(lot).objects += 1;
            }
        }
        lots.extend(kinds.into_values());
    }
    lots
}

impl Lot<'_> {
    fn public(&self, world: &World<'_>, place: &Place<'_>) -> Rights {
        let all = place.privileges.of_public(self.first);
        let whole = self
            .table()
            .and_then(|table| place.privileges.of_public(table));
        self.own(world, all, whole)
    }

    fn rights(&self, world: &World<'_>, place: &Place<'_>, role: Oid) -> Rights {
        let privileges = place.privileges;
        let all = privileges.rights(world.view, role, self.first);
        let whole = self
            .table()
            .and_then(|table| privileges.rights(world.view, role, table));
        self.own(world, all, whole)
    }

    fn own(&self, world: &World<'_>, all: Option<Rights>, of_table: Option<Rights>) -> Rights {
        all.unwrap_or(Rights::NONE)
            .intersection(possible(self.first.class, self.kind, world))
            .without(of_table.unwrap_or(Rights::NONE))
    }

    fn table(&self) -> Option<Object<'static>> {
        (self.first.class == AclClass::Column).then(|| Object::relation(self.first.oid))
    }

    fn count(&self, counts: &mut Counts, rights: Rights) {
        let each = rights.iter().count();
        if each == 0 {
            return;
        }
        let key = (self.first.class, self.kind);
        let count = counts.entry(key).or_insert(Count {
            kind: self.kind,
            objects: 0,
            rights: 0,
        });
        count.objects += self.objects;
        count.rights += self.objects * each;
    }
}

fn list(counts: Counts) -> Vec<Count> {
    counts.into_values().collect()
}
