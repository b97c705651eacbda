//! Default privileges: what objects that are made later give.

use pgattest_model::facts::{DatabaseFacts, DefaultAcl, Oid};
use pgattest_model::ident::quote_ident;
use std::collections::BTreeSet;

/// What one creator's future objects of one schema give.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Future {
    /// The creator's name.
    pub(super) creator: String,
    /// The schema's name; `None`: every schema.
    pub(super) schema: Option<String>,
    /// `TABLES`, `SEQUENCES`, `FUNCTIONS`, `TYPES`, `SCHEMAS`, `LARGE OBJECTS`.
    pub(super) class: &'static str,
    /// As GRANT lists them.
    pub(super) rights: Vec<String>,
    /// Whether whoever gets them may hand them on.
    pub(super) grantable: bool,
    /// Who gets them, as SQL.
    pub(super) grantee: String,
}

impl Future {
    /// The statement that gives.
    pub(super) fn give(&self) -> String {
        let option = if self.grantable {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        format!("{} TO {}{option};", self.head("GRANT"), self.grantee)
    }

    /// The statement that takes it back.
    pub(super) fn take(&self) -> String {
        format!("{} FROM {};", self.head("REVOKE"), self.grantee)
    }

    fn head(&self, verb: &str) -> String {
        let schema = self
            .schema
            .as_ref()
            .map(|schema| format!(" IN SCHEMA {}", quote_ident(schema)))
            .unwrap_or_default();
        format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE {}{schema} {verb} {} ON {}",
            quote_ident(&self.creator),
            self.rights.join(", "),
            self.class
        )
    }
}

/// The word of `ALTER DEFAULT PRIVILEGES` for a type of objects.
pub(super) fn class(object_type: &str) -> Option<&'static str> {
    Some(match object_type {
        "r" => "TABLES",
        "S" => "SEQUENCES",
        "f" => "FUNCTIONS",
        "T" => "TYPES",
        "n" => "SCHEMAS",
        "L" => "LARGE OBJECTS",
        _ => return None,
    })
}

/// Those of `wanted` that the creator's future objects of the schema do not give one of the roles.
pub(super) fn missing(
    defaults: &[DefaultAcl],
    creator: Option<Oid>,
    schema: Oid,
    class_wanted: &str,
    roles: &BTreeSet<Oid>,
    wanted: &[&str],
) -> Vec<String> {
    let given: BTreeSet<&str> = defaults
        .iter()
        .filter(|row| {
            Some(row.creator) == creator
                && (row.schema == schema || row.schema == 0)
                && class(&row.object_type) == Some(class_wanted)
                && row.grantee != row.creator
                && roles.contains(&row.grantee)
        })
        .flat_map(|row| row.privileges.iter().map(|given| given.name.as_str()))
        .collect();
    wanted
        .iter()
        .filter(|right| !given.contains(**right))
        .map(|right| (*right).to_owned())
        .collect()
}

/// The name of a schema of the database.
pub(super) fn schema_name(database: &DatabaseFacts, schema: Oid) -> Option<String> {
    let schemas = database.schemas.here().ok()?;
    let schema = schemas.iter().find(|one| one.oid == schema)?;
    Some(schema.name.clone())
}
