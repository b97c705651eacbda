//! Who loses what is taken, and has it by no other path.

use super::place::{Place, Target, key};
use super::taking::{Give, Take};
use crate::planning::Planning;
use pgattest_access::{Object, Privileges, Right, View};
use pgattest_model::facts::{Acl, Oid, Privilege};
use pgattest_model::plan::{Impact, ImpactKind};
use pgattest_model::{Collected, ObservationId};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// How many roles are named before the rest is counted.
const NAMED: usize = 20;

/// How many objects one sentence names.
const OBJECTS: usize = 3;

/// The grants on everything that is touched, as they are and as they will be.
pub(crate) struct Rows<'a> {
    before: Vec<&'a Acl>,
    after: Vec<Acl>,
}

impl<'a> Rows<'a> {
    /// With all the takes and gives of one place.
    pub(crate) fn new<'t>(
        place: &Place<'a>,
        takes: impl Iterator<Item = &'t Take<'a>>,
        gives: impl Iterator<Item = &'t Give>,
    ) -> Self
    where
        'a: 't,
    {
        let mut before: Vec<&Acl> = Vec::new();
        let mut seen = HashSet::new();
        let mut taken = HashSet::new();
        for take in takes {
            if seen.insert(key(take.acl)) {
                before.extend(place.beside(take.acl));
            }
            if !take.option_only {
                let names = take.privileges.iter().copied();
                taken.extend(names.map(|name| (grant(take.acl), name)));
            }
        }
        let mut after: Vec<Acl> = before
            .iter()
            .map(|&acl| {
                // A row without privileges stays: it says that the object is there.
                let mut left = acl.clone();
                left.privileges
                    .retain(|given| !taken.contains(&(grant(acl), given.name.as_str())));
                left
            })
            .collect();
        after.extend(gives.map(given));
        Self { before, after }
    }

    /// The answers.
    pub(crate) fn weigh<'r>(&'r self, place: &'r Place<'_>) -> Losers<'r>
    where
        'a: 'r,
    {
        Losers {
            before: Privileges::new(&place.graph, self.before.iter().copied()),
            after: Privileges::new(&place.graph, &self.after),
        }
    }
}

/// One grant among all.
fn grant(acl: &Acl) -> (Object<'_>, Oid, Oid) {
    (Object::of(acl), acl.grantor, acl.grantee)
}

fn given(give: &Give) -> Acl {
    Acl {
        class: give.object.0,
        object: give.object.1,
        column: 0,
        name: String::new(),
        owner: give.owner,
        grantor: give.owner,
        grantee: give.grantee,
        privileges: give
            .privileges
            .iter()
            .map(|name| Privilege {
                name: name.clone(),
                grantable: false,
            })
            .collect(),
        is_default: false,
    }
}

/// Who holds what, before and after.
pub(crate) struct Losers<'r> {
    before: Privileges<'r>,
    after: Privileges<'r>,
}

impl Losers<'_> {
    /// Login roles that hold a privilege now and will not, without `SET ROLE`.
    pub(crate) fn of(&self, acl: &Acl, privilege: &str) -> Vec<Oid> {
        let (Some(right), object) = (Right::named(privilege), Object::of(acl)) else {
            return Vec::new();
        };
        let Some(before) = self.before.holders(View::InForce, object, right) else {
            return Vec::new();
        };
        let after = self.after.holders(View::InForce, object, right);
        before
            .roles()
            .filter(|role| role.can_login && !role.superuser)
            .filter(|role| !after.as_ref().is_some_and(|after| after.contains(role.oid)))
            .map(|role| role.oid)
            .collect()
    }

    /// The impact of these takes: one sentence for each of the first login roles that lose something, those with sessions first.
    pub(crate) fn impact(
        &self,
        planning: &Planning<'_>,
        place: &Place<'_>,
        takes: &[Take<'_>],
    ) -> Vec<Impact> {
        let mut lost: BTreeMap<Oid, BTreeMap<&str, BTreeSet<Target>>> = BTreeMap::new();
        for take in takes.iter().filter(|take| !take.option_only) {
            let Some(target) = place.target(take.acl) else {
                continue;
            };
            for privilege in &take.privileges {
                for role in self.of(take.acl, privilege) {
                    let lost = lost.entry(role).or_default();
                    lost.entry(privilege).or_default().insert(target.clone());
                }
            }
        }
        let live = Live::new(planning, place);
        let mut roles: Vec<(Oid, String)> = lost
            .keys()
            .map(|oid| (*oid, planning.context.role_name(*oid)))
            .collect();
        roles.sort_by(|(a, a_name), (b, b_name)| {
            (live.count(*b).min(1), a_name).cmp(&(live.count(*a).min(1), b_name))
        });
        let observations = live.observations(place);
        let mut impact: Vec<Impact> = roles
            .iter()
            .take(NAMED)
            .filter_map(|(oid, name)| {
                let what = sentence(lost.get(oid)?);
                Some(Impact {
                    kind: ImpactKind::RightLost,
                    subject: name.clone(),
                    detail: format!(
                        "role {name} loses {what}; {}; the catalogs do not say when it was last used",
                        live.words(*oid)
                    ),
                    observations: observations.clone(),
                })
            })
            .collect();
        let more = roles.len().saturating_sub(NAMED);
        if more > 0 {
            impact.push(Impact {
                kind: ImpactKind::RightLost,
                subject: format!("{more} more login roles"),
                detail: "they lose the same or part of it; the catalogs do not say when it was last used".to_owned(),
                observations,
            });
        }
        impact
    }
}

/// `SELECT on table shop.orders, TRUNCATE on 4 tables`.
fn sentence(lost: &BTreeMap<&str, BTreeSet<Target>>) -> String {
    let mut by_objects: BTreeMap<&BTreeSet<Target>, Vec<&str>> = BTreeMap::new();
    for (privilege, objects) in lost {
        by_objects.entry(objects).or_default().push(privilege);
    }
    let parts: Vec<String> = by_objects
        .iter()
        .map(|(objects, privileges)| {
            let names: Vec<String> = objects
                .iter()
                .take(OBJECTS)
                .map(|target| format!("{} {}", target.keyword.to_lowercase(), target.name))
                .collect();
            let more = match objects.len().saturating_sub(OBJECTS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("{} on {}{more}", privileges.join(", "), names.join(", "))
        })
        .collect();
    parts.join("; ")
}

/// Who is connected now.
struct Live<'a> {
    sessions: Option<(BTreeMap<Oid, usize>, &'a ObservationId)>,
    place: &'static str,
}

impl<'a> Live<'a> {
    fn new(planning: &Planning<'a>, place: &Place<'_>) -> Self {
        let place_words = if place.database.is_some() {
            "here"
        } else {
            "in the cluster"
        };
        let Collected::Here { value, from } = &planning.context.facts.sessions else {
            return Self {
                sessions: None,
                place: place_words,
            };
        };
        let mut count: BTreeMap<Oid, usize> = BTreeMap::new();
        let here = |database: Oid| place.database.is_none_or(|place| place.oid == database);
        for session in value
            .iter()
            .filter(|session| session.role != 0 && here(session.database))
        {
            *count.entry(session.role).or_default() += 1;
        }
        Self {
            sessions: Some((count, from)),
            place: place_words,
        }
    }

    fn count(&self, role: Oid) -> usize {
        self.sessions
            .as_ref()
            .and_then(|(count, _)| count.get(&role).copied())
            .unwrap_or_default()
    }

    fn words(&self, role: Oid) -> String {
        match (&self.sessions, self.count(role)) {
            (None, _) => "whether it is connected could not be read".to_owned(),
            (_, 0) => format!("it has no session {} now", self.place),
            (_, 1) => format!("it has 1 session {} now", self.place),
            (_, count) => format!("it has {count} sessions {} now", self.place),
        }
    }

    fn observations(&self, place: &Place<'_>) -> Vec<ObservationId> {
        let mut all = vec![place.from.clone()];
        all.extend(self.sessions.iter().map(|(_, from)| (*from).clone()));
        all
    }
}
