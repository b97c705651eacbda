//! A changed byte, a missing file, a file of somebody else: found, named, made again.

use crate::support::{CSVLOG, Kept, NOW, Place, numbers, rows, seal, statements};
use pgattest_archive::ArchiveError;
use pgattest_archive::make::{MakeOptions, catch_up, rebuild};
use pgattest_archive::verify::{Fault, Verified, verify};

fn small() -> MakeOptions {
    MakeOptions {
        batch_records: 100,
        ..MakeOptions::default()
    }
}

struct Made {
    place: Place,
    register: Kept,
    rows: Vec<String>,
}

fn made() -> Made {
    let place = Place::new();
    seal(
        &place.journal(),
        "pg.csv",
        statements(300, 0).as_bytes(),
        &CSVLOG,
        20,
    );
    let register = Kept::default();
    catch_up(
        &place.archive(),
        &place.reader(),
        &register,
        small(),
        NOW,
        &mut |_, _| {},
    )
    .unwrap();
    let rows = rows(&place.archive());
    Made {
        place,
        register,
        rows,
    }
}

impl Made {
    fn verify(&self) -> Verified {
        verify(&self.place.archive(), Some(&self.register), Some((0, 300))).unwrap()
    }

    fn second_file(&self) -> std::path::PathBuf {
        let archive = self.place.archive();
        let layout = archive.layout().unwrap();
        archive
            .store()
            .directory()
            .unwrap()
            .join(layout.batches[1].parts[0].0.path())
    }

    fn rebuild(&self) {
        let damaged = self.verify().damaged();
        rebuild(
            &self.place.archive(),
            &self.place.reader(),
            &self.register,
            small(),
            NOW,
            Some(&damaged),
            &mut |_, _| {},
        )
        .unwrap();
        assert_eq!(rows(&self.place.archive()), self.rows);
        assert_eq!(self.verify().faults, []);
    }
}

#[test]
fn a_changed_byte_anywhere_is_found_and_the_file_is_made_again() {
    let made = made();
    assert_eq!(made.verify().faults, []);
    assert_eq!(made.verify().by_tree, 3);
    let path = made.second_file();
    let whole = std::fs::read(&path).unwrap();
    for at in [
        0,
        4,
        whole.len() / 3,
        whole.len() / 2,
        whole.len() - 9,
        whole.len() - 1,
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let faults = made.verify().faults;
        assert!(
            matches!(
                faults.as_slice(),
                [Fault::Changed {
                    batch: (100, 200),
                    ..
                }]
            ),
            "{at}: {faults:?}"
        );
        made.rebuild();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "the same bytes");
    }
}

#[test]
fn a_file_cut_short_is_found() {
    let made = made();
    let path = made.second_file();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(made.verify().damaged().len(), 1);
    made.rebuild();
}

#[test]
fn a_removed_file_is_a_hole_and_the_next_run_fills_it() {
    let made = made();
    std::fs::remove_file(made.second_file()).unwrap();
    assert_eq!(
        made.verify().faults,
        [Fault::Hole {
            first: 100,
            last: 199
        }]
    );
    let place = &made.place;
    catch_up(
        &place.archive(),
        &place.reader(),
        &made.register,
        small(),
        NOW,
        &mut |_, _| {},
    )
    .unwrap();
    assert_eq!(rows(&place.archive()), made.rows);
    assert_eq!(made.verify().faults, []);
}

#[test]
fn a_file_that_was_never_recorded_is_found() {
    let made = made();
    let path = made.second_file();
    let forged = path.with_file_name("r000000000300-000000000400.1of1.parquet");
    std::fs::copy(&path, &forged).unwrap();
    let verified = verify(&made.place.archive(), Some(&made.register), None).unwrap();
    assert!(
        matches!(&verified.faults[..], [Fault::Changed { batch: (300, 400), reason, .. }] if reason.contains("neither")),
        "{:?}",
        verified.faults
    );
}

#[test]
fn overlapping_files_stop_a_run_and_are_made_again_on_demand() {
    let made = made();
    let path = made.second_file();
    let forged = path.with_file_name("r000000000150-000000000250.1of1.parquet");
    std::fs::copy(&path, &forged).unwrap();
    let place = &made.place;
    let error = catch_up(
        &place.archive(),
        &place.reader(),
        &made.register,
        small(),
        NOW,
        &mut |_, _| {},
    )
    .unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("--rebuild"), "{error}");
    made.rebuild();
    assert_eq!(numbers(&place.archive()), (0..300).collect::<Vec<_>>());
}

#[test]
fn without_the_journal_the_archives_own_list_is_what_there_is() {
    let made = made();
    let verified = verify(&made.place.archive(), None, None).unwrap();
    assert_eq!((verified.by_tree, verified.by_list), (0, 3));
    assert_eq!(verified.faults, []);
}
