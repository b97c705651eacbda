//! DSSE envelopes around in-toto statements.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::canonical::{self, CanonicalError};
use crate::hash::Hash;
use crate::key::{PublicKey, SIGNATURE_LEN, SigningKey};

/// The media type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The type of an in-toto statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// An in-toto Statement v1 that says `predicate` of the file `name` with this
/// digest.
pub fn statement(name: &str, digest: Hash, predicate_type: &str, predicate: &Value) -> Value {
    json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": name, "digest": { "sha256": digest.to_hex() } }],
        "predicateType": predicate_type,
        "predicate": predicate,
    })
}

/// Why an envelope is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum DsseError {
    /// The envelope or its payload is not canonical JSON of the right shape.
    #[error("{part}: {source}")]
    Json {
        /// `envelope` or `payload`.
        part: &'static str,
        /// What is wrong.
        source: CanonicalError,
    },
    /// The payload is of another type.
    #[error("the payload is not of type `{PAYLOAD_TYPE}`")]
    OtherType,
    /// The payload or the signature is not base64 in its one spelling.
    #[error("`{0}` is not standard base64 of the right length")]
    Base64(&'static str),
    /// There is not exactly one signature.
    #[error("there are {0} signatures, not one")]
    Signatures(usize),
    /// Another key signed it.
    #[error("the envelope was signed by another key")]
    OtherKey,
    /// The signature does not fit the payload.
    #[error("the signature does not fit the payload")]
    BadSignature,
}

/// A parsed envelope, which is still to be verified.
#[derive(Clone, Debug)]
pub struct Envelope {
    payload: Vec<u8>,
    key_id: String,
    signature: [u8; SIGNATURE_LEN],
}

impl Envelope {
    /// Reads an envelope, accepting the one spelling that [`seal`] has.
    pub fn parse(bytes: &[u8]) -> Result<Self, DsseError> {
        let dto: EnvelopeDto = canonical::from_bytes(bytes).map_err(|source| DsseError::Json {
            part: "envelope",
            source,
        })?;
        if dto.payload_type != PAYLOAD_TYPE {
            return Err(DsseError::OtherType);
        }
        let count = dto.signatures.len();
        let mut signatures = dto.signatures.into_iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(DsseError::Signatures(count));
        };
        let payload = STANDARD
            .decode(&dto.payload)
            .map_err(|_| DsseError::Base64("payload"))?;
        let bytes = STANDARD
            .decode(&signature.sig)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(DsseError::Base64("sig"))?;
        Ok(Self {
            payload,
            key_id: signature.keyid,
            signature: bytes,
        })
    }

    /// Verifies the signature and hands out the statement.
    pub fn verify(&self, key: &PublicKey) -> Result<Value, DsseError> {
        if self.key_id != key.key_id() {
            return Err(DsseError::OtherKey);
        }
        if !key.verify(&pae(PAYLOAD_TYPE, &self.payload), &self.signature) {
            return Err(DsseError::BadSignature);
        }
        canonical::from_bytes(&self.payload).map_err(|source| DsseError::Json {
            part: "payload",
            source,
        })
    }

    /// The id of the key that is said to have signed.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

/// Signs `statement`; the result is the canonical JSON of an envelope.
pub fn seal(statement: &Value, key: &SigningKey) -> Result<Vec<u8>, CanonicalError> {
    let payload = canonical::to_bytes(statement)?;
    let signature = key.sign(&pae(PAYLOAD_TYPE, &payload));
    canonical::to_bytes(&EnvelopeDto {
        payload: STANDARD.encode(payload),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![SignatureDto {
            keyid: key.public_key().key_id(),
            sig: STANDARD.encode(signature),
        }],
    })
}

/// What is signed: DSSE's pre-authentication encoding of a type and a body.
pub fn pae(payload_type: &str, body: &[u8]) -> Vec<u8> {
    let mut encoded = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        body.len()
    )
    .into_bytes();
    encoded.extend(body);
    encoded
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeDto {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<SignatureDto>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SignatureDto {
    keyid: String,
    sig: String,
}

#[cfg(test)]
mod tests {
    use super::{DsseError, Envelope, pae, seal, statement};
    use crate::hash::Hash;
    use crate::key::SigningKey;
    use serde_json::json;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn sealed() -> Vec<u8> {
        let statement = statement("m", Hash::of(b"m"), "urn:x", &json!({"a": 1}));
        seal(&statement, &key()).unwrap()
    }

    #[test]
    fn the_encoding_is_the_protocols_example() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }

    #[test]
    fn what_is_sealed_is_verified() {
        let statement = Envelope::parse(&sealed())
            .unwrap()
            .verify(&key().public_key())
            .unwrap();
        assert_eq!(statement["predicate"], json!({"a": 1}));
        assert_eq!(
            statement["subject"][0]["digest"]["sha256"],
            Hash::of(b"m").to_hex()
        );
    }

    #[test]
    fn another_key_is_told_from_a_bad_signature() {
        let other = SigningKey::from_seed(&[8; 32]);
        let envelope = Envelope::parse(&sealed()).unwrap();
        assert!(matches!(
            envelope.verify(&other.public_key()),
            Err(DsseError::OtherKey)
        ));
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let bytes = sealed();
        for place in 0..bytes.len() {
            let bit = place % 8;
            let mut changed = bytes.clone();
            changed[place] ^= 1 << bit;
            let accepted = Envelope::parse(&changed)
                .is_ok_and(|envelope| envelope.verify(&key().public_key()).is_ok());
            assert!(!accepted, "bit {bit} of byte {place}");
        }
    }

    #[test]
    fn two_signatures_are_not_one() {
        let text = String::from_utf8(sealed()).unwrap();
        let (head, signature) = text.split_once("[{").unwrap();
        let signature = signature.trim_end_matches("]}");
        let twice = format!("{head}[{{{signature},{{{signature}]}}");
        assert!(matches!(
            Envelope::parse(twice.as_bytes()),
            Err(DsseError::Signatures(2))
        ));
        assert!(matches!(
            Envelope::parse(format!("{head}[]}}").as_bytes()),
            Err(DsseError::Signatures(0))
        ));
    }
}
