//! `bench plan`: planning against assessing.

use super::audit::{fill, median, ratio};
use anyhow::{Result, ensure};
use clap::Args;
use pgattest_catalog::decode;
use pgattest_collect::{Limits, collect};
use pgattest_model::plan::PlanTarget;
use pgattest_planner::{Options, Origin, facts_digest};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::time::Instant;

/// What the cluster holds besides what `bench audit` makes.
#[derive(Args)]
pub(crate) struct Size {
    #[command(flatten)]
    cluster: super::audit::Size,
    /// Superusers, each owning tables: what they hid is planned for as well
    #[arg(long, default_value_t = 3)]
    superusers: u32,
}

pub(super) fn run(size: &Size) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(plan(size))
}

async fn plan(size: &Size) -> Result<()> {
    let cluster = Cluster::builder(size.cluster.postgres)
        .setting("max_locks_per_transaction", "4096")
        .start()
        .await?;
    fill(&cluster, &size.cluster).await?;
    for number in 1..=size.superusers.min(size.cluster.tables) {
        cluster
            .execute(
                "postgres",
                &format!("create role s{number} superuser login; alter table t{number} owner to s{number};"),
            )
            .await?;
    }
    let options = ConnectOptions::resolve(Some(&cluster.dsn_socket("postgres")), &ProcessEnv)?;
    let limits = Limits {
        probe: false,
        ..Limits::default()
    };
    let collection = collect(&options, limits, |_| {}).await?;
    let facts = decode(&collection.observations);
    // Tenants are told apart, so that there is something to isolate.
    let policy = pgattest_parse::policy::parse(
        "[tenancy]\ncolumn = \"tenant_id\"\nsetting = \"app.tenant\"\n[access]\nsuperusers = [\"postgres\"]\n",
    )?;
    let (mut assessing, mut planning) = (Vec::new(), Vec::new());
    let (mut findings, mut changes, mut left) = (0, 0, 0);
    for _ in 0..size.cluster.rounds {
        let began = Instant::now();
        let assessment = pgattest_checks::assess(&facts, &policy);
        assessing.push(began.elapsed());
        findings = assessment
            .checks
            .iter()
            .map(|result| result.verdict.findings().len())
            .sum::<usize>();

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
        let began = Instant::now();
        let plan =
            pgattest_planner::plan(&facts, &policy, &assessment, &Options::default(), origin);
        planning.push(began.elapsed());
        ensure!(!plan.changes.is_empty(), "nothing was planned");
        (changes, left) = (plan.changes.len(), plan.left.len());
    }
    let (assessing, planning) = (median(assessing), median(planning));
    println!(
        "{} tables, {} roles; {findings} findings, {changes} changes, {left} left; median of {} rounds",
        size.cluster.tables, size.cluster.roles, size.cluster.rounds
    );
    println!("assessing   {:>8.3} s", assessing.as_secs_f64());
    println!(
        "planning    {:>8.3} s   {:.2} of assessing",
        planning.as_secs_f64(),
        ratio(planning, assessing)
    );
    Ok(())
}
