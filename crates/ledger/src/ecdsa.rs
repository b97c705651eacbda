//! ECDSA over P-256 with SHA-256: the second signature of a checkpoint, by a key that lies elsewhere than the first (a file, a KMS).
//!
//! In a signed note it is C2SP's type 0x02: the line's key id is the beginning of SHA-256 over the public key
//! (`SubjectPublicKeyInfo`, DER), its signature the DER that `openssl dgst -sha256 -verify` takes.

use std::fmt;

use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::cosigned::{CosignedCheckpoint, NoteSignature};
use crate::hash::Hash;

/// Keys in one file that are read; more is no file of keys.
const MOST_KEYS: usize = 64;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// Why a key cannot be read. Says nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EcKeyError {
    /// It is no public key of this kind.
    #[error("not a P-256 public key (SubjectPublicKeyInfo, PEM or DER)")]
    NotAPublicKey,
    /// It is no private key of this kind.
    #[error(
        "not a P-256 private key (PKCS#8, PEM, without a passphrase): `openssl genpkey -algorithm EC -pkeyopt \
         ec_paramgen_curve:P-256` makes one"
    )]
    NotAPrivateKey,
}

/// A P-256 public key.
#[derive(Clone, PartialEq, Eq)]
pub struct EcPublicKey {
    key: VerifyingKey,
    /// `SubjectPublicKeyInfo`.
    der: Vec<u8>,
}

impl EcPublicKey {
    /// A key from its `SubjectPublicKeyInfo`, as KMS hands it out.
    pub fn from_der(der: &[u8]) -> Result<Self, EcKeyError> {
        VerifyingKey::from_public_key_der(der)
            .map_err(|_| EcKeyError::NotAPublicKey)
            .and_then(Self::of)
    }

    /// The keys of a file: any number in PEM (`openssl pkey -pubout`), or one in DER.
    pub fn parse_file(bytes: &[u8]) -> Result<Vec<Self>, EcKeyError> {
        let Ok(text) = str::from_utf8(bytes) else {
            return Self::from_der(bytes).map(|key| vec![key]);
        };
        let mut keys = Vec::new();
        let mut rest = text;
        while let Some((_, begun)) = rest.split_once(BEGIN) {
            let (content, after) = begun.split_once(END).ok_or(EcKeyError::NotAPublicKey)?;
            let pem = format!("{BEGIN}{content}{END}\n");
            let key = VerifyingKey::from_public_key_pem(&pem)
                .map_err(|_| EcKeyError::NotAPublicKey)
                .and_then(Self::of)?;
            keys.push(key);
            if keys.len() > MOST_KEYS {
                return Err(EcKeyError::NotAPublicKey);
            }
            rest = after;
        }
        if keys.is_empty() {
            return Err(EcKeyError::NotAPublicKey);
        }
        Ok(keys)
    }

    /// SHA-256 of the `SubjectPublicKeyInfo`, hexadecimal: what `openssl pkey -pubin -outform DER | sha256sum` prints.
    pub fn fingerprint(&self) -> String {
        Hash::of(&self.der).to_hex()
    }

    /// The four bytes that a signed note puts before a signature.
    pub fn note_key_id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = *Hash::of(&self.der).as_bytes();
        [a, b, c, d]
    }

    /// Checks a signature (DER) over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        DerSignature::try_from(signature)
            .is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }

    /// Whether the key has signed a checkpoint. The error: a line of its that does not fit.
    pub fn has_signed(&self, note: &CosignedCheckpoint) -> Result<bool, CheckpointError> {
        let checkpoint = note.signed.unverified();
        let mut found = false;
        for line in &note.others {
            if line.name == checkpoint.origin && line.key_id == self.note_key_id() {
                if !self.verify(checkpoint.body().as_bytes(), &line.signature) {
                    return Err(CheckpointError::BadSignature);
                }
                found = true;
            }
        }
        Ok(found)
    }

    /// The line of a signature in a note, under the log's own name.
    pub fn note_line(&self, checkpoint: &Checkpoint, signature: Vec<u8>) -> NoteSignature {
        NoteSignature {
            name: checkpoint.origin.clone(),
            key_id: self.note_key_id(),
            signature,
        }
    }

    fn of(key: VerifyingKey) -> Result<Self, EcKeyError> {
        let der = key
            .to_public_key_der()
            .map_err(|_| EcKeyError::NotAPublicKey)?
            .into_vec();
        Ok(Self { key, der })
    }
}

impl fmt::Debug for EcPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

/// A P-256 signing key. Has no `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct EcSigningKey {
    key: p256::ecdsa::SigningKey,
    public: EcPublicKey,
}

impl EcSigningKey {
    /// Reads PKCS#8 in PEM.
    pub fn from_pem(text: &str) -> Result<Self, EcKeyError> {
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(text)
            .map_err(|_| EcKeyError::NotAPrivateKey)?;
        let public = EcPublicKey::of(*key.verifying_key())?;
        Ok(Self { key, public })
    }

    /// The public key.
    pub fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    /// Signs a message; DER. The same message gives the same signature (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: DerSignature = self.key.sign(message);
        signature.as_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::{EcKeyError, EcPublicKey, EcSigningKey};
    use crate::checkpoint::Checkpoint;
    use crate::cosigned::CosignedCheckpoint;
    use crate::hash::Hash;
    use crate::key::SigningKey;
    use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _, LineEnding};

    fn private() -> String {
        p256::ecdsa::SigningKey::from_slice(&[7; 32])
            .unwrap()
            .to_pkcs8_pem(LineEnding::LF)
            .unwrap()
            .to_string()
    }

    fn public_pem(key: &EcSigningKey) -> String {
        key.public_key()
            .key
            .to_public_key_pem(LineEnding::LF)
            .unwrap()
    }

    fn note(key: &EcSigningKey) -> CosignedCheckpoint {
        let checkpoint = Checkpoint {
            origin: "trail".to_owned(),
            size: 3,
            root: Hash::of(b"root"),
        };
        let line = key
            .public_key()
            .note_line(&checkpoint, key.sign(checkpoint.body().as_bytes()));
        CosignedCheckpoint {
            signed: checkpoint.sign(&SigningKey::from_seed(&[7; 32])).unwrap(),
            others: vec![line],
        }
    }

    #[test]
    fn a_note_is_signed_read_and_verified_and_a_changed_line_is_told_from_none() {
        let key = EcSigningKey::from_pem(&private()).unwrap();
        let text = note(&key).to_text();
        let mut read = CosignedCheckpoint::parse(text.as_bytes()).unwrap();
        let public = EcPublicKey::parse_file(public_pem(&key).as_bytes()).unwrap();
        assert_eq!(public, [key.public_key().clone()]);
        assert_eq!(public[0].has_signed(&read), Ok(true));
        read.others[0].signature[20] ^= 1;
        assert!(public[0].has_signed(&read).is_err());
        read.others.clear();
        assert_eq!(public[0].has_signed(&read), Ok(false));
    }

    #[test]
    fn keys_of_other_kinds_are_refused_without_a_word_of_their_content() {
        let key = EcSigningKey::from_pem(&private()).unwrap();
        let public = public_pem(&key);
        assert_eq!(
            EcSigningKey::from_pem(&public).err(),
            Some(EcKeyError::NotAPrivateKey)
        );
        let private = private();
        for bytes in [
            private.as_bytes(),
            b"",
            b"\xff\xfe",
            b"-----BEGIN PUBLIC KEY-----",
        ] {
            assert_eq!(
                EcPublicKey::parse_file(bytes).err(),
                Some(EcKeyError::NotAPublicKey)
            );
        }
        let twice = format!("# two\n{public}\n{public}");
        assert_eq!(EcPublicKey::parse_file(twice.as_bytes()).unwrap().len(), 2);
    }
}
