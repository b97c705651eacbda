//! Login roles that change the structure of a database while they work with its data.

use super::holders::{Holders, Standing, Users};
use super::words::{count, few, statements};
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{AclClass, Database, Oid, PUBLIC, Schema};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

declare_check! {
    /// ## What it checks
    /// No login role that is not meant to change the structure of databases has CREATE on a schema or a database, as its owner, by a
    /// grant, or through a group. `access.schema_owners` in `pgattest.toml` names the login roles that are meant to: those that run
    /// migrations. There is one finding for each role that owns or was granted something, and database.
    ///
    /// Where nobody declared them, a login role that has to `SET ROLE` before it can create anything is taken for one of them, and every
    /// other login role that may create is found. Superusers are not judged, nor what PUBLIC may do (GRN-02 for schemas, GRN-07
    /// for databases). It is low where the only schema is the role's own, named like it, and high for `pg_catalog`.
    ///
    /// ## Why it matters
    /// Who takes over the application's session, by SQL injection for instance, has its login role. One that owns the schema drops
    /// tables, takes row-level security off them, and puts functions where other people's names are looked up; and the change did not
    /// go through a review.
    ///
    /// ## How to fix it
    /// Let a role that cannot log in own the schema, let a login role for migrations `SET ROLE` to it, and give the application
    /// SELECT, INSERT, UPDATE and DELETE on the tables: `ALTER SCHEMA shop OWNER TO shop_owner;`,
    /// `REVOKE CREATE ON SCHEMA shop FROM shop_api;`. Or name the role in `access.schema_owners`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges; chapter 5.9, Schemas (numbers of version 15)
    pub SchemaCreators {
        id: "GRN-13",
        name: "schema-creators",
        title: "Only roles for migrations may create objects",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1, Criterion::Cc8_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SchemaCreators {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let declared = &context.policy.access.schema_owners;
        let holders = Holders::new(context, &[declared])?;
        let shared = context.facts.shared_acls.here()?;
        let by_oid: HashMap<Oid, &Database> = context
            .facts
            .databases
            .here()?
            .value
            .iter()
            .map(|row| (row.oid, row))
            .collect();
        let mut on_databases: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
        for acl in shared.iter().filter(|acl| {
            acl.class == AclClass::Database && acl.grantee != PUBLIC && acl.has("CREATE")
        }) {
            on_databases
                .entry(acl.object)
                .or_default()
                .insert(acl.grantee);
        }

        let (databases, mut not_seen) = context.in_databases(|database| &database.schemas)?;
        not_seen.extend(holders.not_seen.iter().cloned());
        let mut findings = Vec::new();
        let mut count = 0;
        for database in &databases {
            let (acls, row) = match (
                database.database.acls.here(),
                by_oid.get(&database.database.oid),
            ) {
                (Ok(acls), Some(row)) => (acls, *row),
                (Err(missing), _) => {
                    not_seen.push(missing);
                    continue;
                }
                (_, None) => continue,
            };
            let schemas: BTreeMap<Oid, &Schema> = database
                .rows
                .value
                .iter()
                .map(|schema| (schema.oid, schema))
                .collect();
            count += 1 + schemas.len();
            let mut rights: BTreeMap<Oid, Rights<'_>> = BTreeMap::new();
            for schema in schemas.values() {
                rights
                    .entry(holders.person(schema.owner, row.owner))
                    .or_default()
                    .owns
                    .insert(schema.oid, schema);
            }
            for acl in acls.iter().filter(|acl| {
                acl.class == AclClass::Schema && acl.grantee != PUBLIC && acl.has("CREATE")
            }) {
                let Some(schema) = schemas.get(&acl.object) else {
                    continue;
                };
                if schema.owner != acl.grantee {
                    let person = holders.person(acl.grantee, row.owner);
                    let rights = rights.entry(person).or_default();
                    rights.granted.insert(schema.oid, schema);
                }
            }
            for grantee in on_databases.get(&row.oid).into_iter().flatten() {
                rights.entry(*grantee).or_default().in_database = true;
            }
            let from = [
                database.rows.from.clone(),
                acls.from.clone(),
                shared.from.clone(),
            ];
            findings.extend(rights.iter().filter_map(|(role, rights)| {
                let users = holders.of(*role);
                let is_harmless = match users.standing {
                    Standing::Trusted | Standing::Idle => true,
                    // Nobody said who runs the migrations: whoever has to become somebody else to do it.
                    Standing::Used => {
                        declared.is_none()
                            && users.at_once.is_empty()
                            && !users.after_set_role.is_empty()
                    }
                };
                (!is_harmless)
                    .then(|| rights.finding(context, database, row, *role, &users, &from, &holders))
            }));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "schemas and databases",
            },
            findings,
            not_seen,
        })
    }
}

/// What one role may create in one database.
#[derive(Default)]
struct Rights<'a> {
    owns: BTreeMap<Oid, &'a Schema>,
    granted: BTreeMap<Oid, &'a Schema>,
    in_database: bool,
}

impl Rights<'_> {
    #[allow(clippy::too_many_arguments, reason = "all of it is printed")]
    fn finding(
        &self,
        context: &Context<'_>,
        database: &InDatabase<'_, Vec<Schema>>,
        row: &Database,
        role: Oid,
        users: &Users,
        from: &[ObservationId],
        holders: &Holders<'_>,
    ) -> Finding {
        let name = context.role_name(role);
        let (cause, severity) = self.weight(context.role(role).map(|role| role.name.as_str()));
        let schemas: Vec<String> = self
            .owns
            .values()
            .chain(self.granted.values())
            .map(|schema| quote_ident(&schema.name))
            .collect();
        let what = match (schemas.is_empty(), self.in_database) {
            (true, _) => "schemas in the database".to_owned(),
            (false, true) => format!(
                "schemas in the database and objects in {} ({})",
                count(schemas.len(), "schema"),
                few(&schemas)
            ),
            (false, false) => {
                format!(
                    "objects in {} ({})",
                    count(schemas.len(), "schema"),
                    few(&schemas)
                )
            }
        };
        let mut observations = from.to_vec();
        observations.extend(holders.observations.iter().cloned());
        Finding {
            cause: cause.to_owned(),
            detail: format!("role {name} may create {what}{}", users.words(&name)),
            severity,
            observations,
            remediation: self.remediation(&name, row, role),
            subject: Subject::in_database(SubjectKind::Role, &database.database.name, name),
        }
    }

    fn weight(&self, role: Option<&str>) -> (&'static str, Severity) {
        let mut schemas = self.owns.values().chain(self.granted.values());
        if schemas.clone().any(|schema| schema.is_system) {
            return (
                "a login role may create objects in the server's own schemas",
                Severity::High,
            );
        }
        if !self.in_database && schemas.all(|schema| Some(schema.name.as_str()) == role) {
            return (
                "a login role may create objects in a schema of its own",
                Severity::Low,
            );
        }
        ("a login role may create objects", Severity::Medium)
    }

    fn remediation(&self, role: &str, database: &Database, oid: Oid) -> String {
        let mut all: Vec<String> = Vec::new();
        for schema in self.granted.values() {
            let schema = quote_ident(&schema.name);
            all.push(format!("REVOKE CREATE ON SCHEMA {schema} FROM {role};"));
        }
        let name = quote_ident(&database.name);
        if self.in_database && database.owner != oid {
            all.push(format!("REVOKE CREATE ON DATABASE {name} FROM {role};"));
        }
        if all.is_empty() {
            return format!(
                "Give what {role} owns to a role that cannot log in, or name those who run migrations in access.schema_owners"
            );
        }
        statements(&all)
    }
}
