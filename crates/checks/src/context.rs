//! What a check may look at.

use crate::hba::Engine;
use crate::tenancy::Tenancy;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{Database, DatabaseFacts, HbaRule, Oid, PUBLIC, Role, Setting};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Collected, Facts, Missing, ObservationId, Policy, Seen, ServerVersion};
use std::cell::OnceCell;
use std::collections::HashMap;

/// Facts and policy, with what several checks derive from them.
pub struct Context<'a> {
    /// What was collected.
    pub facts: &'a Facts,
    /// What is intended.
    pub policy: &'a Policy,
    roles: OnceCell<HashMap<Oid, &'a Role>>,
    graph: OnceCell<Result<RoleGraph, Missing>>,
    tenancy: OnceCell<Tenancy>,
    hba: OnceCell<Result<Engine, Missing>>,
}

/// A fact group of one database that is here.
pub struct InDatabase<'a, T> {
    /// The database.
    pub database: &'a DatabaseFacts,
    /// The facts and the observation that shows them.
    pub rows: Seen<'a, T>,
}

impl<'a> Context<'a> {
    /// Facts to judge by a policy.
    pub const fn new(facts: &'a Facts, policy: &'a Policy) -> Self {
        Self {
            facts,
            policy,
            roles: OnceCell::new(),
            graph: OnceCell::new(),
            tenancy: OnceCell::new(),
            hba: OnceCell::new(),
        }
    }

    /// The server's version.
    pub fn version(&self) -> Result<ServerVersion, Missing> {
        self.facts.version()
    }

    /// Who can become or act as whom.
    pub fn role_graph(&self) -> Result<&RoleGraph, Missing> {
        self.graph
            .get_or_init(|| {
                let roles = self.facts.roles.here()?;
                let memberships = self.facts.memberships.here()?;
                Ok(RoleGraph::new(
                    roles.value,
                    memberships.value,
                    self.version()?,
                ))
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    /// How tenants are told apart, declared or inferred.
    pub fn tenancy(&self) -> &Tenancy {
        self.tenancy
            .get_or_init(|| Tenancy::infer(self.facts, self.policy))
    }

    /// `pg_hba.conf` with what every rule of it is reached by.
    pub fn hba(&self) -> Result<&Engine, Missing> {
        self.hba
            .get_or_init(|| Engine::from_facts(self))
            .as_ref()
            .map_err(Clone::clone)
    }

    /// The same facts, as if `pg_hba.conf` held these rules and the server offered TLS or not: what a change of it would come to.
    /// An error when not even the rules in force can be judged.
    pub fn with_rules(&self, rows: &[HbaRule], tls: bool) -> Result<Self, Missing> {
        let engine = Engine::as_if(self, rows, tls)?;
        let other = Self::new(self.facts, self.policy);
        // A new cell is empty.
        let _ = other.hba.set(Ok(engine));
        Ok(other)
    }

    /// A setting that must exist on this server, with the observation of all settings.
    pub fn setting(&self, name: &str) -> Result<(&'a Setting, &'a ObservationId), Missing> {
        let settings = self.facts.settings.here()?;
        let setting = settings
            .value
            .require(name)
            .map_err(|missing| missing.seen_in(settings.from.clone()))?;
        Ok((setting, settings.from))
    }

    /// One fact group in every database that accepts connections: those that are here, and why the others are not.
    ///
    /// An error when the list of databases itself is missing: then nothing can be said about any of them.
    pub fn in_databases<T>(
        &self,
        group: impl Fn(&'a DatabaseFacts) -> &'a Collected<T>,
    ) -> Result<(Vec<InDatabase<'a, T>>, Vec<Missing>), Missing> {
        self.facts.databases.here()?;
        let mut here = Vec::new();
        let mut missing = Vec::new();
        for database in &self.facts.inside {
            match group(database).here() {
                Ok(rows) => here.push(InDatabase { database, rows }),
                Err(why) => missing.push(why),
            }
        }
        Ok((here, missing))
    }

    /// The databases that accept connections.
    pub fn connectable(&self) -> Result<Vec<&'a Database>, Missing> {
        Ok(self
            .facts
            .databases
            .here()?
            .value
            .iter()
            .filter(|database| database.allows_connections)
            .collect())
    }

    /// Whether the function is exactly one that the SQL of `pgattest grants` makes: a SECURITY DEFINER function of a superuser that
    /// returns what a superuser's audit would record. Not so for one that was changed, in its text or in who may use it: that is
    /// nobody's but its author's, and is judged like any other.
    pub fn is_own_wrapper(&self, database: &DatabaseFacts, function: Oid) -> bool {
        match &database.wrappers {
            Collected::Here { value, .. } => value
                .iter()
                .any(|wrapper| wrapper.function == function && wrapper.fault.is_none()),
            Collected::Missing(_) => false,
        }
    }

    /// A role's name as SQL: `PUBLIC`, the quoted name, or its number when the catalog no longer knows it.
    pub fn role_name(&self, oid: Oid) -> String {
        if oid == PUBLIC {
            return "PUBLIC".to_owned();
        }
        self.role(oid)
            .map_or_else(|| format!("role {oid}"), |role| quote_ident(&role.name))
    }

    /// A role, when roles were read and it is among them.
    pub fn role(&self, oid: Oid) -> Option<&'a Role> {
        let roles = self.roles.get_or_init(|| match &self.facts.roles {
            Collected::Here { value, .. } => value.iter().map(|role| (role.oid, role)).collect(),
            Collected::Missing(_) => HashMap::new(),
        });
        roles.get(&oid).copied()
    }
}
