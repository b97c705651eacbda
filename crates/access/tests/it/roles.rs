//! The role graph against `pg_has_role` and real GRANTs, on random graphs, on every major that is installed.

use anyhow::{Context, Result};
use pgattest_access::RoleGraph;
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Membership, Role};
use pgattest_testkit::Random;
use pgattest_testkit::{Cluster, available_majors};
use std::fmt::Write as _;

const ROLES: usize = 28;

#[test]
fn the_graph_says_what_pg_has_role_says() -> Result<()> {
    let majors = available_majors();
    assert!(
        !majors.is_empty(),
        "no PostgreSQL is installed: run script/bootstrap"
    );
    for major in majors {
        let cluster = Cluster::builder(major).start_blocking()?;
        for seed in 0..3 {
            let mut random = Random::new(u64::from(major) * 1000 + seed);
            rebuild(&cluster, &mut random)?;
            let graph = collect(&cluster)?;
            compare_with_pg_has_role(&cluster, &graph)
                .with_context(|| format!("PostgreSQL {major}, seed {seed}"))?;
            compare_with_grants(&cluster, &graph)
                .with_context(|| format!("PostgreSQL {major}, seed {seed}"))?;
        }
    }
    Ok(())
}

/// Drops the roles of the run before and makes new ones: names in an order that has nothing to do with the memberships.
fn rebuild(cluster: &Cluster, random: &mut Random) -> Result<()> {
    let since_16 = cluster.major() >= 16;
    let mut sql = String::from("ALTER DATABASE postgres OWNER TO postgres;\n");
    let old = rows(cluster, "SELECT rolname FROM pg_roles WHERE oid >= 16384")?;
    for name in old.into_iter().flatten() {
        writeln!(sql, "DROP ROLE {name};")?;
    }
    let mut names: Vec<String> = (0..ROLES).map(|at| format!("r{at:02}")).collect();
    for at in (1..ROLES).rev() {
        names.swap(at, random.below(at + 1));
    }
    for name in &names {
        let mut attributes = String::new();
        for (chance, attribute) in [
            (60, "LOGIN"),
            (30, "NOINHERIT"),
            (6, "SUPERUSER"),
            (12, "CREATEROLE"),
        ] {
            if random.percent(chance) {
                write!(attributes, " {attribute}")?;
            }
        }
        writeln!(sql, "CREATE ROLE {name}{attributes};")?;
    }
    // Up to 15 CREATEROLE grants every role; a role nobody is related to takes the grants.
    sql += "CREATE ROLE probe;\n";
    let predefined = [
        "pg_monitor",
        "pg_execute_server_program",
        "pg_read_all_settings",
    ];
    for at in 1..ROLES {
        for _ in 0..random.below(4) {
            let group = if random.percent(8) {
                random.pick(&predefined)
            } else {
                names[random.below(at)].as_str()
            };
            let mut options = Vec::new();
            if random.percent(30) {
                options.push(if since_16 {
                    "ADMIN TRUE"
                } else {
                    "ADMIN OPTION"
                });
            }
            if since_16 && random.percent(70) {
                options.push(if random.percent(50) {
                    "INHERIT TRUE"
                } else {
                    "INHERIT FALSE"
                });
            }
            if since_16 && random.percent(70) {
                options.push(if random.percent(50) {
                    "SET TRUE"
                } else {
                    "SET FALSE"
                });
            }
            let with = if options.is_empty() {
                String::new()
            } else {
                format!(" WITH {}", options.join(", "))
            };
            writeln!(sql, "GRANT {group} TO {}{with};", names[at])?;
        }
    }
    writeln!(
        sql,
        "ALTER DATABASE postgres OWNER TO {};",
        random.pick(&names)
    )?;
    cluster.execute_blocking("postgres", &sql)
}

pub(crate) fn collect(cluster: &Cluster) -> Result<RoleGraph> {
    let answer = rows(
        cluster,
        "SELECT oid, rolname, rolsuper, rolinherit, rolcreaterole, rolcanlogin FROM pg_authid",
    )?;
    let roles: Vec<Role> = answer
        .iter()
        .map(|row| Role {
            oid: number(&row[0]),
            name: row[1].clone(),
            superuser: flag(&row[2]),
            inherit: flag(&row[3]),
            create_role: flag(&row[4]),
            create_db: false,
            can_login: flag(&row[5]),
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        })
        .collect();
    let options = if cluster.major() >= 16 {
        "m.inherit_option, m.set_option"
    } else {
        "r.rolinherit, true"
    };
    let answer = rows(
        cluster,
        &format!(
            "SELECT m.roleid, m.member, m.grantor, m.admin_option, {options}
             FROM pg_auth_members m JOIN pg_authid r ON r.oid = m.member"
        ),
    )?;
    let memberships: Vec<Membership> = answer
        .iter()
        .map(|row| Membership {
            role: number(&row[0]),
            member: number(&row[1]),
            grantor: number(&row[2]),
            admin_option: flag(&row[3]),
            inherit_option: flag(&row[4]),
            set_option: flag(&row[5]),
        })
        .collect();
    let version = rows(cluster, "SHOW server_version_num")?;
    let owner = rows(
        cluster,
        "SELECT datdba FROM pg_database WHERE datname = 'postgres'",
    )?;
    let graph = RoleGraph::new(&roles, &memberships, ServerVersion(number(&version[0][0])));
    assert!(graph.unknown().is_empty());
    Ok(graph.within_database(number(&owner[0][0])))
}

fn compare_with_pg_has_role(cluster: &Cluster, graph: &RoleGraph) -> Result<()> {
    let set = if cluster.major() >= 16 {
        "SET"
    } else {
        "MEMBER"
    };
    let answer = rows(cluster, &format!(
            "SELECT a.oid, b.oid, pg_has_role(a.oid, b.oid, 'USAGE'), pg_has_role(a.oid, b.oid, 'MEMBER'),
                    pg_has_role(a.oid, b.oid, '{set}')
             FROM pg_authid a CROSS JOIN pg_authid b"
        ),
    )?;
    assert_eq!(answer.len(), graph.roles().len().pow(2));
    let mut granted = 0;
    for row in answer {
        let (member, role) = (number(&row[0]), number(&row[1]));
        let all = graph.is_superuser(member);
        let ours = [
            graph.inherits(member),
            graph.member_of(member),
            graph.can_set_role_to(member),
        ]
        .map(|closure| all || closure.contains(role));
        let theirs = [flag(&row[2]), flag(&row[3]), flag(&row[4])];
        let who = format!(
            "{:?} and {:?}: usage, member, set",
            graph.name(member),
            graph.name(role)
        );
        assert_eq!(ours, theirs, "{who}");

        // What is built on the closures agrees with itself.
        let reached = graph.reaches(member).contains(role);
        assert_eq!(graph.path(member, role).is_some(), reached, "{who}: path");
        let holds =
            reached && member != role && graph.role(member).is_some_and(|role| role.can_login);
        assert_eq!(
            graph
                .holders(role)
                .iter()
                .any(|holder| holder.oid == member),
            holds,
            "{who}: holders"
        );
        granted += usize::from(theirs[1] && !all && member != role);
    }
    assert!(
        granted > ROLES,
        "only {granted} memberships: the graph tests nothing"
    );
    Ok(())
}

/// Every role tries to grant every other one; what happened is undone at once.
fn compare_with_grants(cluster: &Cluster, graph: &RoleGraph) -> Result<()> {
    cluster.execute_blocking(
        "postgres",
        "DROP TABLE IF EXISTS granted;
         CREATE TABLE granted (member oid, target oid, ok boolean);
         DO $$
         DECLARE m record; t record; done boolean;
         BEGIN
           FOR m IN SELECT oid, rolname FROM pg_authid WHERE rolname ~ '^r[0-9]+$' AND NOT rolsuper LOOP
             FOR t IN SELECT oid, rolname FROM pg_authid
                 WHERE (rolname ~ '^r[0-9]+$' OR rolname = 'pg_execute_server_program') AND oid <> m.oid LOOP
               done := false;
               BEGIN
                 PERFORM set_config('role', m.rolname, true);
                 EXECUTE format('GRANT %I TO probe', t.rolname);
                 done := true;
                 RAISE EXCEPTION USING ERRCODE = 'PT001';
               -- An ADMIN OPTION that is held but not inherited is an internal error.
               EXCEPTION WHEN insufficient_privilege OR internal_error OR SQLSTATE 'PT001' THEN NULL;
               END;
               INSERT INTO granted VALUES (m.oid, t.oid, done);
             END LOOP;
           END LOOP;
         END $$;",
    )?;
    let answer = rows(cluster, "SELECT member, target, ok FROM granted")?;
    assert!(answer.iter().any(|row| flag(&row[2])) && answer.iter().any(|row| !flag(&row[2])));
    for row in answer {
        let (member, target) = (number(&row[0]), number(&row[1]));
        let ours = graph.can_administer(member).contains(target);
        assert_eq!(
            ours,
            flag(&row[2]),
            "may {:?} grant {:?}?",
            graph.name(member),
            graph.name(target)
        );
    }
    Ok(())
}

/// The rows of a query without NULLs.
pub(crate) fn rows(cluster: &Cluster, sql: &str) -> Result<Vec<Vec<String>>> {
    let rows = cluster.query_text_blocking("postgres", sql)?;
    let row = |row: Vec<Option<String>>| {
        row.into_iter()
            .collect::<Option<Vec<_>>>()
            .context("an unexpected NULL")
    };
    rows.into_iter().map(row).collect()
}

fn number(value: &str) -> u32 {
    value.parse().unwrap()
}

fn flag(value: &str) -> bool {
    value == "t"
}
