//! `pgattest trail archive` beside a collector that runs: who records, and who has to wait.

use crate::trail_desk::{TrailDesk, wait};
use pgattest_evidence::KeyStore;
use pgattest_trail::inbox::request::{self, Answer, Request};
use pgattest_trail::{Journal, JournalOptions, Leaf};
use std::fs;

const SELECT: &str =
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>";

fn archived(desk: &TrailDesk) -> Vec<String> {
    let leaves = desk.leaves().into_iter();
    leaves
        .filter_map(|leaf| match leaf {
            Leaf::Archived { file, .. } => Some(file),
            _ => None,
        })
        .collect()
}

#[test]
fn the_collector_that_runs_records_what_the_command_archives() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let beside = ["--archive", "archive"];
    let answer = desk.trail_ends("archive", &beside, 0);
    answer.assert_says("1 records archived in 1 files");
    assert!(
        answer
            .stderr
            .contains("1 files are recorded in the journal's tree, by the collector that runs"),
        "{answer}"
    );
    assert_eq!(archived(&desk).len(), 1);
    desk.trail_ends("archive", &["--archive", "archive", "--check"], 0)
        .assert_says("1 files by the journal's tree, 0 only by the archive's own list");
    // Nothing new: nothing is asked of anybody.
    let again = desk.trail_ends("archive", &beside, 0);
    assert!(!again.stderr.contains("by the collector"), "{again}");
    collector.stop();
    assert_eq!(archived(&desk).len(), 1);
    desk.trail_ends("verify", &[], 0);
}

#[test]
fn a_collector_whose_own_archive_it_is_records_each_file_once() {
    let desk = TrailDesk::new("[archive]\nlocation = \"archive\"\nevery_minutes = 60\n");
    desk.log("6b03e095.7", &[SELECT]);
    desk.run_once();
    assert_eq!(archived(&desk).len(), 1);
    let collector = desk.collector();
    desk.log("6b03e095.8", &[SELECT]);
    desk.wait_for_records(2);
    // The collector's first look may have come before, or be going on.
    wait("an archive of both", || {
        desk.trail("archive", &[])
            .text()
            .contains("holds 2 records")
    });
    assert_eq!(archived(&desk).len(), 2);
    // Its last look at the archive finds nothing that the tree does not have.
    collector.stop();
    assert_eq!(archived(&desk).len(), 2, "{:?}", archived(&desk));
    desk.trail_ends("archive", &["--check"], 0)
        .assert_says("2 files by the journal's tree");
}

#[test]
fn what_the_collector_does_not_record_is_recorded_by_a_later_run() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    desk.run_once();
    let key = KeyStore::new(desk.desk.path("keys")).load().unwrap();
    let place = desk.desk.path("journal");
    let journal = Journal::open(&place, key, JournalOptions::default()).unwrap();
    // A collector that refuses, or one of an older version.
    let asked = std::thread::spawn(move || {
        let mut requests = Vec::new();
        wait("a request", || {
            requests = request::take(&place).unwrap();
            !requests.is_empty()
        });
        let taken = requests.remove(0);
        let request = taken.request.clone().unwrap();
        let reason = "not today".to_owned();
        taken.answer(&Answer::Refused { reason }).unwrap();
        request
    });
    let beside = ["--archive", "archive"];
    let answer = desk.trail_ends("archive", &beside, 0);
    assert!(answer.stderr.contains("not today"), "{answer}");
    assert!(
        answer
            .stderr
            .contains("are not recorded in the journal's tree yet"),
        "{answer}"
    );
    let Request::Archived { files } = asked.join().unwrap() else {
        panic!("files are to be recorded");
    };
    assert_eq!((files[0].first, files[0].count), (0, 1));
    let check = ["--archive", "archive", "--check"];
    desk.trail_ends("archive", &check, 0)
        .assert_says("0 files by the journal's tree, 1 only by the archive's own list");
    drop(journal);
    desk.trail_ends("archive", &beside, 0);
    desk.trail_ends("archive", &check, 0)
        .assert_says("1 files by the journal's tree, 0 only");
}

#[test]
fn two_archivers_exclude_each_other_and_say_so() {
    let desk = TrailDesk::new("[archive]\nlocation = \"archive\"\n");
    desk.log("6b03e095.7", &[SELECT]);
    fs::create_dir_all(desk.desk.path("archive/instance=shop")).unwrap();
    let held = fs::File::create(desk.desk.path("archive/instance=shop/.lock")).unwrap();
    held.lock().unwrap();
    let collector = desk.collector();
    desk.wait_for_records(1);
    wait("that it is said", || {
        collector.said().contains("it is looked again in a minute")
    });
    let answer = desk.trail_ends("archive", &[], 2);
    assert!(
        answer
            .stderr
            .contains("another process writes to the archive at"),
        "{answer}"
    );
    assert!(answer.stderr.contains("wait until it"), "{answer}");
    drop(held);
    desk.trail_ends("archive", &[], 0);
    collector.stop();
    assert_eq!(archived(&desk).len(), 1);
}

#[test]
fn a_request_with_records_that_the_journal_does_not_have_is_refused() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let forged = format!(
        "{{\"request\":\"archived\",\"files\":[{{\"at\":1,\"file\":\"instance=shop/x\",\"sha256\":\"{}\",\"first\":0,\"count\":2}}]}}",
        "0".repeat(64)
    );
    desk.desk.write("journal/inbox/1.request", forged);
    let answer = desk.desk.path("journal/inbox/1.answer");
    wait("an answer", || answer.exists());
    let text = fs::read_to_string(answer).unwrap();
    assert!(text.contains("the journal ends before 1"), "{text}");
    collector.stop();
    assert!(archived(&desk).is_empty());
}
