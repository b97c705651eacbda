//! The policies that are generated keep tenants apart, tried as a role that they bind.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

use pgattest_collect::{Limits, collect};
use pgattest_model::Policy;
use pgattest_model::plan::{Action, Change, ImpactKind, Plan, PlanTarget, Risk};
use pgattest_planner::{Options, Origin, facts_digest};
use pgattest_remedy::{ApplyError, Hands, perform};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tokio_postgres::{Client, SimpleQueryMessage};

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";

#[tokio::test]
async fn a_generated_policy_fails_closed_on_13() {
    fails_closed(13).await;
}

#[tokio::test]
async fn a_generated_policy_fails_closed_on_15() {
    fails_closed(15).await;
}

#[tokio::test]
async fn a_generated_policy_fails_closed_on_18() {
    fails_closed(18).await;
}

/// Without a tenant, and with the empty one that `SET LOCAL` leaves behind, nothing is seen; with one, its own rows and no others,
/// and no row of another can be written. The table's owner is bound too.
async fn fails_closed(major: u32) {
    let cluster = Cluster::builder(major).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            &format!(
                "CREATE ROLE app LOGIN PASSWORD 'app'; CREATE ROLE owner LOGIN PASSWORD 'owner';
                 GRANT CREATE ON SCHEMA public TO owner;
                 CREATE TABLE orders (tenant_id uuid, what text);
                 CREATE TABLE names (tenant_id varchar(40), what text);
                 INSERT INTO orders VALUES ('{A}', 'a'), ('{B}', 'b'), (NULL, 'nobody');
                 INSERT INTO names VALUES ('{A}', 'a'), ('{B}', 'b'), ('', 'empty');
                 ALTER TABLE orders OWNER TO owner; ALTER TABLE names OWNER TO owner;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON orders, names TO app;"
            ),
        )
        .await
        .unwrap();
    let app = cluster.client_as("app", "postgres").await.unwrap();
    app.batch_execute("SELECT 1").await.unwrap();
    let plan = plan(&cluster, "RLS-01").await;
    let orders = change(&plan, "CREATE POLICY", "public.orders");
    assert_eq!(orders.risk, Risk::Approval);
    let affected: BTreeSet<(ImpactKind, &str)> = orders
        .impact
        .iter()
        .map(|impact| (impact.kind, impact.subject.as_str()))
        .collect();
    for expected in [
        (ImpactKind::RowsHidden, "app"),
        (ImpactKind::RowsHidden, "public.orders"),
        (ImpactKind::OwnerFiltered, "owner"),
    ] {
        assert!(affected.contains(&expected), "{expected:?} in {affected:?}");
    }
    assert!(
        affected
            .iter()
            .any(|(kind, who)| *kind == ImpactKind::RowsHidden && who.starts_with("app@")),
        "the live session is not among {affected:?}"
    );
    apply(&cluster, &plan).await;

    let of_policies = [
        "RLS-01", "RLS-02", "RLS-03", "RLS-04", "RLS-05", "RLS-06", "RLS-07", "RLS-08", "RLS-09",
    ];
    let assessment = assess(&cluster).await;
    for result in assessment
        .checks
        .iter()
        .filter(|result| of_policies.contains(&result.meta.id))
    {
        assert_eq!(
            result.verdict.status().words(),
            "pass",
            "{}: {:?}",
            result.meta.id,
            result.verdict
        );
    }

    for role in ["app", "owner"] {
        let client = cluster.client_as(role, "postgres").await.unwrap();
        for table in ["orders", "names"] {
            let what = format!("SELECT what FROM {table} ORDER BY 1");
            assert_eq!(
                rows(&client, &what).await,
                [""; 0],
                "{role} {table}: never set"
            );
            client
                .batch_execute(&format!(
                    "BEGIN; SET LOCAL \"app.current_tenant\" = '{A}'; COMMIT;"
                ))
                .await
                .unwrap();
            assert_eq!(
                rows(&client, &what).await,
                [""; 0],
                "{role} {table}: emptied"
            );
            client
                .batch_execute("SET \"app.current_tenant\" = ''")
                .await
                .unwrap();
            assert_eq!(rows(&client, &what).await, [""; 0], "{role} {table}: empty");
            client
                .batch_execute(&format!("SET \"app.current_tenant\" = '{A}'"))
                .await
                .unwrap();
            assert_eq!(
                rows(&client, &what).await,
                ["a"],
                "{role} {table}: tenant A"
            );
            for refused in [
                format!("INSERT INTO {table} VALUES ('{B}', 'forged')"),
                format!("INSERT INTO {table} VALUES (NULL, 'forged')"),
                format!("UPDATE {table} SET tenant_id = '{B}'"),
            ] {
                let error = client.batch_execute(&refused).await.unwrap_err();
                assert_eq!(
                    error.code().map(tokio_postgres::error::SqlState::code),
                    Some("42501"),
                    "{role}: {refused}"
                );
            }
            client
                .batch_execute(&format!(
                    "BEGIN; INSERT INTO {table} VALUES ('{A}', 'mine'); DELETE FROM {table}; ROLLBACK; RESET \"app.current_tenant\";"
                ))
                .await
                .unwrap();
            client.batch_execute("DISCARD ALL").await.unwrap();
        }
    }
}

/// What a build that failed left behind is cleared away, and an index that is whole is not.
#[tokio::test]
async fn only_the_remains_of_an_index_are_cleared_away() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            r#"CREATE TABLE "or'ders \ ""1""" (tenant_id uuid);
               CREATE INDEX "or'ders \ ""1""_tenant_id_idx" ON "or'ders \ ""1""" (tenant_id);
               UPDATE pg_index SET indisvalid = false WHERE indrelid = '"or''ders \ ""1"""'::regclass;
               CREATE TABLE lines (tenant_id uuid);"#,
        )
        .await
        .unwrap();
    let index = || async {
        cluster
            .query_value(
                "postgres",
                "SELECT string_agg(indexrelid::text || indisvalid, ' ') FROM pg_index WHERE indrelid = '\"or''ders \\ \"\"1\"\"\"'::regclass",
            )
            .await
            .unwrap()
    };
    let remains = index().await;
    let plan = plan(&cluster, "RLS-01").await;
    let build = change(&plan, "CREATE INDEX", "or'ders");
    perform(&options(&cluster), &build.action, &mut NoHands)
        .await
        .unwrap();
    let built = index().await;
    assert!(remains.ends_with("false") && built.ends_with("true"));
    // Tried again, what is there stays there: the statement fails.
    perform(&options(&cluster), &build.action, &mut NoHands)
        .await
        .unwrap_err();
    assert_eq!(index().await, built);
}

/// A cast to the column's own type would cut the longer name off: one tenant would be another.
#[tokio::test]
async fn no_tenant_becomes_another_by_its_length() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let types = [
        ("short", "varchar(3)"),
        ("padded", "char(3)"),
        ("domain", "tenant"),
        ("of_domain", "tenant_of_tenant"),
        ("numbered", "number"),
        ("uuids", "named"),
    ];
    let mut state = String::from(
        "CREATE ROLE app LOGIN PASSWORD 'app';
         CREATE DOMAIN tenant AS varchar(3) NOT NULL; CREATE DOMAIN tenant_of_tenant AS tenant CHECK (value <> 'no');
         CREATE DOMAIN number AS numeric(4,1); CREATE DOMAIN named AS uuid NOT NULL;\n",
    );
    for (table, of) in types {
        let value = match of {
            "number" => "12.5",
            "named" => A,
            _ => "abc",
        };
        let _ = writeln!(
            state,
            "CREATE TABLE {table} (tenant_id {of}, what text); INSERT INTO {table} VALUES ('{value}', 'theirs');
             GRANT SELECT ON {table} TO app;"
        );
    }
    cluster.execute("postgres", &state).await.unwrap();
    let plan = plan(&cluster, "RLS-01").await;
    apply(&cluster, &plan).await;
    let app = cluster.client_as("app", "postgres").await.unwrap();
    for (table, of) in types {
        let (own, other) = match of {
            "number" => ("12.5", "12.54"),
            "named" => (A, B),
            _ => ("abc", "abcd"),
        };
        let what = format!("SELECT what FROM {table}");
        for (tenant, expected) in [(own, &["theirs"][..]), (other, &[]), ("", &[])] {
            app.batch_execute(&format!("SET \"app.current_tenant\" = '{tenant}'"))
                .await
                .unwrap();
            assert_eq!(rows(&app, &what).await, expected, "{table}: {tenant}");
        }
    }
    let assessment = assess(&cluster).await;
    for check in ["RLS-01", "RLS-05", "RLS-06"] {
        let mut results = assessment.checks.iter();
        let result = results.find(|result| result.meta.id == check).unwrap();
        assert_eq!(
            result.verdict.status().words(),
            "pass",
            "{check}: {:?}",
            result.verdict
        );
    }
}

async fn plan(cluster: &Cluster, check: &str) -> Plan {
    let collection = collect(&options(cluster), Limits::default(), |_| {})
        .await
        .unwrap();
    let facts = pgattest_catalog::decode(&collection.observations);
    let policy = policy();
    let assessment = pgattest_checks::assess(&facts, &policy);
    let origin = Origin {
        target: PlanTarget {
            name: String::new(),
            system_identifier: String::new(),
            version: String::new(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: String::new(),
        facts: facts_digest(&collection.observations),
        policy_sha256: None,
        tool_version: String::new(),
    };
    let choices = Options {
        only: Some(BTreeSet::from([check.to_owned()])),
        ..Options::default()
    };
    pgattest_planner::plan(&facts, &policy, &assessment, &choices, origin)
}

async fn assess(cluster: &Cluster) -> pgattest_model::Assessment {
    let collection = collect(&options(cluster), Limits::default(), |_| {})
        .await
        .unwrap();
    pgattest_checks::assess(
        &pgattest_catalog::decode(&collection.observations),
        &policy(),
    )
}

fn policy() -> Policy {
    pgattest_parse::policy::parse(
        "[tenancy]\ncolumn = \"tenant_id\"\nsetting = \"app.current_tenant\"",
    )
    .unwrap()
}

fn change<'p>(plan: &'p Plan, begins: &str, mentions: &str) -> &'p Change {
    plan.changes
        .iter()
        .find(|change| {
            let first = match &change.action {
                Action::Sql { statements, .. } => statements.first(),
                Action::SqlAlone { statement, .. } => Some(statement),
                _ => None,
            };
            first.is_some_and(|first| first.starts_with(begins) && first.contains(mentions))
        })
        .unwrap_or_else(|| panic!("no {begins} on {mentions} in {plan:#?}"))
}

async fn apply(cluster: &Cluster, plan: &Plan) {
    for change in &plan.changes {
        perform(&options(cluster), &change.action, &mut NoHands)
            .await
            .unwrap();
    }
}

fn options(cluster: &Cluster) -> ConnectOptions {
    ConnectOptions::resolve(Some(&cluster.dsn("postgres")), &ProcessEnv).unwrap()
}

async fn rows(client: &Client, query: &str) -> Vec<String> {
    let messages = client.simple_query(query).await.unwrap();
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        })
        .collect()
}

struct NoHands;

impl Hands for NoHands {
    fn restart(&mut self) -> Result<(), ApplyError> {
        Err(ApplyError::NotFromHere("nothing is restarted".to_owned()))
    }
}
