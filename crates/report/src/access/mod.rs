//! Who can do what: the answers of `pgattest access`, for a terminal and as JSON.
//!
//! The JSON says `"schema": "pgattest.access/1"`. Within version 1 fields may be added; none is removed, renamed or given
//! another meaning. Names of roles and objects are as SQL, quoted where they must be; the text shows nothing invisible.

mod text;

pub use text::{Options, render};

use crate::json::pretty;
use pgattest_model::{Missing, TargetIdentity};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

/// The value of `schema` in every document of this version.
pub const SCHEMA: &str = "pgattest.access/1";

/// One answer.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Document {
    /// `pgattest.access/1`.
    pub schema: &'static str,
    /// The cluster that was asked.
    pub target: Target,
    /// When the collection began, as RFC 3339.
    pub looked_at: String,
    /// How far a role was thought to go for what it holds.
    pub view: View,
    /// What was asked, with the answer.
    pub answer: Answer,
    /// What could not be looked at. While it is not empty there may be more than the answer says.
    pub not_seen: Vec<NotSeen>,
    /// What the answer leaves out on purpose, in sentences.
    pub left_out: Vec<String>,
}

/// The cluster. A string is empty where the server did not say.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Target {
    /// Host and port, or socket.
    pub name: String,
    /// Unique to the cluster since its `initdb`.
    pub system_identifier: String,
    /// `15.18`; null when the server could not be asked.
    pub version: Option<String>,
    /// Version and kind of server in words.
    pub server: String,
    /// The role that asked.
    pub role: String,
    /// The databases that were looked into.
    pub databases: Vec<String>,
}

/// How far a role goes to use a privilege. Each holds everything the one before it holds.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// What it has as it is, by inheritance.
    InForce,
    /// To the roles that it can `SET ROLE` to.
    SetRole,
    /// To the roles that it can grant itself.
    GrantItself,
}

/// What was asked, with the answer.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(tag = "question", rename_all = "kebab-case")]
pub enum Answer {
    /// What is there.
    Overview(Overview),
    /// What one role can do.
    Role(Role),
    /// Who can do what on an object.
    Object {
        /// One for each database that has such an object, and one for each of its columns with privileges of its own.
        objects: Vec<Object>,
    },
    /// Ways to superuser, to the operating-system account, and to all data.
    ToSuperuser(Escalations),
}

/// The cluster in numbers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Overview {
    /// What everybody holds by grants to PUBLIC.
    pub public: Vec<Count>,
    /// Each login role.
    pub logins: Vec<Login>,
}

/// One login role in numbers.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Login {
    /// Its name.
    pub role: String,
    /// `SUPERUSER`, `CREATEROLE` ...
    pub attributes: Vec<&'static str>,
    /// Why it holds everything, as a sentence; null when it does not.
    pub everything: Option<String>,
    /// On how many objects it holds more than PUBLIC does. Empty for who holds everything.
    pub beyond_public: Vec<Count>,
    /// How many ways up it has that are known; null when that could not be looked at.
    pub ways: Option<usize>,
    /// The worst of them.
    pub worst: Option<Way>,
}

/// Objects of one kind on which something is held.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Count {
    /// `table`, `function` ...
    pub kind: &'static str,
    /// How many objects.
    pub objects: usize,
    /// How many privileges on them.
    pub rights: usize,
}

/// What one role can do.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Role {
    /// Its name.
    pub role: String,
    /// `LOGIN`, `SUPERUSER` ...
    pub attributes: Vec<&'static str>,
    /// Why it holds everything, as a sentence; null when it does not. What it holds besides that is in `places`; of a superuser
    /// that is not listed.
    pub everything: Option<String>,
    /// Its ways up; null when that could not be looked at.
    pub ways: Option<Vec<Way>>,
    /// What the databases share, then each database.
    pub places: Vec<Place>,
}

/// What a role holds in one database, or on what the databases share.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Place {
    /// The database; null for databases, tablespaces and parameters themselves.
    pub database: Option<String>,
    /// What is in the way of everything here, as sentences.
    pub blocked: Vec<String>,
    /// Objects that are alike, by kind.
    pub groups: Vec<Group>,
}

/// Objects on which a role holds the same for the same reasons.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Group {
    /// `table`, `function` ...
    pub kind: &'static str,
    /// What is held.
    pub holding: Holding,
    /// The objects.
    pub objects: Vec<String>,
}

/// What is held on an object, and why.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Holding {
    /// `SELECT`, `INSERT` ...
    pub rights: Vec<&'static str>,
    /// Those that may be granted to others.
    pub may_grant: Vec<&'static str>,
    /// What is in the way of using it, as sentences.
    pub blocked: Vec<String>,
    /// Everything that gives some of it, what needs least first.
    pub because: Vec<Because>,
}

/// One thing that gives privileges.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Because {
    /// The whole of it as a sentence without a period.
    pub sentence: String,
    /// What the role has to do.
    pub view: View,
    /// The memberships in between; none when it was given to the role itself or to PUBLIC.
    pub path: Vec<Step>,
    /// What gives it.
    pub source: Source,
    /// Who was given it: the last role of the path, or PUBLIC.
    pub grantee: String,
    /// Who gave it, where somebody did.
    pub grantor: Option<String>,
    /// What it gives.
    pub rights: Vec<&'static str>,
    /// What it gives the option to grant.
    pub may_grant: Vec<&'static str>,
}

/// One step of a path.
#[derive(Clone, Debug, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Step {
    /// The role it leads to.
    pub role: String,
    /// `inherits`, `SET ROLE`, `grants itself, ADMIN OPTION` or `grants itself, CREATEROLE`.
    pub how: String,
}

/// What gives a privilege.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Being a superuser.
    Superuser,
    /// Owning the object.
    Owner,
    /// A grant.
    Granted,
    /// What the server gives by itself when an object is made.
    Default,
    /// A predefined role such as `pg_read_all_data`.
    Predefined,
}

/// Who can do what on one object.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Object {
    /// The database; null for a database, tablespace or parameter.
    pub database: Option<String>,
    /// `table`, `function` ...
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its owner; null when the role is not known.
    pub owner: Option<String>,
    /// What everybody holds; null when that is nothing.
    pub public: Option<Holding>,
    /// Who holds more than everybody, login roles first.
    pub holders: Vec<Holder>,
    /// Superusers, who hold everything.
    pub superusers: Vec<String>,
}

/// Somebody who holds something.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Holder {
    /// The role.
    pub role: String,
    /// Whether it can log in.
    pub login: bool,
    /// What it holds.
    pub holding: Holding,
}

/// Ways up.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Escalations {
    /// The role that was asked about; null for every login role.
    pub role: Option<String>,
    /// How many roles were looked at.
    pub looked_at: usize,
    /// Superusers among them.
    pub superusers: Vec<String>,
    /// The others that have a way.
    pub roles: Vec<Climber>,
}

/// A role with ways up.
#[derive(Debug, JsonSchema, Serialize)]
pub struct Climber {
    /// The role.
    pub role: String,
    /// The worst first.
    pub ways: Vec<Way>,
}

/// One way up.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Way {
    /// `superuser`, `operating-system account` or `reads everything`.
    pub grade: &'static str,
    /// The whole of it as a sentence without a period.
    pub sentence: String,
    /// What the role has to do.
    pub view: View,
    /// The memberships in between.
    pub path: Vec<Step>,
    /// What else it takes; null when nothing.
    pub when: Option<&'static str>,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub struct NotSeen {
    /// Why, as a sentence.
    pub why: String,
    /// The statement that would open it, where there is one.
    pub opened_by: Option<String>,
}

impl Target {
    /// What a document says of a cluster.
    pub fn of(target: &TargetIdentity) -> Self {
        Self {
            name: target.name.clone(),
            system_identifier: target.system_identifier.clone(),
            version: target.version.map(|version| version.to_string()),
            server: crate::view::words::server(target),
            role: target.role.clone(),
            databases: target.databases.clone(),
        }
    }
}

impl From<Missing> for NotSeen {
    fn from(missing: Missing) -> Self {
        Self {
            why: missing.why,
            opened_by: missing.grant,
        }
    }
}

/// Renders an answer as JSON: indented, in a fixed order, ASCII escapes for invisible characters, and a newline at the end.
pub fn json(document: &Document) -> String {
    pretty(document)
}

/// The JSON Schema (2020-12) of [`json`]'s output. Ends with a newline.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    pretty(&generator.into_root_schema_for::<Document>())
}
