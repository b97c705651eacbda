//! A process that dies, and a disk that is full, at every point of writing: the archive is as it was or as it will be, and the next
//! run completes it with nothing twice and nothing missing.

use crate::support::{CSVLOG, Kept, NOW, Place, make, numbers, rows, seal, statements};
use pgattest_archive::Archive;
use pgattest_archive::compact::compact;
use pgattest_archive::make::MakeOptions;
use pgattest_evidence::{DiskStep, FaultHook};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const CHILD_DIR: &str = "PGATTEST_TEST_ARCHIVE_DIR";
const CHILD_STEP: &str = "PGATTEST_TEST_ARCHIVE_STEP";
const CHILD_WORK: &str = "PGATTEST_TEST_ARCHIVE_WORK";

fn small() -> MakeOptions {
    MakeOptions {
        batch_records: 60,
        ..MakeOptions::default()
    }
}

/// A hook that acts at one point, and the points that were passed.
fn hook_at(
    at: usize,
    act: impl Fn() -> io::Result<()> + Send + Sync + 'static,
) -> (FaultHook, Arc<Mutex<Vec<String>>>) {
    let points = Arc::new(Mutex::new(Vec::new()));
    let passed = AtomicUsize::new(0);
    let seen = Arc::clone(&points);
    let hook = Arc::new(move |step: &DiskStep| {
        let name = step.path.file_name().unwrap_or_default().to_string_lossy();
        seen.lock().unwrap().push(format!("{} {name}", step.action));
        if passed.fetch_add(1, Ordering::SeqCst) == at {
            return act();
        }
        Ok(())
    });
    (hook, points)
}

/// A journal of 150 records over midnight: three batches, one of them with two files.
fn place() -> Place {
    let place = Place::new();
    let log = statements(150, 86_400 - 75);
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 20);
    place
}

fn work(archive: &Archive, journal: &Path, work: &str) {
    let reader = pgattest_trail::JournalReader::open(journal).unwrap();
    if work == "compact" {
        compact(archive, &Kept::default(), 256 << 20, NOW).unwrap();
    } else {
        make(archive, &reader, small()).unwrap();
    }
}

/// Not a test by itself: what the others start in a process of its own.
#[test]
#[ignore = "is started by other tests"]
fn work_in_a_child() {
    let text = |name| std::env::var(name).expect("started by another test");
    let dir = text(CHILD_DIR);
    let dir = Path::new(&dir);
    // Nothing is cleaned up, as when the power fails.
    let (hook, _) = hook_at(text(CHILD_STEP).parse().unwrap(), || std::process::abort());
    let archive = Archive::new(&dir.join("archive"), "main")
        .unwrap()
        .with_hook(hook);
    work(&archive, &dir.join("journal"), &text(CHILD_WORK));
}

/// Whether the child died; one that is told to die later than its last point does not.
fn die_at(place: &Place, step: usize, work: &str) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "faults::work_in_a_child", "--ignored"])
        .env(CHILD_DIR, place.folder.path())
        .env(CHILD_STEP, step.to_string())
        .env(CHILD_WORK, work)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    !status.success()
}

/// What there is after a death: some of the records from the first on, none twice, each as it should be.
fn is_a_beginning(place: &Place, wanted: &[String], at: usize) {
    let found = rows(&place.archive());
    assert_eq!(found, wanted[..found.len()], "after step {at}");
    let numbers = numbers(&place.archive());
    let expected: Vec<i64> = (0..i64::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "after step {at}");
}

#[test]
fn killed_at_every_point_of_making_it_nothing_is_twice_and_nothing_is_missing() {
    let whole = place();
    whole.make(small());
    let wanted = rows(&whole.archive());
    let place = place_like(&whole);
    let mut deaths = 0;
    for step in 0.. {
        let _ = std::fs::remove_dir_all(place.root());
        if !die_at(&place, step, "make") {
            break;
        }
        deaths += 1;
        is_a_beginning(&place, &wanted, step);
        place.make(small());
        assert_eq!(rows(&place.archive()), wanted, "after step {step}");
        let layout = place.archive().layout().unwrap();
        assert_eq!(layout.unfinished, Vec::<String>::new());
        assert!(layout.incomplete.is_empty());
    }
    assert!(deaths > 20, "{deaths} points");
}

#[test]
fn killed_at_every_point_of_merging_no_row_is_lost_or_twice() {
    let whole = place();
    whole.make(small());
    let wanted = rows(&whole.archive());
    let mut deaths = 0;
    for step in 0.. {
        let place = place_like(&whole);
        copy(&whole.root(), &place.root());
        if !die_at(&place, step, "compact") {
            break;
        }
        deaths += 1;
        assert_eq!(rows(&place.archive()), wanted, "after step {step}");
        assert_eq!(
            numbers(&place.archive()).len(),
            wanted.len(),
            "after step {step}"
        );
        place.make(small());
        compact(&place.archive(), &Kept::default(), 256 << 20, NOW).unwrap();
        assert_eq!(rows(&place.archive()), wanted, "after step {step}");
        assert!(place.archive().layout().unwrap().superseded.is_empty());
    }
    assert!(deaths > 10, "{deaths} points");
}

#[test]
fn a_full_disk_at_every_point_is_an_error_that_names_the_file_and_the_next_run_completes_it() {
    let whole = place();
    whole.make(small());
    let wanted = rows(&whole.archive());
    for step in 0.. {
        let _ = std::fs::remove_dir_all(whole.root());
        let (hook, points) = hook_at(step, || Err(io::ErrorKind::StorageFull.into()));
        let archive = whole.archive().with_hook(hook);
        let Err(error) = make(&archive, &whole.reader(), small()) else {
            assert!(step > 20, "{step} points");
            break;
        };
        let point = points.lock().unwrap().last().unwrap().clone();
        assert!(error.to_string().starts_with("cannot "), "{point}: {error}");
        assert!(
            chain(&error).contains("no storage space"),
            "{point}: {}",
            chain(&error)
        );
        is_a_beginning(&whole, &wanted, step);
        whole.make(small());
        assert_eq!(rows(&whole.archive()), wanted, "{point}");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

fn place_like(other: &Place) -> Place {
    let place = Place::new();
    copy(&other.journal(), &place.journal());
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
