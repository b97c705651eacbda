//! Whom it affects that policies bind a table.

use pgattest_checks::rls::{Bound, Grants, listed};
use pgattest_model::facts::{
    DatabaseFacts, Function, Oid, Relation, RelationKind, Role, ViewDependency,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::plan::{Impact, ImpactKind};
use pgattest_model::{Facts, Missing, ObservationId, Seen};
use std::collections::{BTreeMap, BTreeSet};

/// Those who use the tables of one database.
pub(super) struct Audience<'a, 'b> {
    facts: &'a Facts,
    pub(super) bound: &'a Bound<'b>,
    database: &'a DatabaseFacts,
    relations: Seen<'a, Vec<Relation>>,
    dependencies: Option<Seen<'a, Vec<ViewDependency>>>,
    functions: Option<Seen<'a, Vec<Function>>>,
    pub(super) grants: Grants<'a>,
    acls: &'a ObservationId,
}

impl<'a, 'b> Audience<'a, 'b> {
    pub(super) fn join(
        facts: &'a Facts,
        bound: &'a Bound<'b>,
        database: &'a DatabaseFacts,
    ) -> Result<Self, Missing> {
        let acls = database.acls.here()?;
        Ok(Self {
            facts,
            bound,
            database,
            relations: database.relations.here()?,
            dependencies: database.view_dependencies.here().ok(),
            functions: database.functions.here().ok(),
            grants: Grants::new(acls.value),
            acls: acls.from,
        })
    }

    /// Whether somebody whom policies bind acts as the table's owner.
    pub(super) fn owner_is_reached(&self, table: &Relation) -> bool {
        let owner = self.bound.owner(table, self.database);
        self.bound.login(owner).is_some()
    }

    /// Who sees fewer rows when policies begin to bind: those who were given privileges (`users`), and the owner. `until` completes
    /// "sees only ..".
    pub(super) fn of(&self, table: &Relation, users: bool, rows: &str) -> Vec<Impact> {
        let name = table.sql_name();
        let mut impact = Vec::new();
        if users {
            impact.extend(
                self.bound
                    .users(table, &self.grants)
                    .into_iter()
                    .map(|user| {
                        self.impact(
                            ImpactKind::RowsHidden,
                            user.clone(),
                            format!("{user} reads and writes {rows} of {name}"),
                        )
                    }),
            );
        }
        let owner = self.bound.owner(table, self.database);
        let owner_name = self.bound.name(owner);
        impact.extend(self.bound.logins(owner).iter().map(|login| {
            let login = quote_ident(&login.name);
            let who = if login == owner_name {
                format!("{login}, the owner of {name},")
            } else {
                format!("{login}, who acts as {owner_name}, the owner of {name},")
            };
            self.impact(
                ImpactKind::OwnerFiltered,
                login,
                format!("{who} reads and writes {rows} of it"),
            )
        }));
        impact.extend(self.views(table, users, rows));
        impact.extend(self.definers(table));
        impact.extend(self.sessions(table, users, rows));
        impact
    }

    /// Views that read the table as an owner whom policies did not bind and then do.
    fn views(&self, table: &Relation, users: bool, rows: &str) -> Vec<Impact> {
        let Some(dependencies) = self.dependencies else {
            return Vec::new();
        };
        let reading: BTreeSet<Oid> = dependencies
            .iter()
            .filter(|row| row.reads == table.oid)
            .map(|row| row.view)
            .collect();
        let table_owner = self.bound.owner(table, self.database);
        self.relations
            .iter()
            .filter(|relation| {
                relation.kind == RelationKind::View
                    && reading.contains(&relation.oid)
                    && !relation.option_is_on("security_invoker")
            })
            .filter(|view| {
                let owner = self.bound.owner(view, self.database);
                self.can_be_bound(owner) && (users || self.bound.inherits(owner, table_owner))
            })
            .map(|view| {
                let view_name = view.sql_name();
                let owner = self.bound.name(self.bound.owner(view, self.database));
                let mut impact = self.impact(
                    ImpactKind::RowsHidden,
                    view_name.clone(),
                    format!(
                        "view {view_name}, which reads as its owner {owner}, shows {rows} of {}",
                        table.sql_name()
                    ),
                );
                impact.observations.push(dependencies.from.clone());
                impact
            })
            .collect()
    }

    /// Functions that run as the table's owner.
    fn definers(&self, table: &Relation) -> Option<Impact> {
        let functions = self.functions?;
        let table_owner = self.bound.owner(table, self.database);
        let names: Vec<String> = functions
            .iter()
            .filter(|function| function.security_definer && function.extension == 0)
            .filter(|function| {
                self.can_be_bound(function.owner)
                    && self.bound.inherits(function.owner, table_owner)
            })
            .map(Function::sql_name)
            .collect();
        let owner = self.bound.name(table_owner);
        (!names.is_empty()).then(|| Impact {
            kind: ImpactKind::Unknown,
            subject: owner.clone(),
            detail: format!(
                "{} run with the privileges of {owner}, and the catalogs do not say whether they read {}",
                listed(&names),
                table.sql_name()
            ),
            observations: vec![functions.from.clone()],
        })
    }

    /// Live sessions of roles that use the table.
    fn sessions(&self, table: &Relation, users: bool, rows: &str) -> Vec<Impact> {
        let Ok(sessions) = self.facts.sessions.here() else {
            return vec![Impact {
                kind: ImpactKind::Unknown,
                subject: table.sql_name(),
                detail: format!(
                    "live sessions could not be read: whether one uses {} now is not known",
                    table.sql_name()
                ),
                observations: Vec::new(),
            }];
        };
        let mut affected: BTreeSet<Oid> = BTreeSet::new();
        let owner = self.bound.owner(table, self.database);
        let grantees = self.grants.of(table).map(|(grantee, _)| grantee);
        let mut for_all = false;
        for holder in grantees.filter(|_| users).chain([owner]) {
            for_all |= holder == pgattest_model::facts::PUBLIC;
            affected.extend(self.bound.logins(holder).iter().map(|login| login.oid));
        }
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        for session in sessions.iter().filter(|session| {
            session.is_client()
                && !session.own
                && session.database == self.database.oid
                && self.can_be_bound(session.role)
                && (for_all || affected.contains(&session.role))
        }) {
            let address = if session.unix_socket {
                "local"
            } else if session.client_address.is_empty() {
                "unknown"
            } else {
                &session.client_address
            };
            let who = format!("{}@{address}", self.bound.name(session.role));
            *counted.entry(who).or_default() += 1;
        }
        counted
            .into_iter()
            .map(|(who, count)| Impact {
                kind: ImpactKind::RowsHidden,
                detail: format!(
                    "{count} live {} of {who} would see {rows} of {}",
                    if count == 1 { "session" } else { "sessions" },
                    table.sql_name()
                ),
                subject: who,
                observations: vec![sessions.from.clone(), self.acls.clone()],
            })
            .collect()
    }

    /// Whether policies can bind the role at all.
    pub(super) fn can_be_bound(&self, role: Oid) -> bool {
        let role: Option<&Role> = self.bound.graph().role(role);
        role.is_some_and(|role| !role.superuser && !role.bypass_rls)
    }

    fn impact(&self, kind: ImpactKind, subject: String, detail: String) -> Impact {
        Impact {
            kind,
            subject,
            detail,
            observations: vec![self.relations.from.clone(), self.acls.clone()],
        }
    }
}
