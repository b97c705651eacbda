//! Small batches become larger ones, with the same rows.

use crate::support::{CSVLOG, Kept, NOW, Place, numbers, rows, seal, statements};
use pgattest_archive::compact::compact;
use pgattest_archive::make::MakeOptions;
use pgattest_archive::verify::verify;

#[test]
fn a_day_that_is_over_becomes_one_file() {
    let place = Place::new();
    // The last batch of the first day has rows of the second, too.
    let log = statements(600, 86_400 - 450);
    seal(&place.journal(), "pg.csv", log.as_bytes(), &CSVLOG, 20);
    place.make(MakeOptions {
        batch_records: 100,
        ..MakeOptions::default()
    });
    let archive = place.archive();
    let before = rows(&archive);
    assert_eq!(archive.layout().unwrap().batches.len(), 6);
    let register = Kept::default();
    let made = compact(&archive, &register, 256 << 20, NOW).unwrap();
    assert_eq!(made.files.len(), 2, "{made:?}");
    assert_eq!(rows(&archive), before);
    let layout = archive.layout().unwrap();
    let ranges: Vec<_> = layout.batches.iter().map(|it| (it.first, it.end)).collect();
    assert_eq!(ranges, [(0, 500), (500, 600)]);
    assert_eq!(
        compact(&archive, &register, 256 << 20, NOW)
            .unwrap()
            .files
            .len(),
        0
    );
    let verified = verify(&archive, Some(&register), Some((0, 600))).unwrap();
    assert_eq!(verified.faults, []);
    assert_eq!(verified.records, 600);
    assert_eq!(numbers(&archive), (0..600).collect::<Vec<_>>());
}
