//! Configuration: in force, overridden, and in files.

use super::field::{KeyKind, Shape, flag};
use super::{Oid, Role};
use crate::collected::Missing;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One row of `pg_settings`. The value is withheld (empty) for settings that may carry a secret.
#[derive(Clone, Debug, Deserialize)]
pub struct Setting {
    /// Name, lower case.
    pub name: String,
    /// Value in force in the collector's session; empty when withheld.
    pub value: String,
    /// Whether the value was withheld inside the server.
    #[serde(deserialize_with = "flag")]
    pub withheld: bool,
    /// What a withheld value looks like.
    pub shape: Shape,
    /// What the name says.
    pub key_kind: KeyKind,
    /// Unit of the value; empty when it has none.
    pub unit: String,
    /// `user`, `superuser`, `sighup`, `postmaster` ...: what it takes to change it.
    pub context: String,
    /// `default`, `configuration file`, `database`, `user`, `client` ...: where the value came from.
    pub source: String,
    /// File the value came from; empty when not from a file or not visible.
    pub source_file: String,
    /// Line in that file; 0 when not from a file or not visible.
    pub source_line: u32,
    /// The compiled-in default; empty when withheld.
    pub boot_value: String,
    /// The value a new session of the collector's role and database gets; empty when withheld.
    pub reset_value: String,
    /// Changed in a file, waiting for a restart.
    #[serde(deserialize_with = "flag")]
    pub pending_restart: bool,
}

/// All settings, by name, with the knowledge of whether some are hidden from the role that looked.
#[derive(Clone, Debug)]
pub struct Settings {
    rows: BTreeMap<String, Setting>,
    all_visible: bool,
    looker: String,
}

impl Settings {
    /// `all_visible`: whether the role that looked sees the settings that are for superusers and `pg_read_all_settings` only.
    pub fn new(rows: Vec<Setting>, all_visible: bool, looker: &str) -> Self {
        Self {
            rows: rows
                .into_iter()
                .map(|row| (row.name.clone(), row))
                .collect(),
            all_visible,
            looker: looker.to_owned(),
        }
    }

    /// The setting, `None` when the server has no such setting, an error when it may exist but is hidden.
    pub fn get(&self, name: &str) -> Result<Option<&Setting>, Missing> {
        match self.rows.get(name) {
            Some(row) => Ok(Some(row)),
            None if self.all_visible => Ok(None),
            None => Err(Missing::because(format!(
                "setting `{name}` is not visible to role `{}`",
                self.looker
            ))
            .opened_by(format!(
                "{} GRANT pg_read_all_settings TO {};",
                super::BETTER_THAN_A_GRANT,
                crate::ident::quote_ident(&self.looker)
            ))),
        }
    }

    /// The setting, which must exist on this server.
    pub fn require(&self, name: &str) -> Result<&Setting, Missing> {
        self.get(name)?
            .ok_or_else(|| Missing::because(format!("this server has no setting `{name}`")))
    }

    /// Every visible setting, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.rows.values()
    }

    /// Whether nothing was hidden.
    pub const fn all_visible(&self) -> bool {
        self.all_visible
    }
}

impl Setting {
    /// Whether a boolean setting is on.
    pub fn is_on(&self) -> bool {
        self.value == "on"
    }

    /// The elements of a list setting (`shared_preload_libraries`), trimmed, without quotes.
    pub fn list(&self) -> impl Iterator<Item = &str> {
        self.value
            .split(',')
            .map(|item| item.trim().trim_matches('"'))
            .filter(|item| !item.is_empty())
    }
}

/// One setting of one row of `pg_db_role_setting`.
#[derive(Clone, Debug, Deserialize)]
pub struct RoleSetting {
    /// 0: in every database.
    pub database: Oid,
    /// 0: for every role.
    pub role: Oid,
    /// Name as stored.
    pub name: String,
    /// Value; empty when withheld.
    pub value: String,
    /// Whether the value was withheld inside the server.
    #[serde(deserialize_with = "flag")]
    pub withheld: bool,
    /// What the value looks like.
    pub shape: Shape,
    /// What the name says.
    pub key_kind: KeyKind,
}

impl RoleSetting {
    /// How the row was made, for a person: `ALTER ROLE app IN DATABASE shop`.
    pub fn statement(&self, roles: &[Role], databases: &[super::Database]) -> String {
        let role = roles
            .iter()
            .find(|role| role.oid == self.role)
            .map(|role| crate::ident::quote_ident(&role.name));
        let database = databases
            .iter()
            .find(|database| database.oid == self.database)
            .map(|row| crate::ident::quote_ident(&row.name));
        match (self.role, self.database) {
            (0, 0) => "ALTER ROLE ALL".to_owned(),
            (0, _) => format!(
                "ALTER DATABASE {}",
                database.unwrap_or_else(|| self.database.to_string())
            ),
            (_, 0) => format!(
                "ALTER ROLE {}",
                role.unwrap_or_else(|| self.role.to_string())
            ),
            _ => format!(
                "ALTER ROLE {} IN DATABASE {}",
                role.unwrap_or_else(|| self.role.to_string()),
                database.unwrap_or_else(|| self.database.to_string())
            ),
        }
    }
}

/// One line of a configuration file, as it is now.
#[derive(Clone, Debug, Deserialize)]
pub struct FileSetting {
    /// File.
    pub file: String,
    /// Line in the file.
    pub line: u32,
    /// Setting; empty when the line could not be parsed.
    pub name: String,
    /// Value; empty when withheld.
    pub value: String,
    /// Whether the value was withheld inside the server.
    #[serde(deserialize_with = "flag")]
    pub withheld: bool,
    /// What the value looks like.
    pub shape: Shape,
    /// What the name says.
    pub key_kind: KeyKind,
    /// Whether it would be applied.
    #[serde(deserialize_with = "flag")]
    pub applied: bool,
    /// Why it would not; empty when it would.
    pub error: String,
}
