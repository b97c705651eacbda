//! The zip file below a package, as somebody sees it who wants to change a file in it.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where the bytes of each file are in the zip file. Files are stored, one behind the other.
pub(crate) fn spots(bytes: &[u8]) -> BTreeMap<String, Range<usize>> {
    let number = |at: usize, length: usize| {
        let digits = bytes[at..at + length].iter().rev();
        digits.fold(0, |sum, digit| sum << 8 | usize::from(*digit))
    };
    let mut spots = BTreeMap::new();
    let mut at = 0;
    while bytes[at..].starts_with(b"PK\x03\x04") {
        let start = at + 30 + number(at + 26, 2);
        let name = String::from_utf8(bytes[at + 30..start].to_vec()).unwrap();
        let end = start + number(at + 18, 4);
        spots.insert(name, start..end);
        at = end;
    }
    spots
}

/// Puts the CRC-32 of a stored file right, in both of its headers.
pub(crate) fn repair(bytes: &mut [u8], place: &Range<usize>) {
    let mut crc = u32::MAX;
    for byte in &bytes[place.clone()] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    let sum = (!crc).to_le_bytes();
    let local = (0..place.start)
        .rev()
        .find(|at| bytes[*at..].starts_with(b"PK\x03\x04"))
        .unwrap();
    bytes[local + 14..local + 18].copy_from_slice(&sum);
    let offset = u32::try_from(local).unwrap().to_le_bytes();
    let central = (place.end..bytes.len())
        .find(|at| bytes[*at..].starts_with(b"PK\x01\x02") && bytes[at + 42..at + 46] == offset)
        .unwrap();
    bytes[central + 16..central + 20].copy_from_slice(&sum);
}
