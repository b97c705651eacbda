//! RFC 3161 time stamps: the request, and what a token says of itself.
//!
//! The authority's signature is not verified here: that takes its certificates and a policy about them, which `openssl ts -verify`
//! has. Checked is that the token speaks of these very bytes.

use sha2::{Digest as _, Sha256};
use x509_cert::der::asn1::{AnyRef, GeneralizedTime, ObjectIdentifier};
use x509_cert::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A `TimeStampReq` for the SHA-256 of `bytes`, asking for the certificate, in DER.
pub fn request(bytes: &[u8], nonce: [u8; 8]) -> Vec<u8> {
    // SEQUENCE { version 1, SEQUENCE { SEQUENCE { sha256, NULL }, OCTET STRING }, nonce, certReq TRUE }
    let mut der = vec![
        0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09,
    ];
    der.extend(SHA256.as_bytes());
    der.extend([0x05, 0x00, 0x04, 0x20]);
    der.extend(Sha256::digest(bytes));
    der.extend([0x02, 0x08]);
    der.extend(positive(nonce));
    der.extend([0x01, 0x01, 0xff]);
    der
}

/// An integer of eight bytes that is positive and has no needless zero in front.
fn positive(mut nonce: [u8; 8]) -> [u8; 8] {
    if let Some(first) = nonce.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    nonce
}

/// What a token says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Token {
    /// The SHA-256 that it is about.
    pub digest: [u8; 32],
    /// When, in seconds since 1970, by the authority's clock.
    pub time: u64,
    /// The nonce of the request, when it was of the kind that [`request`] sends.
    pub nonce: Option<[u8; 8]>,
}

/// Why an answer is no time stamp.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TimestampError {
    /// It is not the DER of a `TimeStampResp`.
    #[error("the answer is no RFC 3161 response")]
    Malformed,
    /// The authority refused.
    #[error("the time stamping authority refused the request, with status {0}")]
    Refused(u8),
    /// It is about something else.
    #[error("the time stamp is about other bytes")]
    OtherBytes,
    /// It answers another request.
    #[error("the time stamp answers another request")]
    OtherRequest,
}

/// Reads a `TimeStampResp`.
pub fn read(response: &[u8]) -> Result<Token, TimestampError> {
    parse(response)
        .map_err(|_| TimestampError::Malformed)
        .and_then(|status| match status {
            Parsed::Refused(status) => Err(TimestampError::Refused(status)),
            Parsed::Granted(token) => Ok(token),
        })
}

/// Reads a `TimeStampResp` and checks that it is about these bytes; `nonce`: that it answers this request.
pub fn check(
    response: &[u8],
    bytes: &[u8],
    nonce: Option<[u8; 8]>,
) -> Result<Token, TimestampError> {
    let token = read(response)?;
    if token.digest[..] != Sha256::digest(bytes)[..] {
        return Err(TimestampError::OtherBytes);
    }
    if nonce.is_some_and(|nonce| token.nonce != Some(positive(nonce))) {
        return Err(TimestampError::OtherRequest);
    }
    Ok(token)
}

enum Parsed {
    Granted(Token),
    Refused(u8),
}

type Der<T> = Result<T, x509_cert::der::Error>;

fn parse(response: &[u8]) -> Der<Parsed> {
    let response = AnyRef::from_der(response)?;
    let mut response = inside(&response, Tag::Sequence)?;
    let status = AnyRef::decode(&mut response)?;
    let status = u8::decode(&mut inside(&status, Tag::Sequence)?)?;
    // Granted, or granted with changes.
    if status > 1 {
        return Ok(Parsed::Refused(status));
    }
    let token = AnyRef::decode(&mut response)?;
    let content = signed_content(&token)?;
    let mut info = inside(&content, Tag::Sequence)?;
    let _version = u8::decode(&mut info)?;
    let _policy = ObjectIdentifier::decode(&mut info)?;
    let imprint = AnyRef::decode(&mut info)?;
    let digest = imprint_digest(&imprint)?;
    let _serial = AnyRef::decode(&mut info)?;
    let time = AnyRef::decode(&mut info)?;
    let mut nonce = None;
    while !info.is_finished() {
        let field = AnyRef::decode(&mut info)?;
        if field.tag() == Tag::Integer {
            nonce = field.value().try_into().ok();
        }
    }
    Ok(Parsed::Granted(Token {
        digest,
        time: seconds(&time)?,
        nonce,
    }))
}

/// The `TSTInfo` within `ContentInfo`, `SignedData`, `EncapsulatedContentInfo` and `OCTET STRING`.
fn signed_content<'a>(token: &AnyRef<'a>) -> Der<AnyRef<'a>> {
    let mut content = inside(token, Tag::Sequence)?;
    expect(&mut content, SIGNED_DATA)?;
    let wrapped = AnyRef::decode(&mut content)?;
    let signed = AnyRef::from_der(wrapped.value())?;
    let mut signed = inside(&signed, Tag::Sequence)?;
    let _version = u8::decode(&mut signed)?;
    let _digests = AnyRef::decode(&mut signed)?;
    let encapsulated = AnyRef::decode(&mut signed)?;
    let mut encapsulated = inside(&encapsulated, Tag::Sequence)?;
    expect(&mut encapsulated, TST_INFO)?;
    let wrapped = AnyRef::decode(&mut encapsulated)?;
    let octets = AnyRef::from_der(wrapped.value())?;
    if octets.tag() != Tag::OctetString {
        return Err(octets.tag().value_error());
    }
    AnyRef::from_der(octets.value())
}

fn imprint_digest(imprint: &AnyRef<'_>) -> Der<[u8; 32]> {
    let mut imprint = inside(imprint, Tag::Sequence)?;
    let algorithm = AnyRef::decode(&mut imprint)?;
    expect(&mut inside(&algorithm, Tag::Sequence)?, SHA256)?;
    let digest = AnyRef::decode(&mut imprint)?;
    digest
        .value()
        .try_into()
        .map_err(|_| Tag::OctetString.value_error())
}

/// `GeneralizedTime`, to the second: RFC 3161 allows fractions, which DER's own rules for it leave out.
fn seconds(time: &AnyRef<'_>) -> Der<u64> {
    let bad = || Tag::GeneralizedTime.value_error();
    let (whole, fraction) = time.value().split_at_checked(14).ok_or_else(bad)?;
    if fraction.last() != Some(&b'Z') {
        return Err(bad());
    }
    let mut text = vec![0x18, 15];
    text.extend(whole);
    text.push(b'Z');
    Ok(GeneralizedTime::from_der(&text)?
        .to_unix_duration()
        .as_secs())
}

fn inside<'a>(value: &AnyRef<'a>, tag: Tag) -> Der<SliceReader<'a>> {
    value.tag().assert_eq(tag)?;
    SliceReader::new(value.value())
}

fn expect(reader: &mut SliceReader<'_>, wanted: ObjectIdentifier) -> Der<()> {
    if ObjectIdentifier::decode(reader)? == wanted {
        Ok(())
    } else {
        Err(Tag::ObjectIdentifier.value_error())
    }
}

#[cfg(test)]
mod tests {
    use super::{positive, read, request};
    use proptest::prelude::*;

    #[test]
    fn a_request_is_as_long_as_it_says() {
        let der = request(b"x", [0xff; 8]);
        assert_eq!(der.len(), 2 + 0x43);
        assert_eq!(positive([0; 8])[0], 0x40);
        assert_eq!(positive([0xff; 8])[0], 0x7f);
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_time_stamp(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).is_err());
        }
    }
}
