//! What a role keeps when it is no superuser any more: what it owns, and what it was granted.

use super::people::{counted, listed};
use crate::planning::Planning;
use pgattest_model::facts::{DatabaseFacts, Oid, RelationKind};
use pgattest_model::ident::quote_ident;
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// What one role owns and was granted.
#[derive(Debug, Default)]
pub(super) struct Property {
    /// `2 relations in shop`.
    owned: Vec<String>,
    /// Objects that it, or a role that it inherits, was granted something on.
    granted: usize,
    /// Views and functions that run with its rights: `view public.totals in shop`.
    pub(super) run_as: Vec<String>,
    /// Databases that could not be looked into.
    pub(super) not_seen: Vec<Missing>,
    /// What it was read from.
    pub(super) observations: BTreeSet<ObservationId>,
}

impl Property {
    /// Looks through every database.
    pub(super) fn of(planning: &Planning<'_>, role: Oid) -> Result<Self, Missing> {
        let context = &planning.context;
        let databases = context.facts.databases.here()?;
        let mut property = Self::default();
        let inherited: BTreeSet<Oid> = context.role_graph()?.inherits(role).oids().collect();
        let own: Vec<String> = databases
            .iter()
            .filter(|database| database.owner == role)
            .map(|database| format!("database {}", quote_ident(&database.name)))
            .collect();
        if !own.is_empty() {
            property.owned.push(listed(&own));
        }
        property.observations.insert(databases.from.clone());
        for database in &context.facts.inside {
            if let Err(missing) = property.add(database, role, &inherited) {
                property.not_seen.push(missing);
            }
        }
        Ok(property)
    }

    /// `what it owns (2 relations in shop) and what was granted on 3 objects to it or to roles that it inherits`.
    pub(super) fn kept(&self) -> String {
        let owned = if self.owned.is_empty() {
            "what PUBLIC may do (it owns nothing that was seen)".to_owned()
        } else {
            format!(
                "what PUBLIC may do, what it owns ({})",
                self.owned.join("; ")
            )
        };
        match self.granted {
            0 => format!("{owned}; nothing was granted to it"),
            count => format!(
                "{owned} and what was granted on {} to it or to roles that it inherits",
                counted(count, "object")
            ),
        }
    }

    fn add(
        &mut self,
        database: &DatabaseFacts,
        role: Oid,
        inherited: &BTreeSet<Oid>,
    ) -> Result<(), Missing> {
        let relations = database.relations.here()?;
        let schemas = database.schemas.here()?;
        let functions = database.functions.here()?;
        let acls = database.acls.here()?;
        let place = quote_ident(&database.name);
        let counts = [
            (
                relations.iter().filter(|row| row.owner == role).count(),
                "relation",
            ),
            (
                schemas.iter().filter(|row| row.owner == role).count(),
                "schema",
            ),
            (
                functions.iter().filter(|row| row.owner == role).count(),
                "function",
            ),
        ];
        let counts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, noun)| counted(*count, noun))
            .collect();
        if !counts.is_empty() {
            self.owned
                .push(format!("{} in database {place}", counts.join(", ")));
        }
        let objects: BTreeSet<_> = acls
            .iter()
            .filter(|acl| inherited.contains(&acl.grantee) && acl.owner != acl.grantee)
            .map(|acl| (acl.class, acl.object))
            .collect();
        self.granted += objects.len();
        let is_view = |kind| matches!(kind, RelationKind::View);
        self.run_as.extend(
            relations
                .iter()
                .filter(|row| {
                    row.owner == role && is_view(row.kind) && !row.option_is_on("security_invoker")
                })
                .map(|row| format!("view {} in database {place}", row.sql_name())),
        );
        self.run_as.extend(
            functions
                .iter()
                .filter(|row| row.owner == role && row.security_definer)
                .map(|row| format!("function {} in database {place}", row.sql_name())),
        );
        self.observations.extend([
            relations.from.clone(),
            schemas.from.clone(),
            functions.from.clone(),
            acls.from.clone(),
        ]);
        Ok(())
    }
}
