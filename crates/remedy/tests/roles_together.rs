//! Findings about roles that one change closes together: what a spec, which plans for one check, cannot show.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]

use pgattest_catalog::decode;
use pgattest_collect::{Limits, collect};
use pgattest_model::plan::{Action, Plan, PlanTarget, Risk};
use pgattest_model::{Assessment, Policy};
use pgattest_planner::{Origin, facts_digest};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD};
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::collections::BTreeSet;

/// An application works as a superuser, another is a member of it: neither loses its login, and no membership is revoked that leads
/// nowhere once the superuser is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_that_is_demoted_keeps_its_login_and_its_members() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "create role \"bo\"\"ss\n$$\" superuser login;
             create role app login in role \"bo\"\"ss\n$$\";
             create role root superuser nologin;
             create role two login in role \"bo\"\"ss\n$$\", root;
             create table mine ();
             alter table mine owner to \"bo\"\"ss\n$$\";",
        )
        .await
        .unwrap();
    let policy = pgattest_parse::policy::parse(
        "[access]\nsuperusers = [\"postgres\", \"root\"]\nbreak_glass = [\"postgres\"]\n",
    )
    .unwrap();
    let (plan, before) = look(&cluster, &policy).await;

    let mut done = Vec::new();
    for change in &plan.changes {
        assert_ne!(change.risk, Risk::ByHand, "{change:?}");
        let Action::Sql { statements, .. } = &change.action else {
            panic!("{change:?}");
        };
        done.extend(statements.iter().cloned());
    }
    assert_eq!(
        done,
        [
            // What the superuser owns is ROL-15's subject once it is none.
            "CREATE ROLE postgres_owner NOLOGIN;",
            "GRANT USAGE ON SCHEMA public TO postgres_owner;",
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO \"bo\"\"ss\n$$\";",
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres_owner IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO \"bo\"\"ss\n$$\";",
            "ALTER TABLE public.mine OWNER TO postgres_owner;",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE public.mine TO \"bo\"\"ss\n$$\";",
            "REVOKE \"bo\"\"ss\n$$\" FROM two;",
            "REVOKE root FROM two;",
            "ALTER ROLE \"bo\"\"ss\n$$\" NOSUPERUSER;",
        ]
    );
    let demotion = plan.changes.last().unwrap();
    let closed: Vec<(&str, &str)> = demotion
        .closes
        .iter()
        .map(|closes| (closes.check.as_str(), closes.subject.name.as_str()))
        .collect();
    let boss = "\"bo\"\"ss\n$$\"";
    assert_eq!(
        closed,
        [
            ("ROL-01", boss),
            ("ROL-02", "app"),
            ("ROL-07", "app"),
            ("ROL-25", boss),
        ]
    );
    let impact: Vec<&str> = demotion
        .impact
        .iter()
        .map(|impact| impact.detail.as_str())
        .collect();
    assert!(
        impact
            .iter()
            .any(|detail| detail.contains("1 relation in database postgres")),
        "{impact:#?}"
    );
    assert!(
        demotion
            .notes
            .iter()
            .any(|note| note.starts_with("ROL-15 then reports")),
        "{:#?}",
        demotion.notes
    );

    cluster.execute("postgres", &done.join("\n")).await.unwrap();
    let (_, after) = look(&cluster, &policy).await;
    let claimed: BTreeSet<_> = plan
        .changes
        .iter()
        .flat_map(|change| &change.closes)
        .filter(|closes| closes.check != "ROL-15")
        .map(|closes| &closes.fingerprint)
        .collect();
    let open = |assessment: &Assessment| -> BTreeSet<_> {
        let results = assessment.checks.iter();
        results
            .flat_map(|result| result.fingerprints.clone())
            .collect()
    };
    assert!(claimed.iter().all(|one| open(&before).contains(*one)));
    assert!(claimed.iter().all(|one| !open(&after).contains(*one)));
}

async fn look(cluster: &Cluster, policy: &Policy) -> (Plan, Assessment) {
    let dsn = format!(
        "host={} port={} user={SUPERUSER} password={SUPERUSER_PASSWORD} dbname=postgres",
        cluster.socket_dir().display(),
        cluster.port()
    );
    let options = ConnectOptions::resolve(Some(&dsn), &ProcessEnv).unwrap();
    let collection = collect(&options, Limits::default(), |_| {}).await.unwrap();
    let facts = decode(&collection.observations);
    let assessment = pgattest_checks::assess(&facts, policy);
    let only = ["ROL-01", "ROL-02", "ROL-07", "ROL-15", "ROL-25"];
    let plan = pgattest_planner::plan(
        &facts,
        policy,
        &assessment,
        &pgattest_planner::Options {
            only: Some(only.map(str::to_owned).into()),
            ..pgattest_planner::Options::default()
        },
        Origin {
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
        },
    );
    (plan, assessment)
}
