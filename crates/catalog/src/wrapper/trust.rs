//! Whether a function that stands where a wrapper should is the one that pgattest prints.
//!
//! The body's digest alone would not do: the same text returns something else with other columns, with another `search_path`,
//! or with the rights of an owner who sees less. Whoever may put functions into the schema, or owns it, could exchange a wrapper
//! between the question and the answer.

use super::{SCHEMA, SEARCH_PATH, WRAPPERS, Wrapper};
use crate::groups::{Group, Scope};
use crate::render::render;
use crate::rows::rows;
use pgattest_model::facts::{Oid, OwnSession, PUBLIC};
use pgattest_model::{Observation, ServerVersion};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::Error};

/// One row of the group `wrappers`.
#[derive(Clone, Debug, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is one column")]
pub(crate) struct Row {
    pub(crate) oid: Oid,
    pub(crate) name: String,
    arguments: u16,
    kind: String,
    language: String,
    #[serde(deserialize_with = "flag")]
    owner_is_superuser: bool,
    #[serde(deserialize_with = "flag")]
    security_definer: bool,
    #[serde(deserialize_with = "json")]
    settings: Vec<(String, String)>,
    #[serde(deserialize_with = "json")]
    columns: Vec<(String, String, String)>,
    body_sha256: String,
    #[serde(deserialize_with = "flag")]
    may_execute: bool,
    #[serde(deserialize_with = "json")]
    executable_by: Vec<Oid>,
    #[serde(deserialize_with = "flag")]
    schema_owner_is_superuser: bool,
    #[serde(deserialize_with = "json")]
    schema_creators: Vec<Oid>,
}

/// The function that a call of the wrapper would run, if there is one.
pub(crate) fn found<'a>(wrapper: &Wrapper, rows: &'a [Row]) -> Option<&'a Row> {
    let name = wrapper.function();
    rows.iter()
        .find(|row| row.name == name && row.arguments == 0)
}

/// Why the function is not to be trusted, one clause; `None` when it is exactly what pgattest prints for this server.
pub(crate) fn fault_of(wrapper: &Wrapper, row: &Row, version: ServerVersion) -> Option<String> {
    let pinned = [("search_path".to_owned(), SEARCH_PATH.to_owned())];
    let columns = row
        .columns
        .iter()
        .map(|(name, kind, mode)| (name.as_str(), kind.as_str(), mode.as_str()));
    let expected = wrapper
        .columns
        .iter()
        .map(|(name, kind)| (*name, *kind, "t"));
    let fault = if !row.owner_is_superuser {
        "its owner is not a superuser".to_owned()
    } else if !row.security_definer {
        "it is not SECURITY DEFINER".to_owned()
    } else if row.settings != pinned {
        format!("it is not pinned to search_path = {SEARCH_PATH}")
    } else if row.kind != "f"
        || row.language != "sql"
        || !columns.eq(expected)
        || row.body_sha256 != wrapper.digest(version)
    {
        format!(
            "its text is not the one that this version of pgattest prints for PostgreSQL {}",
            version.major()
        )
    } else if row.executable_by.contains(&PUBLIC) {
        "PUBLIC may execute it".to_owned()
    } else if !row.schema_owner_is_superuser {
        format!("the owner of schema {SCHEMA} is not a superuser")
    } else if !row.schema_creators.is_empty() {
        format!("roles that are not superusers may create objects in schema {SCHEMA}")
    } else {
        return None;
    };
    Some(fault)
}

/// Which groups are asked through a wrapper in one database.
#[derive(Debug, Default)]
pub struct Routes {
    through: Vec<(Scope, &'static str)>,
}

impl Routes {
    /// From what was asked first in this place: `own-session` and `wrappers`. A superuser needs no wrapper; whoever may not call
    /// a wrapper, or finds one that is not to be trusted, asks directly.
    pub fn known_from(observations: &[Observation], version: ServerVersion) -> Self {
        let superuser = read::<OwnSession>(observations, "own-session")
            .first()
            .is_none_or(|own| own.superuser);
        if superuser {
            return Self::default();
        }
        let found_rows = read::<Row>(observations, "wrappers");
        let through = WRAPPERS.iter().filter(|wrapper| {
            found(wrapper, &found_rows)
                .is_some_and(|row| row.may_execute && fault_of(wrapper, row, version).is_none())
        });
        Self {
            through: through
                .map(|wrapper| (wrapper.scope, wrapper.group))
                .collect(),
        }
    }

    /// The query of a group: its own, or the call of its wrapper.
    pub fn select(&self, group: &Group, version: ServerVersion) -> String {
        match Wrapper::of(group) {
            Some(wrapper) if self.through.contains(&(group.scope, group.name)) => wrapper.select(),
            _ => render(group, version),
        }
    }
}

/// The rows of a group; none when it was not read.
fn read<T: DeserializeOwned>(observations: &[Observation], group: &str) -> Vec<T> {
    observations
        .iter()
        .find(|observation| observation.id.group() == group)
        .and_then(|observation| rows(observation).ok())
        .unwrap_or_default()
}

fn flag<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    match String::deserialize(field)?.as_str() {
        "t" => Ok(true),
        "f" => Ok(false),
        other => Err(D::Error::custom(format!("`{other}` is not a boolean"))),
    }
}

fn json<'de, T: DeserializeOwned, D: Deserializer<'de>>(field: D) -> Result<T, D::Error> {
    serde_json::from_str(&String::deserialize(field)?).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests;
