//! Standbys, poolers, roles that may see little, and runs that are stopped.

use crate::support::{Desk, Report, packages, text};
use pgattest_testkit::{Cluster, PgBouncer, PoolMode, SUPERUSER, Standby};
use std::collections::BTreeSet;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Something for most checks to look at.
const SHOP: &str = "
    CREATE ROLE app LOGIN; CREATE ROLE boss LOGIN SUPERUSER; ALTER ROLE app SET app.api_key = 'test-only-0123456789';
    CREATE TABLE orders (tenant_id int); ALTER TABLE orders OWNER TO app; GRANT SELECT ON orders TO PUBLIC;
    ALTER TABLE orders ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON orders USING (tenant_id = current_setting('app.tenant')::int);
    CREATE TABLE notes (tenant_id int);
    CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
";

fn verdicts(report: &Report) -> Vec<(String, String)> {
    report
        .checks()
        .iter()
        .map(|check| {
            (
                text(&check["id"]).to_owned(),
                text(&check["verdict"]).to_owned(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_standby_is_judged_as_its_primary() {
    let primary = Cluster::builder(15).start().await.unwrap();
    primary.execute("postgres", SHOP).await.unwrap();
    let standby = Standby::of(&primary).await.unwrap();
    standby.catch_up(&primary).await.unwrap();
    let desk = Desk::new();
    let of_primary = desk.audit(&primary.dsn("postgres"));
    let of_standby = desk.audit(&standby.dsn("postgres"));
    assert_eq!(of_standby.0["target"]["in_recovery"], true);
    assert_eq!(of_primary.0["target"]["in_recovery"], false);
    assert_eq!(
        of_standby.0["target"]["system_identifier"],
        of_primary.0["target"]["system_identifier"]
    );
    assert!(!of_primary.findings().is_empty());
    assert_eq!(of_standby.findings(), of_primary.findings());
    assert_eq!(verdicts(&of_standby), verdicts(&of_primary));

    let package = desk.seal(&standby.dsn("postgres"));
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
}

#[tokio::test]
async fn a_pooler_in_the_way_changes_no_verdict() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", SHOP).await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE second")
        .await
        .unwrap();
    let desk = Desk::new();
    let direct = desk.audit(&cluster.dsn("postgres"));
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let pooler = PgBouncer::start(&cluster, mode).await.unwrap();
        let pooled = desk.audit(&pooler.dsn("postgres"));
        assert_eq!(pooled.findings(), direct.findings(), "{mode}");
        assert_eq!(verdicts(&pooled), verdicts(&direct), "{mode}");
    }
    // Its console is no server, and is not taken for one.
    let pooler = PgBouncer::start(&cluster, PoolMode::Session).await.unwrap();
    let console = desk.run(&["audit", &pooler.dsn("pgbouncer")]);
    console.assert_code(2);
    assert!(console.stdout.is_empty(), "{console}");
}

/// What a role cannot see is not assessed, says what would open it, and is assessed once that was granted.
#[tokio::test]
async fn the_grants_that_are_asked_for_open_what_they_say() {
    for major in [13, 15, 18] {
        let cluster = Cluster::builder(major).start().await.unwrap();
        cluster.execute("postgres", SHOP).await.unwrap();
        cluster
            .execute(
                "postgres",
                "CREATE DATABASE closed; REVOKE CONNECT ON DATABASE closed FROM PUBLIC; CREATE ROLE auditor LOGIN",
            )
            .await
            .unwrap();
        let desk = Desk::new();
        let connection = cluster.dsn_as("auditor", "postgres");
        let blind = desk.audit(&connection);
        // Findings count for nothing here, and much is unknown: only the switch makes the exit code say so.
        for (options, code) in [(&[][..], 0), (&["--fail-on-unknown"], 1)] {
            let mut arguments = vec!["audit", connection.as_str(), "--fail-on", "none"];
            arguments.extend(options);
            desk.run(&arguments).assert_code(code);
        }
        let seeing = desk.audit(&cluster.dsn("postgres"));
        let unknown: BTreeSet<String> = verdicts(&blind)
            .into_iter()
            .filter(|(_, verdict)| verdict == "not_assessed")
            .map(|(id, _)| id)
            .collect();
        for id in ["HBA-01", "SEC-01", "LOG-01", "TLS-08"] {
            assert!(unknown.contains(id), "{major}: {id} of {unknown:?}");
        }
        // What it does say is what a superuser is told, only less of it.
        let told = seeing.findings();
        for finding in blind.findings() {
            assert!(
                told.contains(&finding),
                "{major}: {finding} is only seen by the blind"
            );
        }
        for (id, verdict) in verdicts(&blind) {
            if verdict == "pass" {
                // Nothing of the closed database was seen: a check that looks into databases cannot have passed, unless the
                // one who sees everything says so too.
                assert_eq!(seeing.verdict(&id), "pass", "{major}: {id}");
            }
        }

        let asked: BTreeSet<String> = blind.0["not_visible"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|one| one["grant"].as_str().map(str::to_owned))
            .collect();
        assert!(
            asked
                .iter()
                .any(|sql| sql.contains("pg_monitor") || sql.contains("pg_read_all_settings")),
            "{major}: {asked:?}"
        );
        assert!(
            asked
                .iter()
                .any(|sql| sql.contains("CONNECT ON DATABASE closed")),
            "{major}: {asked:?}"
        );
        for sql in &asked {
            cluster
                .execute("postgres", sql)
                .await
                .unwrap_or_else(|error| panic!("{major}: {sql}\n{error:#}"));
        }
        let opened = desk.audit(&connection);
        assert_eq!(
            opened.0["not_visible"], seeing.0["not_visible"],
            "{major}: what a superuser cannot see either, no grant opens"
        );
        // The auditor is now a login role more, with grants that are themselves remarked on; nothing else may differ.
        let of_others = |report: &Report| -> Vec<String> {
            let lines = report.findings().into_iter();
            lines.filter(|line| !line.ends_with("auditor")).collect()
        };
        assert_eq!(of_others(&opened), of_others(&seeing), "{major}");
        let undecided = |report: &Report| -> Vec<String> {
            report
                .undecided()
                .into_iter()
                .filter(|line| line.contains("not_assessed"))
                .collect()
        };
        assert_eq!(undecided(&opened), undecided(&seeing), "{major}");
    }
}

/// Whether a check judges what only a look into a database shows. Who may connect, and who may set what, the cluster shows.
fn is_about_what_is_inside(id: &str) -> bool {
    let areas = ["GRN-", "RLS-", "FUN-"];
    areas.iter().any(|area| id.starts_with(area)) && !matches!(id, "GRN-07" | "GRN-15" | "FUN-07")
}

#[tokio::test]
async fn a_role_that_may_connect_to_one_database_only_passes_nothing_for_the_others() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", SHOP).await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE DATABASE hidden; REVOKE CONNECT ON DATABASE hidden, template1 FROM PUBLIC; CREATE ROLE auditor LOGIN IN ROLE pg_monitor",
        )
        .await
        .unwrap();
    // Where nobody can see it.
    cluster
        .execute("hidden", "CREATE TABLE leaks (tenant_id int); CREATE TABLE more (tenant_id int); GRANT ALL ON leaks TO PUBLIC")
        .await
        .unwrap();
    let desk = Desk::new();
    let answer = desk.run(&[
        "audit",
        &cluster.dsn_as("auditor", "postgres"),
        "--format",
        "json",
    ]);
    answer.assert_code(1);
    let report = Report::read(&answer.stdout);
    for check in report.checks() {
        let id = text(&check["id"]);
        if is_about_what_is_inside(id) {
            assert_ne!(check["verdict"], "pass", "{id}");
            assert_ne!(check["verdict"], "not_applicable", "{id}");
            let unseen = check["not_seen"].to_string() + &check["reason"].to_string();
            assert!(unseen.contains("hidden"), "{id}: {check}");
        }
    }
    assert!(report.0["not_visible"].to_string().contains("hidden"));
    // Whoever reads nothing but the exit code is told, too.
    assert!(
        answer.stderr.contains("checks could not be assessed"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_statement_timeout_costs_the_check_not_the_run() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", SHOP).await.unwrap();
    let blocker = cluster.client("postgres").await.unwrap();
    blocker
        .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let connection = cluster.dsn("postgres");
    let report = tokio::task::spawn_blocking(move || {
        let desk = Desk::new();
        desk.audit_with(&connection, &["--statement-timeout", "1"])
    })
    .await
    .unwrap();
    for id in ["RLS-01", "RLS-03", "RLS-05"] {
        assert_ne!(report.verdict(id), "pass", "{id}");
        assert_ne!(report.verdict(id), "not_applicable", "{id}");
    }
    assert_eq!(report.verdict("ROL-01"), "fail");
    drop(blocker);
}

#[tokio::test]
async fn an_interrupted_run_leaves_nothing() {
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let cluster = Cluster::builder(15).start().await.unwrap();
        let blocker = cluster.client("postgres").await.unwrap();
        blocker
            .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        let desk = Desk::new();
        let child = desk
            .command(&[
                "audit",
                &cluster.dsn("template1"),
                "--format",
                "json=audit.json",
                "--out",
                "out",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until(&cluster, WAITS).await;
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let output = end_of(child).await;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(output.stdout.is_empty());
        assert!(stderr.contains("error: interrupted"), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert_eq!(
            packages(&desk.path("out")).len(),
            0,
            "no package and no part of one"
        );
        assert!(!desk.path("audit.json").exists());
        until(
            &cluster,
            "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'pgattest'",
        )
        .await;
        drop(blocker);
    }
}

/// A run of ours waits for a lock.
const WAITS: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'pgattest' AND wait_event_type = 'Lock'";

async fn end_of(child: Child) -> Output {
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("it ends")
        .unwrap()
}

/// Waits until the server says yes.
async fn until(cluster: &Cluster, condition: &str) {
    let watcher = cluster.client_as(SUPERUSER, "postgres").await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !watcher
        .query_one(condition, &[])
        .await
        .unwrap()
        .get::<_, bool>(0)
    {
        assert!(Instant::now() < deadline, "{condition}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_database_that_vanishes_half_way_is_not_passed_over() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE vanishing")
        .await
        .unwrap();
    cluster
        .execute("vanishing", "CREATE TABLE t (tenant_id int)")
        .await
        .unwrap();
    let desk = Desk::new();
    // One database at a time, and the first of them keeps the run waiting.
    let blocker = cluster.client("postgres").await.unwrap();
    blocker
        .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let child = desk
        .command(&[
            "audit",
            &cluster.dsn("postgres"),
            "--concurrency",
            "1",
            "--format",
            "json",
            "--out",
            "out",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(&cluster, WAITS).await;
    cluster
        .execute("postgres", "DROP DATABASE vanishing WITH (FORCE)")
        .await
        .unwrap();
    blocker.batch_execute("ROLLBACK").await.unwrap();
    let output = end_of(child).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let report = Report::read(&output.stdout);
    for check in report.checks() {
        let id = text(&check["id"]);
        if is_about_what_is_inside(id) {
            assert_eq!(check["verdict"], "not_assessed", "{id}: {check}");
            assert!(check.to_string().contains("vanishing"), "{id}: {check}");
        }
    }
    assert!(
        report.0["not_visible"].to_string().contains("vanishing"),
        "{}",
        report.0["not_visible"]
    );
    let package = packages(&desk.path("out")).remove(0);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
}

/// A server that goes away half way: what was not seen passes nothing, and the run says so.
#[tokio::test]
async fn a_server_that_dies_half_way_is_no_pass() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.execute("postgres", SHOP).await.unwrap();
    let desk = Desk::new();
    let whole = desk.audit(&cluster.dsn("postgres"));
    let blocker = cluster.client("postgres").await.unwrap();
    blocker
        .batch_execute("BEGIN; LOCK TABLE pg_catalog.pg_policy IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let child = desk
        .command(&[
            "audit",
            &cluster.dsn("postgres"),
            "--format",
            "json",
            "--out",
            "out",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until(&cluster, WAITS).await;
    cluster.stop_immediately().unwrap();
    let output = end_of(child).await;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("panicked"), "{stderr}");
    let report = Report::read(&output.stdout);
    for id in ["RLS-03", "RLS-05"] {
        assert_eq!(report.verdict(id), "not_assessed", "{id}");
    }
    for (id, verdict) in verdicts(&report) {
        if matches!(verdict.as_str(), "pass" | "not_applicable") {
            assert_eq!(whole.verdict(&id), verdict, "{id}");
        }
    }
    assert_ne!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("checks could not be assessed"), "{stderr}");
    drop(blocker);
}
