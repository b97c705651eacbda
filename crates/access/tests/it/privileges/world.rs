//! A cluster full of roles, objects and grants that make no sense.

use anyhow::Result;
use pgattest_model::ident::quote_ident;
use pgattest_testkit::Cluster;
use pgattest_testkit::Random;
use std::fmt::Write as _;

const ROLES: usize = 22;

/// Names that break whoever does not quote, decode or keep them apart.
const HOSTILE: [&str; 8] = [
    "quo\"te",
    "new\nline",
    "comma, star*",
    "\u{202e}public",
    "Upper Case",
    "=arw/x",
    "select",
    "tab\t'",
];

/// Everything there is a class for: what GRANT calls the object, and the privileges it can be given.
struct Target {
    on: String,
    rights: &'static [&'static str],
}

const USAGE: &[&str] = &["USAGE"];

const TABLE: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "ALL",
    "SELECT (a)",
    "UPDATE (a, b)",
    "INSERT (b)",
    "REFERENCES (a)",
    "ALL (b)",
];

/// Drops what the run before made and makes everything anew.
pub(super) fn rebuild(cluster: &Cluster, random: &mut Random) -> Result<()> {
    let major = cluster.major();
    clean(cluster)?;
    let names: Vec<String> = (0..ROLES)
        .map(|at| {
            HOSTILE
                .get(at)
                .map_or_else(|| format!("r{at}"), |name| (*name).to_owned())
        })
        .map(|name| quote_ident(&name))
        .collect();
    roles(cluster, random, &names)?;
    let targets = objects(cluster, random, &names)?;
    let mut sql = String::new();
    for target in &targets {
        // Half of what is granted, everybody grants on: what they may not, they do not.
        for _ in 0..random.below(5) {
            let right = random.pick(target.rights);
            let to = if random.percent(12) {
                "PUBLIC"
            } else {
                random.pick(&names).as_str()
            };
            let option = if to != "PUBLIC" && random.percent(35) {
                " WITH GRANT OPTION"
            } else {
                ""
            };
            let statement = format!("GRANT {right} ON {} TO {to}{option}", target.on);
            let by = if random.percent(50) {
                "postgres"
            } else {
                random.pick(&names).as_str()
            };
            attempt(&mut sql, by, &statement)?;
        }
        for (chance, from) in [(25, "PUBLIC"), (20, "OWNER")] {
            if !random.percent(chance) {
                continue;
            }
            if from == "PUBLIC" {
                attempt(
                    &mut sql,
                    "postgres",
                    &format!("REVOKE ALL ON {} FROM PUBLIC", target.on),
                )?;
            } else {
                // Whoever the owner is, it is among these.
                let everyone = names.join(", ");
                attempt(
                    &mut sql,
                    "postgres",
                    &format!("REVOKE ALL ON {} FROM {everyone} CASCADE", target.on),
                )?;
            }
        }
        if major >= 17 && target.rights == TABLE && random.percent(40) {
            let to = random.pick(&names);
            attempt(
                &mut sql,
                "postgres",
                &format!("GRANT MAINTAIN ON {} TO {to}", target.on),
            )?;
        }
    }
    cluster.execute_blocking("postgres", &sql)
}

fn attempt(sql: &mut String, by: &str, statement: &str) -> Result<()> {
    let quoted = statement.replace('\'', "''");
    let by = by
        .trim_matches('"')
        .replace("\"\"", "\"")
        .replace('\'', "''");
    writeln!(
        sql,
        "DO $do$ BEGIN PERFORM set_config('role', '{by}', true); EXECUTE '{quoted}';
         EXCEPTION WHEN insufficient_privilege OR undefined_column OR invalid_grant_operation OR wrong_object_type
             OR feature_not_supported THEN NULL; END $do$;"
    )?;
    Ok(())
}

fn clean(cluster: &Cluster) -> Result<()> {
    cluster.execute_blocking(
        "postgres",
        "SET allow_in_place_tablespaces = on;
         ALTER DATABASE postgres OWNER TO postgres; ALTER DATABASE template1 OWNER TO postgres;
         DROP TABLESPACE IF EXISTS space0; DROP TABLESPACE IF EXISTS space1; DROP TABLESPACE IF EXISTS space2;
         DROP DATABASE IF EXISTS d0;
         DO $$ DECLARE r record; BEGIN
           PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
           FOR r IN SELECT rolname FROM pg_authid WHERE oid >= 16384 LOOP
             EXECUTE format('DROP OWNED BY %I CASCADE', r.rolname);
             EXECUTE format('DROP ROLE %I', r.rolname);
           END LOOP;
         END $$;
         DROP SCHEMA IF EXISTS s0, s1, s2, s3 CASCADE;
         DROP FOREIGN DATA WRAPPER IF EXISTS w0, w1, w2 CASCADE;
         CREATE SCHEMA IF NOT EXISTS public;",
    )
}

fn roles(cluster: &Cluster, random: &mut Random, names: &[String]) -> Result<()> {
    let major = cluster.major();
    let mut sql = String::new();
    for name in names {
        let mut attributes = String::new();
        for (chance, attribute) in [
            (60, "LOGIN"),
            (30, "NOINHERIT"),
            (8, "SUPERUSER"),
            (8, "CREATEROLE"),
        ] {
            if random.percent(chance) {
                write!(attributes, " {attribute}")?;
            }
        }
        writeln!(sql, "CREATE ROLE {name}{attributes};")?;
    }
    let mut predefined = vec!["pg_monitor", "pg_read_all_settings"];
    if major >= 14 {
        predefined.extend(["pg_read_all_data", "pg_write_all_data"]);
    }
    if major >= 17 {
        predefined.push("pg_maintain");
    }
    for at in 1..names.len() {
        for _ in 0..random.below(4) {
            let group = if random.percent(15) {
                random.pick(&predefined)
            } else {
                names[random.below(at)].as_str()
            };
            let mut options = Vec::new();
            if random.percent(30) {
                options.push(if major >= 16 {
                    "ADMIN TRUE"
                } else {
                    "ADMIN OPTION"
                });
            }
            if major >= 16 {
                options.push(*random.pick(&["INHERIT TRUE", "INHERIT FALSE"]));
                options.push(*random.pick(&["SET TRUE", "SET FALSE"]));
            }
            let with = if options.is_empty() {
                String::new()
            } else {
                format!(" WITH {}", options.join(", "))
            };
            writeln!(sql, "GRANT {group} TO {}{with};", names[at])?;
        }
    }
    cluster.execute_blocking("postgres", &sql)
}

fn objects(cluster: &Cluster, random: &mut Random, names: &[String]) -> Result<Vec<Target>> {
    let mut sql = String::from("SET allow_in_place_tablespaces = on;\n");
    let mut targets = Vec::new();
    let mut add = |on: String, rights| targets.push(Target { on, rights });
    let own = |sql: &mut String, random: &mut Random, what: &str| {
        let owner = random.pick(names);
        writeln!(sql, "ALTER {what} OWNER TO {owner};")
    };
    for at in 0..4 {
        writeln!(sql, "CREATE SCHEMA s{at};")?;
        add(format!("SCHEMA s{at}"), &["USAGE", "CREATE", "ALL"]);
        for (what, create) in [
            ("TABLE", "(a int, b text, gone int, c int)"),
            ("VIEW", "AS SELECT 1 AS a, 2 AS b"),
            ("MATERIALIZED VIEW", "AS SELECT 1 AS a, 2 AS b"),
        ] {
            let name = format!("s{at}.\"{what}\"");
            writeln!(sql, "CREATE {what} {name} {create};")?;
            own(&mut sql, random, &format!("{what} {name}"))?;
            add(format!("TABLE {name}"), TABLE);
            if what == "TABLE" {
                writeln!(sql, "ALTER TABLE {name} DROP COLUMN gone;")?;
                add(format!("TYPE {name}"), USAGE);
            }
        }
        writeln!(
            sql,
            "CREATE TABLE s{at}.parts (a int, b text) PARTITION BY LIST (a);"
        )?;
        own(&mut sql, random, &format!("TABLE s{at}.parts"))?;
        add(format!("TABLE s{at}.parts"), TABLE);
        writeln!(sql, "CREATE SEQUENCE s{at}.numbers;")?;
        own(&mut sql, random, &format!("SEQUENCE s{at}.numbers"))?;
        add(
            format!("SEQUENCE s{at}.numbers"),
            &["USAGE", "SELECT", "UPDATE", "ALL"],
        );
        for (kind, create, signature) in [
            (
                "FUNCTION",
                "f(a int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
                "f(int)",
            ),
            ("PROCEDURE", "p() LANGUAGE sql AS 'SELECT 1'", "p()"),
            (
                "AGGREGATE",
                "g(int) (SFUNC = int4pl, STYPE = int)",
                "g(int)",
            ),
        ] {
            writeln!(sql, "CREATE {kind} s{at}.{create};")?;
            own(&mut sql, random, &format!("{kind} s{at}.{signature}"))?;
            add(format!("ROUTINE s{at}.{signature}"), &["EXECUTE"]);
        }
        for (kind, create) in [
            ("TYPE", "mood AS ENUM ('x')"),
            ("TYPE", "pair AS (x int, y int)"),
            ("TYPE", "span AS RANGE (SUBTYPE = int)"),
            ("DOMAIN", "small AS int"),
        ] {
            let name = create.split(' ').next().unwrap();
            writeln!(sql, "CREATE {kind} s{at}.{create};")?;
            own(&mut sql, random, &format!("{kind} s{at}.{name}"))?;
            add(format!("TYPE s{at}.{name}"), USAGE);
        }
        writeln!(sql, "SELECT lo_create({});", 5000 + at)?;
        own(&mut sql, random, &format!("LARGE OBJECT {}", 5000 + at))?;
        add(
            format!("LARGE OBJECT {}", 5000 + at),
            &["SELECT", "UPDATE", "ALL"],
        );
        own(&mut sql, random, &format!("SCHEMA s{at}"))?;
    }
    for at in 0..3 {
        writeln!(
            sql,
            "CREATE FOREIGN DATA WRAPPER w{at}; CREATE SERVER \"se rver{at}\" FOREIGN DATA WRAPPER w{at};"
        )?;
        own(&mut sql, random, &format!("SERVER \"se rver{at}\""))?;
        add(format!("FOREIGN DATA WRAPPER w{at}"), USAGE);
        add(format!("FOREIGN SERVER \"se rver{at}\""), USAGE);
        writeln!(sql, "CREATE TABLESPACE space{at} LOCATION '';")?;
        own(&mut sql, random, &format!("TABLESPACE space{at}"))?;
        add(format!("TABLESPACE space{at}"), &["CREATE"]);
    }
    writeln!(
        sql,
        "CREATE FOREIGN TABLE s0.abroad (a int, b text) SERVER \"se rver0\";"
    )?;
    own(&mut sql, random, "FOREIGN TABLE s0.abroad")?;
    add("TABLE s0.abroad".to_owned(), TABLE);
    writeln!(sql, "CREATE DATABASE d0;")?;
    for database in ["d0", "postgres", "template1"] {
        own(&mut sql, random, &format!("DATABASE {database}"))?;
        add(
            format!("DATABASE {database}"),
            &["CREATE", "CONNECT", "TEMPORARY", "ALL"],
        );
    }
    // The server's own.
    for language in ["plpgsql", "sql"] {
        add(format!("LANGUAGE {language}"), USAGE);
    }
    add("TABLESPACE pg_default".to_owned(), &["CREATE"]);
    for schema in ["public", "pg_catalog", "information_schema"] {
        add(format!("SCHEMA {schema}"), &["USAGE", "CREATE"]);
    }
    for table in [
        "pg_proc",
        "pg_roles",
        "pg_largeobject",
        "information_schema.tables",
    ] {
        add(format!("TABLE {table}"), &TABLE[..7]);
    }
    for table in ["pg_authid", "pg_auth_members"] {
        add(
            format!("TABLE {table}"),
            &[
                "SELECT",
                "UPDATE",
                "SELECT (oid)",
                "UPDATE (oid)",
                "UPDATE (ctid)",
            ],
        );
    }
    for function in ["pg_read_file(text)", "lo_export(oid, text)", "now()"] {
        add(format!("FUNCTION {function}"), &["EXECUTE"]);
    }
    add("TYPE pg_catalog.int4".to_owned(), USAGE);
    if cluster.major() >= 15 {
        for parameter in ["work_mem", "session_preload_libraries", "\"App\".tenant"] {
            add(
                format!("PARAMETER {parameter}"),
                &["SET", "ALTER SYSTEM", "ALL"],
            );
        }
    }
    // Databases and tablespaces are not made in a transaction.
    for statement in sql.split_inclusive(";\n") {
        cluster.execute_blocking(
            "postgres",
            &format!("SET allow_in_place_tablespaces = on; {statement}"),
        )?;
    }
    Ok(targets)
}
