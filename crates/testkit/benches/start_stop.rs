//! How long a cluster takes from nothing to accepting connections, and from
//! there to gone: `cargo bench -p pgattest-testkit`.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;
use pgattest_testkit::{Cluster, ClusterBuilder, available_majors};

const ROUNDS: u32 = 10;

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<16}{:>12}{:>12}", "", "start", "stop")?;
    for major in available_majors() {
        let (start, stop) = measure(&Cluster::builder(major))?;
        let what = format!("PostgreSQL {major}");
        writeln!(out, "{what:<16}{start:>9} ms{stop:>9} ms")?;
    }
    let (start, stop) = measure(&Cluster::hardened(15))?;
    writeln!(out, "{:<16}{start:>9} ms{stop:>9} ms", "15 hardened")?;
    Ok(())
}

/// Mean milliseconds to start and to stop, once the template is there.
fn measure(builder: &ClusterBuilder) -> Result<(u128, u128)> {
    drop(builder.clone().start_blocking()?);
    let (mut start, mut stop) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let cluster = builder.clone().start_blocking()?;
        start += begin.elapsed();
        let begin = Instant::now();
        drop(cluster);
        stop += begin.elapsed();
    }
    Ok(((start / ROUNDS).as_millis(), (stop / ROUNDS).as_millis()))
}
