//! Checkpoints: a tree's size and root, in a signed note.
//!
//! ```text
//! pgattest-ledger-0123456789abcdef
//! 42
//! n4cbNBiTfe4vL/c3WGY2S1ljdZ0Zkt3wUcKBXDcNn2U=
//!
//! — pgattest-ledger-0123456789abcdef oVJdGz...
//! ```
//!
//! The formats are C2SP's tlog-checkpoint and signed-note, narrowed: no extension
//! lines, one signature, and its key's name is the origin.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::hash::Hash;
use crate::key::{PublicKey, SIGNATURE_LEN, SigningKey};

/// The longest origin accepted, in bytes.
const LONGEST_ORIGIN: usize = 200;

/// The longest checkpoint read, in bytes.
const LONGEST_TEXT: usize = 4096;

/// What a ledger says of itself: its name, its size and the root of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The ledger's name, and the name of the key that signs it.
    pub origin: String,
    /// How many entries the tree has.
    pub size: u64,
    /// The root of the tree.
    pub root: Hash,
}

impl Checkpoint {
    /// Signs the checkpoint.
    pub fn sign(self, key: &SigningKey) -> Result<SignedCheckpoint, CheckpointError> {
        check_origin(&self.origin)?;
        let key_id = key.public_key().note_key_id(&self.origin);
        let signature = key.sign(self.body().as_bytes());
        Ok(SignedCheckpoint {
            checkpoint: self,
            key_id,
            signature,
        })
    }

    /// The signed text: three lines. What every signature of the note, and none of a witness, is over.
    pub fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }
}

/// The name a ledger gets when nobody chooses one: unique to its key.
pub fn default_origin(key: &PublicKey) -> String {
    let id: String = key.key_id().chars().take(16).collect();
    format!("pgattest-ledger-{id}")
}

/// Checks that `origin` can name a ledger and its key in a signed note.
pub fn check_origin(origin: &str) -> Result<(), CheckpointError> {
    let fits = !origin.is_empty()
        && origin.len() <= LONGEST_ORIGIN
        && !origin
            .chars()
            .any(|c| c == '+' || c.is_whitespace() || c.is_control());
    if fits {
        Ok(())
    } else {
        Err(CheckpointError::Origin(origin.to_owned()))
    }
}

/// A checkpoint with its signature, which is still to be verified.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    key_id: [u8; 4],
    signature: [u8; SIGNATURE_LEN],
}

impl SignedCheckpoint {
    /// Reads a checkpoint, accepting the one spelling that [`Self::to_text`] has.
    pub fn parse(text: &[u8]) -> Result<Self, CheckpointError> {
        if text.len() > LONGEST_TEXT {
            return Err(CheckpointError::Malformed("it is too long"));
        }
        let text =
            str::from_utf8(text).map_err(|_| CheckpointError::Malformed("it is not UTF-8"))?;
        let (body, note) = text
            .split_once("\n\n")
            .ok_or(CheckpointError::Malformed("no blank line ends its text"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Malformed("its text is not three lines"));
        };
        check_origin(origin)?;
        let size = size
            .parse()
            .map_err(|_| CheckpointError::Malformed("its second line is no size"))?;
        let root = Hash::from_base64(root)
            .ok_or(CheckpointError::Malformed("its third line is no root"))?;

        let signature = note
            .strip_suffix('\n')
            .and_then(|line| line.strip_prefix("— "))
            .and_then(|line| line.strip_prefix(origin))
            .and_then(|line| line.strip_prefix(' '))
            .ok_or(CheckpointError::Malformed(
                "it does not end in one signature line under its own name",
            ))?;
        let signature = STANDARD
            .decode(signature)
            .ok()
            .and_then(|bytes| <[u8; 4 + SIGNATURE_LEN]>::try_from(bytes).ok())
            .ok_or(CheckpointError::Malformed(
                "its signature is no Ed25519 one",
            ))?;
        let mut key_id = [0; 4];
        let mut bytes = [0; SIGNATURE_LEN];
        for (to, from) in key_id.iter_mut().chain(&mut bytes).zip(signature) {
            *to = from;
        }

        let signed = Self {
            checkpoint: Checkpoint {
                origin: origin.to_owned(),
                size,
                root,
            },
            key_id,
            signature: bytes,
        };
        // A size of `+1` or `01` was read above, and is refused here.
        if signed.to_text() != text {
            return Err(CheckpointError::Malformed("it is not in its one spelling"));
        }
        Ok(signed)
    }

    /// Verifies the signature and hands out what was signed.
    pub fn verify(&self, key: &PublicKey) -> Result<&Checkpoint, CheckpointError> {
        if self.key_id != key.note_key_id(&self.checkpoint.origin) {
            return Err(CheckpointError::OtherKey);
        }
        if !key.verify(self.checkpoint.body().as_bytes(), &self.signature) {
            return Err(CheckpointError::BadSignature);
        }
        Ok(&self.checkpoint)
    }

    /// What the checkpoint says, whoever said it. To be believed only after
    /// [`Self::verify`].
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The signed note.
    pub fn to_text(&self) -> String {
        let mut signature = self.key_id.to_vec();
        signature.extend(self.signature);
        format!(
            "{}\n— {} {}\n",
            self.checkpoint.body(),
            self.checkpoint.origin,
            STANDARD.encode(signature)
        )
    }
}

impl fmt::Debug for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedCheckpoint")
            .field("checkpoint", &self.checkpoint)
            .field("key_id", &hex::encode(self.key_id))
            .finish_non_exhaustive()
    }
}

/// Why a checkpoint is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The name cannot stand in a signed note.
    #[error(
        "`{}` cannot name a ledger: 1 to 200 bytes without blanks, control characters or `+`",
        .0.escape_debug()
    )]
    Origin(String),
    /// The text is not a checkpoint.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// Another key signed it.
    #[error("the checkpoint was signed by another key")]
    OtherKey,
    /// The signature does not fit the text.
    #[error("the checkpoint's signature does not fit its text")]
    BadSignature,
}

#[cfg(test)]
mod tests {
    use super::{Checkpoint, CheckpointError, SignedCheckpoint, default_origin};
    use crate::hash::Hash;
    use crate::key::SigningKey;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    fn signed() -> SignedCheckpoint {
        Checkpoint {
            origin: default_origin(&key().public_key()),
            size: 42,
            root: Hash::of(b"root"),
        }
        .sign(&key())
        .unwrap()
    }

    #[test]
    fn what_is_signed_is_read_and_verified() {
        let text = signed().to_text();
        let read = SignedCheckpoint::parse(text.as_bytes()).unwrap();
        assert_eq!(read, signed());
        let checkpoint = read.verify(&key().public_key()).unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (42, Hash::of(b"root")));
    }

    #[test]
    fn another_key_is_told_from_a_bad_signature() {
        let other = SigningKey::from_seed(&[8; 32]).public_key();
        assert_eq!(signed().verify(&other), Err(CheckpointError::OtherKey));
        let text = signed().to_text().replacen("\n42\n", "\n43\n", 1);
        assert_eq!(
            SignedCheckpoint::parse(text.as_bytes())
                .unwrap()
                .verify(&key().public_key()),
            Err(CheckpointError::BadSignature)
        );
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let text = signed().to_text().into_bytes();
        for place in 0..text.len() {
            let bit = place % 8;
            let mut changed = text.clone();
            changed[place] ^= 1 << bit;
            let seen = SignedCheckpoint::parse(&changed)
                .and_then(|note| note.verify(&key().public_key()).map(|_| ()));
            assert!(seen.is_err(), "bit {bit} of byte {place}");
        }
    }

    #[test]
    fn looser_spellings_are_refused() {
        let text = signed().to_text();
        for changed in [
            text.replacen("\n42\n", "\n042\n", 1),
            text.replacen("\n42\n", "\n+42\n", 1),
            text.replacen("\n42\n", "\n18446744073709551616\n", 1),
            text.replacen("\n\n", "\nextension\n\n", 1),
            format!("{text}\n"),
            text.trim_end().to_owned(),
            format!("{text}{}", text.lines().last().unwrap()),
            text.replace('\n', "\r\n"),
            String::new(),
        ] {
            assert!(
                SignedCheckpoint::parse(changed.as_bytes()).is_err(),
                "{changed:?}"
            );
        }
    }

    #[test]
    fn a_name_that_would_break_the_note_is_refused() {
        for origin in [
            "",
            "a b",
            "a+b",
            "a\nb",
            "a\u{2028}b",
            "a\u{1b}[1m",
            &"x".repeat(201),
        ] {
            let checkpoint = Checkpoint {
                origin: origin.to_owned(),
                size: 0,
                root: Hash::of(b""),
            };
            assert!(checkpoint.sign(&key()).is_err(), "{origin:?}");
        }
    }
}
