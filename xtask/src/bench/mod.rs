//! `bench`: speed. These numbers are for a reader, never for a test.

mod access;
mod audit;
mod growth;
mod plan;
mod trail_archive;
mod trail_decode;
mod trail_seal;

use anyhow::{Context, Result};
use clap::Subcommand;
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Collecting against psql running the same statements, and assessing against collecting
    Audit(audit::Size),
    /// Whole audits of one cluster while it grows, to see that nothing grows faster than the cluster
    Growth(growth::Steps),
    /// Effective privileges of every role on every table, from made-up facts
    Access(access::Size),
    /// Planning against assessing
    Plan(plan::Size),
    /// Decoding csvlog against the csv crate
    TrailDecode(trail_decode::Size),
    /// Capturing and sealing csvlog against what its parts cost by themselves
    TrailSeal(trail_seal::Size),
    /// Log records to Parquet, and the built-in questions, beside `DuckDB`
    TrailArchive(trail_archive::Size),
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Audit(size) => audit::run(size),
        Bench::Growth(steps) => growth::run(steps),
        Bench::Access(size) => access::run(size),
        Bench::Plan(size) => plan::run(size),
        Bench::TrailDecode(size) => trail_decode::run(size),
        Bench::TrailSeal(size) => trail_seal::run(size),
        Bench::TrailArchive(size) => trail_archive::run(size),
    }
}

/// In kB: `VmHWM` is the most this process ever used, `VmRSS` what it uses now.
fn memory(line: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(':'))
        .with_context(|| format!("no {line} in /proc/self/status"))?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// CPU time of this process so far, all threads together.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

fn peak_memory() -> Result<u64> {
    memory("VmHWM")
}
