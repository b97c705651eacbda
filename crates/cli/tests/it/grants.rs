//! `pgattest grants`: the role sees what a superuser's audit judges by, and nothing more.

use crate::hardened::hardened;
use crate::permissive::demo;
use crate::support::{Desk, Report, members, text};
use pgattest_catalog::{GROUPS, Scope, Wrapper, copy_statement, render};
use pgattest_model::ServerVersion;
use pgattest_testkit::{Cluster, Login, SUPERUSER, SUPERUSER_PASSWORD, Standby, available_majors};
use std::collections::BTreeMap;

pub(crate) const ROLE: &str = "pgattest_auditor";

/// What the program prints for the cluster, asked as its superuser.
#[track_caller]
pub(crate) fn script(cluster: &Cluster, database: &str, more: &[&str]) -> String {
    let connection = cluster.dsn_socket(database);
    let mut arguments = vec!["grants", &connection];
    arguments.extend(more);
    let answer = Desk::new().run(&arguments);
    answer.assert_code(0);
    assert!(answer.stderr.is_empty(), "{answer}");
    answer.text()
}

/// Runs a script of the program with psql, as the superuser, from the database `postgres`.
pub(crate) async fn run(cluster: &Cluster, script: &str) {
    cluster.execute("postgres", script).await.unwrap();
}

/// Everything that a report concludes: a line a check, and a line a finding.
fn conclusions(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for check in report.checks() {
        let reason = check["reason"].as_str().unwrap_or_default();
        let count = &check["population"]["count"];
        lines.push(format!(
            "{}  {}  {count}  {reason}",
            text(&check["id"]),
            text(&check["verdict"])
        ));
        for finding in check["findings"].as_array().unwrap() {
            lines.push(format!(
                "{}  {}  {}  {}",
                text(&check["id"]),
                text(&finding["severity"]),
                crate::support::subject(finding),
                text(&finding["detail"])
            ));
        }
    }
    lines
}

/// What one report concludes and the other does not, in both directions.
fn differences(superuser: &Report, auditor: &Report) -> Vec<String> {
    let (theirs, ours) = (conclusions(superuser), conclusions(auditor));
    let lost = theirs.iter().filter(|line| !ours.contains(line));
    let other = ours.iter().filter(|line| !theirs.contains(line));
    lost.map(|line| format!("- {line}"))
        .chain(other.map(|line| format!("+ {line}")))
        .collect()
}

#[tokio::test]
async fn the_role_loses_no_verdict_on_a_careless_cluster() {
    for major in [13, 15, 18] {
        let cluster = demo(major).await;
        let worker = Login::new("shop_worker").database("shop");
        let script = script_as_worker(&cluster);
        let desk = Desk::new();
        let before = desk.audit(&cluster.dsn_as("shop_worker", "shop"));
        cluster.execute_as(&worker, &script).await.unwrap();
        let set = format!(
            "SET password_encryption = 'scram-sha-256'; ALTER ROLE {ROLE} PASSWORD 'test-only'"
        );
        cluster.execute_as(&worker, &set).await.unwrap();
        let superuser = desk.audit(&cluster.dsn_as("shop_worker", "shop"));
        let auditor = desk.audit(&cluster.dsn_as(ROLE, "shop"));
        assert_eq!(
            differences(&superuser, &auditor),
            Vec::<String>::new(),
            "{major}"
        );
        // What was made is no finding of its own, beyond what the cluster does to every role that logs in.
        let new: Vec<String> = superuser
            .findings()
            .into_iter()
            .filter(|finding| !before.findings().contains(finding))
            .collect();
        assert_eq!(new, Vec::<String>::new(), "{major}");
        assert!(superuser.findings().len() > 30, "{major}");
    }
}

/// On the demo's cluster nobody gets in as postgres by the socket but postgres.
fn script_as_worker(cluster: &Cluster) -> String {
    let answer = Desk::new().run(&["grants", &cluster.dsn_as("shop_worker", "shop")]);
    answer.assert_code(0);
    answer.text()
}

#[tokio::test]
async fn the_role_loses_no_verdict_on_a_hardened_cluster() {
    let cluster = hardened().await;
    let desk = Desk::new();
    run(&cluster, &script(&cluster, "shop", &[])).await;
    let set = format!(
        "SET password_encryption = 'scram-sha-256'; ALTER ROLE {ROLE} PASSWORD 'test-only'"
    );
    cluster.execute("postgres", &set).await.unwrap();
    let superuser = desk.audit(&cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "shop"));
    let auditor = desk.audit(&cluster.dsn_tls(ROLE, "test-only", "shop"));
    assert_eq!(superuser.findings(), Vec::<String>::new());
    assert_eq!(differences(&superuser, &auditor), Vec::<String>::new());
    assert_eq!(auditor.checklist(), superuser.checklist());
}

/// The difference that the functions make, or the two tests above would say nothing.
#[tokio::test]
async fn a_role_without_the_functions_loses_verdicts_and_is_told_of_them() {
    let cluster = hardened().await;
    cluster
        .execute(
            "postgres",
            "CREATE ROLE bare LOGIN PASSWORD 'test-only'; GRANT CONNECT ON DATABASE shop TO bare",
        )
        .await
        .unwrap();
    let bare = Desk::new().audit(&cluster.dsn_tls("bare", "test-only", "shop"));
    let unseen: Vec<&str> = bare
        .checks()
        .iter()
        .filter(|check| check["verdict"] == "not_assessed")
        .map(|check| text(&check["id"]))
        .collect();
    for id in ["HBA-01", "SEC-01"] {
        assert!(unseen.contains(&id), "{unseen:?}");
    }
    assert!(
        bare.0
            .to_string()
            .contains("run the SQL of `pgattest grants`")
    );
}

#[tokio::test]
async fn a_function_returns_the_bytes_that_the_query_returns() {
    for major in available_majors() {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let sql = "CREATE ROLE app LOGIN PASSWORD 'x'; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
            CREATE USER MAPPING FOR app SERVER s OPTIONS (password 'p');
            CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1' PUBLICATION p WITH (connect = false, slot_name = NONE);";
        cluster.execute("postgres", sql).await.unwrap();
        run(&cluster, &script(&cluster, "postgres", &[])).await;
        let version = ServerVersion(major * 10_000);
        let client = cluster.client("postgres").await.unwrap();
        client
            .simple_query("SET search_path = pg_catalog, pg_temp; SET TimeZone = 'UTC'")
            .await
            .unwrap();
        let mut compared = 0;
        for group in GROUPS.iter().filter(|group| group.is_asked_on(version)) {
            let Some(wrapper) = Wrapper::of(group) else {
                continue;
            };
            let direct = copy(&client, &copy_statement(&render(group, version))).await;
            let wrapped = copy(&client, &copy_statement(&wrapper.select())).await;
            assert!(direct.contains('\n'), "{major} {}", group.name);
            assert_eq!(direct, wrapped, "{major} {}", group.name);
            compared += 1;
        }
        assert_eq!(compared, if major >= 15 { 12 } else { 11 }, "{major}");
    }
}

async fn copy(client: &tokio_postgres::Client, statement: &str) -> String {
    use futures_util::TryStreamExt;
    let chunks: Vec<_> = client
        .copy_out(statement)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

#[tokio::test]
async fn the_record_shows_what_was_asked_through_a_function() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    run(&cluster, &script(&cluster, "postgres", &[])).await;
    let desk = Desk::new();
    let package = desk.seal(&cluster.dsn_as(ROLE, "postgres"));
    drop(cluster);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
    let files = members(&package);
    let record = String::from_utf8(files["observations.jsonl"].clone()).unwrap();
    for group in GROUPS {
        let Some(wrapper) = Wrapper::of(group) else {
            continue;
        };
        assert!(record.contains(&wrapper.select()), "{}", group.name);
    }
    let shown = String::from_utf8(files["observations/cluster/wrappers.csv"].clone()).unwrap();
    assert!(shown.contains("verifiers") && shown.contains("body_sha256"));
}

/// Everything that a script could leave behind, in one database.
const STATE: &str = "
    SELECT string_agg(line, E'\n' ORDER BY line) FROM (
        SELECT 'role ' || r.rolname || r.rolsuper || r.rolcanlogin || r.rolinherit || r.rolconnlimit AS line FROM pg_roles AS r
        UNION ALL SELECT 'setting ' || setdatabase || ' ' || setrole::regrole || ' ' || setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT 'database ' || datname || coalesce(datacl::text, 'default') FROM pg_database
        UNION ALL SELECT 'schema ' || nspname || nspowner::regrole || coalesce(nspacl::text, 'default') FROM pg_namespace
            WHERE nspname !~ '^pg_temp|^pg_toast_temp'
        UNION ALL SELECT 'function ' || oid::regprocedure || proowner::regrole || coalesce(proacl::text, 'default') || md5(prosrc) || coalesce(proconfig::text, '')
            FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'comment ' || description FROM pg_description WHERE objoid >= 16384 OR classoid = 'pg_namespace'::regclass
        UNION ALL SELECT 'shared comment ' || description FROM pg_shdescription
        UNION ALL SELECT 'member ' || roleid::regrole || member::regrole FROM pg_auth_members
        UNION ALL SELECT 'dependency ' || count(*) FROM pg_shdepend
        UNION ALL SELECT 'default ' || defaclacl::text FROM pg_default_acl
    ) AS everything";

async fn state(cluster: &Cluster, databases: &[&str]) -> BTreeMap<String, String> {
    let mut state = BTreeMap::new();
    for database in databases {
        let text = cluster.query_value(database, STATE).await.unwrap();
        state.insert((*database).to_owned(), text);
    }
    state
}

#[tokio::test]
async fn twice_is_as_good_as_once_and_revoke_leaves_no_trace() {
    for major in [13, 15, 18] {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let sql = "CREATE DATABASE shop; CREATE DATABASE closed; REVOKE CONNECT ON DATABASE closed FROM PUBLIC;
            CREATE DATABASE nobody; ALTER DATABASE nobody ALLOW_CONNECTIONS false;";
        cluster.execute("postgres", sql).await.unwrap();
        let databases = ["postgres", "template1", "shop", "closed"];
        let before = state(&cluster, &databases).await;

        let grant = script(&cluster, "shop", &[]);
        run(&cluster, &grant).await;
        let once = state(&cluster, &databases).await;
        run(&cluster, &grant).await;
        assert_eq!(state(&cluster, &databases).await, once, "{major}");
        for database in databases {
            assert_ne!(once[database], before[database], "{major} {database}");
        }
        // It gets in everywhere, and sees.
        let report = Desk::new().audit(&cluster.dsn_as(ROLE, "shop"));
        let unseen = report.0["not_visible"].to_string();
        assert!(!unseen.contains("42501"), "{major}: {unseen}");

        let revoke = script(&cluster, "shop", &["--revoke"]);
        run(&cluster, &revoke).await;
        assert_eq!(state(&cluster, &databases).await, before, "{major}");
        // Undoing nothing is no error.
        run(&cluster, &revoke).await;
        assert_eq!(state(&cluster, &databases).await, before, "{major}");
    }
}

#[tokio::test]
async fn a_second_role_keeps_the_functions() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    run(&cluster, &script(&cluster, "postgres", &[])).await;
    run(
        &cluster,
        &script(&cluster, "postgres", &["--role", "second"]),
    )
    .await;
    for role in [ROLE, "second"] {
        let report = Desk::new().audit(&cluster.dsn_as(role, "postgres"));
        assert_ne!(report.verdict("HBA-01"), "not_assessed", "{role}");
    }
    run(&cluster, &script(&cluster, "postgres", &["--revoke"])).await;
    let report = Desk::new().audit(&cluster.dsn_as("second", "postgres"));
    assert_ne!(report.verdict("HBA-01"), "not_assessed");
}

#[tokio::test]
async fn names_are_only_names() {
    const DATABASES: [&str; 7] = [
        "O'Brien \"quoted\"",
        "back\\slash \\' and `date`",
        "new\nline\r\n\\! touch /tmp/x",
        "dbname=postgres user=postgres",
        ":ON_ERROR_STOP :'x' $pgattest$",
        "-reuse-previous=off %s %I",
        " ünï ",
    ];
    let role = "it's \"a\" \\role\n; $pgattest$ %I";
    let cluster = Cluster::builder(15).start().await.unwrap();
    let client = cluster.client("postgres").await.unwrap();
    for name in DATABASES {
        let quoted = pgattest_model::ident::quote_ident(name);
        client
            .simple_query(&format!("CREATE DATABASE {quoted}"))
            .await
            .unwrap();
        client
            .simple_query(&format!("REVOKE CONNECT ON DATABASE {quoted} FROM PUBLIC"))
            .await
            .unwrap();
    }
    for home in ["postgres", DATABASES[0]] {
        let before = state(&cluster, &["postgres", DATABASES[2]]).await;
        run(&cluster, &script(&cluster, home, &["--role", role])).await;
        let report = Desk::new().audit(&cluster.dsn_as(role, home));
        let unseen = report.0["not_visible"].to_string();
        assert!(!unseen.contains("42501"), "{home:?}: {unseen}");
        assert_eq!(report.0["target"]["databases"].as_array().unwrap().len(), 9);
        run(
            &cluster,
            &script(&cluster, home, &["--role", role, "--revoke"]),
        )
        .await;
        assert_eq!(state(&cluster, &["postgres", DATABASES[2]]).await, before);
    }
}

#[tokio::test]
async fn what_is_there_already_is_not_taken_over() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let sql = "CREATE ROLE app LOGIN; CREATE ROLE pgattest_member LOGIN;";
    cluster.execute("postgres", sql).await.unwrap();
    let refused = async |script: String, words: &str| {
        let error = cluster.execute("postgres", &script).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    };
    refused(
        script(&cluster, "postgres", &["--role", "app"]),
        "was not made by this script",
    )
    .await;
    refused(
        script(&cluster, "postgres", &["--role", "app", "--revoke"]),
        "was not made by",
    )
    .await;
    cluster
        .execute("postgres", "CREATE SCHEMA pgattest AUTHORIZATION app")
        .await
        .unwrap();
    refused(
        script(&cluster, "postgres", &[]),
        "schema pgattest in database postgres was not made by this script",
    )
    .await;
    cluster
        .execute("postgres", "DROP SCHEMA pgattest")
        .await
        .unwrap();
    // By somebody who may not.
    let login = Login::new("app");
    let error = cluster
        .execute_as(&login, &script(&cluster, "postgres", &[]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("is not a superuser"), "{error}");
    // For another server.
    let other = Desk::new().run(&["grants", "--postgres", "16"]).text();
    refused(other, "this script is for PostgreSQL 16").await;
    // A role of ours that somebody gave more to.
    run(&cluster, &script(&cluster, "postgres", &[])).await;
    cluster
        .execute("postgres", &format!("GRANT pg_monitor TO {ROLE}"))
        .await
        .unwrap();
    refused(
        script(&cluster, "postgres", &[]),
        "is a member of other roles",
    )
    .await;
}

#[tokio::test]
async fn the_script_needs_no_server_to_be_printed() {
    for major in [13, 18] {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let word = major.to_string();
        let answer = Desk::new().run(&["grants", "--postgres", &word]);
        answer.assert_code(0);
        run(&cluster, &answer.text()).await;
        let report = Desk::new().audit(&cluster.dsn_as(ROLE, "postgres"));
        assert_ne!(report.verdict("HBA-01"), "not_assessed", "{major}");
        let undo = Desk::new().run(&["grants", "--postgres", &word, "--revoke"]);
        run(&cluster, &undo.text()).await;
        let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgattest'";
        assert_eq!(cluster.query_value("postgres", left).await.unwrap(), "0");
    }
    for bad in [
        &["grants", "--postgres", "12"][..],
        &["grants", "--role", "pg_x"],
        &["grants", "--role", ""],
    ] {
        Desk::new().run(bad).assert_code(2);
    }
}

#[tokio::test]
async fn a_function_that_was_changed_is_not_asked() {
    const HBA: &str = "pgattest.hba_rules()";
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE ROLE mallory LOGIN")
        .await
        .unwrap();
    let lying = "DO $$ BEGIN EXECUTE (SELECT replace(pg_get_functiondef('pgattest.hba_rules()'::regprocedure), 'h.auth_method,', '''scram-sha-256'',')); END $$";
    let renamed = "DROP FUNCTION pgattest.hba_rules(); CREATE FUNCTION pgattest.hba_rules() RETURNS TABLE (number bigint, file text, line integer) \
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1::bigint, ''''::text, 1'; \
        GRANT EXECUTE ON FUNCTION pgattest.hba_rules() TO pgattest_auditor; REVOKE ALL ON FUNCTION pgattest.hba_rules() FROM PUBLIC";
    let cases = [
        (lying.to_owned(), "its text is not the one"),
        (renamed.to_owned(), "its text is not the one"),
        (
            format!("ALTER FUNCTION {HBA} OWNER TO mallory"),
            "its owner is not a superuser",
        ),
        (
            format!("ALTER FUNCTION {HBA} SECURITY INVOKER"),
            "it is not SECURITY DEFINER",
        ),
        (
            format!("ALTER FUNCTION {HBA} RESET search_path"),
            "it is not pinned",
        ),
        (
            format!("ALTER FUNCTION {HBA} SET search_path = public"),
            "it is not pinned",
        ),
        (
            format!("ALTER FUNCTION {HBA} SET work_mem = '1MB'"),
            "it is not pinned",
        ),
        (
            format!("GRANT EXECUTE ON FUNCTION {HBA} TO PUBLIC"),
            "PUBLIC may execute it",
        ),
        (
            "ALTER SCHEMA pgattest OWNER TO mallory".to_owned(),
            "the owner of schema pgattest is not a superuser",
        ),
        (
            "GRANT CREATE ON SCHEMA pgattest TO mallory".to_owned(),
            "may create objects in schema pgattest",
        ),
    ];
    let (grant, revoke) = (
        script(&cluster, "postgres", &[]),
        script(&cluster, "postgres", &["--revoke"]),
    );
    for (tampering, words) in cases {
        run(&cluster, &grant).await;
        cluster.execute("postgres", &tampering).await.unwrap();
        let desk = Desk::new();
        let package = desk.seal(&cluster.dsn_as(ROLE, "postgres"));
        let report = Report::read(&std::fs::read(desk.path("audit.json")).unwrap());
        let check = report.check("HBA-01");
        assert_eq!(check["verdict"], "not_assessed", "{tampering}");
        let why = check.to_string();
        assert!(
            why.contains(words) && why.contains("`pgattest grants` again"),
            "{tampering}: {why}"
        );
        // Offline, from the record alone, the same.
        desk.run(&["verify", package.to_str().unwrap()])
            .assert_code(0);
        let record = String::from_utf8(members(&package)["observations.jsonl"].clone()).unwrap();
        assert!(!record.contains("from pgattest.hba_rules()"), "{tampering}");

        cluster.execute("postgres", "ALTER SCHEMA pgattest OWNER TO postgres; REVOKE ALL ON SCHEMA pgattest FROM mallory").await.unwrap();
        run(&cluster, &revoke).await;
    }
    // Whole again.
    run(&cluster, &grant).await;
    let report = Desk::new().audit(&cluster.dsn_as(ROLE, "postgres"));
    assert_ne!(report.verdict("HBA-01"), "not_assessed");
}

#[tokio::test]
async fn a_standby_is_audited_through_what_the_primary_has() {
    let primary = Cluster::builder(15).start().await.unwrap();
    run(&primary, &script(&primary, "postgres", &[])).await;
    let standby = Standby::of(&primary).await.unwrap();
    standby.catch_up(&primary).await.unwrap();
    let desk = Desk::new();
    let superuser = desk.audit(&standby.dsn_as(SUPERUSER, "postgres"));
    let auditor = desk.audit(&standby.dsn_as(ROLE, "postgres"));
    assert_eq!(differences(&superuser, &auditor), Vec::<String>::new());
    assert_eq!(auditor.0["target"]["in_recovery"], true);
    assert_ne!(auditor.verdict("HBA-01"), "not_assessed");
}

#[test]
fn every_wrapped_group_of_a_database_is_made_in_each() {
    let wrapped = |scope| {
        GROUPS
            .iter()
            .filter(|group| group.scope == scope && Wrapper::of(group).is_some())
            .count()
    };
    assert_eq!((wrapped(Scope::Cluster), wrapped(Scope::Database)), (9, 3));
}
