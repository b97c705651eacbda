//! Who can use what a role was given.

use super::words::few;
use crate::context::Context;
use crate::roles::{MANAGED, reach};
use pgattest_access::RoleGraph;
use pgattest_model::facts::{Oid, PUBLIC, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, ObservationId};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// The implicit role whose only member is the owner of the current database (14 and later).
const DATABASE_OWNER: &str = "pg_database_owner";

/// From a role that was given something to the login roles that can use it. Each grantee is looked up once.
pub(crate) struct Holders<'a> {
    graph: &'a RoleGraph,
    trusted: BTreeSet<Oid>,
    known: RefCell<HashMap<Oid, Rc<Users>>>,
    /// What it was read from.
    pub(crate) observations: Vec<ObservationId>,
    /// Memberships that lead nowhere.
    pub(crate) not_seen: Vec<Missing>,
}

/// The login roles that can use what one role was given, without those that are trusted with it.
#[derive(Debug)]
pub(crate) struct Users {
    /// Names of those that have it without doing anything; the role itself among them when it can log in.
    pub(crate) at_once: Vec<String>,
    /// Names of those that have to `SET ROLE` first.
    pub(crate) after_set_role: Vec<String>,
    /// All of them.
    pub(crate) logins: Vec<Oid>,
    /// What there is to say about it.
    pub(crate) standing: Standing,
}

/// Somebody who was given something, as a finding names them.
pub(crate) struct Grantee {
    /// Name as SQL.
    pub(crate) name: String,
    /// `role app`, `PUBLIC`: the beginning of a sentence.
    pub(crate) who: String,
    /// The end of the sentence: who uses it.
    pub(crate) words: String,
    /// PUBLIC.
    pub(crate) is_everyone: bool,
    /// No login role can use it today.
    pub(crate) is_idle: bool,
}

/// Whether somebody can use it who should not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// The role, or every login role that can use it, is trusted with it.
    Trusted,
    /// No login role can use it today.
    Idle,
    /// Some login role can that is not trusted with it, or it is not known who can.
    Used,
}

impl<'a> Holders<'a> {
    /// `trusted`: the lists of the policy that name who may have it. Superusers, and the roles that providers give their
    /// customers instead of SUPERUSER, always may.
    pub(crate) fn new(
        context: &'a Context<'_>,
        trusted: &[&Option<BTreeSet<String>>],
    ) -> Result<Self, Missing> {
        let graph = context.role_graph()?;
        let lists: Vec<&BTreeSet<String>> = trusted
            .iter()
            .copied()
            .chain([&context.policy.access.superusers])
            .flatten()
            .collect();
        let is_trusted = |role: &&Role| {
            role.superuser
                || MANAGED.contains(&role.name.as_str())
                || lists.iter().any(|list| list.contains(&role.name))
        };
        Ok(Self {
            graph,
            trusted: graph
                .roles()
                .filter(is_trusted)
                .map(|role| role.oid)
                .collect(),
            known: RefCell::default(),
            observations: reach::observations(context)?,
            not_seen: reach::not_seen(graph),
        })
    }

    /// Whether the role is trusted with it.
    pub(crate) fn trusts(&self, role: Oid) -> bool {
        self.trusted.contains(&role)
    }

    /// The role itself, or the owner of the database where it is `pg_database_owner`.
    pub(crate) fn person(&self, role: Oid, database_owner: Oid) -> Oid {
        if self.graph.name(role) == Some(DATABASE_OWNER) {
            database_owner
        } else {
            role
        }
    }

    /// Who can use what the role was given, in a database with this owner.
    pub(crate) fn within(&self, role: Oid, database_owner: Oid) -> Rc<Users> {
        self.of(self.person(role, database_owner))
    }

    /// Who can use what the role was given.
    pub(crate) fn of(&self, role: Oid) -> Rc<Users> {
        if let Some(known) = self.known.borrow().get(&role) {
            return Rc::clone(known);
        }
        let users = Rc::new(self.find(role));
        self.known.borrow_mut().insert(role, Rc::clone(&users));
        users
    }

    /// Whether one role can act as another, so that what the second may do is nothing new to it.
    pub(crate) fn acts_as(&self, role: Oid, other: Oid) -> bool {
        role == other || self.graph.reaches(role).contains(other)
    }

    /// A grantee for a finding; `None` when it, or everybody who can use what it was given, is trusted with it.
    pub(crate) fn grantee(&self, oid: Oid) -> Option<Grantee> {
        if oid == PUBLIC {
            return Some(Grantee {
                name: "PUBLIC".to_owned(),
                who: "PUBLIC".to_owned(),
                words: String::new(),
                is_everyone: true,
                is_idle: false,
            });
        }
        let users = self.of(oid);
        let name = self
            .graph
            .name(oid)
            .map_or_else(|| format!("role {oid}"), quote_ident);
        (users.standing != Standing::Trusted).then(|| Grantee {
            who: format!("role {name}"),
            words: users.words(&name),
            is_everyone: false,
            is_idle: users.standing == Standing::Idle,
            name,
        })
    }

    fn find(&self, oid: Oid) -> Users {
        let nobody = |standing| Users {
            at_once: Vec::new(),
            after_set_role: Vec::new(),
            logins: Vec::new(),
            standing,
        };
        let Some(role) = self.graph.role(oid) else {
            return nobody(Standing::Used);
        };
        if self.trusts(oid) {
            return nobody(Standing::Trusted);
        }
        let heirs = self.graph.heirs(oid);
        let inherit: BTreeSet<Oid> = heirs.iter().map(|heir| heir.oid).collect();
        let holders = self.graph.holders(oid);
        let is_reached = role.can_login || !holders.is_empty();
        let untrusted: Vec<&Role> = role
            .can_login
            .then_some(role)
            .into_iter()
            .chain(holders)
            .filter(|holder| !self.trusts(holder.oid))
            .collect();
        let logins = untrusted.iter().map(|holder| holder.oid).collect();
        let standing = match (is_reached, untrusted.is_empty()) {
            (false, _) => Standing::Idle,
            (true, true) => Standing::Trusted,
            (true, false) => Standing::Used,
        };
        let name = |role: &&Role| quote_ident(&role.name);
        let (at_once, after): (Vec<&Role>, Vec<&Role>) = untrusted
            .into_iter()
            .partition(|holder| holder.oid == oid || inherit.contains(&holder.oid));
        Users {
            at_once: at_once.iter().map(name).collect(),
            after_set_role: after.iter().map(name).collect(),
            logins,
            standing,
        }
    }
}

impl Users {
    /// For the end of a sentence about what `role` (its name as SQL) was given: `, used by app and worker`; empty where only
    /// the role itself uses it.
    pub(crate) fn words(&self, role: &str) -> String {
        let only_itself =
            self.at_once.len() == 1 && self.at_once.first().is_some_and(|name| name == role);
        match (
            self.standing,
            self.at_once.as_slice(),
            self.after_set_role.as_slice(),
        ) {
            (Standing::Trusted, ..) => String::new(),
            (Standing::Idle, ..) => ", though no login role can use it now".to_owned(),
            (Standing::Used, [], []) => ", and it is not known who can use it".to_owned(),
            (Standing::Used, _, []) if only_itself => String::new(),
            (Standing::Used, [], after) => format!(", used by {} with SET ROLE", few(after)),
            (Standing::Used, at_once, []) => format!(", used by {}", few(at_once)),
            (Standing::Used, at_once, after) => {
                format!(
                    ", used by {}, and by {} with SET ROLE",
                    few(at_once),
                    few(after)
                )
            }
        }
    }
}
