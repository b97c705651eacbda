//! The graph on small clusters, written as sentences: `app < deploy i s` is "app is a member of deploy, INHERIT and SET".

use super::{RoleGraph, View};
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Membership, Oid, Role};

const V15: ServerVersion = ServerVersion(150_018);
const V16: ServerVersion = ServerVersion(160_014);

/// `login` and `group` make roles; a letter after the name gives an attribute: S superuser, C CREATEROLE.
fn graph(version: ServerVersion, roles: &[&str], memberships: &[&str]) -> RoleGraph {
    let oid = |name: &str| {
        roles
            .iter()
            .position(|role| role.split(' ').nth(1) == Some(name))
            .map_or(99_999, |at| 20_000 + u32::try_from(at).unwrap())
    };
    let roles: Vec<Role> = roles
        .iter()
        .map(|role| {
            let words: Vec<&str> = role.split(' ').collect();
            Role {
                superuser: words.contains(&"S"),
                create_role: words.contains(&"C"),
                can_login: words[0] == "login",
                ..login(oid(words[1]), words[1])
            }
        })
        .collect();
    let memberships: Vec<Membership> = memberships
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Membership {
                role: oid(words[2]),
                member: oid(words[0]),
                grantor: 10,
                admin_option: words.contains(&"a"),
                inherit_option: words.contains(&"i"),
                set_option: words.contains(&"s"),
            }
        })
        .collect();
    RoleGraph::new(&roles, &memberships, version)
}

fn oid(graph: &RoleGraph, name: &str) -> Oid {
    graph.named(name).unwrap().oid
}

fn path(graph: &RoleGraph, from: &str, to: &str) -> String {
    graph
        .path(oid(graph, from), oid(graph, to))
        .map_or_else(|| "none".to_owned(), |path| path.to_string())
}

#[test]
fn the_three_closures_are_kept_apart() {
    let graph = graph(
        V16,
        &[
            "login app",
            "group reads",
            "group acts",
            "group hands_out",
            "group nothing",
        ],
        &[
            "app < reads i",
            "app < acts s",
            "app < hands_out a",
            "app < nothing",
        ],
    );
    let app = oid(&graph, "app");
    assert_eq!(graph.inherits(app).names(), ["app", "reads"]);
    assert_eq!(graph.can_set_role_to(app).names(), ["acts", "app"]);
    assert_eq!(graph.can_administer(app).names(), ["hands_out"]);
    assert_eq!(
        graph.member_of(app).names(),
        ["acts", "app", "hands_out", "nothing", "reads"]
    );
    assert_eq!(graph.reaches(app).names(), ["acts", "app", "reads"]);
}

#[test]
fn what_the_role_set_to_inherits_is_reached() {
    let graph = graph(
        V16,
        &["login app", "group deploy", "group owner"],
        &["app < deploy s", "deploy < owner i"],
    );
    assert_eq!(
        path(&graph, "app", "owner"),
        "app -> deploy (SET ROLE) -> owner (inherits)"
    );
    assert!(
        !graph
            .inherits(oid(&graph, "app"))
            .contains(oid(&graph, "owner"))
    );
    assert_eq!(graph.holders(oid(&graph, "owner")).len(), 1);
}

#[test]
fn an_inherited_groups_set_option_opens_nothing() {
    let graph = graph(
        V16,
        &["login app", "group reads", "group owner"],
        &["app < reads i", "reads < owner s"],
    );
    assert_eq!(path(&graph, "app", "owner"), "none");
    assert!(
        !graph
            .reaches(oid(&graph, "app"))
            .contains(oid(&graph, "owner"))
    );
    assert!(graph.holders(oid(&graph, "owner")).is_empty());
}

#[test]
fn a_path_shows_what_each_membership_needs() {
    let graph = graph(
        V16,
        &["login app", "group deploy", "group admin S"],
        &["app < deploy i s", "deploy < admin s"],
    );
    assert_eq!(
        path(&graph, "app", "admin"),
        "app -> deploy (inherits) -> admin (SET ROLE)"
    );
    let nearest = graph
        .path_to_any(oid(&graph, "app"), |role| role.superuser)
        .unwrap();
    assert!(nearest.needs_set_role());
    assert_eq!(nearest.hops.len(), 2);
    assert_eq!(path(&graph, "app", "app"), "app");
}

#[test]
fn a_longer_path_that_inherits_is_preferred_to_a_shorter_one_that_does_not() {
    let graph = graph(
        V16,
        &["login app", "group b", "group c"],
        &["app < c s", "app < b i", "b < c i"],
    );
    assert_eq!(
        path(&graph, "app", "c"),
        "app -> b (inherits) -> c (inherits)"
    );
}

#[test]
fn equal_paths_are_chosen_by_name() {
    let memberships = ["app < z i s", "app < m i s", "z < top i s", "m < top i s"];
    let graph = graph(
        V16,
        &["login app", "group z", "group m", "group top"],
        &memberships,
    );
    assert_eq!(
        path(&graph, "app", "top"),
        "app -> m (inherits) -> top (inherits)"
    );
}

#[test]
fn cycles_end_and_unknown_roles_are_listed() {
    let graph = graph(
        V16,
        &["login a", "group b"],
        &["a < b i s a", "b < a i s a", "a < gone i s", "b < b i s"],
    );
    assert_eq!(graph.reaches(oid(&graph, "a")).names(), ["a", "b"]);
    assert_eq!(graph.can_administer(oid(&graph, "a")).names(), ["b"]);
    assert_eq!(
        graph.unknown().iter().copied().collect::<Vec<_>>(),
        [99_999]
    );
    assert!(graph.inherits(99_999).is_empty());
    assert!(graph.can_administer(99_999).is_empty());
    assert!(graph.holders(99_999).is_empty());
    assert_eq!(graph.path(99_999, oid(&graph, "a")), None);
    assert_eq!(graph.name(99_999), None);
}

#[test]
fn two_grants_of_one_membership_add_up() {
    let graph = graph(
        V16,
        &["login app", "group g"],
        &["app < g i", "app < g s", "app < g a"],
    );
    let app = oid(&graph, "app");
    let g = oid(&graph, "g");
    assert!(
        graph.inherits(app).contains(g)
            && graph.can_set_role_to(app).contains(g)
            && graph.can_administer(app).contains(g)
    );
}

#[test]
fn createrole_grants_every_role_but_superusers_before_16() {
    let roles = [
        "login manager C",
        "group root S",
        "group pg_execute_server_program",
        "group pg_database_owner",
    ];
    let before = graph(V15, &roles, &[]);
    assert_eq!(
        before.can_administer(oid(&before, "manager")).names(),
        ["pg_execute_server_program"]
    );
    let since = graph(V16, &roles, &[]);
    assert!(since.can_administer(oid(&since, "manager")).is_empty());
}

#[test]
fn admin_option_counts_through_any_membership_before_16_and_through_inheritance_since() {
    let roles = ["login app", "group helpers", "group target", "group root S"];
    let memberships = ["app < helpers s", "helpers < target a", "helpers < root a"];
    let before = graph(V15, &roles, &memberships);
    assert_eq!(
        before.can_administer(oid(&before, "app")).names(),
        ["target"]
    );
    let since = graph(V16, &roles, &memberships);
    assert!(since.can_administer(oid(&since, "app")).is_empty());
    assert_eq!(
        since.can_administer(oid(&since, "helpers")).names(),
        ["target"]
    );
}

#[test]
fn the_owner_of_a_database_is_a_member_of_pg_database_owner_in_it() {
    let graph = graph(
        V16,
        &["login app", "group owner", "group pg_database_owner"],
        &["app < owner i"],
    );
    let (app, owner, implicit) = (
        oid(&graph, "app"),
        oid(&graph, "owner"),
        oid(&graph, "pg_database_owner"),
    );
    assert!(!graph.inherits(owner).contains(implicit));
    let inside = graph.within_database(owner);
    assert!(inside.inherits(app).contains(implicit));
    assert!(inside.can_set_role_to(owner).contains(implicit));
    assert!(!inside.can_administer(owner).contains(implicit));
    assert!(
        !graph
            .within_database(app)
            .inherits(owner)
            .contains(implicit)
    );
}

#[test]
fn hostile_names_cannot_forge_a_path() {
    let graph = graph(
        V16,
        &["login app", "group x\u{1b}[2K->\u{202e}admin"],
        &["app < x\u{1b}[2K->\u{202e}admin i"],
    );
    assert_eq!(
        path(&graph, "app", "x\u{1b}[2K->\u{202e}admin"),
        "app -> \"x\\u{1b}[2K->\\u{202e}admin\" (inherits)"
    );
}

#[test]
fn a_chain_of_five_thousand_roles_is_walked() {
    let roles: Vec<Role> = (20_000..25_000)
        .map(|oid| login(oid, &format!("r{oid}")))
        .collect();
    let memberships: Vec<Membership> = (20_001..25_000)
        .map(|oid| Membership {
            role: oid,
            member: oid - 1,
            grantor: 10,
            admin_option: false,
            inherit_option: true,
            set_option: true,
        })
        .collect();
    let graph = RoleGraph::new(&roles, &memberships, V16);
    assert_eq!(graph.inherits(20_000).len(), 5_000);
    assert_eq!(graph.holders(24_999).len(), 4_999);
    assert_eq!(graph.path(20_000, 24_999).unwrap().hops.len(), 4_999);
}

fn login(oid: Oid, name: &str) -> Role {
    Role {
        oid,
        name: name.to_owned(),
        superuser: false,
        inherit: true,
        create_role: false,
        create_db: false,
        can_login: true,
        replication: false,
        bypass_rls: false,
        connection_limit: -1,
        valid_until: String::new(),
        expired: false,
    }
}

#[test]
fn becoming_a_role_takes_the_set_option_at_every_step() {
    let graph = graph(
        V16,
        &["login app", "group reads", "group deploy", "group boss S"],
        &[
            "app < reads i",
            "reads < boss s",
            "app < deploy i s",
            "deploy < boss s",
        ],
    );
    let [app, reads, boss] = ["app", "reads", "boss"].map(|name| oid(&graph, name));
    assert_eq!(
        graph.set_role_path(app, boss).unwrap().to_string(),
        "app -> deploy (SET ROLE) -> boss (SET ROLE)"
    );
    assert_eq!(
        graph.set_role_path_to_any(app, |role| role.superuser),
        graph.set_role_path(app, boss)
    );
    assert_eq!(graph.set_role_path(app, reads), None);
    assert_eq!(graph.set_role_path(99_999, boss), None);
}

#[test]
fn a_route_says_what_each_step_takes() {
    let roles = [
        "login app",
        "login manager C",
        "group helpers",
        "group owner",
        "group pg_monitor",
        "group boss S",
    ];
    let memberships = [
        "app < helpers i",
        "helpers < owner a",
        "owner < pg_monitor i",
        "app < boss a",
    ];
    let since = graph(V16, &roles, &memberships);
    let route = |graph: &RoleGraph, from: &str, to: &str| {
        graph
            .route(View::AfterGrantingItself, oid(graph, from), oid(graph, to))
            .map_or_else(|| "none".to_owned(), |route| route.to_string())
    };
    assert_eq!(
        route(&since, "app", "pg_monitor"),
        "app -> helpers (inherits) -> owner (grants itself, ADMIN OPTION) -> pg_monitor (inherits)"
    );
    assert_eq!(
        route(&since, "app", "boss"),
        "none",
        "only a superuser grants a superuser"
    );
    assert_eq!(route(&since, "manager", "owner"), "none");
    let before = graph(V15, &roles, &memberships);
    assert_eq!(
        route(&before, "manager", "owner"),
        "manager -> owner (grants itself, CREATEROLE)"
    );
    assert_eq!(route(&before, "manager", "boss"), "none");
}
