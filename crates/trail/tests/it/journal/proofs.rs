//! The proof of one record stands by itself.

use super::rotation::{begun, forge, grow, open, public};
use super::support::{Place, key, record_text};
use pgattest_evidence::{KeyStore, PublicKey, SigningKey};
use pgattest_ledger::canonical;
use pgattest_ledger::cosigned::TlogProof;
use pgattest_trail::Leaf;
use pgattest_trail::proof::{Rotations, check, prove, prove_with};
use pgattest_trail::seal::rotation::rotate;
use serde_json::{Value, json};

#[test]
fn a_record_is_proven_without_the_journal_by_a_few_kilobytes() {
    let place = Place::filled(300);
    let reader = place.reader();
    let total = reader.next_record().unwrap();
    let keys = [key().public_key()];
    for number in [0, 1, 2, 300, total - 1] {
        let text = prove(&reader, number).unwrap().unwrap();
        assert!(text.len() < 4096, "{} bytes", text.len());
        let proven = check(text.as_bytes(), &keys, &[]).unwrap();
        assert_eq!(proven.number, number);
        assert_eq!(proven.record, record_text(&proven.block.file, number));
        assert_eq!(proven.size, 300);
    }
    assert_eq!(prove(&reader, total).unwrap(), None);
}

#[test]
fn a_proof_that_was_changed_anywhere_or_of_another_key_proves_nothing() {
    let place = Place::filled(20);
    let text = prove(&place.reader(), 5).unwrap().unwrap();
    let keys = [key().public_key()];
    let proven = check(text.as_bytes(), &keys, &[]).unwrap();
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        assert!(check(&changed, &keys, &[]).is_err(), "byte {at}");
    }
    for end in 0..text.len() {
        assert!(check(&text.as_bytes()[..end], &keys, &[]).is_err());
    }
    let other = [SigningKey::from_seed(&[1; 32]).public_key()];
    assert!(check(text.as_bytes(), &other, &[]).is_err());
    assert!(check(text.as_bytes(), &[], &[]).is_err());
    assert_eq!(proven.number, 5);
}

/// A journal whose key was rotated twice, and all three keys.
fn rotated() -> (Place, KeyStore, Vec<PublicKey>) {
    let (place, store) = begun();
    let mut keys = vec![public(&store)];
    for _ in 0..2 {
        rotate(&place.dir(), &store).unwrap();
        grow(&place, &store);
        keys.push(public(&store));
    }
    (place, store, keys)
}

#[test]
fn whoever_has_any_key_of_the_journal_is_led_to_the_one_that_signed() {
    let (place, store, keys) = rotated();
    let reader = place.reader();
    let total = reader.next_record().unwrap();
    let mut known = Rotations::default();
    for number in [0, total / 2, total - 1] {
        let text = prove(&reader, number).unwrap().unwrap();
        assert!(text.len() < 16_384, "{} bytes", text.len());
        let again = prove_with(&reader, number, &mut known).unwrap().unwrap();
        assert_eq!(again, text);
        for key in &keys {
            let proven = check(text.as_bytes(), &[*key], &[]).unwrap();
            assert_eq!(proven.record, record_text(&proven.block.file, number));
            assert_eq!(proven.signed_by, keys[2].fingerprint());
            assert_eq!(proven.keys.len(), 3);
        }
        let stranger = SigningKey::from_seed(&[1; 32]).public_key();
        let refused = check(text.as_bytes(), &[stranger], &[]).unwrap_err();
        assert!(refused.to_string().contains("was rotated"), "{refused}");
    }
    // A third one is found by who knew two; and right after it the old key has signed the checkpoint, then the new one.
    rotate(&place.dir(), &store).unwrap();
    let reader = place.reader();
    let text = prove_with(&reader, 0, &mut known).unwrap().unwrap();
    let proven = check(text.as_bytes(), &keys[..1], &[]).unwrap();
    assert_eq!(proven.keys.len(), 4);
    assert_eq!(proven.signed_by, public(&store).fingerprint());
}

#[test]
fn a_proof_with_rotations_that_was_changed_anywhere_proves_nothing() {
    let (place, _, keys) = rotated();
    let text = prove(&place.reader(), 4).unwrap().unwrap();
    check(text.as_bytes(), &keys[..1], &[]).unwrap();
    for at in (0..text.len()).step_by(7) {
        let mut changed = text.clone().into_bytes();
        changed[at] ^= 1;
        assert!(check(&changed, &keys[..1], &[]).is_err(), "byte {at}");
    }
}

#[test]
fn a_forged_way_to_the_key_is_refused() {
    let (place, store, keys) = rotated();
    let text = prove(&place.reader(), 4).unwrap().unwrap();
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut proof = TlogProof::parse(text.as_bytes()).unwrap();
        let mut extra: Value = serde_json::from_slice(proof.extra.as_deref().unwrap()).unwrap();
        change(&mut extra);
        proof.extra = Some(canonical::to_bytes(&extra).unwrap());
        check(proof.to_text().as_bytes(), &keys[..1], &[])
    };
    assert!(forged(&|_| ()).is_ok(), "read and written again, it holds");
    let changes: [&dyn Fn(&mut Value); 9] = [
        &|extra| drop(extra["rotations"].as_array_mut().unwrap().remove(0)),
        &|extra| drop(extra["rotations"].as_array_mut().unwrap().pop()),
        &|extra| extra["rotations"].as_array_mut().unwrap().reverse(),
        &|extra| {
            let first = extra["rotations"][0].clone();
            extra["rotations"].as_array_mut().unwrap().insert(0, first);
        },
        &|extra| extra["rotations"] = json!([]),
        &|extra| extra["schema"] = json!("pgattest.record-proof/1"),
        &|extra| extra["rotations"][0]["index"] = json!(3),
        &|extra| extra["rotations"][0]["before"] = extra["rotations"][1]["before"].clone(),
        // Another leaf of the journal that is truly there.
        &|extra| extra["rotations"][0]["leaf"] = extra["leaf"].clone(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert!(forged(change).is_err(), "change {number}");
    }

    // What the first key signs beyond its rotation, as whoever kept a copy of it would.
    let (other, kept) = begun();
    let old = kept.load().unwrap();
    rotate(&other.dir(), &kept).unwrap();
    grow(&other, &kept);
    let head = other.reader().checkpoint().unverified().clone();
    let signed = head.sign(&old).unwrap().to_text();
    std::fs::write(other.dir().join("checkpoint"), signed).unwrap();
    let text = prove(&other.reader(), 4).unwrap().unwrap();
    assert!(check(text.as_bytes(), &[old.public_key()], &[]).is_err());

    // A stranger's journal, in which a leaf says that a trusted key named the stranger's successor.
    let stranger = SigningKey::from_seed(&[1; 32]);
    let leaf = Leaf::KeyRotation {
        at: 0,
        old: public(&store).to_hex(),
        new: stranger.public_key().to_hex(),
        signature: hex::encode(stranger.sign(b"x")),
    };
    let forgery = Place::new();
    forge(&forgery, &stranger, &leaf);
    let text = prove(&forgery.reader(), 0).unwrap().unwrap();
    for key in [public(&store), stranger.public_key()] {
        assert!(check(text.as_bytes(), &[key], &[]).is_err());
    }
    drop(open(&place, store.load().unwrap()).unwrap());
}
