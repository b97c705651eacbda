//! Who may touch the rows of a relation, and whether row-level security binds them.

use crate::context::Context;
use pgattest_access::{RoleGraph, RoleSet};
use pgattest_model::Missing;
use pgattest_model::facts::{Acl, AclClass, Database, DatabaseFacts, Oid, PUBLIC, Relation, Role};
use pgattest_model::ident::quote_ident;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Privileges that read or write rows.
pub(super) const ROW_PRIVILEGES: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/// How many names a sentence lists before it says how many more there are.
const LISTED: usize = 5;

/// Direct grants on the rows of one database's relations, on whole relations and on columns alike.
pub struct Grants<'a> {
    by_relation: HashMap<Oid, BTreeMap<Oid, BTreeSet<&'a str>>>,
}

impl<'a> Grants<'a> {
    /// From the privileges of one database.
    pub fn new(acls: &'a [Acl]) -> Self {
        let mut by_relation: HashMap<Oid, BTreeMap<Oid, BTreeSet<&str>>> = HashMap::new();
        for acl in acls
            .iter()
            .filter(|acl| matches!(acl.class, AclClass::Relation | AclClass::Column))
        {
            let on_rows = acl
                .privileges
                .iter()
                .map(|given| given.name.as_str())
                .filter(|name| ROW_PRIVILEGES.contains(name));
            by_relation
                .entry(acl.object)
                .or_default()
                .entry(acl.grantee)
                .or_default()
                .extend(on_rows);
        }
        Self { by_relation }
    }

    /// Each grantee but the owner that holds any of the privileges on the relation, with what it holds. In the order of
    /// object identifiers.
    pub fn of(&self, relation: &Relation) -> impl Iterator<Item = (Oid, &BTreeSet<&'a str>)> {
        let owner = relation.owner;
        self.by_relation
            .get(&relation.oid)
            .into_iter()
            .flatten()
            .filter(move |(grantee, held)| **grantee != owner && !held.is_empty())
            .map(|(grantee, held)| (*grantee, held))
    }
}

/// Roles as row-level security sees them. Answers are kept: many tables share few grantees.
pub struct Bound<'a> {
    graph: &'a RoleGraph,
    databases: &'a [Database],
    logins: RefCell<BTreeMap<Oid, Rc<[&'a Role]>>>,
    paths: RefCell<BTreeMap<(Oid, Oid), Option<String>>>,
    inherited: RefCell<BTreeMap<Oid, RoleSet<'a>>>,
}

impl<'a> Bound<'a> {
    /// An error when roles, memberships or databases are not here.
    pub fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        Ok(Self {
            graph: context.role_graph()?,
            databases: context.facts.databases.here()?.value,
            logins: RefCell::default(),
            paths: RefCell::default(),
            inherited: RefCell::default(),
        })
    }

    /// Who can become or act as whom.
    pub const fn graph(&self) -> &'a RoleGraph {
        self.graph
    }

    /// The owner of a relation; a relation of `pg_database_owner` belongs to whoever owns the database.
    pub fn owner(&self, relation: &Relation, database: &DatabaseFacts) -> Oid {
        if self.graph.name(relation.owner) != Some("pg_database_owner") {
            return relation.owner;
        }
        let owner = self
            .databases
            .iter()
            .find(|row| row.oid == database.oid)
            .map(|row| row.owner);
        owner.unwrap_or(relation.owner)
    }

    /// Login roles that can act as the role and that policies would bind otherwise: no superuser and without BYPASSRLS. The
    /// role itself comes first, then the others by name.
    pub fn logins(&self, role: Oid) -> Rc<[&'a Role]> {
        let mut known = self.logins.borrow_mut();
        let logins = known.entry(role).or_insert_with(|| {
            let itself = self.graph.role(role).filter(|role| role.can_login);
            itself
                .into_iter()
                .chain(self.graph.holders(role))
                .filter(|role| !bypasses(role))
                .collect()
        });
        Rc::clone(logins)
    }

    /// The first of [`Self::logins`].
    pub fn login(&self, role: Oid) -> Option<&'a Role> {
        self.logins(role).first().copied()
    }

    /// How a login role reaches a role, in words.
    pub fn path(&self, login: Oid, role: Oid) -> Option<String> {
        let mut known = self.paths.borrow_mut();
        known
            .entry((login, role))
            .or_insert_with(|| self.graph.path(login, role).map(|path| path.to_string()))
            .clone()
    }

    /// Whether somebody whom policies would bind can use what was granted to this grantee.
    pub fn is_live(&self, grantee: Oid) -> bool {
        grantee == PUBLIC || self.login(grantee).is_some()
    }

    /// Names, as SQL, of those besides the owner who can read or write the relation's rows and whom policies would bind.
    pub fn users(&self, relation: &Relation, grants: &Grants<'_>) -> Vec<String> {
        let mut names: BTreeSet<String> = grants
            .of(relation)
            .filter(|(grantee, _)| self.is_live(*grantee))
            .map(|(grantee, _)| self.name(grantee))
            .collect();
        for everywhere in ["pg_read_all_data", "pg_write_all_data"] {
            if self
                .graph
                .named(everywhere)
                .is_some_and(|role| self.login(role.oid).is_some())
            {
                names.insert(everywhere.to_owned());
            }
        }
        names.into_iter().collect()
    }

    /// Names, as SQL, of those besides the owner who can read the relation's rows and whom policies would bind.
    pub fn readers(&self, relation: &Relation, grants: &Grants<'_>) -> Vec<String> {
        let mut names: BTreeSet<String> = grants
            .of(relation)
            .filter(|(grantee, held)| held.contains("SELECT") && self.is_live(*grantee))
            .map(|(grantee, _)| self.name(grantee))
            .collect();
        if self
            .graph
            .named("pg_read_all_data")
            .is_some_and(|role| self.login(role.oid).is_some())
        {
            names.insert("pg_read_all_data".to_owned());
        }
        names.into_iter().collect()
    }

    /// Whether policies bind a role when it touches this table: it is no superuser, has no BYPASSRLS, and is not exempt as the
    /// table's owner.
    pub fn binds(&self, role: Oid, table: &Relation, database: &DatabaseFacts) -> bool {
        let exempt = self.graph.role(role).is_none_or(bypasses)
            || (!table.force_row_security && self.inherits(role, self.owner(table, database)));
        table.row_security && !exempt
    }

    /// A role's name as SQL.
    pub fn name(&self, role: Oid) -> String {
        if role == PUBLIC {
            return "PUBLIC".to_owned();
        }
        self.graph
            .name(role)
            .map_or_else(|| format!("role {role}"), quote_ident)
    }

    /// Whether a policy's role list takes in this role, as the server decides it: PUBLIC, or a role whose privileges it has.
    /// For PUBLIC as the role only a policy for PUBLIC does.
    pub fn applies(&self, policy_roles: &[Oid], role: Oid) -> bool {
        policy_roles.contains(&PUBLIC)
            || policy_roles
                .iter()
                .any(|wanted| self.inherits(role, *wanted))
    }

    /// Whether the role has the other's privileges without doing anything, as its owner's exemption takes.
    pub fn inherits(&self, role: Oid, other: Oid) -> bool {
        let mut known = self.inherited.borrow_mut();
        known
            .entry(role)
            .or_insert_with(|| self.graph.inherits(role))
            .contains(other)
    }
}

/// Whether no policy can bind the role: SUPERUSER and BYPASSRLS are never inherited.
const fn bypasses(role: &Role) -> bool {
    role.superuser || role.bypass_rls
}

/// `a, b and 3 more`.
pub fn listed(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(LISTED)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
