//! The ledger on disk: listing, proofs, damage, and being set back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pgattest_evidence::{
    Anchors, LedgerError, Listed, Outcome, PackageState, StepId, Verdict, verify,
};
use pgattest_ledger::canonical;

use crate::support::{Place, assert_verified, request};

fn list(place: &Place) -> Vec<Listed> {
    place
        .ledger()
        .list(&place.public(), &[&place.out()])
        .unwrap()
}

fn states(place: &Place) -> Vec<PackageState> {
    list(place).into_iter().map(|it| it.package).collect()
}

/// Adds entries to a ledger of its own making, without packages: what sealing
/// does, minus the waiting for the disk.
pub(crate) fn fill(place: &Place, count: u64) {
    use pgattest_ledger::entry::{ENTRY_SCHEMA, EVIDENCE, Entry};
    use pgattest_ledger::tile::{Tile, TileNodes, TileReader, append};
    use pgattest_ledger::{Checkpoint, checkpoint::default_origin, tree};

    struct Files(BTreeMap<Tile, Vec<u8>>);
    impl TileReader for Files {
        type Error = std::io::Error;
        fn read(&self, tile: Tile) -> std::io::Result<Vec<u8>> {
            Ok(self.0[&tile].clone())
        }
    }

    if count == 0 {
        return;
    }
    let mut files = Files(BTreeMap::new());
    for size in 0..count {
        let entry = canonical::to_bytes(&Entry {
            schema: ENTRY_SCHEMA.to_owned(),
            kind: EVIDENCE.to_owned(),
            manifest_sha256: format!("{size:064x}"),
            target: "old".to_owned(),
            recorded_at: "2025-01-01T00:00:00Z".to_owned(),
            package: format!("evidence-old-{size}.zip"),
            summary: serde_json::Value::Null,
        })
        .unwrap();
        for write in append(&files, size, &entry).unwrap() {
            files.0.insert(write.tile, write.bytes);
        }
    }
    let dir = place.dir.path().join("ledger");
    for (tile, bytes) in &files.0 {
        let needed = Tile::of(tile.rows, tile.index, count) == Some(*tile);
        let path = dir.join(tile.path());
        // Of the earlier partial tiles, one shows whether they are cleared away.
        if needed || tile.width == 1 {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let head = Checkpoint {
        origin: default_origin(&place.public()),
        size: count,
        root: tree::root(&TileNodes::new(&files, count), count).unwrap(),
    };
    fs::write(
        dir.join("checkpoint"),
        head.sign(&place.key).unwrap().to_text(),
    )
    .unwrap();
}

/// An error and its causes, as they are shown.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

#[test]
fn an_empty_ledger_lists_nothing() {
    let place = Place::new();
    assert_eq!(list(&place), []);
    assert_eq!(place.ledger().check(&place.public()).unwrap(), None);
}

#[test]
fn every_package_is_listed_with_what_became_of_it() {
    let place = Place::new();
    let sealed: Vec<_> = ["a", "b", "c"].map(|it| place.seal(it)).into();
    fs::remove_file(&sealed[1].path).unwrap();
    fs::copy(&sealed[0].path, &sealed[2].path).unwrap();
    assert_eq!(
        states(&place),
        [
            PackageState::Present(sealed[0].path.clone()),
            PackageState::Missing,
            PackageState::Replaced(sealed[2].path.clone()),
        ]
    );
    let first = &list(&place)[0];
    let entry = first.entry.as_ref().unwrap();
    assert_eq!(entry.manifest_sha256, sealed[0].manifest_digest.to_hex());
    assert_eq!(entry.summary, request("a").summary);
}

#[test]
fn the_index_is_a_cache() {
    let place = Place::new();
    place.seal("a");
    place.seal("b");
    let index = place.ledger().dir().join("index.json");
    let truth = list(&place);
    let good = fs::read_to_string(&index).unwrap();

    fs::remove_file(&index).unwrap();
    assert_eq!(list(&place), truth, "deleted");
    assert_eq!(fs::read_to_string(&index).unwrap(), good, "made anew");

    for damage in [
        String::new(),
        "{".to_owned(),
        "[]".to_owned(),
        good.replacen("evidence-a", "evidence-x", 1),
        good.replacen("\\\"failed\\\":1", "\\\"failed\\\":0", 1),
        good.replacen("index/1", "index/9", 1),
    ] {
        assert_ne!(damage, good);
        fs::write(&index, &damage).unwrap();
        assert_eq!(list(&place), truth, "{damage}");
        assert_eq!(fs::read_to_string(&index).unwrap(), good, "made anew");
    }

    place.seal("c");
    assert_eq!(list(&place).len(), 3, "an index that is behind");

    // A folder in its place cannot be read or replaced: still nothing is lost.
    fs::remove_file(&index).unwrap();
    fs::create_dir(&index).unwrap();
    assert_eq!(list(&place).len(), 3);
}

#[test]
fn an_older_package_is_still_in_the_live_ledger() {
    let place = Place::new();
    let first = place.seal("a");
    for _ in 0..5 {
        place.seal("b");
    }
    let ledger = place.ledger();
    let anchors = Anchors {
        ledger: Some(&ledger),
        ..Anchors::default()
    };
    let report = verify(&first.path, &[place.public()], &anchors).unwrap();
    assert_verified(&report);
    assert_eq!(report.outcome(StepId::LiveLedger), Some(&Outcome::Ok));
}

#[test]
fn a_checkpoint_kept_elsewhere_is_compared() {
    let place = Place::new();
    let key = place.public();
    let sealed: Vec<_> = ["a", "b", "c", "d"].map(|it| place.seal(it)).into();
    let ledger = place.ledger();
    for package in &sealed {
        for anchor in &sealed {
            let mut anchors = Anchors {
                checkpoint: Some(anchor.checkpoint.as_bytes()),
                ..Anchors::default()
            };
            // Alone, a checkpoint of another size proves nothing.
            let report = verify(&package.path, &[key], &anchors).unwrap();
            let same = package.index == anchor.index;
            let expected = if same {
                Verdict::Verified
            } else {
                Verdict::NotVerified
            };
            assert_eq!(report.verdict(), expected, "{:?}", report.steps);

            let (one, other) = (package.index + 1, anchor.index + 1);
            let proof = ledger
                .prove_consistency(&key, one.min(other), one.max(other))
                .unwrap();
            let proof = canonical::to_bytes(&proof).unwrap();
            anchors.consistency = Some(&proof);
            assert_verified(&verify(&package.path, &[key], &anchors).unwrap());

            anchors.consistency = None;
            anchors.ledger = Some(&ledger);
            assert_verified(&verify(&package.path, &[key], &anchors).unwrap());
        }
    }
    let proof = ledger.prove_consistency(&key, 1, 2).unwrap();
    let proof = canonical::to_bytes(&proof).unwrap();
    let anchors = Anchors {
        checkpoint: Some(sealed[2].checkpoint.as_bytes()),
        consistency: Some(&proof),
        ledger: None,
    };
    let report = verify(&sealed[0].path, &[key], &anchors).unwrap();
    assert_eq!(
        report.verdict(),
        Verdict::Failed,
        "a proof of something else"
    );
}

#[test]
fn a_ledger_that_was_made_again_is_found_out() {
    let honest = Place::new();
    let package = honest.seal("a");
    honest.seal("b");
    let anchor = honest.ledger().checkpoint_text().unwrap().unwrap();

    // The same key, another story.
    let forged = Place::new();
    forged.seal("x");
    forged.seal("a");
    let ledger = forged.ledger();
    for anchors in [
        Anchors {
            checkpoint: Some(anchor.as_bytes()),
            ledger: Some(&ledger),
            consistency: None,
        },
        Anchors {
            ledger: Some(&ledger),
            ..Anchors::default()
        },
    ] {
        let report = verify(&package.path, &[honest.public()], &anchors).unwrap();
        assert_eq!(report.verdict(), Verdict::Failed);
    }
    let sealed = forged.out().join("evidence-a-20260102T030406Z.zip");
    let anchors = Anchors {
        checkpoint: Some(anchor.as_bytes()),
        ..Anchors::default()
    };
    let report = verify(&sealed, &[honest.public()], &anchors).unwrap();
    let problems: Vec<String> = report.problems().map(ToString::to_string).collect();
    assert!(
        problems[0].contains("the ledger was forked"),
        "{problems:?}"
    );
}

#[test]
fn a_damaged_ledger_is_named_and_not_added_to() {
    #[track_caller]
    fn damaged(damage: impl FnOnce(&Path), words: &str) {
        let place = Place::new();
        for target in ["a", "b", "c"] {
            place.seal(target);
        }
        damage(place.ledger().dir());
        let ledger = place.ledger();
        let error = ledger.check(&place.public()).unwrap_err();
        let text = chain(&error);
        assert!(text.contains(words), "{text}");
        let before = fs::read(ledger.dir().join("checkpoint")).ok();
        let error = place.sealer(&ledger).seal(request("d"));
        // An old entry that was changed is met when everything is read, not when
        // something is added: adding reads the right edge of the tree only.
        if words != "entries do not have the root" {
            assert!(error.is_err(), "added to a damaged ledger");
            assert_eq!(fs::read(ledger.dir().join("checkpoint")).ok(), before);
        }
    }
    let flip = |path: &'static str| {
        move |dir: &Path| {
            let path = dir.join(path);
            let mut bytes = fs::read(&path).unwrap();
            bytes[40] ^= 1;
            fs::write(path, bytes).unwrap();
        }
    };
    damaged(flip("tile/entries/000.p/3"), "entries do not have the root");
    damaged(flip("tile/0/000.p/3"), "not those of the entries");
    damaged(flip("checkpoint"), "checkpoint");
    damaged(
        |dir| fs::remove_file(dir.join("tile/0/000.p/3")).unwrap(),
        "tile/0/000.p/3",
    );
    damaged(
        |dir| fs::write(dir.join("tile/0/000.p/3"), b"").unwrap(),
        "its length is not that of its hashes",
    );
}

#[test]
fn a_ledger_that_was_set_back_is_not_added_to() {
    let place = Place::new();
    let checkpoints: Vec<String> = (0..4).map(|_| place.seal("a").checkpoint).collect();
    let path = place.ledger().dir().join("checkpoint");
    let ledger = place.ledger();
    for older in [Some(&checkpoints[0]), Some(&checkpoints[1]), None] {
        match older {
            Some(text) => fs::write(&path, text).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        let error = place.sealer(&ledger).seal(request("b")).unwrap_err();
        assert!(
            format!("{error:?}").contains("SetBack"),
            "{older:?}: {error:?}"
        );
    }
    fs::write(&path, &checkpoints[3]).unwrap();
    assert_eq!(place.seal("b").index, 4);
}

#[test]
fn full_tiles_replace_partial_ones() {
    let place = Place::new();
    fill(&place, 254);
    assert_eq!(place.seal("a").index, 254);
    let tile = place.ledger().dir().join("tile");
    assert!(tile.join("0/000.p/255").exists());
    assert!(!tile.join("0/000").exists());
    assert_eq!(place.seal("b").index, 255);
    assert!(tile.join("0/000").exists() && tile.join("entries/000").exists());
    assert!(!tile.join("0/000.p").exists() && !tile.join("entries/000.p").exists());
    assert!(tile.join("1/000.p/1").exists());
    let last = place.seal("c");
    assert_eq!(last.index, 256);
    let head = place.ledger().check(&place.public()).unwrap().unwrap();
    assert_eq!(head.size, 257);
    assert_verified(&verify(&last.path, &[place.public()], &Anchors::default()).unwrap());

    // A ledger of one full tile that lost its checkpoint is not a new ledger.
    fs::remove_file(place.ledger().dir().join("checkpoint")).unwrap();
    let error = place
        .sealer(&place.ledger())
        .seal(request("d"))
        .unwrap_err();
    assert!(format!("{error:?}").contains("SetBack"), "{error:?}");
}

#[test]
fn a_proof_under_the_present_head_can_be_had_for_every_entry() {
    let place = Place::new();
    let key = place.public();
    for _ in 0..5 {
        place.seal("a");
    }
    let ledger = place.ledger();
    let head = ledger.checkpoint(&key).unwrap().unwrap();
    for index in 0..5 {
        ledger
            .prove_inclusion(&key, index)
            .unwrap()
            .verify(&head)
            .unwrap();
    }
    assert!(matches!(
        ledger.prove_inclusion(&key, 5),
        Err(LedgerError::Beyond { size: 5, .. })
    ));
    assert!(matches!(
        ledger.prove_consistency(&key, 2, 6),
        Err(LedgerError::Beyond { asked: 6, .. })
    ));
}

#[test]
fn steps_of_a_change_stand_in_the_same_tree_as_packages() {
    use pgattest_evidence::ChangeEntry;
    use pgattest_ledger::entry::{CHANGE, ENTRY_SCHEMA};
    let place = Place::new();
    let ledger = place.ledger();
    let step = ChangeEntry {
        schema: ENTRY_SCHEMA.to_owned(),
        kind: CHANGE.to_owned(),
        plan: "ab".repeat(32),
        target: "db\u{202e}".to_owned(),
        recorded_at: "2026-01-02T03:04:05Z".to_owned(),
        act: "apply".to_owned(),
        changes: vec!["role-attributes-1f0c9a7b".to_owned()],
        before: serde_json::json!("CREATEDB"),
        after: serde_json::json!(null),
    };
    assert_eq!(ledger.record(&place.key, &step).unwrap().index, 0);
    let sealed = place.seal("db");
    assert_eq!(sealed.index, 1);
    let last = ledger.record(&place.key, &step).unwrap();
    assert_eq!(last.index, 2);
    assert_eq!(ledger.checkpoint_text().unwrap(), Some(last.checkpoint));

    let listed = list(&place);
    assert_eq!(listed[0].change.as_ref(), Some(&step));
    assert!(listed[0].entry.is_none());
    assert!(listed[1].entry.is_some() && listed[1].change.is_none());
    assert_eq!(ledger.check(&place.public()).unwrap().unwrap().size, 3);
    // The package proves itself under the head of its own time, and the later ledger extends it.
    let anchors = Anchors {
        ledger: Some(&ledger),
        ..Anchors::default()
    };
    assert_verified(&verify(&sealed.path, &[place.public()], &anchors).unwrap());
}
