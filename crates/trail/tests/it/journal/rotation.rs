//! Another key signs from here on.

use super::support::{Place, fill};
use pgattest_evidence::disk::Step;
use pgattest_evidence::{FaultHook, KeyStore, PublicKey, SigningKey};
use pgattest_ledger::Checkpoint;
use pgattest_ledger::tile::Edge;
use pgattest_trail::leaf::Entry;
use pgattest_trail::seal::rotation::{self, Rotated, rotate, settle};
use pgattest_trail::verify::{ProblemKind, Report, Request, verify};
use pgattest_trail::{Journal, JournalError, JournalOptions, Leaf};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A journal of nine leaves, and its keys.
pub(super) fn begun() -> (Place, KeyStore) {
    let place = Place::new();
    let store = KeyStore::new(place.folder.path().join("keys"));
    store.load_or_create().unwrap();
    grow(&place, &store);
    (place, store)
}

pub(super) fn grow(place: &Place, store: &KeyStore) {
    fill(&mut open(place, store.load().unwrap()).unwrap(), 9);
}

pub(super) fn open(place: &Place, key: SigningKey) -> Result<Journal, JournalError> {
    Journal::open(&place.dir(), key, JournalOptions::default())
}

pub(super) fn public(store: &KeyStore) -> PublicKey {
    store.load().unwrap().public_key()
}

fn verified(place: &Place, keys: &[PublicKey], earlier: &[Vec<u8>]) -> Report {
    let request = Request {
        keys,
        earlier,
        ..Request::default()
    };
    verify(&place.dir(), &request).unwrap()
}

fn checkpoint(place: &Place) -> Vec<u8> {
    std::fs::read(place.dir().join("checkpoint")).unwrap()
}

#[test]
fn whoever_trusts_any_key_of_the_journal_follows_it_to_the_present_one() {
    let (place, store) = begun();
    let origin = place.reader().checkpoint().unverified().origin.clone();
    let (mut keys, mut earlier) = (vec![public(&store)], vec![checkpoint(&place)]);
    for _ in 0..2 {
        let before = public(&store);
        let rotated = rotate(&place.dir(), &store).unwrap();
        assert_eq!(
            rotated,
            Rotated {
                old: Some(before),
                new: public(&store)
            }
        );
        assert_eq!(
            settle(&place.dir(), &store).unwrap(),
            None,
            "nothing is left"
        );
        earlier.push(checkpoint(&place));
        grow(&place, &store);
        earlier.push(checkpoint(&place));
        keys.push(public(&store));
    }
    assert_eq!(place.reader().checkpoint().unverified().origin, origin);
    for key in &keys {
        let report = verified(&place, &[*key], &earlier);
        assert!(report.verified, "{:#?}", report.problems);
        assert_eq!(report.signed_by, Some(keys[2].fingerprint()));
        assert_eq!(report.keys.len(), 3);
        assert_eq!(report.continues.len(), 5);
        // Without reading all of it.
        let range = Request {
            keys: &[*key],
            earlier: &earlier,
            records: Some(0..2),
            ..Request::default()
        };
        let report = verify(&place.dir(), &range).unwrap();
        assert!(report.verified, "{:#?}", report.problems);
    }
    let stranger = SigningKey::from_seed(&[1; 32]).public_key();
    let report = verified(&place, &[stranger], &[]);
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    assert_eq!(report.problems[0].kind, ProblemKind::Checkpoint);
}

#[test]
fn the_old_key_signs_nothing_more() {
    let (place, store) = begun();
    let old = store.load().unwrap();
    rotate(&place.dir(), &store).unwrap();
    assert!(open(&place, old.clone()).is_err());
    // With the file's signature by the old key, as whoever kept a copy of it makes it.
    grow(&place, &store);
    let grown = place.reader().checkpoint().unverified().clone();
    let forged = grown.sign(&old).unwrap().to_text();
    std::fs::write(place.dir().join("checkpoint"), forged).unwrap();
    let report = verified(&place, &[old.public_key()], &[]);
    assert!(!report.verified);
    assert_eq!(report.problems[0].kind, ProblemKind::Checkpoint);
    assert!(
        report.problems[0]
            .problem
            .contains("the journal's only from 0"),
        "{:#?}",
        report.problems
    );
    assert!(matches!(open(&place, old), Err(JournalError::Rotated(_))));
}

#[test]
fn a_rotation_that_the_old_key_did_not_sign_is_refused() {
    let (place, store) = begun();
    let trusted = public(&store);
    let stranger = SigningKey::from_seed(&[1; 32]);
    let successor = SigningKey::from_seed(&[2; 32]);
    let leaf = |old: &PublicKey, signature: Vec<u8>| Leaf::KeyRotation {
        at: 0,
        old: old.to_hex(),
        new: successor.public_key().to_hex(),
        signature: hex::encode(signature),
    };
    // Nobody hands one in.
    let handed = open(&place, store.load().unwrap())
        .unwrap()
        .note(&leaf(&trusted, vec![0; 64]));
    assert!(matches!(handed, Err(JournalError::Refused { .. })));

    // A whole journal by a stranger who names the trusted key, or themself, as the one before.
    for old in [trusted, stranger.public_key()] {
        let forged = Place::new();
        forge(
            &forged,
            &stranger,
            &leaf(&old, stranger.sign(b"x").to_vec()),
        );
        for key in [trusted, stranger.public_key(), successor.public_key()] {
            let report = verified(&forged, &[key], &[]);
            assert!(
                report
                    .problems
                    .iter()
                    .any(|it| it.kind == ProblemKind::Rotation),
                "{:#?}",
                report.problems
            );
        }
        assert!(open(&forged, successor.clone()).is_err());
    }
}

#[test]
fn a_stranger_who_hands_over_to_a_trusted_key_is_not_believed() {
    let (place, store) = begun();
    let trusted = store.load().unwrap();
    // The stranger's own journal, in which the stranger names the trusted key: rightly signed, and signed by the stranger.
    let stranger = KeyStore::new(place.folder.path().join("stranger"));
    stranger.load_or_create().unwrap();
    let other = Place::new();
    grow(&other, &stranger);
    std::fs::copy(store.private_key_path(), stranger.next_key_path()).unwrap();
    rotate_but_for_the_new_checkpoint(&other.dir(), &stranger);
    let report = verified(&other, &[trusted.public_key()], &[]);
    assert!(!report.verified, "{report:#?}");
    // Finished by whoever has the trusted key, it is that key's word.
    open(&other, trusted.clone()).unwrap();
    assert!(verified(&other, &[trusted.public_key()], &[]).verified);
}

/// Rotates up to the checkpoint that the new key signs: the second one.
fn rotate_but_for_the_new_checkpoint(dir: &Path, store: &KeyStore) {
    let seen = AtomicUsize::new(0);
    let hook: FaultHook = Arc::new(move |step: &Step| {
        let published = step.action == "move into place" && step.path.ends_with("checkpoint");
        if published && seen.fetch_add(1, Ordering::SeqCst) == 1 {
            return Err(io::Error::other("the power fails"));
        }
        Ok(())
    });
    rotation::rotate_with_faults(dir, store, &hook).unwrap_err();
}

/// A journal of this key with this leaf, which no writer would write.
pub(super) fn forge(place: &Place, key: &SigningKey, leaf: &Leaf) {
    fill(&mut open(place, key.clone()).unwrap(), 3);
    let reader = place.reader();
    let mut edge = Edge::empty();
    let mut blocks = 0;
    for index in 0..reader.size() {
        edge.append(&reader.leaf_bytes(index).unwrap()).unwrap();
        blocks += u64::from(matches!(reader.entry(index).unwrap().leaf, Leaf::Block(_)));
    }
    let entry = Entry {
        before: reader.next_record().unwrap(),
        blocks,
        leaf: leaf.clone(),
    };
    edge.append(&entry.to_bytes().unwrap()).unwrap();
    for write in edge.take_writes() {
        let path = place.dir().join(write.tile.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &write.bytes).unwrap();
    }
    let forged = Checkpoint {
        origin: reader.checkpoint().unverified().origin.clone(),
        size: edge.size(),
        root: edge.root(),
    };
    let text = forged.sign(key).unwrap().to_text();
    std::fs::write(place.dir().join("checkpoint"), text).unwrap();
}

/// Fails at every step, one after the other, as a full disk does, and as a kill does: nothing after it happens.
#[test]
fn interrupted_at_any_step_the_journal_goes_on_with_one_of_the_keys() {
    for step in 0.. {
        let (place, store) = begun();
        let trusted = public(&store);
        let passed = AtomicUsize::new(0);
        let hook: FaultHook = Arc::new(move |_: &Step| {
            if passed.fetch_add(1, Ordering::SeqCst) >= step {
                return Err(io::Error::other("the power fails"));
            }
            Ok(())
        });
        if rotation::rotate_with_faults(&place.dir(), &store, &hook).is_ok() {
            assert!(step > 8, "only {step} steps were seen");
            break;
        }
        let settled = settle(&place.dir(), &store).unwrap();
        let journal = open(&place, store.load().unwrap());
        drop(journal.unwrap_or_else(|error| panic!("step {step}: {error}")));
        grow(&place, &store);
        let report = verified(&place, &[trusted], &[]);
        assert!(report.verified, "step {step}: {:#?}", report.problems);
        if settled.is_some() {
            assert_ne!(public(&store), trusted, "step {step}");
        }
        // And it is finished, or made, the next time.
        rotate(&place.dir(), &store).unwrap();
        grow(&place, &store);
        let report = verified(&place, &[trusted], &[]);
        assert!(report.verified, "step {step}: {:#?}", report.problems);
        assert_ne!(public(&store), trusted, "step {step}");
        assert!(!store.next_key_path().exists(), "step {step}");
    }
}

#[test]
fn a_journal_that_is_not_there_or_is_written_has_no_key_rotated() {
    let place = Place::new();
    let store = KeyStore::new(place.folder.path().join("keys"));
    store.load_or_create().unwrap();
    assert!(rotate(&place.dir(), &store).is_err());
    assert!(!store.next_key_path().exists());
    let journal = open(&place, store.load().unwrap()).unwrap();
    let before = public(&store);
    assert!(rotate(&place.dir(), &store).is_err());
    assert_eq!(public(&store), before);
    assert!(!store.next_key_path().exists(), "nothing was begun");
    drop(journal);
    let inside = KeyStore::new(place.dir().join("keys"));
    assert!(rotate(&place.dir(), &inside).is_err());
}
