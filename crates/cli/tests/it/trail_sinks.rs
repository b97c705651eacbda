//! What `pgattest trail sinks` says of a sink that does not get on, and with which code it ends.

use crate::support::Answer;
use crate::trail_desk::{TrailDesk, wait};
use pgattest_trail::Journal;
use serde_json::Value;
use std::fs;

const SELECT: &str =
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>";

/// Nobody listens there.
const DOWN: &str = "[sink.siem]\nkind = \"relp\"\naddress = \"127.0.0.1:1\"\nplain = true\n";
/// Its folder is missing.
const FILE: &str = "[sink.siem]\nkind = \"file\"\npath = \"missing/copy.jsonl\"\n";

/// Waits until the sink's status says so, as a collector has written it.
fn wait_for(desk: &TrailDesk, standing: &str) {
    let path = desk.desk.path("journal/sinks/siem.status.json");
    wait(&format!("the sink is {standing}"), || {
        fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
            .is_some_and(|status| status["standing"] == standing && status["end"] == 1)
    });
}

/// One that needs somebody: the answer, in which the two forms agree.
#[track_caller]
fn unwell(desk: &TrailDesk, to_do: &str) -> Answer {
    let text = desk.trail_ends("sinks", &[], 1);
    text.assert_says(to_do);
    let json = desk.trail_ends("sinks", &["--format", "json"], 1);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    let sink = &json["sinks"][0];
    assert_eq!(sink["well"], false);
    assert!(sink["to_do"].as_str().unwrap().contains(to_do), "{sink}");
    text
}

#[test]
fn a_sink_that_was_stopped_behind_is_a_finding_until_it_has_everything() {
    let desk = TrailDesk::new(DOWN);
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    wait_for(&desk, "retrying");
    unwell(&desk, "look at the receiver when it lasts").assert_says("siem  relp  retrying");
    collector.stop();
    let stopped = unwell(&desk, "put that right, then start the collector");
    stopped.assert_says("siem  relp  stopped");
    stopped.assert_says("behind      1 records");
    stopped.assert_says("127.0.0.1:1");

    // A collector that runs and no longer has it.
    desk.configure("");
    let collector = desk.collector();
    wait("the collector", || {
        Journal::is_written_to(&desk.desk.path("journal")).unwrap()
    });
    unwell(
        &desk,
        "remove `sinks/siem.json` and `sinks/siem.status.json`",
    );
    collector.stop();
}

#[test]
fn a_run_that_ends_by_itself_does_not_wait_for_a_sink_that_is_away() {
    for (tables, why) in [(DOWN, "siem  relp"), (FILE, "siem  file")] {
        let desk = TrailDesk::new(tables);
        desk.log("6b03e095.7", &[SELECT]);
        let run = desk.trail_ends("run", &["--once", "--sink-wait", "1"], 1);
        assert!(
            run.stderr
                .contains("sink siem has not confirmed the last 1 of 1 records"),
            "{run}"
        );
        unwell(&desk, "start the collector").assert_says(why);
    }
}

#[test]
fn what_a_person_put_right_is_no_finding_any_more() {
    let desk = TrailDesk::new(FILE);
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    wait_for(&desk, "misconfigured");
    unwell(&desk, "put right what the last error says").assert_says("missing/copy.jsonl");
    collector.stop();
    unwell(&desk, "put that right, then start the collector");
    fs::create_dir(desk.desk.path("missing")).unwrap();
    desk.run_once();
    let well = desk.trail_ends("sinks", &[], 0);
    assert!(!well.text().contains("to do"), "{well}");
}

#[test]
fn a_collector_that_ended_without_a_word_leaves_no_sink_that_is_well() {
    let desk = TrailDesk::new(DOWN);
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    wait_for(&desk, "retrying");
    // SIGKILL.
    drop(collector);
    unwell(&desk, "then start the collector: 1 records wait").assert_says("siem  relp  retrying");

    // One that had delivered everything, and more was sealed since.
    fs::create_dir(desk.desk.path("missing")).unwrap();
    fs::remove_dir_all(desk.desk.path("journal/sinks")).unwrap();
    desk.configure(FILE);
    let collector = desk.collector();
    wait_for(&desk, "delivering");
    desk.trail_ends("sinks", &[], 0);
    drop(collector);
    desk.trail_ends("sinks", &[], 0);
    desk.configure("");
    desk.log("6b03e095.8", &[SELECT]);
    desk.run_once();
    unwell(&desk, "start the collector: 1 records wait").assert_says("siem  file  delivering");
}
