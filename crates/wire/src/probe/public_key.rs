//! What kind of key and signature a certificate has.

use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::spki::AlgorithmIdentifierOwned;

/// Kind and size in bits: `("rsa", 2048)`. Size 0 is "not known".
pub(super) fn key_of(certificate: &Certificate) -> (&'static str, u32) {
    let info = &certificate.tbs_certificate.subject_public_key_info;
    match info.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => {
            let bits = info.subject_public_key.as_bytes().and_then(modulus_bits);
            ("rsa", bits.unwrap_or(0))
        }
        "1.2.840.10045.2.1" => {
            let parameters = info.algorithm.parameters.as_ref();
            let curve = parameters.and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
            (
                "ec",
                curve.map_or(0, |curve| curve_bits(&curve.to_string())),
            )
        }
        "1.3.101.112" => ("ed25519", 256),
        "1.3.101.113" => ("ed448", 456),
        "1.2.840.10040.4.1" => ("dsa", 0),
        _ => ("other", 0),
    }
}

fn modulus_bits(key: &[u8]) -> Option<u32> {
    let mut reader = SliceReader::new(key).ok()?;
    reader
        .sequence(|reader| {
            let modulus = UintRef::decode(reader)?;
            let _exponent = UintRef::decode(reader)?;
            let bytes = modulus.as_bytes();
            let spare = bytes.first().map_or(0, |first| first.leading_zeros());
            let bits = u32::try_from(bytes.len())
                .unwrap_or(u32::MAX / 8)
                .saturating_mul(8);
            Ok(bits.saturating_sub(spare))
        })
        .ok()
}

fn curve_bits(curve: &str) -> u32 {
    match curve {
        "1.2.840.10045.3.1.7" | "1.3.132.0.10" | "1.3.36.3.3.2.8.1.1.7" => 256,
        "1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11" => 384,
        "1.3.132.0.35" => 521,
        "1.3.36.3.3.2.8.1.1.13" => 512,
        "1.3.132.0.33" => 224,
        "1.2.840.10045.3.1.1" => 192,
        _ => 0,
    }
}

/// The hash that a certificate was signed over, in small letters: `sha256`; `none` for Ed25519 and Ed448, which hash inside;
/// empty when the algorithm is not known here.
pub(super) fn signature_hash(algorithm: &AlgorithmIdentifierOwned) -> &'static str {
    match algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.2" => "md2",
        "1.2.840.113549.1.1.4" => "md5",
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
            "sha1"
        }
        "1.2.840.113549.1.1.14" | "1.2.840.10045.4.3.1" | "2.16.840.1.101.3.4.3.1" => "sha224",
        "1.2.840.113549.1.1.11" | "1.2.840.10045.4.3.2" | "2.16.840.1.101.3.4.3.2" => "sha256",
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => "sha384",
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => "sha512",
        "1.2.840.113549.1.1.10" => pss_hash(algorithm),
        "1.3.101.112" | "1.3.101.113" => "none",
        _ => "",
    }
}

/// RSA-PSS names its hash in its parameters, and means SHA-1 when it names none (RFC 4055, 3.1).
fn pss_hash(algorithm: &AlgorithmIdentifierOwned) -> &'static str {
    let parameters = algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.to_der().ok())
        .unwrap_or_default();
    let names = |oid: &[u8]| parameters.windows(oid.len()).any(|window| window == oid);
    let sha2 = |last: u8| [6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, last];
    if names(&sha2(1)) {
        "sha256"
    } else if names(&sha2(2)) {
        "sha384"
    } else if names(&sha2(3)) {
        "sha512"
    } else {
        "sha1"
    }
}
