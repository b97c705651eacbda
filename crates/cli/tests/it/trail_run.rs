//! `pgattest trail run | status | verify | proof`: a log is captured, sealed, checked and proven, by one configuration.

use crate::support::Desk;
use crate::trail_desk::{TrailDesk, line, wait};
use pgattest_trail::Leaf;
use std::fs;
use std::path::{Path, PathBuf};

const SELECT: &str =
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>";
const CREATE: &str = "AUDIT: SESSION,2,1,DDL,CREATE TABLE,TABLE,public.t,create table t (),<none>";

#[test]
fn what_was_logged_is_sealed_told_verified_and_proven_by_one_configuration() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT, CREATE]);
    desk.run_once();

    let status = desk.trail_ends("status", &["--format", "json"], 0);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["schema"], "pgattest.trail-status/1");
    assert_eq!(
        [
            &status["records"],
            &status["blocks"],
            &status["gaps"],
            &status["behind_bytes"]
        ],
        [2, 1, 0, 0]
    );
    assert_eq!(status["stopped"], true);
    let text = desk.trail_ends("status", &[], 0).text();
    assert!(text.contains("stopped in an orderly way"), "{text}");

    let verified = desk.trail_ends("verify", &[], 0);
    verified.assert_says("journal: verified");
    verified.assert_says("2 in 1 blocks checked");
    assert!(
        verified
            .stderr
            .contains("Believed is the collector's own key"),
        "{verified}"
    );

    desk.trail_ends("proof", &["1", "--out", "one.proof"], 0);
    let key = "keys/pgattest_ed25519.pub";
    let proven = desk
        .desk
        .run(&["trail", "verify", "--proof", "one.proof", "--key", key]);
    proven.assert_code(0);
    proven.assert_says("record 1: proven");
    proven.assert_says("create table t ()");
    let none = desk.trail_ends("proof", &["2"], 2);
    assert!(
        none.stderr.contains("the journal has no record 2"),
        "{none}"
    );

    // What is named wins.
    let other = desk.trail_ends("status", &["--journal", "elsewhere"], 2);
    assert!(other.stderr.contains("elsewhere"), "{other}");
}

#[test]
fn a_service_seals_what_comes_and_ends_in_an_orderly_way() {
    let desk = TrailDesk::new("[sink.copy]\nkind = \"file\"\npath = \"copy.jsonl\"\n");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let status = desk.trail_ends("status", &[], 0).text();
    assert!(!status.contains("stopped in an orderly way"), "{status}");
    desk.log("6b03e095.8", &[CREATE, SELECT]);
    desk.wait_for_records(3);
    // A stop lets the collector seal, not the sinks catch up: that is for the next start.
    wait("the records in the file", || {
        fs::read_to_string(desk.desk.path("copy.jsonl"))
            .is_ok_and(|copy| copy.matches("AUDIT: ").count() == 3)
    });
    collector.stop();

    let leaves = desk.leaves();
    assert!(matches!(leaves.first(), Some(Leaf::Start { instance, .. }) if instance == "shop"));
    assert!(matches!(leaves.last(), Some(Leaf::Stop { reason, .. }) if reason == "asked"));
    let copy = fs::read_to_string(desk.desk.path("copy.jsonl")).unwrap();
    assert_eq!(copy.matches("create table t ()").count(), 1, "{copy}");
    assert_eq!(copy.matches("select 1 from orders").count(), 2, "{copy}");
    desk.trail_ends("verify", &[], 0);

    // A second run adds nothing that is there already.
    desk.run_once();
    assert_eq!(desk.reader().next_record().unwrap(), 3);
}

#[test]
fn the_journal_says_what_the_collector_is_told_and_no_secret() {
    let desk = TrailDesk::on(
        Desk::new().with("SPLUNK_TOKEN", "5ec3e7"),
        "[sink.siem]\nkind = \"splunk-hec\"\nurl = \"https://me:5ec3e7@127.0.0.1:9/5ec3e7\"\ntoken = { env = \"SPLUNK_TOKEN\" }\n\
         [detect]\nalert_files = [\"alerts.jsonl\"]\nwithout = [\"bulk-read\"]\n\
         [archive]\ndir = \"archive\"\nretention_days = 400\n",
    );
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    collector.stop();
    let told = desk.leaves().into_iter().find_map(|leaf| match leaf {
        Leaf::Configuration { told, .. } => told,
        _ => None,
    });
    let told = told.expect("a leaf with the configuration");
    let sink = &told.sinks["siem"];
    assert_eq!(
        (sink.kind.as_str(), sink.place.as_str()),
        ("splunk-hec", "127.0.0.1:9")
    );
    assert!(told.rules.contains(&"new-superuser".to_owned()));
    assert!(!told.rules.contains(&"bulk-read".to_owned()));
    assert_eq!(told.alerts, ["file alerts.jsonl"]);
    assert_eq!(told.archive.unwrap().retention_days, 400);
    for leaf in desk.leaves() {
        let leaf = serde_json::to_string(&leaf).unwrap();
        assert!(!leaf.contains("5ec3e7"), "{leaf}");
    }
    // It never delivered anything, and is told of all the same.
    desk.trail_ends("sinks", &[], 1)
        .assert_says("confirmed   0 records, up to 0 of 1");
}

#[test]
fn a_second_collector_is_refused_and_says_so() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let second = desk.trail_ends("run", &["--once"], 2);
    assert!(
        second
            .stderr
            .contains("another process writes to the journal"),
        "{second}"
    );
    collector.stop();
}

#[test]
fn a_flipped_bit_is_found_and_its_place_is_named() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT, CREATE]);
    desk.run_once();
    let journal = desk.desk.path("journal");
    let segment = the_file_below(&journal.join("segments"));
    let tile = the_file_below(&journal.join("tile/0"));
    let entries = the_file_below(&journal.join("tile/entries"));
    for (path, at) in [(&segment, 40), (&tile, 3), (&entries, 30)] {
        let good = fs::read(path).unwrap();
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(path, &bad).unwrap();
        let answer = desk.trail_ends("verify", &[], 1);
        answer.assert_says("NOT VERIFIED");
        let place = path.strip_prefix(&journal).unwrap().display().to_string();
        answer.assert_says(&place);
        fs::write(path, &good).unwrap();
    }
    // The root that is signed: its first character.
    let path = journal.join("checkpoint");
    let good = fs::read_to_string(&path).unwrap();
    let root = good.lines().nth(2).unwrap();
    let other = if root.starts_with('A') { "B" } else { "A" };
    let bad = good.replacen(root, &format!("{other}{}", &root[1..]), 1);
    fs::write(&path, bad).unwrap();
    let answer = desk.trail_ends("verify", &[], 1);
    answer.assert_says("NOT VERIFIED");
    answer.assert_says("checkpoint");
    fs::write(&path, good).unwrap();
    desk.trail_ends("verify", &[], 0);
}

#[test]
fn another_key_than_the_collectors_verifies_nothing() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    desk.run_once();
    let key = desk.desk.key_file("openssh").display().to_string();
    let answer = desk.trail_ends("verify", &["--key", &key], 1);
    answer.assert_says("by none of the keys given");
    desk.trail_ends("proof", &["0", "--out", "one.proof"], 0);
    let answer = desk
        .desk
        .run(&["trail", "verify", "--proof", "one.proof", "--key", &key]);
    answer.assert_code(1);
    answer.assert_says("NOT PROVEN");
}

#[test]
fn what_is_wrong_in_the_configuration_is_shown_in_its_line_with_what_to_do() {
    let desk = TrailDesk::new("");
    for (tables, line, message, help) in [
        (
            "pol_milliseconds = 3\n",
            "pol_milliseconds = 3",
            "unknown field `pol_milliseconds`",
            "docs/trail/run.md",
        ),
        (
            "[sink.siem]\nkind = \"splnk\"\nurl = \"https://splunk.example\"\n",
            "kind = \"splnk\"",
            "unknown variant `splnk`",
            "docs/trail/sinks.md",
        ),
        (
            "[sink.siem]\nkind = \"splunk-hec\"\nurl = \"https://splunk.example\"\ntoken = { env = \"NOT_THERE\" }\n",
            "token = { env = \"NOT_THERE\" }",
            "the environment variable `NOT_THERE` is not set",
            "set it where the collector is started",
        ),
        (
            "[detect]\nalert_files = [\"alerts\"]\n[[detect.webhook]]\nname = \"soc\"\nurl = \"https://soc.example\"\nsecret = { env = \"NOR_THIS\" }\n",
            "secret = { env = \"NOR_THIS\" }",
            "the environment variable `NOR_THIS` is not set",
            "set it where the collector is started",
        ),
        (
            "[detect]\nstdout = false\n",
            "[detect]",
            "names no place that alerts go to",
            "alert_files",
        ),
        (
            "[operate]\nlisten = \"0.0.0.0:9187\"\n",
            "listen = \"0.0.0.0:9187\"",
            "no loopback address",
            "listen on 127.0.0.1",
        ),
    ] {
        desk.configure(tables);
        let answer = desk.trail_ends("run", &["--once"], 2);
        let said = &answer.stderr;
        assert!(said.contains(message), "no {message:?} in\n{answer}");
        assert!(said.contains(help), "no {help:?} in\n{answer}");
        let shown: Vec<&str> = said.lines().collect();
        let at = shown
            .iter()
            .position(|shown| shown.contains(&format!("| {line}")));
        let at = at.unwrap_or_else(|| panic!("no {line:?} in\n{answer}"));
        assert!(shown[at + 1].contains('^'), "no caret below it\n{answer}");
        assert!(said.contains("trail.toml:"), "{answer}");
        assert!(!desk.desk.path("journal").exists(), "nothing is begun");
    }
}

#[test]
fn commands_that_write_make_no_key_of_their_own() {
    let desk = TrailDesk::new("[archive]\ndir = \"archive\"\n");
    desk.log("6b03e095.7", &[SELECT]);
    desk.run_once();
    fs::rename(desk.desk.path("keys"), desk.desk.path("moved")).unwrap();
    for (command, more) in [
        ("archive", &[][..]),
        ("prune", &["--yes"]),
        ("hold", &["set", "matter", "--reason", "counsel"]),
    ] {
        let answer = desk.trail_ends(command, more, 2);
        assert!(
            answer.stderr.contains("there is no signing key at"),
            "{answer}"
        );
        assert!(answer.stderr.contains("--home DIR"), "{answer}");
        assert!(!desk.desk.path("keys").exists(), "{command} made a key");
        assert!(!desk.desk.path("home").exists(), "{command} made a key");
    }
    // Where the keys are is said otherwise: `keys` below it.
    fs::create_dir(desk.desk.path("vault")).unwrap();
    fs::rename(desk.desk.path("moved"), desk.desk.path("vault/keys")).unwrap();
    desk.trail_ends("archive", &["--home", "vault"], 0);
    desk.trail_ends("archive", &["--check"], 0)
        .assert_says("by the journal's tree");
    let rows = desk.trail_ends("query", &["touched", "orders", "--format", "csv"], 0);
    assert_eq!(rows.text().lines().count(), 2, "{rows}");
}

#[test]
fn a_journal_that_nobody_names_is_asked_for() {
    let desk = TrailDesk::new("");
    for command in ["status", "completeness", "sinks"] {
        let answer = desk.desk.run(&["trail", command]);
        answer.assert_code(2);
        assert!(answer.stderr.contains("--config"), "{answer}");
    }
    let answer = desk.trail_ends("query", &["ddl"], 2);
    assert!(answer.stderr.contains("no [archive]"), "{answer}");
}

#[test]
fn completeness_is_told_by_the_configuration_and_a_hole_is_found() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT, CREATE]);
    fs::write(
        desk.desk.path("log/later.csv"),
        line("6b03e095.8", 1, SELECT) + &line("6b03e095.8", 3, SELECT),
    )
    .unwrap();
    desk.run_once();
    let answer = desk.trail_ends("completeness", &["--format", "json"], 1);
    assert!(answer.text().contains("6b03e095.8"), "{answer}");
}

/// The file of the present size in a folder, or in those below it: partial tiles of smaller trees stay.
fn the_file_below(folder: &Path) -> PathBuf {
    let number = |path: &PathBuf| -> u64 {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        name.parse().unwrap()
    };
    let entries = fs::read_dir(folder).unwrap();
    let path = entries
        .map(|entry| entry.unwrap().path())
        .max_by_key(number)
        .unwrap();
    if path.is_dir() {
        the_file_below(&path)
    } else {
        path
    }
}
