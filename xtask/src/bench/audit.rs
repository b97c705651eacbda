//! `bench audit`: collecting against psql, and assessing against collecting.

use super::peak_memory;
use anyhow::{Context, Result, ensure};
use clap::Args;
use pgattest_catalog::{GROUPS, Scope, copy_statement, decode, render};
use pgattest_collect::{Limits, collect};
use pgattest_model::{Observation, Outcome, Policy, ServerVersion};
use pgattest_testkit::{Cluster, SUPERUSER};
use pgattest_wire::{ConnectOptions, ProcessEnv};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the cluster holds.
#[derive(Args)]
pub(crate) struct Size {
    /// Tables, a tenth of them with row security
    #[arg(long, default_value_t = 2_000)]
    pub(super) tables: u32,
    /// Roles, members of each other in chains
    #[arg(long, default_value_t = 200)]
    pub(super) roles: u32,
    /// Policies
    #[arg(long, default_value_t = 1_200)]
    policies: u32,
    /// Rounds; the median is shown
    #[arg(long, default_value_t = 5)]
    pub(super) rounds: usize,
    /// Major version of the server
    #[arg(long, default_value_t = 15)]
    pub(super) postgres: u32,
}

pub(super) fn run(size: &Size) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(audit(size))
}

async fn audit(size: &Size) -> Result<()> {
    let cluster = Cluster::builder(size.postgres)
        .setting("max_locks_per_transaction", "4096")
        .start()
        .await?;
    fill(&cluster, size).await?;
    let version = ServerVersion(
        cluster
            .query_value("postgres", "show server_version_num")
            .await?
            .parse()?,
    );
    let script = psql_script(version);
    let options = ConnectOptions::resolve(Some(&cluster.dsn_socket("postgres")), &ProcessEnv)?;
    let policy = Policy::default();

    let (mut psql, mut collecting, mut assessing) = (Vec::new(), Vec::new(), Vec::new());
    let (mut bytes, mut queries) = (0, 0);
    let mut slowest = Vec::new();
    for _ in 0..size.rounds {
        psql.push(run_psql(&cluster, &script)?);

        let began = Instant::now();
        // psql tries no handshake.
        let limits = Limits {
            probe: false,
            ..Limits::default()
        };
        let collection = collect(&options, limits, |_| {}).await?;
        collecting.push(began.elapsed());
        queries = collection.observations.len();
        bytes = collection
            .observations
            .iter()
            .map(|observation| match &observation.outcome {
                Outcome::Rows { csv, .. } => csv.len(),
                Outcome::Failed { .. } => 0,
            })
            .sum();

        slowest = durations(&collection.observations)?;

        let began = Instant::now();
        let facts = decode(&collection.observations);
        let assessment = pgattest_checks::assess(&facts, &policy);
        assessing.push(began.elapsed());
        ensure!(!assessment.checks.is_empty(), "nothing was assessed");
    }
    let (psql, collecting, assessing) = (median(psql), median(collecting), median(assessing));
    println!(
        "PostgreSQL {version}: {} tables, {} roles, {} policies; {queries} observations, {bytes} bytes; median of {} rounds",
        size.tables, size.roles, size.policies, size.rounds
    );
    println!(
        "psql, the same statements   {:>8.3} s   1.00",
        psql.as_secs_f64()
    );
    println!(
        "collecting                  {:>8.3} s   {:.2} of psql",
        collecting.as_secs_f64(),
        ratio(collecting, psql)
    );
    println!(
        "decoding and assessing      {:>8.3} s   {:.2} of collecting",
        assessing.as_secs_f64(),
        ratio(assessing, collecting)
    );
    println!("peak memory of this process {:>8} kB", peak_memory()?);
    let slowest: Vec<String> = slowest
        .iter()
        .take(5)
        .map(|(milliseconds, id)| format!("{id} {milliseconds} ms"))
        .collect();
    println!("slowest observations        {}", slowest.join(", "));
    Ok(())
}

/// How long each observation took, in milliseconds, the longest first.
fn durations(observations: &[Observation]) -> Result<Vec<(i64, String)>> {
    let mut all = observations
        .iter()
        .map(|observation| {
            let at = |text: &str| text.parse::<jiff::Timestamp>();
            let took = at(&observation.finished_at)?.as_millisecond()
                - at(&observation.started_at)?.as_millisecond();
            Ok((took, observation.id.to_string()))
        })
        .collect::<Result<Vec<_>>>()?;
    all.sort_by(|a, b| b.cmp(a));
    Ok(all)
}

pub(super) async fn fill(cluster: &Cluster, size: &Size) -> Result<()> {
    let mut sql = String::new();
    let _ = write!(
        sql,
        "do $$ begin
           for n in 1..{roles} loop execute format('create role r%s %s', n, case when n % 2 = 0 then 'login' else '' end); end loop;
           for n in 2..{roles} loop if n % 10 <> 1 then execute format('grant r%s to r%s', n - 1, n); end if; end loop;
         end $$;
         do $$ begin
           for n in 1..{tables} loop
             execute format('create table t%s (id bigint primary key, tenant_id uuid not null, a text, b int, c timestamptz)', n);
             execute format('grant select, insert on t%s to r%s', n, 1 + n % {roles});
             if n % 10 = 0 then execute format('alter table t%s enable row level security', n); end if;
           end loop;
         end $$;
         do $$ begin
           for n in 1..{policies} loop
             execute format('create policy p%s on t%s using (tenant_id = current_setting(''app.tenant'')::uuid)', n, 1 + n % {tables});
           end loop;
         end $$;",
        roles = size.roles,
        tables = size.tables,
        policies = size.policies,
    );
    cluster.execute("postgres", &sql).await
}

/// Exactly what the collector sends, for psql to run in the same kind of transaction.
fn psql_script(version: ServerVersion) -> String {
    let mut script = String::from(
        "begin isolation level repeatable read read only;\nset local search_path = pg_catalog, pg_temp;\nset local jit = off;\n",
    );
    for scope in [Scope::Cluster, Scope::Database] {
        for group in GROUPS
            .iter()
            .filter(|group| group.scope == scope && group.min_major <= version.major())
        {
            let _ = writeln!(script, "{};", copy_statement(&render(group, version)));
        }
    }
    script.push_str("commit;\n");
    // The collector also looks into template1.
    script.push_str("\\connect template1\nbegin isolation level repeatable read read only;\nset local jit = off;\n");
    for group in GROUPS
        .iter()
        .filter(|group| group.scope == Scope::Database && group.min_major <= version.major())
    {
        let _ = writeln!(script, "{};", copy_statement(&render(group, version)));
    }
    script.push_str("commit;\n");
    script
}

fn run_psql(cluster: &Cluster, script: &str) -> Result<Duration> {
    let file = cluster.scratch_dir().join("bench.sql");
    std::fs::write(&file, script)?;
    let began = Instant::now();
    let status = Command::new("psql")
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h"])
        .arg(cluster.socket_dir())
        .args([
            "-p",
            &cluster.port().to_string(),
            "-U",
            SUPERUSER,
            "-d",
            "postgres",
            "-f",
        ])
        .arg(&file)
        .stdout(Stdio::null())
        .status()
        .context("psql did not start")?;
    ensure!(status.success(), "psql: {status}");
    Ok(began.elapsed())
}

pub(super) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

pub(super) fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}
