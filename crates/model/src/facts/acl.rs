//! Privileges.

use super::Oid;
use super::field::flag;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// What one grantor gave one grantee on one object. NULL in the catalog is expanded to the object's default privileges. An
/// object from which everything was revoked has one row, for its owner, without a privilege.
#[derive(Clone, Debug, Deserialize)]
pub struct Acl {
    /// Kind of object.
    pub class: AclClass,
    /// The object; 0 for a parameter.
    pub object: Oid,
    /// Column number when the grant is on one column; 0 otherwise.
    pub column: i16,
    /// A parameter's name as the catalog has it; for a type and for an object of the server's own, which no other group lists,
    /// the name as SQL, quoted by the server; empty otherwise.
    pub name: String,
    /// Who owns the object; for a parameter the bootstrap superuser, whom the server takes for its owner.
    pub owner: Oid,
    /// Who gave it.
    pub grantor: Oid,
    /// Who got it; 0 is PUBLIC.
    pub grantee: Oid,
    /// What was given.
    #[serde(deserialize_with = "privileges")]
    pub privileges: Vec<Privilege>,
    /// Whether nobody ever granted or revoked on the object: these are the built-in defaults.
    #[serde(deserialize_with = "flag")]
    pub is_default: bool,
}

impl Acl {
    /// Whether the privilege is among those given.
    pub fn has(&self, privilege: &str) -> bool {
        self.privileges.iter().any(|given| given.name == privilege)
    }

    /// The privileges' names, as SQL lists them.
    pub fn names(&self) -> String {
        self.privileges
            .iter()
            .map(|given| given.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

/// Kinds of objects that privileges are on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the object it names")]
pub enum AclClass {
    Relation,
    Column,
    Function,
    Schema,
    Type,
    Language,
    ForeignDataWrapper,
    ForeignServer,
    LargeObject,
    Database,
    Tablespace,
    Parameter,
}

/// One privilege.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Privilege {
    /// `SELECT`, `USAGE`, `ALTER SYSTEM` ...
    pub name: String,
    /// `WITH GRANT OPTION`.
    pub grantable: bool,
}

/// One row of `ALTER DEFAULT PRIVILEGES`: what one creator's future objects give one grantee.
#[derive(Clone, Debug, Deserialize)]
pub struct DefaultAcl {
    /// The role whose future objects get it.
    pub creator: Oid,
    /// The schema it is limited to; 0 for all.
    pub schema: Oid,
    /// `r` relations, `S` sequences, `f` functions, `T` types, `n` schemas, `L` large objects (18).
    pub object_type: String,
    /// Who will get it; 0 is PUBLIC.
    pub grantee: Oid,
    /// What they will get.
    #[serde(deserialize_with = "privileges")]
    pub privileges: Vec<Privilege>,
}

/// `SELECT,INSERT*`: a star marks the grant option.
fn privileges<'de, D: Deserializer<'de>>(field: D) -> Result<Vec<Privilege>, D::Error> {
    let text = String::deserialize(field)?;
    text.split(',')
        .filter(|item| !item.is_empty())
        .map(|item| {
            let (name, grantable) = item
                .strip_suffix('*')
                .map_or((item, false), |name| (name, true));
            if name.bytes().all(|b| b.is_ascii_uppercase() || b == b' ') {
                Ok(Privilege {
                    name: name.to_owned(),
                    grantable,
                })
            } else {
                Err(D::Error::custom(format!("`{item}` is not a privilege")))
            }
        })
        .collect()
}
