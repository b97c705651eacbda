//! A cluster as an expert would leave it: nothing is found, and what is not judged says why.

use crate::support::{Desk, Report, text};
use pgattest_testkit::{Cluster, Login, SUPERUSER, SUPERUSER_PASSWORD};

const ROLES: &str = "
    CREATE ROLE shop_owner NOLOGIN;
    CREATE ROLE shop_reader NOLOGIN;
    CREATE ROLE shop_writer NOLOGIN;
    GRANT shop_reader TO shop_writer;
    CREATE ROLE shop_api LOGIN PASSWORD 'test-only' CONNECTION LIMIT 20 IN ROLE shop_writer;
    CREATE ROLE shop_report LOGIN PASSWORD 'test-only' IN ROLE shop_reader;
    CREATE ROLE migrator LOGIN PASSWORD 'test-only' NOINHERIT IN ROLE shop_owner;
    CREATE ROLE auditor LOGIN PASSWORD 'test-only' IN ROLE pg_monitor;
    ALTER ROLE shop_api SET statement_timeout = '5s';
    ALTER ROLE shop_api SET search_path = app, pg_temp;
    -- The auditor reads more of the log than others, not less.
    ALTER ROLE auditor SET pgaudit.log = 'all';
    CREATE DATABASE shop OWNER shop_owner;
    REVOKE ALL ON DATABASE shop FROM PUBLIC;
    GRANT CONNECT ON DATABASE shop TO shop_api, shop_report, migrator, auditor;
";

const SHOP: &str = "
    CREATE EXTENSION pgaudit;
    CREATE SCHEMA extensions;
    CREATE EXTENSION pgcrypto SCHEMA extensions;
    SET ROLE shop_owner;
    CREATE SCHEMA app;
    GRANT USAGE ON SCHEMA app TO shop_reader;
    ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO shop_reader;
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT, UPDATE, DELETE ON TABLES TO shop_writer;

    CREATE FUNCTION app.tenant() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
        AS $$ SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
    GRANT EXECUTE ON FUNCTION app.tenant() TO shop_reader;

    CREATE TABLE app.plans (name text PRIMARY KEY, cents int NOT NULL);
    CREATE TABLE app.projects (tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
    CREATE TABLE app.invoices (tenant_id uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, cents int, PRIMARY KEY (tenant_id, id));
    CREATE TABLE app.events (tenant_id uuid NOT NULL, at timestamptz NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA app TO shop_writer;
    REVOKE INSERT, UPDATE, DELETE ON app.plans FROM shop_writer;

    DO $$
    DECLARE name text;
    BEGIN
        FOREACH name IN ARRAY ARRAY['projects', 'invoices', 'events', 'events_2026'] LOOP
            EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE app.%I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format('CREATE POLICY tenant ON app.%I USING (tenant_id = (SELECT app.tenant())) WITH CHECK (tenant_id = (SELECT app.tenant()))', name);
        END LOOP;
    END $$;
    -- Narrows, on top of the tenant's own.
    CREATE POLICY no_drafts ON app.invoices AS RESTRICTIVE FOR SELECT TO shop_report USING (cents > 0);

    CREATE VIEW app.totals WITH (security_invoker = true, security_barrier = true) AS
        SELECT tenant_id, sum(cents) AS cents FROM app.invoices GROUP BY tenant_id;
    CREATE FUNCTION app.price(plan text) RETURNS int LANGUAGE sql STABLE SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$ SELECT cents FROM app.plans WHERE name = plan $$;
    GRANT EXECUTE ON FUNCTION app.price(text) TO shop_writer;
    RESET ROLE;
";

pub(crate) async fn hardened() -> Cluster {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    cluster.execute("postgres", ROLES).await.unwrap();
    cluster.execute("shop", SHOP).await.unwrap();
    cluster
}

/// What the cluster has none of, and what nobody said. The specs of these checks show them pass and fail.
const UNDECIDED: [&str; 21] = [
    "ROL-05  not_applicable  before PostgreSQL 16 CREATEROLE has no bounds: see ROL-04",
    "ROL-11  not_applicable  before PostgreSQL 16 a membership has no options of its own",
    "ROL-20  not_applicable  no login role is past its VALID UNTIL",
    "ROL-21  not_applicable  the policy does not want passwords to expire (access.passwords_expire)",
    "GRN-15  not_applicable  no setting was granted to anybody",
    "GRN-18  not_applicable  no database holds a foreign-data wrapper or foreign server",
    "RLS-16  not_applicable  no materialized view is made from a table with row-level security",
    "RLS-17  not_applicable  no view is all that keeps tenants apart",
    "RLS-18  not_applicable  all 1 partitions and children are multi-tenant tables, which RLS-01 judges",
    "RLS-20  not_applicable  no table with row-level security has rules or triggers",
    "RLS-21  not_applicable  there are no publications",
    "FUN-03  not_applicable  no SECURITY DEFINER function outside extensions belongs to a superuser or to a role with BYPASSRLS",
    "HBA-04  not_applicable  no rule that somebody arrives at uses a map",
    "HBA-12  not_applicable  no rule asks for a client certificate",
    "HBA-13  not_applicable  no rule passes passwords on to a directory",
    "SEC-10  not_applicable  no user mapping exists",
    "SEC-12  not_applicable  no subscription exists",
    // All clients of a test are on this machine.
    "TLS-08  not_applicable  no other client session from another machine at that moment",
    "LOG-05  not_assessed  which columns hold classified data is not known; declare [[classification]]",
    "EGR-04  not_applicable  no database has a foreign table",
    "EGR-06  not_applicable  no publication exists",
];

/// What only a trail can answer: nobody named one. The specs of these checks show them pass and fail.
const NEED_A_TRAIL: [&str; 13] = [
    "LOG-18", "LOG-19", "LOG-20", "LOG-21", "LOG-24", "LOG-25", "SEC-18", "MON-01", "MON-03",
    "MON-04", "MON-05", "MON-06", "MON-07",
];

/// Nothing found, at any severity, and nothing that only looks like it because it was not tested.
#[track_caller]
fn assert_clean(report: &Report, undecided: &[&str]) {
    assert_eq!(report.findings(), Vec::<String>::new());
    let no_trail =
        "  not_assessed  no audit trail was looked at: name its journal with `--trail DIR`";
    let (need_a_trail, others): (Vec<String>, Vec<String>) = report
        .undecided()
        .into_iter()
        .partition(|line| line.ends_with(no_trail));
    let need_a_trail: Vec<&str> = need_a_trail.iter().map(|line| &line[..6]).collect();
    assert_eq!(need_a_trail, NEED_A_TRAIL);
    assert_eq!(others, undecided);
    for check in report.checks() {
        if check["verdict"] == "pass" {
            assert!(
                check["population"]["count"].as_u64() > Some(0),
                "{} passed without a subject",
                text(&check["id"])
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_found_on_a_hardened_cluster() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "shop");
    let answer = desk.run(&[
        "audit",
        &connection,
        "--format",
        "json",
        "--fail-on",
        "low",
        "--out",
        "out",
    ]);
    answer.assert_code(0);
    let report = Report::read(&answer.stdout);
    assert_clean(&report, &UNDECIDED);
    assert_eq!(
        report.checklist(),
        [
            "1 pass",
            "2 pass",
            // Proven to be logged, and kept: only a trail can tell.
            "3 not_assessed",
            "4 not_assessed",
            "5 pass",
            "6 pass",
            "7 not_assessed",
            "8 not_assessed",
        ]
    );
}

#[tokio::test]
async fn a_declared_policy_changes_nothing_where_the_guess_was_right() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let policy = r#"
        [organization]
        name = "Example Shop"
        [access]
        superusers = ["postgres"]
        bypass_rls = []
        server_files = []
        [tenancy]
        setting = "app.current_tenant"
        column = "tenant_id"
        [logging]
        classes = ["ddl", "write", "role"]
        retention_days = 365
        [transport]
        minimum_tls = "TLSv1.2"
    "#;
    desk.write("pgattest.toml", policy);
    let report = desk.audit(&cluster.dsn_socket("shop"));
    assert_clean(&report, &UNDECIDED);
    assert_eq!(report.0["policy"], "given");
}

/// One step back from the hardened state each, so that the silence above is known to mean something.
#[tokio::test]
async fn each_step_back_is_seen() {
    let steps = [
        (
            "ALTER TABLE app.invoices NO FORCE ROW LEVEL SECURITY; ALTER ROLE shop_owner LOGIN",
            "ALTER TABLE app.invoices FORCE ROW LEVEL SECURITY; ALTER ROLE shop_owner NOLOGIN",
            // An owner that can log in is more than one fault.
            &[
                "ROL-14  medium  shop",
                "ROL-15  high  shop_owner",
                "GRN-13  medium  shop:shop_owner",
                "RLS-02  high  shop:app.invoices",
                "SEC-03  low  shop_owner",
            ][..],
        ),
        (
            "ALTER VIEW app.totals RESET (security_invoker)",
            "ALTER VIEW app.totals SET (security_invoker = true)",
            // The policies hold for the view's owner too, as they are forced.
            &[],
        ),
        (
            "ALTER VIEW app.totals RESET (security_invoker); ALTER TABLE app.invoices NO FORCE ROW LEVEL SECURITY",
            "ALTER VIEW app.totals SET (security_invoker = true); ALTER TABLE app.invoices FORCE ROW LEVEL SECURITY",
            // The owner cannot log in, but migrator can become the owner.
            &[
                "RLS-02  high  shop:app.invoices",
                "RLS-15  high  shop:app.totals",
            ],
        ),
        (
            "GRANT INSERT ON app.plans TO PUBLIC",
            "REVOKE INSERT ON app.plans FROM PUBLIC",
            // Nobody but the shop's own roles gets into the schema.
            &["GRN-04  medium  shop:app.plans"],
        ),
        (
            "ALTER ROLE shop_api SET pgaudit.log = 'none'",
            "ALTER ROLE shop_api RESET pgaudit.log",
            &["LOG-03  high  ALTER ROLE shop_api SET pgaudit.log"],
        ),
        (
            "ALTER FUNCTION app.price(text) RESET search_path",
            "ALTER FUNCTION app.price(text) SET search_path = pg_catalog, pg_temp",
            &["FUN-01  medium  shop:app.price(plan text)"],
        ),
        (
            "CREATE TABLE app.notes (tenant_id uuid, body text); ALTER TABLE app.notes OWNER TO shop_owner; \
             GRANT SELECT ON app.notes TO shop_reader",
            "DROP TABLE app.notes",
            &["RLS-01  critical  shop:app.notes"],
        ),
        (
            "GRANT pg_read_server_files TO shop_report",
            "REVOKE pg_read_server_files FROM shop_report",
            &["ROL-03  high  shop_report"],
        ),
        (
            "CREATE DATABASE scratch",
            "DROP DATABASE scratch",
            &["GRN-07  low  scratch", "LOG-01  medium  scratch:scratch"],
        ),
        (
            "ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1.1'",
            "ALTER SYSTEM RESET ssl_min_protocol_version",
            &["TLS-02  high  ssl_min_protocol_version"],
        ),
        (
            "ALTER SYSTEM SET pgaudit.log = 'ddl, role'",
            "ALTER SYSTEM RESET pgaudit.log",
            &["LOG-02  high  pgaudit.log"],
        ),
        (
            "ALTER SYSTEM SET log_disconnections = off",
            "ALTER SYSTEM RESET log_disconnections",
            &["LOG-09  medium  log_disconnections"],
        ),
        (
            "SET password_encryption = 'md5'; ALTER ROLE shop_api PASSWORD 'test-only'",
            "ALTER ROLE shop_api PASSWORD 'test-only'",
            &["SEC-01  high  shop_api"],
        ),
        (
            "ALTER DATABASE shop SET app.signing_key = 'test-only-0123456789'",
            "ALTER DATABASE shop RESET app.signing_key",
            &["SEC-08  high  ALTER DATABASE shop SET app.signing_key"],
        ),
    ];
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "shop");
    let (mut seen, mut expected) = (Vec::new(), Vec::new());
    for (back, forth, findings) in steps {
        cluster.execute("shop", back).await.unwrap();
        cluster.reload().unwrap();
        seen.push((back, desk.audit(&connection).findings()));
        expected.push((back, findings.iter().map(ToString::to_string).collect()));
        cluster.execute("shop", forth).await.unwrap();
        cluster.reload().unwrap();
    }
    assert_eq!(seen, expected);
    assert_eq!(desk.audit(&connection).findings(), Vec::<String>::new());
}

/// The setup is as tight as it claims: what the audit passes is so when it is tried.
#[tokio::test]
async fn the_hardened_cluster_isolates_its_tenants() {
    let cluster = hardened().await;
    let one = "11111111-1111-4111-8111-111111111111";
    let two = "22222222-2222-4222-8222-222222222222";
    for tenant in [one, two] {
        let sql = format!(
            "BEGIN; SET LOCAL app.current_tenant = '{tenant}';
             INSERT INTO app.invoices (tenant_id, cents) VALUES ('{tenant}', 100);
             INSERT INTO app.events VALUES ('{tenant}', '2026-02-03', 'login'); COMMIT"
        );
        let api = Login::new("shop_api")
            .password("test-only")
            .database("shop")
            .tls();
        cluster.execute_as(&api, &sql).await.unwrap();
        for table in ["invoices", "events", "totals"] {
            let sql = format!(
                "BEGIN; SET LOCAL app.current_tenant = '{tenant}'; SELECT DISTINCT tenant_id FROM app.{table}; COMMIT"
            );
            let rows = cluster.query_text_as(&api, &sql).await.unwrap();
            assert_eq!(rows, [[Some(tenant.to_owned())]], "{table}");
        }
    }
}

/// One line more in `pg_hba.conf`, at each place where it matters.
#[tokio::test]
async fn one_open_line_in_pg_hba_is_seen_where_it_can_be_reached() {
    let cluster = hardened().await;
    let desk = Desk::new();
    let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "shop");
    let good = std::fs::read_to_string(cluster.data_dir().join("pg_hba.conf")).unwrap();
    let cases = [
        (
            format!("{good}host all all 192.0.2.7/32 scram-sha-256\n"),
            &[
                "HBA-07  medium  pg_hba.conf:5",
                "HBA-09  low  pg_hba.conf:5",
                "HBA-10  medium  pg_hba.conf:5",
            ][..],
        ),
        (
            format!("hostssl shop shop_report 192.0.2.7/32 trust\n{good}"),
            &["HBA-01  high  pg_hba.conf:1"],
        ),
        (
            format!("{good}hostssl all all ::/0 scram-sha-256\n"),
            &[
                "HBA-08  medium  pg_hba.conf:5",
                "HBA-09  low  pg_hba.conf:5",
                "HBA-10  medium  pg_hba.conf:5",
            ],
        ),
        // No client ever gets to the last line.
        (
            format!(
                "{good}hostssl all all 192.0.2.7/32 reject\nhost all all 192.0.2.7/32 reject\nhost all all 192.0.2.7/32 trust\n"
            ),
            &["HBA-05  low  pg_hba.conf:7"],
        ),
        // A role that is not there cannot log in, whatever the line says.
        (
            format!("{good}hostssl all nobody 192.0.2.7/32 trust\n"),
            &[],
        ),
    ];
    let (mut seen, mut expected) = (Vec::new(), Vec::new());
    for (hba, findings) in cases {
        cluster.write_hba(&hba).unwrap();
        cluster.reload().unwrap();
        seen.push((hba.clone(), desk.audit(&connection).findings()));
        expected.push((hba, findings.iter().map(ToString::to_string).collect()));
    }
    assert_eq!(seen, expected);
}
