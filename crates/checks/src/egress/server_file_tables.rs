//! Foreign tables that read files of the server's machine or run programs there.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_model::facts::{
    Acl, AclClass, DatabaseFacts, Oid, OptionClass, OptionMark, PUBLIC, Relation, RelationKind,
};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeSet, HashMap};

declare_check! {
    /// ## What it checks
    /// No foreign table stands on a file or a program of the server's machine (options `filename` and `program` of `file_fdw`, and
    /// those of like name of other wrappers). The path stays in the server. Each finding says who can read the table. A program is of
    /// high severity: whoever reads the table runs it as the server's account. A file is of high severity when PUBLIC may read the
    /// table, of medium when some login role other than a superuser may, of low when only its owner, who cannot log in, and
    /// superusers may.
    ///
    /// Not seen: readers of views over the table, which read with the rights of the view's owner, and readers with a role such as
    /// `pg_read_all_data`. A function can read files too; GRN-16 looks at those.
    ///
    /// ## Why it matters
    /// `SELECT * FROM passwords` reads `/etc/passwd` as the server's account, and so could it read the server's own key or
    /// `pg_hba.conf`. No privilege of the file system stands between the reader and the file, and no record outside the database
    /// tells of it.
    ///
    /// ## How to fix it
    /// Load the file with `COPY` and `DROP FOREIGN TABLE`; or, where it must stay, `REVOKE SELECT` from everybody but one role.
    ///
    /// ## References
    /// - PostgreSQL documentation, appendix F.16, `file_fdw` (numbers of version 15)
    pub ServerFileTables {
        id: "EGR-04",
        name: "server-file-tables",
        title: "No foreign table reads a file or runs a program on the server's machine",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_8],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ServerFileTables {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let mut observations = vec![
            context.facts.databases.here()?.from.clone(),
            context.facts.roles.here()?.from.clone(),
        ];
        observations.push(context.facts.memberships.here()?.from.clone());
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        let mut count = 0;
        for database in &context.facts.inside {
            match in_database(context, graph, database, &observations) {
                Ok((tables, found)) => {
                    count += tables;
                    findings.extend(found);
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no database has a foreign table".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "foreign tables",
            },
            findings,
            not_seen,
        })
    }
}

fn in_database(
    context: &Context<'_>,
    graph: &RoleGraph,
    database: &DatabaseFacts,
    shared: &[ObservationId],
) -> Result<(usize, Vec<Finding>), Missing> {
    let options = database.option_marks.here()?;
    let relations = database.relations.here()?;
    let acls = database.acls.here()?;
    let tables: HashMap<Oid, &Relation> = relations
        .value
        .iter()
        .filter(|relation| relation.kind == RelationKind::Foreign)
        .map(|relation| (relation.oid, relation))
        .collect();
    let mut readers: HashMap<Oid, BTreeSet<Oid>> = HashMap::new();
    for acl in acls.iter().filter(|acl| reads(acl)) {
        if tables.contains_key(&acl.object) {
            readers.entry(acl.object).or_default().insert(acl.grantee);
        }
    }
    let mut observations = shared.to_vec();
    observations.extend([
        options.from.clone(),
        relations.from.clone(),
        acls.from.clone(),
    ]);
    let none = BTreeSet::new();
    let on_files = options
        .iter()
        .filter(|row| row.class == OptionClass::ForeignTable)
        .filter_map(|row| {
            let what = if row.has(OptionMark::Program) {
                OptionMark::Program
            } else if row.has(OptionMark::File) {
                OptionMark::File
            } else {
                return None;
            };
            let table = tables.get(&row.object)?;
            let readers = readers.get(&row.object).unwrap_or(&none);
            Some(finding(
                database,
                table,
                what,
                &Readers::of(context, graph, table, readers),
                &observations,
            ))
        });
    Ok((tables.len(), on_files.collect()))
}

fn reads(acl: &Acl) -> bool {
    matches!(acl.class, AclClass::Relation | AclClass::Column) && acl.has("SELECT")
}

/// Who can read a table, apart from superusers.
enum Readers {
    Everyone,
    /// Login roles, the owner among them when it is one.
    Logins(Vec<String>),
    Nobody,
}

impl Readers {
    fn of(
        context: &Context<'_>,
        graph: &RoleGraph,
        table: &Relation,
        grantees: &BTreeSet<Oid>,
    ) -> Self {
        if grantees.contains(&PUBLIC) {
            return Self::Everyone;
        }
        let mut logins = BTreeSet::new();
        for grantee in grantees.iter().chain([&table.owner]) {
            let itself = context.role(*grantee).filter(|role| role.can_login);
            logins.extend(
                graph
                    .holders(*grantee)
                    .into_iter()
                    .chain(itself)
                    .filter(|role| !role.superuser)
                    .map(|role| context.role_name(role.oid)),
            );
        }
        if logins.is_empty() {
            Self::Nobody
        } else {
            Self::Logins(logins.into_iter().collect())
        }
    }

    fn words(&self) -> String {
        match self {
            Self::Everyone => "every role that reaches its schema may read it".to_owned(),
            Self::Logins(logins) => match logins.as_slice() {
                [one] => format!("login role {one} may read it"),
                [first, ..] => format!("{} login roles may read it, such as {first}", logins.len()),
                [] => String::new(),
            },
            Self::Nobody => "only superusers may read it".to_owned(),
        }
    }
}

fn finding(
    database: &DatabaseFacts,
    table: &Relation,
    what: OptionMark,
    readers: &Readers,
    observations: &[ObservationId],
) -> Finding {
    let name = table.sql_name();
    let (cause, does, severity) = match (what, readers) {
        (OptionMark::Program, _) => (
            "a foreign table runs a program on the server's machine",
            "runs a program",
            Severity::High,
        ),
        (_, readers) => (
            "a foreign table reads a file of the server's machine",
            "reads a file",
            match readers {
                Readers::Everyone => Severity::High,
                Readers::Logins(_) => Severity::Medium,
                Readers::Nobody => Severity::Low,
            },
        ),
    };
    Finding {
        subject: Subject::in_database(SubjectKind::Relation, &database.name, name.clone()),
        cause: cause.to_owned(),
        detail: format!(
            "foreign table {name} {does} on the server's machine; {}",
            readers.words()
        ),
        severity,
        observations: observations.to_vec(),
        remediation: format!("DROP FOREIGN TABLE {name};"),
    }
}
