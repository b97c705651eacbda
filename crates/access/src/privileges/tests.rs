//! Effective privileges on small clusters, written as sentences.

use super::{Object, Privileges, Right, Rights};
use crate::{RoleGraph, View};
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Acl, AclClass, Membership, Oid, Privilege, Role};
use proptest::prelude::*;

const OWNER: Oid = 100;
const APP: Oid = 101;
const READERS: Oid = 102;
const BOSS: Oid = 103;
const TABLE: Oid = 20_000;

fn role(oid: Oid, name: &str) -> Role {
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

/// `i`, `s` and `a` are the options INHERIT, SET and ADMIN.
fn member(member: Oid, role: Oid, options: &str) -> Membership {
    Membership {
        role,
        member,
        grantor: 10,
        admin_option: options.contains('a'),
        inherit_option: options.contains('i'),
        set_option: options.contains('s'),
    }
}

fn cluster(major: u32, memberships: &[Membership]) -> RoleGraph {
    let roles = [
        role(OWNER, "owner"),
        role(APP, "app"),
        role(READERS, "readers"),
        Role {
            superuser: true,
            ..role(BOSS, "boss")
        },
        role(6181, "pg_read_all_data"),
        role(6182, "pg_write_all_data"),
    ];
    RoleGraph::new(&roles, memberships, ServerVersion(major * 10_000))
}

/// `SELECT*` is with grant option.
fn acl(class: AclClass, object: Oid, column: i16, grantee: Oid, privileges: &[&str]) -> Acl {
    Acl {
        class,
        object,
        column,
        name: String::new(),
        owner: OWNER,
        grantor: OWNER,
        grantee,
        privileges: privileges
            .iter()
            .map(|name| Privilege {
                name: name.trim_end_matches('*').to_owned(),
                grantable: name.ends_with('*'),
            })
            .collect(),
        is_default: false,
    }
}

fn table(grantee: Oid, privileges: &[&str]) -> Acl {
    acl(AclClass::Relation, TABLE, 0, grantee, privileges)
}

fn shown(graph: &RoleGraph, acls: &[Acl], view: View, role: Oid, object: Object<'_>) -> String {
    Privileges::new(graph, acls)
        .rights(view, role, object)
        .map_or_else(|| "not known".to_owned(), |rights| rights.to_string())
}

const ON_TABLE: Object<'static> = Object::relation(TABLE);

#[test]
fn the_three_views_of_one_grant() {
    let acls = [table(READERS, &["SELECT"])];
    for (options, expected) in [
        ("i", ["SELECT", "SELECT", "SELECT"]),
        ("s", ["", "SELECT", "SELECT"]),
        ("a", ["", "", "SELECT"]),
        ("", ["", "", ""]),
    ] {
        let graph = cluster(16, &[member(APP, READERS, options)]);
        let seen = View::ALL.map(|view| shown(&graph, &acls, view, APP, ON_TABLE));
        assert_eq!(seen, expected, "{options}");
    }
}

#[test]
fn an_owner_that_revoked_from_itself_keeps_the_options() {
    let graph = cluster(16, &[]);
    let acls = [table(OWNER, &[])];
    assert_eq!(
        shown(&graph, &acls, View::InForce, OWNER, ON_TABLE),
        "(SELECT*), (INSERT*), (UPDATE*), (DELETE*), (TRUNCATE*), (REFERENCES*), (TRIGGER*), (USAGE*)"
    );
    let privileges = Privileges::new(&graph, &acls);
    assert_eq!(privileges.owns(View::InForce, OWNER, ON_TABLE), Some(true));
    assert_eq!(privileges.owns(View::InForce, APP, ON_TABLE), Some(false));
    let reasons = privileges.because_of_option(View::InForce, OWNER, ON_TABLE, Right::Select);
    assert_eq!(reasons[0].to_string(), "owner owns it and may grant SELECT");
    assert!(
        privileges
            .because(View::InForce, OWNER, ON_TABLE, Right::Select)
            .is_empty()
    );
}

#[test]
fn a_column_is_reached_by_itself_or_through_its_table() {
    let graph = cluster(16, &[]);
    let acls = [
        table(OWNER, &[]),
        table(READERS, &["SELECT", "DELETE"]),
        acl(AclClass::Column, TABLE, 2, APP, &["UPDATE"]),
        acl(AclClass::Column, TABLE, -1, APP, &["INSERT"]),
    ];
    let privileges = Privileges::new(&graph, &acls);
    let column = |role, number| {
        shown(
            &graph,
            &acls,
            View::InForce,
            role,
            Object::column(TABLE, number),
        )
    };
    assert_eq!([column(APP, 1), column(APP, 2)], ["", "UPDATE"]);
    assert_eq!(
        [column(READERS, 1), column(READERS, 2)],
        ["SELECT", "SELECT"]
    );
    let any = |role| {
        privileges
            .rights_on_any_column(View::InForce, role, TABLE)
            .unwrap()
    };
    assert_eq!(
        any(APP),
        Rights::of(&[Right::Update]),
        "system columns do not count"
    );
    assert_eq!(
        any(READERS),
        Rights::of(&[Right::Select]),
        "DELETE is no column's"
    );
}

#[test]
fn predefined_roles_count_from_their_version_on() {
    let memberships = [member(APP, 6181, "is"), member(READERS, 6182, "is")];
    let acls = [
        table(OWNER, &[]),
        acl(AclClass::Schema, 30_000, 0, OWNER, &["USAGE"]),
        acl(AclClass::Function, 40_000, 0, OWNER, &["EXECUTE"]),
    ];
    let schema = Object::new(AclClass::Schema, 30_000);
    for (major, expected) in [
        (13, ["", "", "", ""]),
        (14, ["SELECT", "USAGE", "INSERT, UPDATE, DELETE", "USAGE"]),
    ] {
        let graph = cluster(major, &memberships);
        let seen = [
            (APP, ON_TABLE),
            (APP, schema),
            (READERS, ON_TABLE),
            (READERS, schema),
        ]
        .map(|(role, object)| shown(&graph, &acls, View::InForce, role, object));
        assert_eq!(seen, expected, "{major}");
    }
}

#[test]
fn catalog_tables_are_written_by_superusers_and_through_columns_only() {
    let graph = cluster(16, &[member(APP, 6182, "is")]);
    let acls = [
        acl(AclClass::Relation, 1260, 0, APP, &["SELECT", "UPDATE*"]),
        acl(AclClass::Column, 1260, 3, APP, &["UPDATE"]),
    ];
    let at = |role, object| shown(&graph, &acls, View::InForce, role, object);
    assert_eq!(at(APP, Object::relation(1260)), "SELECT, (UPDATE*)");
    assert_eq!(at(APP, Object::column(1260, 3)), "SELECT, UPDATE*");
    assert!(at(BOSS, Object::relation(1260)).contains("TRUNCATE"));
}

#[test]
fn inheriting_from_a_superuser_is_not_being_one() {
    let inheriting = cluster(16, &[member(APP, BOSS, "i")]);
    let setting = cluster(16, &[member(APP, BOSS, "s")]);
    let acls = [table(OWNER, &["SELECT"])];
    assert_eq!(
        shown(&inheriting, &acls, View::AfterGrantingItself, APP, ON_TABLE),
        ""
    );
    assert_eq!(shown(&setting, &acls, View::InForce, APP, ON_TABLE), "");
    assert!(shown(&setting, &acls, View::AfterSetRole, APP, ON_TABLE).starts_with("SELECT*"));
}

#[test]
fn a_reason_names_grantor_grantee_and_the_way_there() {
    let graph = cluster(16, &[member(APP, READERS, "is")]);
    let acls = [
        Acl {
            grantor: APP,
            ..table(0, &["SELECT"])
        },
        table(READERS, &["SELECT"]),
        acl(AclClass::Column, TABLE, 1, APP, &["SELECT"]),
    ];
    let privileges = Privileges::new(&graph, &acls);
    let reasons: Vec<_> = privileges
        .because(View::InForce, APP, Object::column(TABLE, 1), Right::Select)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        reasons,
        [
            "SELECT to app by owner on the column",
            "SELECT to PUBLIC by app",
            "app -> readers (inherits); SELECT to readers by owner",
        ]
    );
}

#[test]
fn what_is_not_listed_is_not_known_and_never_refused() {
    let graph = cluster(16, &[]);
    let acls = [table(4242, &["SELECT"])];
    let privileges = Privileges::new(&graph, &acls);
    let ask = |role, object| privileges.holds(View::InForce, role, object, Right::Select);
    assert_eq!(ask(APP, Object::relation(1)), None);
    assert_eq!(ask(APP, Object::column(1, 1)), None);
    assert_eq!(ask(9, ON_TABLE), None);
    assert_eq!(ask(APP, ON_TABLE), Some(false));
    assert_eq!(
        privileges.unknown().iter().copied().collect::<Vec<_>>(),
        [4242]
    );
    // Parameters are listed when somebody granted on them, all of them.
    let parameter = Object::parameter("log_statement");
    assert_eq!(
        privileges.holds(View::InForce, APP, parameter, Right::Set),
        Some(false)
    );
    assert_eq!(
        privileges.holds(View::InForce, BOSS, parameter, Right::Set),
        Some(true)
    );
}

#[test]
fn objects_that_are_alike_are_one_group() {
    let graph = cluster(16, &[]);
    let acls: Vec<Acl> = (0..100)
        .map(|at| {
            acl(
                AclClass::Relation,
                TABLE + at,
                0,
                if at % 3 == 0 { APP } else { READERS },
                &["SELECT"],
            )
        })
        .collect();
    let privileges = Privileges::new(&graph, &acls);
    let groups: Vec<_> = privileges
        .groups()
        .map(|group| {
            (
                group.objects().len(),
                group.holders(View::InForce, Right::Select).names(),
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            (34, vec!["app", "boss", "pg_read_all_data"]),
            (66, vec!["boss", "pg_read_all_data", "readers"])
        ]
    );
    assert_eq!(privileges.entitlements(View::InForce, APP).count(), 34);
}

/// What the widest view should be: the server's rules, one grant at a time, until nothing new can be granted.
fn after_granting(
    roles: &[Role],
    memberships: &[Membership],
    version: ServerVersion,
    who: Oid,
) -> Vec<Oid> {
    let mut memberships = memberships.to_vec();
    loop {
        let graph = RoleGraph::new(roles, &memberships, version);
        let acting: Vec<Oid> = graph.can_set_role_to(who).oids().collect();
        let targets: Vec<Oid> = acting
            .iter()
            .filter(|oid| !graph.is_superuser(**oid) || **oid == who)
            .flat_map(|oid| graph.can_administer(*oid).oids().collect::<Vec<_>>())
            .filter(|target| *target != who && !graph.can_set_role_to(who).contains(*target))
            .collect();
        if targets.is_empty() {
            return graph.reaches(who).oids().collect();
        }
        memberships.extend(targets.into_iter().map(|target| member(who, target, "is")));
    }
}

proptest! {
    #[test]
    fn views_are_what_one_role_at_a_time_gives(
        edges in proptest::collection::vec((1_u32..9, 0_u32..9, 0_u8..8), 0..18),
        create_role in 0_u32..20,
        superuser in 0_u32..20,
        since_16 in any::<bool>(),
    ) {
        let version = ServerVersion(if since_16 { 160_000 } else { 150_000 });
        let roles: Vec<Role> = (0..9)
            .map(|at| Role {
                create_role: at == create_role,
                superuser: at == superuser,
                ..role(500 + at, &format!("r{at}"))
            })
            .collect();
        let memberships: Vec<Membership> = edges
            .into_iter()
            // The server allows no circles, and before 16 every membership has the SET option.
            .filter(|(from, to, _)| to < from)
            .map(|(from, to, options)| Membership {
                admin_option: options & 1 != 0,
                inherit_option: options & 2 != 0,
                set_option: options & 4 != 0 || !since_16,
                ..member(500 + from, 500 + to, "")
            })
            .collect();
        let graph = RoleGraph::new(&roles, &memberships, version);
        for view in View::ALL {
            let reach = graph.reach(view);
            for from in &roles {
                let expected: Vec<Oid> = match view {
                    View::InForce => graph.inherits(from.oid).oids().collect(),
                    View::AfterSetRole => graph.reaches(from.oid).oids().collect(),
                    View::AfterGrantingItself => after_granting(&roles, &memberships, version, from.oid),
                };
                let at = graph.position(from.oid).unwrap();
                for to in &roles {
                    let ours = reach.has(at, graph.position(to.oid).unwrap());
                    if !reach.everything.contains(at) {
                        prop_assert_eq!(ours, expected.contains(&to.oid), "{:?} {} {}", view, from.name, to.name);
                        let route = graph.route(view, from.oid, to.oid);
                        prop_assert_eq!(route.is_some(), ours, "{:?} {} {}", view, from.name, to.name);
                        prop_assert!(route.is_none_or(|route| route.view() <= view));
                    }
                }
            }
        }
    }
}

#[test]
fn circles_that_only_forged_facts_have_end() {
    let memberships = [
        member(APP, READERS, "isa"),
        member(READERS, OWNER, "isa"),
        member(OWNER, APP, "isa"),
        member(APP, APP, "isa"),
    ];
    let graph = cluster(15, &memberships);
    for view in View::ALL {
        let reach = graph.reach(view);
        let [app, owner] = [APP, OWNER].map(|oid| graph.position(oid).unwrap());
        assert!(reach.has(app, owner) && reach.has(owner, app), "{view:?}");
        assert!(graph.route(view, APP, OWNER).is_some());
    }
}
