//! The collector killed again and again under load.

use super::scene::{Collector, catch_up, configure, pause, pgbench, server};
use super::sealed::{assert_archive_is_the_log, assert_journal_is_the_log, assert_verified};
use crate::support::Desk;
use pgattest_testkit::Random;
use std::time::{Duration, Instant};

/// A load, and how often the collector is killed in it.
struct Ordeal {
    /// How long the load lasts.
    seconds: u32,
    /// Transactions a second; `None` as many as the server can.
    rate: Option<u32>,
    /// `log_rotation_size`. The test rotates, too, before each kill but every third.
    rotation: &'static str,
    /// How often the collector gets SIGKILL, at moments of the load that nobody chose.
    kills: u32,
}

#[test]
fn a_collector_killed_again_and_again_seals_and_archives_everything_once() {
    survive(&Ordeal {
        seconds: 8,
        rate: Some(60),
        rotation: "1MB",
        kills: 10,
    });
}

mod full {
    use super::{Ordeal, survive};

    /// `PGATTEST_ORDEAL_SECONDS` makes it shorter, for a first look.
    #[test]
    fn ten_minutes_at_full_speed_with_forty_kills() {
        let seconds = std::env::var("PGATTEST_ORDEAL_SECONDS")
            .map_or(600, |seconds| seconds.parse().unwrap());
        survive(&Ordeal {
            seconds,
            rate: None,
            rotation: "10MB",
            kills: 40,
        });
    }
}

/// The load, the kills, and then every byte is compared, and every record counted.
fn survive(ordeal: &Ordeal) {
    let (desk, cluster) = (Desk::new(), server(ordeal.rotation));
    configure(&desk, &cluster);
    pgbench(&cluster, &["-i", "-q"]).wait().unwrap();
    // A statement of several lines with quotes in it, and one that fails.
    let script = desk.write(
        "load.sql",
        "select 'first \"line\"\nsecond, ''line''\n' as \"odd\"\"name\";\nupdate pgbench_branches set filler = 'x';\n",
    );
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let most = usize::try_from(ordeal.seconds * 1000).unwrap();
    let mut moments: Vec<usize> = (0..ordeal.kills).map(|_| random.below(most)).collect();
    moments.sort_unstable();
    let mut collector = Collector::start(&desk);
    let began = Instant::now();
    let script = format!("{}@1", script.display());
    let seconds = ordeal.seconds.to_string();
    let rate = ordeal.rate.map(|rate| rate.to_string());
    let mut arguments = vec![
        "-n",
        "-c",
        "4",
        "-T",
        &seconds,
        "-b",
        "tpcb-like@3",
        "-f",
        &script,
    ];
    arguments.extend(rate.iter().flat_map(|rate| ["-R", rate.as_str()]));
    let mut load = pgbench(&cluster, &arguments);
    for (kill, moment) in moments.into_iter().enumerate() {
        pause(Duration::from_millis(moment as u64).saturating_sub(began.elapsed()));
        if kill % 3 != 0 {
            let _ = cluster.query_text_blocking("postgres", "select pg_rotate_logfile()");
        }
        collector.kill();
        collector = Collector::start(&desk);
    }
    assert!(load.wait().unwrap().success(), "pgbench failed");
    cluster.stop().unwrap();
    collector.kill();
    println!("load and {} kills: {:?}", ordeal.kills + 1, began.elapsed());

    let began = Instant::now();
    catch_up(&desk);
    println!("caught up: {:?}", began.elapsed());
    let began = Instant::now();
    let files = assert_journal_is_the_log(&desk, &cluster);
    assert_archive_is_the_log(&desk, &files);
    assert_verified(&desk);
    println!("compared: {:?}", began.elapsed());
}
