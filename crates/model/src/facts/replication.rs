//! What leaves by replication.

use super::Oid;
use super::field::{flag, json};
use serde::Deserialize;

/// One publication.
#[derive(Clone, Debug, Deserialize)]
pub struct Publication {
    /// Object identifier.
    pub oid: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// `FOR ALL TABLES`.
    #[serde(deserialize_with = "flag")]
    pub all_tables: bool,
    /// Names of the schemas all of whose tables it publishes (15 and later).
    #[serde(deserialize_with = "json")]
    pub schemas: Vec<String>,
}

/// One table in one publication.
#[derive(Clone, Debug, Deserialize)]
pub struct PublicationRelation {
    /// The publication.
    pub publication: Oid,
    /// The table.
    pub relation: Oid,
    /// Whether rows are filtered (15 and later).
    #[serde(deserialize_with = "flag")]
    pub has_row_filter: bool,
    /// Whether columns are chosen (15 and later).
    #[serde(deserialize_with = "flag")]
    pub has_column_list: bool,
}

/// One subscription, of any database of the cluster. Its connection string stays in the server.
#[derive(Clone, Debug, Deserialize)]
pub struct Subscription {
    /// Object identifier.
    pub oid: Oid,
    /// The database that subscribes.
    pub database: Oid,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: Oid,
    /// Whether it is on.
    #[serde(deserialize_with = "flag")]
    pub enabled: bool,
}

/// What the connection string of one subscription holds.
#[derive(Clone, Debug, Deserialize)]
pub struct SubscriptionSecret {
    /// The subscription.
    pub oid: Oid,
    /// Whether there is a password in it.
    #[serde(deserialize_with = "flag")]
    pub holds_password: bool,
    /// Whether an owner that is no superuser must authenticate with a password (16 and later; before, owners are superusers).
    #[serde(deserialize_with = "flag")]
    pub password_required: bool,
}

/// One replication slot.
#[derive(Clone, Debug, Deserialize)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Output plugin; empty for a physical slot.
    pub plugin: String,
    /// `physical` or `logical`.
    pub kind: String,
    /// The database of a logical slot; 0 for a physical one.
    pub database: Oid,
    /// Whether somebody is reading from it.
    #[serde(deserialize_with = "flag")]
    pub active: bool,
    /// Whether it ends with its session.
    #[serde(deserialize_with = "flag")]
    pub temporary: bool,
}
