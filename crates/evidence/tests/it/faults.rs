//! A machine that stops, or a disk that is full, at any step of sealing leaves
//! the old state or the new one, and the next sealing carries on from there.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgattest_evidence::{Anchors, DiskStep, Ledger, PackageState, SealError, SigningKey, verify};

use crate::ledger::fill;
use crate::support::{Place, assert_verified, request};

/// Tells a child process what to do; see [`seal_in_a_child`].
const CHILD_DIR: &str = "PGATTEST_TEST_DIR";
const CHILD_STEP: &str = "PGATTEST_TEST_DIE_AT";
const CHILD_COUNT: &str = "PGATTEST_TEST_COUNT";

/// Not a test by itself: what the others start in a process of its own.
#[test]
#[ignore = "is started by other tests"]
fn seal_in_a_child() {
    let dir = std::env::var_os(CHILD_DIR).expect("started by another test");
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<usize>().ok())
    };
    let die_at = number(CHILD_STEP);
    let passed = AtomicUsize::new(0);
    let ledger =
        Ledger::new(Path::new(&dir).join("ledger")).with_faults(Arc::new(move |_: &DiskStep| {
            if Some(passed.fetch_add(1, Ordering::SeqCst)) == die_at {
                // Nothing is cleaned up, as when the power fails.
                std::process::abort();
            }
            Ok(())
        }));
    for _ in 0..number(CHILD_COUNT).unwrap_or(1) {
        pgattest_evidence::Sealer {
            key: &SigningKey::from_seed(&[7; 32]),
            ledger: &ledger,
            out_dir: &Path::new(&dir).join("out"),
        }
        .seal(request("child"))
        .unwrap();
    }
}

fn child(place: &Place) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "faults::seal_in_a_child", "--ignored"])
        .env(CHILD_DIR, place.dir.path())
        .env_remove(CHILD_STEP)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The steps of sealing one package into this place.
fn steps(prepare: impl Fn(&Place)) -> Vec<DiskStep> {
    let place = Place::new();
    prepare(&place);
    let steps = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let ledger = place.ledger().with_faults(Arc::new(move |step: &DiskStep| {
        seen.lock().unwrap().push(step.clone());
        Ok(())
    }));
    place.sealer(&ledger).seal(request("child")).unwrap();
    drop(ledger);
    Arc::into_inner(steps).unwrap().into_inner().unwrap()
}

/// Whatever happened, the ledger is whole and as before or as after, and every
/// package that can be seen is recorded. Returns the ledger's size.
#[track_caller]
fn assert_old_or_new(place: &Place, before: u64, context: &str) -> u64 {
    let key = place.public();
    let ledger = place.ledger();
    let head = ledger.check(&key).unwrap_or_else(|error| {
        panic!(
            "{context}: {error}: {:?}",
            std::error::Error::source(&error)
        )
    });
    let size = head.map_or(0, |head| head.size);
    assert!(size == before || size == before + 1, "{context}: {size}");

    let listed = ledger.list(&key, &[&place.out()]).unwrap();
    assert_eq!(listed.len() as u64, size, "{context}");
    let mut recorded = BTreeSet::new();
    for listed in listed {
        let entry = listed.entry.unwrap();
        if entry.target == "old" {
            continue;
        }
        match listed.package {
            PackageState::Present(path) => {
                let anchors = Anchors {
                    ledger: Some(&ledger),
                    ..Anchors::default()
                };
                assert_verified(&verify(&path, &[key], &anchors).unwrap());
                recorded.insert(entry.package);
            }
            PackageState::Unfinished(_) => assert_eq!(listed.index + 1, size, "{context}"),
            other => panic!("{context}: {other:?}"),
        }
    }
    for file in fs::read_dir(place.out()).into_iter().flatten() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || recorded.contains(&name),
            "{context}: {name} is not recorded"
        );
    }
    size
}

/// After a fault, sealing works again, and puts what was left unfinished right.
#[track_caller]
fn assert_carries_on(place: &Place, size: u64, context: &str) {
    let next = place.seal("next");
    assert_eq!(next.index, size, "{context}");
    let listed = place
        .ledger()
        .list(&place.public(), &[&place.out()])
        .unwrap();
    for listed in listed {
        let old = listed.entry.as_ref().unwrap().target == "old";
        assert!(
            old || matches!(listed.package, PackageState::Present(_)),
            "{context}: {listed:?}"
        );
    }
    assert_eq!(assert_old_or_new(place, size + 1, context), size + 1);
}

fn killed_at_every_step(before: u64) {
    let template = Place::new();
    fill(&template, before);
    let prepare = |place: &Place| {
        copy_folder(template.ledger().dir(), place.ledger().dir());
    };
    let steps = steps(prepare);
    assert!(steps.len() > 20);
    let (mut old, mut new, mut unfinished) = (0, 0, 0);
    for (number, step) in steps.iter().enumerate() {
        let place = Place::new();
        prepare(&place);
        let status = child(&place)
            .env(CHILD_STEP, number.to_string())
            .status()
            .unwrap();
        let context = format!("step {number}, {} {}", step.action, step.path.display());
        assert!(!status.success(), "{context}: survived");
        let size = assert_old_or_new(&place, before, &context);
        if size == before {
            old += 1;
        } else {
            new += 1;
            let listed = place
                .ledger()
                .list(&place.public(), &[&place.out()])
                .unwrap();
            let last = listed.last().unwrap();
            unfinished += u32::from(matches!(last.package, PackageState::Unfinished(_)));
        }
        assert_carries_on(&place, size, &context);
    }
    // The faults met both sides of the commit, and the gap behind it.
    assert!(
        old > 10 && new >= 3 && unfinished >= 2,
        "{old} {new} {unfinished}"
    );
}

fn copy_folder(from: &Path, to: &Path) {
    for file in fs::read_dir(from).into_iter().flatten() {
        let file = file.unwrap();
        let (path, target) = (file.path(), to.join(file.file_name()));
        fs::create_dir_all(to).unwrap();
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(path, target).unwrap();
        }
    }
}

#[test]
fn killed_while_beginning_a_ledger() {
    killed_at_every_step(0);
}

#[test]
fn killed_while_adding_to_a_ledger() {
    killed_at_every_step(2);
}

#[test]
fn killed_while_filling_a_tile() {
    killed_at_every_step(255);
}

#[test]
fn a_full_disk_at_every_step_is_an_error_and_loses_nothing() {
    let prepare = |place: &Place| fill(place, 1);
    let steps = steps(prepare);
    let (mut recorded, mut refused) = (0, 0);
    for (number, step) in steps.iter().enumerate() {
        let place = Place::new();
        prepare(&place);
        let passed = AtomicUsize::new(0);
        // Once full, the disk stays full.
        let ledger = place.ledger().with_faults(Arc::new(move |_: &DiskStep| {
            if passed.fetch_add(1, Ordering::SeqCst) >= number {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            } else {
                Ok(())
            }
        }));
        let context = format!("step {number}, {} {}", step.action, step.path.display());
        let error = place.sealer(&ledger).seal(request("child")).unwrap_err();
        let size = assert_old_or_new(&place, 1, &context);
        if size == 2 {
            recorded += 1;
            assert!(
                matches!(error, SealError::NotPublished { .. } | SealError::Ledger(_)),
                "{context}: {error:?}"
            );
        } else {
            refused += 1;
            let names: Vec<_> = fs::read_dir(place.out()).into_iter().flatten().collect();
            assert_eq!(names.len(), 0, "{context}: a temporary file was left");
        }
        assert_carries_on(&place, size, &context);
    }
    assert!(recorded >= 2 && refused > 10, "{recorded} {refused}");
}

#[test]
fn sealers_at_once_take_turns() {
    let place = Place::new();
    let children: Vec<_> = (0..4)
        .map(|_| child(&place).env(CHILD_COUNT, "3").spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let listed = place
        .ledger()
        .list(&place.public(), &[&place.out()])
        .unwrap();
    assert_eq!(listed.len(), 12);
    let paths: BTreeSet<_> = listed
        .iter()
        .map(|listed| match &listed.package {
            PackageState::Present(path) => path.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(paths.len(), 12);
    assert_eq!(assert_old_or_new(&place, 12, "at once"), 12);
}
