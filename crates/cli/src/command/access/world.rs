//! The cluster as the engines see it: one database after the other, and what they share.

use super::names::Names;
use pgattest_access::escalation::Escalation;
use pgattest_access::{Privileges, Right, RoleGraph, View};
use pgattest_model::Missing;
use pgattest_model::facts::{Acl, AclClass, Database, Facts, Oid};
use pgattest_model::ident::{quote_ident, visible};

/// What every question starts from.
pub(super) struct World<'a> {
    pub(super) facts: &'a Facts,
    /// Without the databases' implicit memberships.
    pub(super) graph: RoleGraph,
    pub(super) view: View,
    /// The only privilege to tell of.
    pub(super) only: Option<Right>,
    shared: Vec<&'a Acl>,
    databases: &'a [Database],
    missing: Vec<Missing>,
}

/// One database, or what the databases share.
pub(super) struct Place<'p> {
    /// `None` for what is shared.
    pub(super) database: Option<&'p Database>,
    /// On the objects of the database and on the shared ones.
    pub(super) privileges: &'p Privileges<'p>,
    pub(super) names: &'p Names<'p>,
}

impl<'a> World<'a> {
    /// Fails when roles, memberships, databases or the version were not seen.
    pub(super) fn new(facts: &'a Facts, view: View, only: Option<Right>) -> Result<Self, Missing> {
        let graph = RoleGraph::new(
            facts.roles.here()?.value,
            facts.memberships.here()?.value,
            facts.version()?,
        );
        let mut missing = Vec::new();
        let shared = match facts.shared_acls.here() {
            Ok(acls) => acls.value.iter().collect(),
            Err(why) => {
                missing.push(why);
                Vec::new()
            }
        };
        if !graph.unknown().is_empty() {
            missing.push(Missing::because(format!(
                "memberships name roles that are not among the roles read (oid {})",
                oids(graph.unknown())
            )));
        }
        Ok(Self {
            facts,
            graph,
            view,
            only,
            shared,
            databases: facts.databases.here()?.value,
            missing,
        })
    }

    /// Goes to what is shared, then to each database that was seen. What was not is returned.
    pub(super) fn visit(&self, mut go: impl FnMut(&Place<'_>)) -> Vec<Missing> {
        let mut missing = self.missing.clone();
        let shared = Privileges::new(&self.graph, self.shared.iter().copied());
        missing.extend(unknown(&shared, "databases, tablespaces and parameters"));
        go(&Place {
            database: None,
            privileges: &shared,
            names: &Names::shared(self.facts),
        });
        for inside in &self.facts.inside {
            let Some(database) = self.databases.iter().find(|row| row.oid == inside.oid) else {
                continue;
            };
            let acls = match inside.acls.here() {
                Ok(acls) => acls.value,
                Err(why) => {
                    missing.push(why);
                    continue;
                }
            };
            let graph = self.graph.within_database(database.owner);
            let all = acls.iter().chain(self.shared.iter().copied());
            let privileges = Privileges::new(&graph, all);
            let (names, unnamed) = Names::inside(inside);
            missing.extend(unnamed);
            let place = format!("objects in {}", visible(&quote_ident(&database.name)));
            missing.extend(unknown(&privileges, &place));
            go(&Place {
                database: Some(database),
                privileges: &privileges,
                names: &names,
            });
        }
        missing
    }

    /// The ways up, or why they could not be looked at.
    pub(super) fn escalation(&self) -> Result<Escalation, Missing> {
        Escalation::new(self.facts)
    }
}

impl Place<'_> {
    /// Whether objects of this kind are this place's own.
    pub(super) const fn has(&self, class: AclClass) -> bool {
        let shared = matches!(
            class,
            AclClass::Database | AclClass::Tablespace | AclClass::Parameter
        );
        shared == self.database.is_none()
    }

    /// The database as SQL has it.
    pub(super) fn name(&self) -> Option<String> {
        self.database.map(|database| quote_ident(&database.name))
    }
}

fn unknown(privileges: &Privileges<'_>, place: &str) -> Option<Missing> {
    let only_here: std::collections::BTreeSet<Oid> = privileges.unknown().clone();
    (!only_here.is_empty()).then(|| {
        Missing::because(format!(
            "privileges or owners of {place} name roles that are not among the roles read (oid {})",
            oids(&only_here)
        ))
    })
}

fn oids(all: &std::collections::BTreeSet<Oid>) -> String {
    all.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
