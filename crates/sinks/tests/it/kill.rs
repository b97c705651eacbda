//! The collector killed with SIGKILL between a sink's answer and the cursor.

use crate::support::{Scripted, Trail, context, named, quick};
use pgattest_sinks::{Answer, Delivery};
use pgattest_trail::operate::{Phase, Task};
use rustix::process::{Signal, getpid, kill_process};
use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where the child finds the journal and notes what it was sent.
const PLACE: &str = "PGATTEST_SINKS_KILL_PLACE";

#[test]
fn a_batch_comes_again_with_the_same_numbers_and_nothing_is_missing() {
    if let Some(place) = std::env::var_os(PLACE) {
        child(&PathBuf::from(place));
        return;
    }
    let trail = Trail::new();
    trail.many(95, 20);
    let mut killed = 0;
    loop {
        #[expect(clippy::disallowed_methods, reason = "the test runs itself as a child")]
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::a_batch_comes_again_with_the_same_numbers_and_nothing_is_missing",
            ])
            .env(PLACE, trail.place.path())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
        killed += 1;
        assert!(killed < 100, "it does not get on");
    }
    assert!(killed >= 3, "it was killed {killed} times");

    let text = std::fs::read_to_string(trail.place.path().join("received")).unwrap();
    let received: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let different: BTreeSet<u64> = received.iter().copied().collect();
    assert_eq!(different, (0..95).collect(), "nothing is missing");
    assert!(
        received.len() > 95,
        "what was confirmed and not written down comes again"
    );
    assert!(
        received.len() <= 95 + 10 * killed,
        "at most a batch for each kill"
    );
}

/// Delivers, and dies now and then right after the sink has answered.
fn child(place: &std::path::Path) {
    let received = place.join("received");
    let sink = Scripted::new(move |batch| {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&received)
            .unwrap();
        let mut dies = false;
        for item in &batch.items {
            writeln!(file, "{}", item.record.number).unwrap();
            dies |= item.record.number % 30 == 5;
        }
        file.sync_all().unwrap();
        // Each such batch kills once only.
        let first = batch.items[0].record.number;
        let mark = received.with_extension(format!("died-{first}"));
        if dies && !mark.exists() {
            std::fs::write(&mark, "").unwrap();
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        Answer::Durable
    });
    let context = context(&place.join("journal"), &Arc::default(), None);
    context.stop.advance(Phase::Draining);
    Delivery::new(named("siem"), Arc::new(sink), quick())
        .run(&context)
        .unwrap();
}
