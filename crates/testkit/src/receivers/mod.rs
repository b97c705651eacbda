//! Receivers of the audit trail that other people wrote, each a program on loopback that ends with the test.

pub mod front;
mod kafka;
mod rotel;
mod rsyslog;
mod vault;

pub use kafka::{KafkaCluster, KafkaGate};
pub use rotel::Rotel;
pub use rsyslog::{Protocol, Rsyslog};
pub use vault::{Vault, Version, correct_versioning};
