//! A block as it is stored: two zstd frames.
//!
//! ```text
//! skippable frame (RFC 8878, 3.1.2), magic number 0x184D2A5A:
//!     "PGT"  version (1)  pieces (varint)
//!     for each piece:
//!         varint   length << 4 | original << 3 | kind
//!         32 bytes HMAC of the piece before redaction, when `original` is 1
//! zstd frame: the pieces' bytes
//! ```
//!
//! A varint is LEB128 without needless bytes. Kinds: 0 record, 1 cut short, 2 glued, 3 wrong fields, 4 foreign. Decompressors skip
//! the first frame, so `zstd -dc` of a segment is the log.

use super::{Piece, PieceKind};
use pgattest_parse::audit_log::TornReason;
use std::io::Read as _;

const MAGIC: u32 = 0x184D_2A5A;
const VERSION: [u8; 4] = *b"PGT\x01";

/// The frames of a block. The error says why they cannot be made.
pub fn encode(bytes: &[u8], pieces: &[Piece], level: i32) -> std::io::Result<Vec<u8>> {
    let mut sidecar = VERSION.to_vec();
    varint(&mut sidecar, pieces.len() as u64);
    for piece in pieces {
        let original = u64::from(piece.original.is_some());
        varint(
            &mut sidecar,
            u64::from(piece.length) << 4 | original << 3 | kind_code(piece.kind),
        );
        if let Some(original) = piece.original {
            sidecar.extend(original);
        }
    }
    let length = u32::try_from(sidecar.len())
        .map_err(|_| std::io::Error::other("the block has too many pieces"))?;
    let mut frames = MAGIC.to_le_bytes().to_vec();
    frames.extend(length.to_le_bytes());
    frames.extend(sidecar);
    frames.extend(zstd::bulk::compress(bytes, level)?);
    Ok(frames)
}

/// Reads the frames of a block of `length` bytes. No more than that is unpacked. The error says what is wrong with them.
pub fn decode(frames: &[u8], length: u64) -> Result<(Vec<u8>, Vec<Piece>), &'static str> {
    let (magic, rest) = frames
        .split_first_chunk::<4>()
        .ok_or("it is cut short in its first frame")?;
    let (sidecar_length, rest) = rest
        .split_first_chunk::<4>()
        .ok_or("it is cut short in its first frame")?;
    if u32::from_le_bytes(*magic) != MAGIC {
        return Err("it does not begin with the sidecar's frame");
    }
    let (sidecar, frame) = usize::try_from(u32::from_le_bytes(*sidecar_length))
        .ok()
        .and_then(|length| rest.split_at_checked(length))
        .ok_or("it is cut short in its first frame")?;
    let pieces = decode_pieces(sidecar)?;
    let total: u64 = pieces.iter().map(|piece| u64::from(piece.length)).sum();
    if total != length {
        return Err("the lengths of its pieces do not add up to its manifest's");
    }
    Ok((unpack(frame, length)?, pieces))
}

fn unpack(mut frame: &[u8], length: u64) -> Result<Vec<u8>, &'static str> {
    const BROKEN: &str = "its second frame cannot be unpacked";
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(16 << 20)).unwrap_or(0));
    let decoder = zstd::stream::read::Decoder::with_buffer(&mut frame).map_err(|_| BROKEN)?;
    let mut decoder = decoder.single_frame();
    decoder
        .by_ref()
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|_| BROKEN)?;
    // The end of the frame, with its checks, lies behind the last byte.
    let more = decoder.read(&mut [0]).map_err(|_| BROKEN)?;
    drop(decoder);
    if bytes.len() as u64 != length || more != 0 || !frame.is_empty() {
        return Err("its second frame does not have its manifest's length");
    }
    Ok(bytes)
}

fn decode_pieces(sidecar: &[u8]) -> Result<Vec<Piece>, &'static str> {
    const BROKEN: &str = "its sidecar is damaged";
    let (version, mut rest) = sidecar.split_first_chunk::<4>().ok_or(BROKEN)?;
    if *version != VERSION {
        return Err("its sidecar is of a version that is not known");
    }
    let count = read_varint(&mut rest).ok_or(BROKEN)?;
    // Each takes a byte at least.
    if count > rest.len() as u64 {
        return Err(BROKEN);
    }
    let mut pieces = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let word = read_varint(&mut rest).ok_or(BROKEN)?;
        let kind = kind_of(word & 7).ok_or(BROKEN)?;
        let length = u32::try_from(word >> 4).map_err(|_| BROKEN)?;
        let original = if word & 8 == 0 {
            None
        } else {
            let (original, after) = rest.split_first_chunk::<32>().ok_or(BROKEN)?;
            rest = after;
            Some(*original)
        };
        pieces.push(Piece {
            length,
            kind,
            original,
        });
    }
    if rest.is_empty() {
        Ok(pieces)
    } else {
        Err(BROKEN)
    }
}

fn kind_code(kind: PieceKind) -> u64 {
    match kind {
        PieceKind::Record => 0,
        PieceKind::Torn(TornReason::CutShort) => 1,
        PieceKind::Torn(TornReason::Glued) => 2,
        PieceKind::Torn(TornReason::Fields) => 3,
        PieceKind::Torn(TornReason::Foreign) => 4,
    }
}

fn kind_of(code: u64) -> Option<PieceKind> {
    Some(match code {
        0 => PieceKind::Record,
        1 => PieceKind::Torn(TornReason::CutShort),
        2 => PieceKind::Torn(TornReason::Glued),
        3 => PieceKind::Torn(TornReason::Fields),
        4 => PieceKind::Torn(TornReason::Foreign),
        _ => return None,
    })
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        value |= part.checked_shl(shift).filter(|it| it >> shift == part)?;
        if byte & 0x80 == 0 {
            // A last byte of nothing is a second spelling.
            return (*byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{decode, encode, read_varint, varint};
    use crate::block::{Piece, PieceKind};
    use pgattest_parse::audit_log::TornReason;
    use proptest::prelude::*;

    fn piece() -> impl Strategy<Value = (Vec<u8>, PieceKind, Option<[u8; 32]>)> {
        let kind = prop_oneof![
            Just(PieceKind::Record),
            Just(PieceKind::Torn(TornReason::CutShort)),
            Just(PieceKind::Torn(TornReason::Glued)),
            Just(PieceKind::Torn(TornReason::Fields)),
            Just(PieceKind::Torn(TornReason::Foreign)),
        ];
        (
            proptest::collection::vec(any::<u8>(), 0..300),
            kind,
            any::<Option<[u8; 32]>>(),
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_stored_is_read_and_a_changed_byte_never_gives_more(
            parts in proptest::collection::vec(piece(), 0..20),
            place in any::<prop::sample::Index>(),
            bit in 0..8_u32,
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.0.clone()).collect();
            let pieces: Vec<Piece> = parts.iter().map(|(bytes, kind, original)| Piece {
                length: u32::try_from(bytes.len()).unwrap(), kind: *kind, original: *original,
            }).collect();
            let frames = encode(&bytes, &pieces, 1).unwrap();
            let length = bytes.len() as u64;
            prop_assert_eq!(decode(&frames, length).unwrap(), (bytes, pieces));
            prop_assert_eq!(zstd::stream::decode_all(frames.as_slice()).unwrap().len() as u64, length);
            for end in (0..frames.len()).step_by(7) {
                prop_assert!(decode(&frames[..end], length).is_err());
            }
            let mut changed = frames;
            let place = place.index(changed.len());
            changed[place] ^= 1 << bit;
            if let Ok((bytes, pieces)) = decode(&changed, length) {
                prop_assert_eq!(bytes.len() as u64, length);
                prop_assert_eq!(pieces.iter().map(|piece| u64::from(piece.length)).sum::<u64>(), length);
            }
        }

        #[test]
        fn random_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), length in any::<u64>()) {
            let _ = decode(&bytes, length);
        }

        #[test]
        fn numbers_have_one_spelling(value in any::<u64>()) {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            prop_assert_eq!(read_varint(&mut bytes.as_slice()), Some(value));
            *bytes.last_mut().unwrap() |= 0x80;
            bytes.push(0);
            prop_assert_eq!(read_varint(&mut bytes.as_slice()), None);
        }
    }
}
