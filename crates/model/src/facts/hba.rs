//! `pg_hba.conf` and `pg_ident.conf`, as the server parses the files now.

use super::field::{flag, json};
use serde::Deserialize;

/// One rule. A rule that could not be parsed has an error and nothing else.
#[derive(Clone, Debug, Deserialize)]
pub struct HbaRule {
    /// Position among the valid rules, from 1; 0 when the line has an error. Before 16: counted here, in file order.
    pub number: u32,
    /// The file; empty before 16, which has only one.
    pub file: String,
    /// Line in the file.
    pub line: u32,
    /// `local`, `host`, `hostssl`, `hostnossl`, `hostgssenc`, `hostnogssenc`; empty on error.
    pub connection_type: String,
    /// Databases and keywords.
    #[serde(deserialize_with = "json")]
    pub databases: Vec<String>,
    /// Roles and keywords.
    #[serde(deserialize_with = "json")]
    pub users: Vec<String>,
    /// Address, host name or keyword; empty for `local`.
    pub address: String,
    /// Netmask; empty for names and keywords.
    pub netmask: String,
    /// Authentication method; empty on error.
    pub method: String,
    /// Options; values that may be secret are withheld.
    #[serde(deserialize_with = "json")]
    pub options: Vec<HbaOption>,
    /// Why the line is not in force; empty when it is.
    pub error: String,
    /// Which names were written in quotes; `None` when nobody knows: the server's view does not tell.
    #[serde(skip)]
    pub quoted: Option<Quoted>,
}

/// Which names of a rule were written in quotes: `"all"` is a database, `all` is every database.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Quoted {
    /// For each database.
    pub databases: Vec<bool>,
    /// For each user.
    pub users: Vec<bool>,
    /// The address.
    pub address: bool,
}

/// One option of a rule.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct HbaOption {
    /// `clientcert`, `map`, `ldapserver` ...
    pub name: String,
    /// The value; empty when withheld.
    pub value: String,
    /// Whether the value was withheld inside the server.
    pub withheld: bool,
}

impl HbaRule {
    /// Where it is, for a person: `pg_hba.conf:12`.
    pub fn place(&self) -> String {
        let file = self
            .file
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or("pg_hba.conf");
        format!("{file}:{}", self.line)
    }

    /// Whether the server would use it. Some mistakes (`clientcert=maybe`) leave a row without an error and without
    /// anything else; the server does not load such a file either.
    pub fn is_valid(&self) -> bool {
        self.error.is_empty() && !self.connection_type.is_empty()
    }

    /// The value of an option that is not withheld.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|option| option.name == name && !option.withheld)
            .map(|option| option.value.as_str())
    }
}

/// One line of `pg_ident.conf`.
#[derive(Clone, Debug, Deserialize)]
pub struct IdentMap {
    /// Line in the file.
    pub line: u32,
    /// Name of the map; empty on error.
    pub map: String,
    /// The name outside PostgreSQL, or a regular expression after `/`.
    pub system_user: String,
    /// The role.
    pub role: String,
    /// Why the line is not in force; empty when it is.
    pub error: String,
    /// Whether the name is a regular expression.
    #[serde(deserialize_with = "flag")]
    pub is_regex: bool,
    /// Whether the role was written in quotes; `None` when nobody knows: the server's view does not tell.
    #[serde(skip)]
    pub role_quoted: Option<bool>,
}

/// One configuration file of client authentication.
#[derive(Clone, Debug, Deserialize)]
pub struct HbaFile {
    /// `hba` or `ident`.
    pub kind: String,
    /// The file.
    pub file: String,
    /// When it was last changed: RFC 3339 in UTC, to the second.
    pub modified_at: String,
    /// When the server last loaded its configuration: RFC 3339 in UTC.
    pub loaded_at: String,
    /// Whether it was changed after that.
    #[serde(deserialize_with = "flag")]
    pub changed_after_load: bool,
}

impl HbaFile {
    /// The file's name without its directory.
    pub fn name(&self) -> String {
        self.file
            .rsplit('/')
            .next()
            .unwrap_or(&self.file)
            .to_owned()
    }
}
