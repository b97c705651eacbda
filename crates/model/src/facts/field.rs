//! How one field of a CSV result becomes a value.

use serde::de::{Deserializer, Error};
use serde::{Deserialize, de::DeserializeOwned};

/// `t` and `f`, as the server writes booleans.
pub(super) fn flag<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    match String::deserialize(field)?.as_str() {
        "t" | "true" => Ok(true),
        "f" | "false" => Ok(false),
        other => Err(D::Error::custom(format!("`{other}` is not a boolean"))),
    }
}

/// A column that holds JSON: lists and maps travel so, because a CSV field has no list of its own.
pub(super) fn json<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    field: D,
) -> Result<T, D::Error> {
    serde_json::from_str(&String::deserialize(field)?).map_err(D::Error::custom)
}

/// What a withheld value looks like, decided inside the server: the value itself never leaves it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Nothing is stored.
    Empty,
    /// `on`, `off`, `true`, `false`, `yes`, `no`.
    Boolean,
    /// Digits, with or without a unit.
    Number,
    /// A UUID: more often an identifier than a secret.
    Uuid,
    /// A short word or name.
    Word,
    /// A connection string, URL, JSON or header that carries a password or token.
    ConnectionWithPassword,
    /// PEM, a JSON Web Token, a long hexadecimal or base64 string: key material.
    KeyMaterial,
    /// Anything else.
    Text,
}

/// What a setting's name says about its value.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// The name speaks of a password, key, token or secret.
    Secret,
    /// It does not.
    Plain,
}
