//! What reading a typed field can end in, and the fields that several forms share.

/// Why a field could not be measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The bytes end before the field does.
    More,
    /// The bytes are no field of this kind.
    Bad,
}

/// The length of the decimal number that `bytes` begin with: 1 to `most` digits.
#[inline]
pub(super) fn digits(bytes: &[u8], most: usize) -> Result<usize, Stop> {
    let mut length = 0;
    let mut rest = bytes;
    // Eight at once: a byte below `0` borrows and one above `9` carries into its highest bit; the first such byte is no digit.
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let chunk = u64::from_le_bytes(*chunk);
        let others = (chunk.wrapping_sub(ZEROS) | chunk.wrapping_add(ABOVE_NINE) | chunk) & HIGH;
        if others != 0 {
            length += others.trailing_zeros() as usize / 8;
            return if length == 0 || length > most {
                Err(Stop::Bad)
            } else {
                Ok(length)
            };
        }
        length += 8;
        if length > most {
            return Err(Stop::Bad);
        }
        rest = after;
    }
    for byte in rest {
        if !byte.is_ascii_digit() {
            return if length == 0 {
                Err(Stop::Bad)
            } else {
                Ok(length)
            };
        }
        if length == most {
            return Err(Stop::Bad);
        }
        length += 1;
    }
    Err(Stop::More)
}

const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
/// What makes the byte above `9` 128.
const ABOVE_NINE: u64 = u64::from_ne_bytes([0x80 - (b'9' + 1); 8]);

/// As [`digits`], with a minus sign before it or not.
#[inline]
pub(super) fn signed(bytes: &[u8], most: usize) -> Result<usize, Stop> {
    match bytes.split_first() {
        Some((b'-', rest)) => Ok(1 + digits(rest, most)?),
        _ => digits(bytes, most),
    }
}

/// The length of the hexadecimal number that `bytes` begin with: 1 to `most` digits in lower case.
#[inline]
pub(super) fn hexadecimal(bytes: &[u8], most: usize) -> Result<usize, Stop> {
    match run(
        bytes,
        most,
        |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    )? {
        0 => Err(Stop::Bad),
        length => Ok(length),
    }
}

/// Two parts with a byte between them: `first`, `between`, `second`.
#[inline]
pub(super) fn pair(
    bytes: &[u8],
    between: u8,
    first: impl Fn(&[u8]) -> Result<usize, Stop>,
    second: impl Fn(&[u8]) -> Result<usize, Stop>,
) -> Result<usize, Stop> {
    let left = first(bytes)?;
    match bytes.get(left) {
        None => Err(Stop::More),
        Some(byte) if *byte == between => {
            let right = second(bytes.get(left + 1..).unwrap_or_default())?;
            Ok(left + 1 + right)
        }
        Some(_) => Err(Stop::Bad),
    }
}

/// How many of the first bytes are of the set; more than `most` is bad, and so many that the bytes end is not decided.
#[inline]
pub(super) fn run(bytes: &[u8], most: usize, of: impl Fn(u8) -> bool) -> Result<usize, Stop> {
    for (length, byte) in bytes.iter().enumerate() {
        if !of(*byte) {
            return Ok(length);
        }
        if length == most {
            return Err(Stop::Bad);
        }
    }
    Err(Stop::More)
}

/// The number that the bytes are, all of them.
#[inline]
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    /// So many digits always fit.
    const SAFE: usize = 19;
    if bytes.is_empty() {
        return None;
    }
    if bytes.len() > SAFE {
        return bytes.iter().try_fold(0_u64, |number, byte| {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number.checked_mul(10)?.checked_add(u64::from(digit))
        });
    }
    let mut number = 0_u64;
    let mut digits = true;
    let mut rest = bytes;
    while let Some((chunk, after)) = rest.split_first_chunk::<8>() {
        let (value, are_digits) = eight_digits(*chunk);
        digits &= are_digits;
        number = number.wrapping_mul(100_000_000).wrapping_add(value);
        rest = after;
    }
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        digits &= digit < 10;
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    digits.then_some(number)
}

/// The number that eight digits are, and whether they are digits.
#[inline]
fn eight_digits(chunk: [u8; 8]) -> (u64, bool) {
    let chunk = u64::from_le_bytes(chunk);
    let digits = (chunk.wrapping_sub(ZEROS) | chunk.wrapping_add(ABOVE_NINE) | chunk) & HIGH == 0;
    // Neighbours are added up: to four numbers of two digits, to two of four, to one of eight.
    let twos = (chunk & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 * 256 + 1) >> 8;
    let fours = (twos & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 * 65_536 + 1) >> 16;
    let eight = (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32;
    (eight, digits)
}

/// The number that the bytes are, all of them, with a minus sign or without.
pub(super) fn signed_number(bytes: &[u8]) -> Option<i64> {
    match bytes.split_first() {
        Some((b'-', rest)) => 0_i64.checked_sub_unsigned(number(rest)?),
        _ => i64::try_from(number(bytes)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_standard_library() {
        let mut texts: Vec<String> = [
            "",
            "-",
            "-0",
            "+1",
            "1 ",
            "12a",
            "/0",
            ":0",
            "\u{f8}1",
            "9999999:",
            "1234567/9",
        ]
        .map(str::to_owned)
        .to_vec();
        let mut number = 1_u64;
        for length in 1..=21 {
            number = number
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            texts.push("9".repeat(length));
            texts.push(number.to_string().chars().cycle().take(length).collect());
        }
        texts.extend([
            u64::MAX.to_string(),
            i64::MIN.to_string(),
            i64::MAX.to_string(),
            "18446744073709551616".to_owned(),
        ]);
        for text in texts {
            let expected = text.parse().ok().filter(|_| !text.starts_with('+'));
            assert_eq!(super::number(text.as_bytes()), expected, "{text}");
            let expected = text.parse().ok().filter(|_| !text.starts_with('+'));
            assert_eq!(signed_number(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn digits_are_counted_up_to_anything_else() {
        for length in 0..=20 {
            for after in [b',', b'/', b':', b' ', 0, 0x7f, 0x80, 0xb0, 0xb9, 0xff] {
                let mut text = vec![b'7'; length];
                assert_eq!(digits(&text, 20), Err(Stop::More));
                text.push(after);
                text.extend(*b"12345678");
                let expected = if length == 0 {
                    Err(Stop::Bad)
                } else {
                    Ok(length)
                };
                assert_eq!(digits(&text, 20), expected, "{length} digits, then {after}");
                text.truncate(length + 1);
                assert_eq!(
                    digits(&text, 20),
                    expected,
                    "{length} digits, then {after}, then nothing"
                );
            }
        }
        assert_eq!(digits(b"12345678901,", 10), Err(Stop::Bad));
        assert_eq!(digits(b"12345678901234567", 10), Err(Stop::Bad));
    }
}
