//! Application schemas that everyone may look into.

use super::public::{Given, to_public};
use super::words::count;
use crate::check::{Check, declare_check};
use crate::context::{Context, InDatabase};
use pgattest_model::facts::{Acl, AclClass, Oid, Schema};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Seen, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::{BTreeMap, HashMap};

declare_check! {
    /// ## What it checks
    /// No application schema gives USAGE to PUBLIC. It is medium where PUBLIC has privileges on something in the schema besides:
    /// a table, view or sequence, or a function (everyone may execute a new function unless that was revoked). It is low where
    /// USAGE is all there is.
    ///
    /// Not application schemas, and not judged: `public`, which gives USAGE to PUBLIC by default, where the grants on its objects
    /// decide (GRN-02 and GRN-04 judge it); the server's own schemas; schemas that belong to an extension, or hold objects of
    /// extensions only; and those that `access.public_schemas` in `pgattest.toml` names.
    ///
    /// ## Why it matters
    /// USAGE on the schema is the outer door. While it is open to every role there will ever be, one careless grant on a table, or
    /// one new function with its default privileges, is enough for everybody to use it.
    ///
    /// ## How to fix it
    /// Grant USAGE to the roles that work in the schema, then `REVOKE USAGE ON SCHEMA shop FROM PUBLIC;`. A schema that is meant
    /// for everybody belongs into `access.public_schemas`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.9, Schemas: Schemas and Privileges (numbers of version 15)
    pub PublicSchemas {
        id: "GRN-03",
        name: "public-schemas",
        title: "No application schema is open to everyone",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for PublicSchemas {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, mut not_seen) = context.in_databases(|database| &database.schemas)?;
        let mut findings = Vec::new();
        let mut count = 0;
        for database in databases {
            match database.database.acls.here() {
                Ok(acls) => {
                    let contents = Contents::of(&database, acls);
                    not_seen.extend(contents.not_seen.iter().cloned());
                    for schema in database.rows.iter().filter(|row| contents.is_judged(row)) {
                        count += 1;
                        findings.extend(finding(context, &database, acls, schema, &contents));
                    }
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database holds an application schema besides `public`".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "application schemas",
            },
            findings,
            not_seen,
        })
    }
}

/// What the schemas of one database hold, and what PUBLIC may do there.
struct Contents<'a> {
    schemas: BTreeMap<Oid, Given<'a>>,
    /// Objects of extensions, and others.
    held: HashMap<Oid, (usize, usize)>,
    /// Tables, views and sequences, and functions, on which PUBLIC has a privilege.
    open: HashMap<Oid, (usize, usize)>,
    /// Without these, what a schema holds is not known.
    not_seen: Vec<Missing>,
}

impl<'a> Contents<'a> {
    fn of(database: &InDatabase<'a, Vec<Schema>>, acls: Seen<'a, Vec<Acl>>) -> Self {
        let relations = to_public(acls.value, &[AclClass::Relation, AclClass::Column]);
        let functions = to_public(acls.value, &[AclClass::Function]);
        let mut contents = Self {
            schemas: to_public(acls.value, &[AclClass::Schema]),
            held: HashMap::new(),
            open: HashMap::new(),
            not_seen: Vec::new(),
        };
        match database.database.relations.here() {
            Ok(rows) => {
                for row in rows.iter() {
                    contents.hold(row.schema, row.extension);
                    let open = row.extension == 0 && relations.contains_key(&row.oid);
                    contents.open.entry(row.schema).or_default().0 += usize::from(open);
                }
            }
            Err(missing) => contents.not_seen.push(missing),
        }
        match database.database.functions.here() {
            Ok(rows) => {
                for row in rows.iter() {
                    contents.hold(row.schema, row.extension);
                    let open = row.extension == 0 && functions.contains_key(&row.oid);
                    contents.open.entry(row.schema).or_default().1 += usize::from(open);
                }
            }
            Err(missing) => contents.not_seen.push(missing),
        }
        contents
    }

    fn hold(&mut self, schema: Oid, extension: Oid) {
        let held = self.held.entry(schema).or_default();
        if extension == 0 {
            held.1 += 1;
        } else {
            held.0 += 1;
        }
    }

    fn is_judged(&self, schema: &Schema) -> bool {
        let of_extensions_only = self
            .held
            .get(&schema.oid)
            .is_some_and(|(extensions, others)| *extensions > 0 && *others == 0);
        !schema.is_system && schema.extension == 0 && schema.name != "public" && !of_extensions_only
    }
}

fn finding(
    context: &Context<'_>,
    database: &InDatabase<'_, Vec<Schema>>,
    acls: Seen<'_, Vec<Acl>>,
    schema: &Schema,
    contents: &Contents<'_>,
) -> Option<Finding> {
    let given = contents
        .schemas
        .get(&schema.oid)
        .filter(|given| given.privileges.contains("USAGE"))?;
    let meant = &context.policy.access.public_schemas;
    let full_name = format!("{}.{}", database.database.name, schema.name);
    if meant.contains(&schema.name) || meant.contains(&full_name) {
        return None;
    }
    let name = quote_ident(&schema.name);
    let (relations, functions) = contents.open.get(&schema.oid).copied().unwrap_or_default();
    let (cause, severity) = if relations + functions > 0 {
        (
            "everyone may look into a schema and use something in it",
            Severity::Medium,
        )
    } else {
        ("everyone may look into a schema", Severity::Low)
    };
    let what = match (relations, functions) {
        (0, 0) => String::new(),
        (relations, 0) => format!(" and privileges on {} in it", count(relations, "relation")),
        (0, functions) => format!(" and may execute {} in it", count(functions, "function")),
        (relations, functions) => format!(
            ", privileges on {} and EXECUTE on {} in it",
            count(relations, "relation"),
            count(functions, "function")
        ),
    };
    let mut observations = vec![database.rows.from.clone(), acls.from.clone()];
    observations.extend(
        database
            .database
            .relations
            .here()
            .ok()
            .map(|rows| rows.from.clone()),
    );
    observations.extend(
        database
            .database
            .functions
            .here()
            .ok()
            .map(|rows| rows.from.clone()),
    );
    Some(Finding {
        cause: cause.to_owned(),
        detail: format!("PUBLIC has USAGE on schema {name}{what}"),
        severity,
        observations,
        remediation: given.revoke(context, "USAGE", &format!("SCHEMA {name}"), schema.owner),
        subject: Subject::in_database(SubjectKind::Schema, &database.database.name, name),
    })
}
