//! Default privileges give everyone nothing.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::kinds::grants::public::in_database;
use crate::planning::{Planning, Problem};
use pgattest_checks::grants::default_to_public::{objects, target};
use pgattest_model::Missing;
use pgattest_model::facts::{DatabaseFacts, DefaultAcl, Oid, PUBLIC};
use pgattest_model::ident::visible;
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// `ALTER DEFAULT PRIVILEGES .. REVOKE .. FROM PUBLIC`.
#[derive(Clone, Copy, Debug)]
pub struct DefaultPrivileges;

impl Kind for DefaultPrivileges {
    fn name(&self) -> &'static str {
        "default-privileges"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["GRN-05"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = Vec::new();
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "GRN-05", database);
            if problems.is_empty() {
                continue;
            }
            let rows = database.default_acls.here()?;
            let mut entries: BTreeMap<(Oid, Oid, &str), BTreeSet<&str>> = BTreeMap::new();
            for row in rows
                .iter()
                .filter(|row: &&DefaultAcl| row.grantee == PUBLIC)
            {
                entries
                    .entry((row.creator, row.schema, row.object_type.as_str()))
                    .or_default()
                    .extend(row.privileges.iter().map(|given| given.name.as_str()));
            }
            for ((creator, schema, object_type), privileges) in entries {
                let whose = target(&planning.context, database, creator, schema);
                let objects = objects(object_type);
                if let Some(problems) = problems.get(&format!("{whose} ON {objects}")) {
                    let known = planning.context.role(creator).is_some()
                        && (schema == 0 || knows(database, schema))
                        && objects != "OBJECTS";
                    if known {
                        let privileges: Vec<&str> = privileges.into_iter().collect();
                        drafts.push(
                            draft(
                                planning,
                                database,
                                &whose,
                                objects,
                                &privileges.join(", "),
                                creator,
                            )
                            .closing(problems.iter().map(Problem::closes)),
                        );
                    }
                }
            }
        }
        Ok(drafts)
    }
}

fn knows(database: &DatabaseFacts, schema: Oid) -> bool {
    database
        .schemas
        .here()
        .is_ok_and(|schemas| schemas.iter().any(|row| row.oid == schema))
}

fn draft(
    planning: &Planning<'_>,
    database: &DatabaseFacts,
    whose: &str,
    objects: &str,
    privileges: &str,
    creator: Oid,
) -> Draft {
    let role = planning.context.role_name(creator);
    Draft::sql(
        format!(
            "give PUBLIC nothing on future {}: {}",
            objects.to_lowercase(),
            visible(whose)
        ),
        Stage::Revokes,
        Some(&database.name),
        vec![format!(
            "ALTER DEFAULT PRIVILEGES {whose} REVOKE {privileges} ON {objects} FROM PUBLIC;"
        )],
        vec![format!(
            "ALTER DEFAULT PRIVILEGES {whose} GRANT {privileges} ON {objects} TO PUBLIC;"
        )],
    )
    .affecting([Impact {
        kind: ImpactKind::Unknown,
        detail: format!(
            "{} that role {role} creates from now on give PUBLIC no {privileges}; those that exist stay as they are, and whoever should use new ones has to be granted it",
            objects.to_lowercase()
        ),
        subject: role,
        observations: database
            .default_acls
            .here()
            .map(|rows| vec![rows.from.clone()])
            .unwrap_or_default(),
    }])
}
