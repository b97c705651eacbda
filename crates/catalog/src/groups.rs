//! The fact groups: what is asked, in what order, and what opens it.

use crate::wrapper::Wrapper;
use pgattest_model::facts::BETTER_THAN_A_GRANT;
use pgattest_model::ident::quote_ident;
use pgattest_model::{ObservationId, ServerVersion};

/// One query, and what it takes to be allowed to ask it.
#[derive(Debug)]
pub struct Group {
    /// Kebab-case name: the second part of the observation's identifier.
    pub name: &'static str,
    /// Where it is asked.
    pub scope: Scope,
    /// The first major whose catalogs have what it asks for.
    pub min_major: u32,
    /// The query with its version markers; [`crate::render`] gives the text for one server.
    pub sql: &'static str,
    /// The statement that lets a role read it, with `{role}` for the role's name; `None` when any role may read it.
    pub opens: Option<&'static str>,
}

/// Where a group is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Once in the cluster.
    Cluster,
    /// In each database.
    Database,
}

impl Group {
    /// The statement that lets `role` read the group; `None` when any role may. It shows the role more than pgattest needs,
    /// and says so, where a wrapper would do.
    pub fn opens_for(&self, role: &str) -> Option<String> {
        let grant = self.opens?.replace("{role}", &quote_ident(role));
        Some(match Wrapper::of(self) {
            Some(_) => format!("{BETTER_THAN_A_GRANT} {grant}"),
            None => grant,
        })
    }

    /// Whether a server of this version has what the group asks for. A version that is not supported is asked only who it is.
    pub fn is_asked_on(&self, version: ServerVersion) -> bool {
        let names_the_server = matches!(self.name, "server" | "own-session");
        names_the_server || (version.is_supported() && version.major() >= self.min_major)
    }

    /// The identifier of the group's observation; `database` is the object identifier of the database for a group of
    /// [`Scope::Database`] and not looked at otherwise.
    pub fn observation_id(&self, database: u32) -> ObservationId {
        match self.scope {
            Scope::Cluster => ObservationId::cluster(self.name),
            Scope::Database => ObservationId::database(database, self.name),
        }
    }
}

/// The first group of a database: its observation also records why a database was not entered.
pub fn door() -> &'static Group {
    &DOOR
}

/// The groups of one scope, in the order they are asked.
pub fn groups_of(scope: Scope) -> impl Iterator<Item = &'static Group> {
    GROUPS.iter().filter(move |group| group.scope == scope)
}

const OPEN_VERIFIERS: &str = "GRANT SELECT ON pg_catalog.pg_authid TO {role}; \
    -- lets the role read the verifiers themselves; pgattest reads their kind only";
const OPEN_FILE_SETTINGS: &str = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO {role}; \
    GRANT SELECT ON pg_catalog.pg_file_settings TO {role}; -- lets the role read every value in the configuration files";
const OPEN_HBA_RULES: &str = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {role}; \
    GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {role}; \
    -- lets the role read LDAP and RADIUS secrets in pg_hba.conf, if there are any";
const OPEN_HBA_FILES: &str = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO {role}; \
    GRANT pg_read_all_settings TO {role}; GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {role}; \
    GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {role}; -- lets the role see the size and time of every file the server can see";
const OPEN_IDENT_MAPS: &str = "GRANT EXECUTE ON FUNCTION pg_catalog.pg_ident_file_mappings() TO {role}; \
    GRANT SELECT ON pg_catalog.pg_ident_file_mappings TO {role};";
const OPEN_SUBSCRIPTIONS: &str = "GRANT SELECT (oid, subdbid, subname, subowner, subenabled) ON pg_catalog.pg_subscription TO {role};";

const OPEN_SUBSCRIPTION_SECRETS: &str = "GRANT SELECT (oid, subconninfo) ON pg_catalog.pg_subscription TO {role}; \
    -- lets the role read the connection strings themselves; pgattest reads their kind only";

macro_rules! group {
    ($scope:ident, $name:literal) => {
        group!($scope, $name, from 0, opens None)
    };
    ($scope:ident, $name:literal, opens $opens:ident) => {
        group!($scope, $name, from 0, opens Some($opens))
    };
    ($scope:ident, $name:literal, from $min_major:literal, opens $opens:expr) => {
        Group {
            name: $name,
            scope: Scope::$scope,
            min_major: $min_major,
            sql: include_str!(concat!("../sql/", $name, ".sql")),
            opens: $opens,
        }
    };
}

static DOOR: Group = group!(Database, "own-session");

/// Every group, those of the cluster first, each scope in the order it is asked.
pub static GROUPS: &[Group] = &[
    group!(Cluster, "server"),
    group!(Cluster, "own-session"),
    group!(Cluster, "wrappers"),
    group!(Cluster, "databases"),
    group!(Cluster, "settings"),
    group!(Cluster, "role-settings"),
    group!(Cluster, "file-settings", opens OPEN_FILE_SETTINGS),
    group!(Cluster, "roles"),
    group!(Cluster, "verifiers", opens OPEN_VERIFIERS),
    group!(Cluster, "memberships"),
    group!(Cluster, "tablespaces"),
    group!(Cluster, "shared-acls"),
    group!(Cluster, "hba-rules", opens OPEN_HBA_RULES),
    group!(Cluster, "hba-files", opens OPEN_HBA_FILES),
    group!(Cluster, "ident-maps", from 15, opens Some(OPEN_IDENT_MAPS)),
    group!(Cluster, "sessions"),
    group!(Cluster, "slots"),
    group!(Cluster, "subscriptions", opens OPEN_SUBSCRIPTIONS),
    group!(Cluster, "subscription-secrets", opens OPEN_SUBSCRIPTION_SECRETS),
    group!(Cluster, "available-extensions"),
    group!(Cluster, "guide-ssl"),
    group!(Cluster, "guide-ssl-min-protocol-version"),
    group!(Database, "own-session"),
    group!(Database, "wrappers"),
    group!(Database, "schemas"),
    group!(Database, "relations"),
    group!(Database, "columns"),
    group!(Database, "inheritance"),
    group!(Database, "row-counters"),
    group!(Database, "column-sequences"),
    group!(Database, "indexes"),
    group!(Database, "acls"),
    group!(Database, "default-acls"),
    group!(Database, "policies"),
    group!(Database, "policy-columns"),
    group!(Database, "policy-functions"),
    group!(Database, "view-dependencies"),
    group!(Database, "view-filters"),
    group!(Database, "functions"),
    group!(Database, "shadowing-functions"),
    group!(Database, "restricted-functions"),
    group!(Database, "restricted-relations"),
    group!(Database, "triggers"),
    group!(Database, "trigger-writes"),
    group!(Database, "event-triggers"),
    group!(Database, "rules"),
    group!(Database, "rule-writes"),
    group!(Database, "extensions"),
    group!(Database, "languages"),
    group!(Database, "foreign-data-wrappers"),
    group!(Database, "foreign-servers"),
    group!(Database, "user-mappings"),
    group!(Database, "publications"),
    group!(Database, "publication-relations"),
    group!(Database, "code-marks"),
    group!(Database, "option-marks"),
    group!(Database, "guide-pgaudit"),
    group!(Database, "guide-grants"),
];

#[cfg(test)]
mod tests {
    use super::{GROUPS, Scope, groups_of};
    use pgattest_model::{ObservationId, ServerVersion};
    use std::collections::BTreeSet;

    #[test]
    fn every_group_has_a_name_of_its_own_that_is_an_identifier() {
        for scope in [Scope::Cluster, Scope::Database] {
            let names: BTreeSet<_> = groups_of(scope).map(|group| group.name).collect();
            assert_eq!(names.len(), groups_of(scope).count());
        }
        for group in GROUPS {
            let id = group.observation_id(5);
            assert_eq!(
                ObservationId::parse(id.as_str()),
                Some(id),
                "{}",
                group.name
            );
        }
    }

    #[test]
    fn a_hostile_role_is_quoted_in_the_statement_that_opens_a_group() {
        let verifiers = GROUPS
            .iter()
            .find(|group| group.name == "verifiers")
            .unwrap();
        let opens = verifiers.opens_for("x\"; DROP ROLE y; --").unwrap();
        assert!(
            opens
                .contains("*/ GRANT SELECT ON pg_catalog.pg_authid TO \"x\"\"; DROP ROLE y; --\";"),
            "{opens}"
        );
    }

    #[test]
    fn an_unknown_server_is_asked_only_who_it_is() {
        for version in [120_022, 190_001] {
            let asked: Vec<_> = GROUPS
                .iter()
                .filter(|group| group.is_asked_on(ServerVersion(version)))
                .map(|group| group.name)
                .collect();
            assert_eq!(asked, ["server", "own-session", "own-session"]);
        }
        let asked = |version| {
            GROUPS
                .iter()
                .filter(|group| group.is_asked_on(ServerVersion(version)))
                .count()
        };
        assert_eq!(
            (asked(140_023), asked(150_018)),
            (GROUPS.len() - 1, GROUPS.len())
        );
    }
}
