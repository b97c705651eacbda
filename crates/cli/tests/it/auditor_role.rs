//! Logged in as the role of `pgattest grants`: no secret comes out that any role could not read.

use crate::grants::{ROLE, run, script};
use crate::secrets::{Planted, cluster_with, forbidden};
use pgattest_testkit::Cluster;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

/// Every relation there is, as a statement that reads all of it.
const RELATIONS: &str = "
    SELECT format('SELECT t::text FROM %I.%I AS t', n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p') AND n.nspname <> 'pg_toast' ORDER BY c.oid";

/// Columns one by one: a privilege may be on some of them only.
const COLUMNS: &str = "
    SELECT format('SELECT t.%I::text FROM %I.%I AS t', a.attname, n.nspname, c.relname)
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relname IN ('pg_authid', 'pg_shadow', 'pg_subscription', 'pg_user_mapping', 'pg_user_mappings', 'pg_hba_file_rules',
        'pg_file_settings', 'pg_settings', 'pg_stat_activity', 'pg_ident_file_mappings', 'pg_db_role_setting') ORDER BY c.oid, a.attnum";

/// Every function of ours, and those of the server that show files, settings or statements.
const FUNCTIONS: &str = "
    SELECT format('SELECT t::text FROM %s AS t', p.oid::regprocedure)
    FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = 'pgattest' AND p.pronargs = 0
    UNION ALL SELECT format('SELECT t::text FROM %I() AS t', name) FROM unnest(ARRAY['pg_hba_file_rules', 'pg_show_all_file_settings',
        'pg_show_all_settings', 'pg_ident_file_mappings', 'pg_ls_logdir', 'pg_current_logfile', 'pg_control_system']) AS name
    UNION ALL SELECT format('SELECT pg_read_file(%L)', name) FROM unnest(ARRAY['pg_hba.conf', 'postgresql.conf',
        'postgresql.auto.conf', 'pg_ident.conf']) AS name
    UNION ALL SELECT format('SELECT current_setting(%L, true)', name) FROM unnest(ARRAY['app.token', 'primary_conninfo',
        'archive_command', 'restore_command', 'ssl_passphrase_command', 'data_directory']) AS name
    UNION ALL SELECT 'SELECT t::text FROM pg_stat_get_activity(NULL) AS t'
    UNION ALL SELECT 'SELECT pg_get_functiondef(oid) FROM pg_proc WHERE oid >= 16384'
    UNION ALL SELECT 'COPY (SELECT * FROM pg_authid) TO STDOUT'
    UNION ALL SELECT 'TABLE pg_largeobject'";

/// Ways to make a function that runs as a superuser say more than it returns.
const TRICKS: &[&str] = &[
    "SET client_min_messages = debug5; SET debug_print_plan = on; SET debug_print_parse = on; SELECT count(*) FROM pgattest.verifiers()",
    "CREATE FUNCTION pg_temp.leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$; \
     SELECT v::text FROM pgattest.verifiers() AS v WHERE pg_temp.leak(v::text)",
    "SET standard_conforming_strings = off; SELECT t::text FROM pgattest.file_settings() AS t",
    "SET transform_null_equals = on; SELECT t::text FROM pgattest.hba_rules() AS t",
    "SET search_path = pg_temp, public; CREATE TEMP TABLE pg_authid (oid oid, rolpassword text); SELECT t::text FROM pgattest.verifiers() AS t",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM pgattest.settings()",
    "SELECT * FROM pgattest.verifiers() WHERE (kind || role)::int = 1",
];

/// A session of a role, and all that it is told beside its results: notices, and whatever a log message says to a client.
struct Session {
    client: Client,
    told: Arc<Mutex<String>>,
}

impl Session {
    async fn of(cluster: &Cluster, role: &str, database: &str) -> Self {
        let (client, mut connection) =
            tokio_postgres::connect(&cluster.dsn_as(role, database), NoTls)
                .await
                .unwrap();
        let told = Arc::new(Mutex::new(String::new()));
        let hears = Arc::clone(&told);
        tokio::spawn(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(notice) = message {
                    let mut told = hears.lock().unwrap();
                    let _ = writeln!(told, "{notice:?}");
                }
            }
        });
        Self { client, told }
    }

    /// All that the session can make the server say.
    async fn everything(&self) -> String {
        let mut shown = String::new();
        let mut statements = Vec::new();
        for list in [RELATIONS, COLUMNS, FUNCTIONS] {
            statements.extend(self.ask(list).await.lines().map(str::to_owned));
        }
        assert!(statements.len() > 200, "{}", statements.len());
        for statement in statements {
            shown.push_str(&self.ask(&statement).await);
        }
        for trick in TRICKS {
            // The role's own setting, which it may set back, would forbid some of them.
            self.ask("SET default_transaction_read_only = off").await;
            shown.push_str(&self.ask(trick).await);
            // A trick's settings are for itself.
            shown.push_str(&self.ask("ROLLBACK").await);
            shown.push_str(&self.ask("DISCARD ALL").await);
        }
        shown.push_str(&self.told.lock().unwrap());
        shown
    }

    async fn ask(&self, statement: &str) -> String {
        match self.client.simple_query(statement).await {
            Err(error) => format!("{error:?}\n"),
            Ok(messages) => {
                let mut shown = String::new();
                for message in messages {
                    if let SimpleQueryMessage::Row(row) = message {
                        for column in 0..row.len() {
                            shown.push_str(row.get(column).unwrap_or_default());
                        }
                        shown.push('\n');
                    }
                }
                shown
            }
        }
    }
}

async fn leaked(cluster: &Cluster, role: &str, forbidden: &[(String, String)]) -> BTreeSet<String> {
    let mut leaked = BTreeSet::new();
    for database in ["postgres", "shop"] {
        let session = Session::of(cluster, role, database).await;
        let shown = session.everything().await.to_ascii_lowercase();
        if role == ROLE && database == "postgres" {
            // The tricks did make the server talk.
            let told = session.told.lock().unwrap();
            for word in ["parse tree", "scram-sha-256", "plan"] {
                assert!(told.contains(word), "{word}");
            }
        }
        let found = forbidden
            .iter()
            .filter(|(_, secret)| shown.contains(&secret.to_ascii_lowercase()));
        leaked.extend(found.map(|(place, _)| place.clone()));
    }
    leaked
}

#[tokio::test]
async fn the_role_reads_no_secret_that_any_role_could_not_read_on_13() {
    reads_no_secret_that_any_role_could_not_read(13).await;
}

#[tokio::test]
async fn the_role_reads_no_secret_that_any_role_could_not_read_on_15() {
    reads_no_secret_that_any_role_could_not_read(15).await;
}

#[tokio::test]
async fn the_role_reads_no_secret_that_any_role_could_not_read_on_18() {
    reads_no_secret_that_any_role_could_not_read(18).await;
}

async fn reads_no_secret_that_any_role_could_not_read(major: u32) {
    let planted = Planted::new();
    let cluster = cluster_with(major, &planted).await;
    cluster
        .execute("postgres", "CREATE ROLE bare LOGIN")
        .await
        .unwrap();
    run(&cluster, &script(&cluster, "postgres", &[])).await;
    let mut forbidden = forbidden(&cluster, &planted).await;
    // What somebody else is running, which pg_monitor would show.
    let statement = "zqStatementXk7vRmP3w";
    forbidden.push(("another's statement".to_owned(), statement.to_owned()));
    let busy = cluster.client("postgres").await.unwrap();
    busy.simple_query(&format!("SELECT '{statement}'"))
        .await
        .unwrap();

    let everything = leaked(&cluster, "postgres", &forbidden).await;
    let bare = leaked(&cluster, "bare", &forbidden).await;
    let ours = leaked(&cluster, ROLE, &forbidden).await;
    // The search finds what a superuser reads, so it would find what the role does.
    for place in [
        "another's statement",
        "ldap-bind-password",
        "subscription",
        "verifier of app",
        "mapping-password",
        "primary-conninfo",
    ] {
        assert!(
            everything.contains(place),
            "{major} {place}: {everything:?}"
        );
        assert!(!ours.contains(place), "{major} {place}");
    }
    let more: Vec<&String> = ours.difference(&bare).collect();
    assert_eq!(more, Vec::<&String>::new(), "{major}");
}

#[tokio::test]
async fn the_role_changes_nothing() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE TABLE public.t (a int); CREATE ROLE app")
        .await
        .unwrap();
    run(&cluster, &script(&cluster, "postgres", &[])).await;
    let _somebody = cluster.client("postgres").await.unwrap();
    let client = cluster.client_as(ROLE, "postgres").await.unwrap();
    client
        .simple_query("SET default_transaction_read_only = off")
        .await
        .unwrap();
    for statement in [
        "INSERT INTO public.t VALUES (1)",
        "SELECT * FROM public.t",
        "CREATE TABLE public.x ()",
        "CREATE FUNCTION pgattest.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION pgattest.verifiers() RESET search_path",
        "SET ROLE app",
        "ALTER SYSTEM SET log_statement = 'none'",
        "SELECT pg_reload_conf()",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
        "ALTER ROLE app LOGIN",
        "GRANT EXECUTE ON FUNCTION pgattest.verifiers() TO app",
    ] {
        let before = cluster
            .query_value(
                "postgres",
                "SELECT coalesce(proacl::text, '') FROM pg_proc WHERE proname = 'verifiers'",
            )
            .await
            .unwrap();
        let answer = client.simple_query(statement).await;
        let after = cluster
            .query_value(
                "postgres",
                "SELECT coalesce(proacl::text, '') FROM pg_proc WHERE proname = 'verifiers'",
            )
            .await
            .unwrap();
        assert!(
            answer.is_err() || before == after && statement.starts_with("GRANT"),
            "{statement}"
        );
    }
}
