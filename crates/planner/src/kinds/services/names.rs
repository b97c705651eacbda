//! Names for roles that a plan makes or finds.

use pgattest_access::RoleGraph;
use pgattest_model::Policy;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::policy::Access;

/// The longest name that PostgreSQL keeps, in bytes.
const LONGEST: usize = 63;

/// How many names are tried before a role is given up.
const TRIES: usize = 100;

/// A role that is there or has to be made.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// Its name.
    pub(super) name: String,
    /// Its identifier; `None`: it has to be made.
    pub(super) oid: Option<Oid>,
}

/// The first of `base_suffix`, `base_suffix_2`, .. that no role has, or that a role has which `may_be_used`. Names that the policy
/// gives to services are not taken.
pub(super) fn choose(
    graph: &RoleGraph,
    policy: &Policy,
    base: &str,
    suffix: &str,
    is_taken: impl Fn(&str) -> bool,
    may_be_used: impl Fn(&Role) -> bool,
) -> Option<Chosen> {
    // Names that begin so are the server's.
    let base = match base.strip_prefix("pg_") {
        Some(rest) => format!("of_{rest}"),
        None => base.to_owned(),
    };
    (1..=TRIES).find_map(|number| {
        let suffix = match number {
            1 => format!("_{suffix}"),
            more => format!("_{suffix}_{more}"),
        };
        let name = format!("{}{suffix}", beginning(&base, LONGEST - suffix.len()));
        if is_taken(&name) || policy.services.iter().any(|service| service.role == name) {
            return None;
        }
        match graph.named(&name) {
            None => Some(Chosen { name, oid: None }),
            Some(role) => (is_harmless(role) && may_be_used(role)).then_some(Chosen {
                name,
                oid: Some(role.oid),
            }),
        }
    })
}

/// Whether the role has no attribute that gives it anything.
fn is_harmless(role: &Role) -> bool {
    !(role.can_login
        || role.superuser
        || role.create_role
        || role.create_db
        || role.replication
        || role.bypass_rls
        || role.is_predefined())
}

/// Whether nobody logs in and acts as the role but superusers and those who are approved to own.
pub(super) fn is_out_of_reach(graph: &RoleGraph, access: &Access, role: Oid) -> bool {
    let lists = [&access.schema_owners, &access.superusers];
    graph.holders(role).into_iter().all(|login| {
        let mut named = lists.into_iter().flatten();
        login.superuser || named.any(|list| list.contains(&login.name))
    })
}

/// As much of the text as fits, in whole characters.
fn beginning(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{beginning, choose};
    use pgattest_access::RoleGraph;
    use pgattest_model::facts::Role;
    use pgattest_model::policy::Service;
    use pgattest_model::{Policy, ServerVersion};

    fn role(name: &str, can_login: bool) -> Role {
        Role {
            oid: 20_000,
            name: name.to_owned(),
            superuser: false,
            inherit: true,
            create_role: false,
            create_db: false,
            can_login,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        }
    }

    fn chosen(roles: &[Role], base: &str) -> (String, bool) {
        let graph = RoleGraph::new(roles, &[], ServerVersion(150_000));
        let policy = Policy {
            services: vec![Service {
                role: "orders_owner".to_owned(),
                ..Service::default()
            }],
            ..Policy::default()
        };
        let chosen = choose(&graph, &policy, base, "owner", |_| false, |_| true).unwrap();
        (chosen.name, chosen.oid.is_some())
    }

    #[test]
    fn a_name_that_somebody_logs_in_with_is_not_taken() {
        let name = |name: &str, exists| (name.to_owned(), exists);
        assert_eq!(chosen(&[], "shop"), name("shop_owner", false));
        let login = role("shop_owner", true);
        assert_eq!(chosen(&[login], "shop"), name("shop_owner_2", false));
        let group = role("shop_owner", false);
        assert_eq!(chosen(&[group], "shop"), name("shop_owner", true));
        // A service will log in with it.
        assert_eq!(chosen(&[], "orders"), name("orders_owner_2", false));
        // The server refuses names that begin with `pg_`.
        assert_eq!(chosen(&[], "pg_shop"), name("of_shop_owner", false));
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let (name, _) = chosen(&[], &"ü".repeat(40));
        assert_eq!(name, format!("{}_owner", "ü".repeat(28)));
        assert!(name.len() <= 63);
        assert_eq!(beginning("abc", 10), "abc");
    }
}
