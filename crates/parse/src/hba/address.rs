//! The address field, as the C library of the server reads numbers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What stands in the address field.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Address {
    /// A keyword, a host name, the end of one.
    Name(String),
    /// An address with a mask.
    Network(IpAddr, IpAddr),
    /// An address whose mask is the next field.
    Lone(IpAddr),
}

/// Reads the field; the error is the server's message.
pub(super) fn read(text: &str, quoted: bool) -> Result<Address, String> {
    if !quoted && matches!(text, "all" | "samehost" | "samenet") {
        return Ok(Address::Name(text.to_owned()));
    }
    let (host, length) = match text.split_once('/') {
        Some((host, length)) => (host, Some(length)),
        None => (text, None),
    };
    match (numeric(host), length) {
        (None, None) => Ok(Address::Name(host.to_owned())),
        (None, Some(_)) => Err(format!(
            "specifying both host name and CIDR mask is invalid: \"{text}\""
        )),
        (Some(address), None) => Ok(Address::Lone(address)),
        (Some(address), Some(length)) => mask_of(length, address)
            .map(|mask| Address::Network(address, mask))
            .ok_or_else(|| format!("invalid CIDR mask in address \"{text}\"")),
    }
}

/// Reads a mask of its own field.
pub(super) fn mask(text: &str, address: IpAddr) -> Result<IpAddr, String> {
    let mask = numeric(text)
        .ok_or_else(|| format!("invalid IP mask \"{text}\": Name or service not known"))?;
    if mask.is_ipv4() == address.is_ipv4() {
        Ok(mask)
    } else {
        Err("IP address and mask do not match".to_owned())
    }
}

/// As the server shows it: a library of its own would write `::102:304` where C writes `::1.2.3.4`.
pub(super) fn show(address: IpAddr) -> String {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0, 0, 0, 0, 0, 0, high, _] if high != 0 => {
                let [.., a, b, c, d] = v6.octets();
                format!("::{}", Ipv4Addr::new(a, b, c, d))
            }
            _ => v6.to_string(),
        },
        IpAddr::V4(v4) => v4.to_string(),
    }
}

/// An address in numbers: `10.0.0.1`, but also `10.1`, `0x7f.1`, `fe80::1%eth0`.
fn numeric(text: &str) -> Option<IpAddr> {
    if let Some(v4) = classic(text) {
        return Some(IpAddr::V4(v4));
    }
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let v6: Ipv6Addr = address.parse().ok()?;
    let zone_fits = zone.is_none_or(|zone| {
        let number = zone.bytes().all(|b| b.is_ascii_digit()) && zone.parse::<u32>().is_ok();
        // The name of an interface means something on the server's machine only, and only for link-local addresses.
        !zone.is_empty() && (number || is_link_local(v6))
    });
    zone_fits.then_some(IpAddr::V6(v6))
}

fn is_link_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff02 || first & 0xff0f == 0xff01
}

/// One to four numbers, decimal, octal or hexadecimal; the last one fills what is left.
fn classic(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|&part| part > 255) {
        return None;
    }
    let free = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if free < 32 && *last >> free != 0 {
        return None;
    }
    let mut bits = *last;
    for (part, shift) in leading.iter().zip([24, 16, 8]) {
        bits |= part << shift;
    }
    Some(Ipv4Addr::from_bits(bits))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) =
        if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            (hex, 16)
        } else if text.len() > 1 && text.starts_with('0') {
            (text.get(1..)?, 8)
        } else {
            (text, 10)
        };
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    all_digits
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

/// The mask of a prefix length, which may have blanks and a sign before it.
fn mask_of(length: &str, address: IpAddr) -> Option<IpAddr> {
    let digits = length.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let unsigned = digits.strip_prefix('+').unwrap_or(digits);
    let negative = digits.strip_prefix('-');
    let digits = negative.unwrap_or(unsigned);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = digits.parse().ok()?;
    if negative.is_some() && bits != 0 {
        return None;
    }
    match address {
        IpAddr::V4(_) if bits <= 32 => {
            Some(Ipv4Addr::from_bits(u32::MAX.checked_shl(32 - bits).unwrap_or(0)).into())
        }
        IpAddr::V6(_) if bits <= 128 => {
            Some(Ipv6Addr::from_bits(u128::MAX.checked_shl(128 - bits).unwrap_or(0)).into())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}
