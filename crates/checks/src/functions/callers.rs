//! Who can make a function run.

use crate::context::InDatabase;
use pgattest_model::ObservationId;
use pgattest_model::facts::{Acl, AclClass, Function, Oid, PUBLIC, Role};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Who can make a function run, apart from its owner and superusers.
pub(super) enum Who {
    /// PUBLIC has EXECUTE.
    Everyone,
    /// So many roles have EXECUTE.
    Roles(usize),
    /// Nobody has EXECUTE, but a trigger runs it.
    Triggers,
    /// Privileges or triggers could not be read.
    Unknown,
    /// Only the owner and superusers can.
    Nobody,
}

impl Who {
    /// For the end of a sentence.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Everyone => "PUBLIC may execute it".to_owned(),
            Self::Roles(1) => "1 other role may execute it".to_owned(),
            Self::Roles(count) => format!("{count} other roles may execute it"),
            Self::Triggers => "a trigger runs it for whoever changes the table".to_owned(),
            Self::Unknown => "who may execute it could not be read".to_owned(),
            Self::Nobody => "only its owner and superusers may execute it".to_owned(),
        }
    }
}

/// Grants and triggers on the functions in question. `None`: not read, so anybody may.
pub(super) struct Callers<'a> {
    grantees: Option<HashMap<Oid, BTreeSet<Oid>>>,
    fired: Option<HashSet<Oid>>,
    roles: &'a HashMap<Oid, &'a Role>,
    /// What it was read from.
    pub(super) observations: Vec<ObservationId>,
}

impl<'a> Callers<'a> {
    /// For the functions in question, once for a database.
    pub(super) fn new(
        database: &InDatabase<'_, Vec<Function>>,
        functions: &[&Function],
        roles: &'a HashMap<Oid, &'a Role>,
    ) -> Self {
        let wanted: HashSet<Oid> = functions.iter().map(|function| function.oid).collect();
        let mut observations = Vec::new();
        let grantees = database.database.acls.here().ok().map(|acls| {
            observations.push(acls.from.clone());
            grantees(acls.value, &wanted)
        });
        let (triggers, events) = (
            database.database.triggers.here(),
            database.database.event_triggers.here(),
        );
        let fired = triggers.ok().zip(events.ok()).map(|(triggers, events)| {
            observations.extend([triggers.from.clone(), events.from.clone()]);
            // A disabled trigger is one ALTER TABLE of the table's owner away.
            let of_tables = triggers.iter().map(|trigger| trigger.function);
            of_tables
                .chain(events.iter().map(|trigger| trigger.function))
                .filter(|oid| wanted.contains(oid))
                .collect()
        });
        Self {
            grantees,
            fired,
            roles,
            observations,
        }
    }

    /// Who can make this one run.
    pub(super) fn of(&self, function: &Function) -> Who {
        let Some(grantees) = &self.grantees else {
            return Who::Unknown;
        };
        let grantees = grantees.get(&function.oid);
        if grantees.is_some_and(|grantees| grantees.contains(&PUBLIC)) {
            return Who::Everyone;
        }
        let others = grantees.map_or(0, |grantees| {
            grantees
                .iter()
                .filter(|oid| self.is_other(**oid, function.owner))
                .count()
        });
        match &self.fired {
            _ if others > 0 => Who::Roles(others),
            Some(fired) if fired.contains(&function.oid) => Who::Triggers,
            Some(_) => Who::Nobody,
            None => Who::Unknown,
        }
    }

    fn is_other(&self, grantee: Oid, owner: Oid) -> bool {
        grantee != owner && !self.roles.get(&grantee).is_some_and(|role| role.superuser)
    }
}

fn grantees(acls: &[Acl], wanted: &HashSet<Oid>) -> HashMap<Oid, BTreeSet<Oid>> {
    let mut grantees: HashMap<Oid, BTreeSet<Oid>> = HashMap::new();
    let execute = acls.iter().filter(|acl| {
        acl.class == AclClass::Function && wanted.contains(&acl.object) && acl.has("EXECUTE")
    });
    for acl in execute {
        grantees.entry(acl.object).or_default().insert(acl.grantee);
    }
    grantees
}
