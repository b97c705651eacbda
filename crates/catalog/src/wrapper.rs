//! Functions through which a role that may see little reads what only a superuser may ask.
//!
//! A wrapper runs as its owner, a superuser, and its body is the group's own query, to the letter: what a superuser's audit
//! reduces to a kind is reduced here too, inside the server, and nothing else comes out. A role that may call the wrappers
//! needs neither `pg_monitor` nor any of the `GRANT`s that would show it the secrets themselves.
//!
//! `pgattest grants` prints them ([`crate::auditor`]). Whether one that stands in a database is to be trusted is decided in
//! [`trust`], by the collector before it asks and by the decoder before it believes.

mod table;
mod trust;

pub(crate) use table::WRAPPERS;
pub use table::Wrapper;
pub use trust::Routes;
pub(crate) use trust::{Row, fault_of, found};

use crate::groups::{GROUPS, Group};
use crate::render::{copy_statement, copy_statement_unconverted, render};
use pgattest_model::ServerVersion;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The schema that the wrappers are in.
pub const SCHEMA: &str = "pgattest";

/// What every wrapper looks names up in; `pg_temp` is named so that it comes last.
pub(crate) const SEARCH_PATH: &str = "pg_catalog, pg_temp";

impl Wrapper {
    /// The wrapper of a group; `None` when any role may read the whole group, or nothing but a superuser's rights opens it.
    pub fn of(group: &Group) -> Option<&'static Self> {
        WRAPPERS
            .iter()
            .find(|wrapper| wrapper.scope == group.scope && wrapper.group == group.name)
    }

    /// The group whose query it runs.
    pub fn wrapped(&self) -> Option<&'static Group> {
        GROUPS
            .iter()
            .find(|group| group.scope == self.scope && group.name == self.group)
    }

    /// The function's name without its schema: `hba_rules`. A bare SQL identifier.
    pub fn function(&self) -> String {
        self.group.replace('-', "_")
    }

    /// `pgattest.hba_rules()`.
    pub fn call(&self) -> String {
        format!("{SCHEMA}.{}()", self.function())
    }

    /// The query of a group that is read through it.
    pub fn select(&self) -> String {
        format!("select * from {}", self.call())
    }

    /// Whether a recorded statement reads the group through it.
    pub(crate) fn is_asked_by(&self, statement: &str) -> bool {
        let select = self.select();
        statement == copy_statement(&select) || statement == copy_statement_unconverted(&select)
    }

    /// The function's body on a server of this version. ASCII, so that its digest does not depend on the database's encoding.
    pub fn body(&self, version: ServerVersion) -> String {
        let query = self
            .wrapped()
            .map_or_else(String::new, |group| render(group, version));
        format!("\n{query}\n")
    }

    /// SHA-256 of [`Wrapper::body`], as `encode(.., 'hex')` writes it.
    pub fn digest(&self, version: ServerVersion) -> String {
        let mut hex = String::with_capacity(64);
        for byte in Sha256::digest(self.body(version).as_bytes()) {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }
}

#[cfg(test)]
mod tests {
    use super::{WRAPPERS, Wrapper};
    use crate::groups::GROUPS;
    use pgattest_model::ServerVersion;
    use pgattest_model::ident::quote_ident;

    #[test]
    fn every_group_that_a_grant_opens_has_a_wrapper() {
        for group in GROUPS.iter().filter(|group| group.opens.is_some()) {
            assert!(
                Wrapper::of(group).is_some(),
                "{} needs a row in wrapper/table.rs",
                group.name
            );
        }
    }

    #[test]
    fn every_wrapper_is_of_a_group() {
        for wrapper in WRAPPERS {
            assert!(wrapper.wrapped().is_some(), "{}", wrapper.group);
            let name = wrapper.function();
            assert_eq!(quote_ident(&name), name, "a bare identifier");
            assert!(!wrapper.purpose.contains('\n'));
        }
    }

    #[test]
    fn a_body_means_the_same_in_every_database() {
        for wrapper in WRAPPERS {
            for major in ServerVersion::SUPPORTED {
                let body = wrapper.body(ServerVersion(major * 10_000));
                assert!(
                    body.is_ascii() && !body.contains(['\\', ';', '\r']),
                    "{} on {major}",
                    wrapper.group
                );
            }
        }
    }

    #[test]
    fn a_statement_that_only_looks_like_the_call_is_not_it() {
        let wrapper = WRAPPERS
            .iter()
            .find(|wrapper| wrapper.group == "verifiers")
            .unwrap();
        let copy = |select: &str| crate::copy_statement(select);
        assert!(wrapper.is_asked_by(&copy("select * from pgattest.verifiers()")));
        assert!(!wrapper.is_asked_by(&copy("select * from pgattest.hba_rules()")));
        assert!(!wrapper.is_asked_by("select * from pgattest.verifiers()"));
    }
}
