//! The proof of one record stands by itself.

use super::support::{Place, key, record_text};
use pgattest_evidence::SigningKey;
use pgattest_trail::proof::{check, prove};

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
