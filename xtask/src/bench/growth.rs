//! `bench growth`: whole audits of one cluster while it grows.

use super::memory;
use anyhow::{Result, ensure};
use clap::Args;
use pgattest_catalog::decode;
use pgattest_collect::{Limits, collect};
use pgattest_model::{Outcome, Policy};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::time::Instant;

/// Tables made by one transaction, so that it does not run out of locks.
const BATCH: u32 = 2_000;

/// How far to grow.
#[derive(Args)]
pub(crate) struct Steps {
    /// Tables at each step; a tenth as many roles, six tenths as many policies
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1_000, 10_000, 100_000])]
    tables: Vec<u32>,
    /// Most roles, whatever the number of tables
    #[arg(long, default_value_t = 5_000)]
    roles: u32,
    /// Major version of the server
    #[arg(long, default_value_t = 15)]
    postgres: u32,
}

pub(super) fn run(steps: &Steps) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(grow(steps))
}

async fn grow(steps: &Steps) -> Result<()> {
    let cluster = Cluster::builder(steps.postgres)
        .setting("max_locks_per_transaction", "4096")
        .start()
        .await?;
    let options = ConnectOptions::resolve(Some(&cluster.dsn_socket("postgres")), &ProcessEnv)?;
    println!(
        "{:>8} {:>6} {:>9} | {:>12} {:>10} | {:>10} {:>9} | {:>10} {:>9} | {:>9} {:>9}",
        "tables",
        "roles",
        "policies",
        "observations",
        "bytes",
        "collecting",
        "per table",
        "assessing",
        "per table",
        "memory",
        "findings"
    );
    let (mut tables, mut roles) = (0, 0);
    for &wanted in &steps.tables {
        ensure!(
            wanted > tables,
            "the steps must grow: {wanted} after {tables}"
        );
        let wanted_roles = (wanted / 10).clamp(1, steps.roles);
        add_roles(&cluster, roles, wanted_roles).await?;
        while tables < wanted {
            let until = (tables + BATCH).min(wanted);
            add_tables(&cluster, tables, until, wanted_roles).await?;
            tables = until;
        }
        roles = wanted_roles;
        measure(&options, tables, roles).await?;
    }
    Ok(())
}

async fn measure(options: &ConnectOptions, tables: u32, roles: u32) -> Result<()> {
    let limits = Limits {
        probe: false,
        statement_timeout: std::time::Duration::from_mins(10),
        ..Limits::default()
    };
    let began = Instant::now();
    let collection = collect(options, limits, |_| {}).await?;
    let collecting = began.elapsed();
    let bytes: usize = collection
        .observations
        .iter()
        .map(|observation| match &observation.outcome {
            Outcome::Rows { csv, .. } => csv.len(),
            Outcome::Failed { .. } => 0,
        })
        .sum();
    let began = Instant::now();
    let facts = decode(&collection.observations);
    let assessment = pgattest_checks::assess(&facts, &Policy::default());
    let assessing = began.elapsed();
    let findings: usize = assessment
        .checks
        .iter()
        .map(|check| check.verdict.findings().len())
        .sum();
    let per_table = |time: std::time::Duration| time.as_secs_f64() * 1e6 / f64::from(tables);
    println!(
        "{tables:>8} {roles:>6} {:>9} | {:>12} {bytes:>10} | {:>8.2} s {:>6.0} us | {:>8.2} s {:>6.0} us | {:>6} MB {findings:>9}",
        u64::from(tables) * 6 / 10,
        collection.observations.len(),
        collecting.as_secs_f64(),
        per_table(collecting),
        assessing.as_secs_f64(),
        per_table(assessing),
        memory("VmHWM")? / 1024,
    );
    Ok(())
}

async fn add_roles(cluster: &Cluster, from: u32, to: u32) -> Result<()> {
    let sql = format!(
        "do $$ begin
           for n in {first}..{to} loop
             execute format('create role r%s %s', n, case when n % 2 = 0 then 'login' else '' end);
             if n > 1 and n % 10 <> 1 then execute format('grant r%s to r%s', n - 1, n); end if;
           end loop;
         end $$;",
        first = from + 1
    );
    cluster.execute("postgres", &sql).await
}

async fn add_tables(cluster: &Cluster, from: u32, to: u32, roles: u32) -> Result<()> {
    let sql = format!(
        "do $$ begin
           for n in {first}..{to} loop
             execute format('create table t%s (id bigint, tenant_id uuid not null, a text, b int, c timestamptz)', n);
             execute format('grant select, insert on t%s to r%s', n, 1 + n % {roles});
             if n % 10 = 0 then execute format('alter table t%s enable row level security', n); end if;
             if n % 10 < 6 then
               execute format('create policy p on t%s using (tenant_id = current_setting(''app.tenant'')::uuid)', n);
             end if;
           end loop;
         end $$;",
        first = from + 1
    );
    cluster.execute("postgres", &sql).await
}
