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
pub(super) fn digits(bytes: &[u8], most: usize) -> Result<usize, Stop> {
    match run(bytes, most, |byte| byte.is_ascii_digit())? {
        0 => Err(Stop::Bad),
        length => Ok(length),
    }
}

/// As [`digits`], with a minus sign before it or not.
pub(super) fn signed(bytes: &[u8], most: usize) -> Result<usize, Stop> {
    match bytes.split_first() {
        Some((b'-', rest)) => Ok(1 + digits(rest, most)?),
        _ => digits(bytes, most),
    }
}

/// The length of the hexadecimal number that `bytes` begin with: 1 to `most` digits in lower case.
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
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The number that the bytes are, all of them, with a minus sign or without.
pub(super) fn signed_number(bytes: &[u8]) -> Option<i64> {
    match bytes.split_first() {
        Some((b'-', rest)) => 0_i64.checked_sub_unsigned(number(rest)?),
        _ => i64::try_from(number(bytes)?).ok(),
    }
}
