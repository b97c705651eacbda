//! A checkpoint that others have signed, too: C2SP's tlog-cosignature and tlog-proof.
//!
//! The log's own signature line comes first and is exactly what [`SignedCheckpoint`] accepts; the lines behind it are other
//! people's. Evidence packages take a [`SignedCheckpoint`] and nothing more: this type is for the trail.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, SignedCheckpoint, check_origin};
use crate::hash::Hash;
use crate::key::{PublicKey, SIGNATURE_LEN};

/// The byte that says "cosignature/v1" in a witness's key.
const COSIGNATURE: u8 = 0x04;

/// Signatures of others that are read; more is no checkpoint that anybody serves.
const MOST_SIGNATURES: usize = 32;

/// The longest line of somebody else's signature, in bytes. Post-quantum ones have a few thousand.
const LONGEST_LINE: usize = 16 * 1024;

/// Somebody's signature line: `— name base64(key id || signature)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteSignature {
    /// Who, as they call themselves.
    pub name: String,
    /// The first bytes of a digest over name and key.
    pub key_id: [u8; 4],
    /// The signature, in the form that the key's type calls for.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    /// Reads one line, without its end.
    pub fn parse(line: &str) -> Result<Self, CheckpointError> {
        const BAD: CheckpointError = CheckpointError::Malformed("a signature line is not one");
        if line.len() > LONGEST_LINE {
            return Err(BAD);
        }
        let (name, text) = line
            .strip_prefix("— ")
            .and_then(|line| line.split_once(' '))
            .ok_or(BAD)?;
        check_origin(name)?;
        let bytes = STANDARD.decode(text).map_err(|_| BAD)?;
        let (key_id, signature) = bytes.split_first_chunk::<4>().ok_or(BAD)?;
        let parsed = Self {
            name: name.to_owned(),
            key_id: *key_id,
            signature: signature.to_vec(),
        };
        if signature.is_empty() || parsed.line() != line {
            return Err(BAD);
        }
        Ok(parsed)
    }

    /// The line, without its end.
    pub fn line(&self) -> String {
        let mut bytes = self.key_id.to_vec();
        bytes.extend(&self.signature);
        format!("— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A checkpoint with its log's signature and any number of others'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignedCheckpoint {
    /// The log's own.
    pub signed: SignedCheckpoint,
    /// The others'.
    pub others: Vec<NoteSignature>,
}

impl CosignedCheckpoint {
    /// Reads a note whose first signature is the log's own.
    pub fn parse(text: &[u8]) -> Result<Self, CheckpointError> {
        let text =
            str::from_utf8(text).map_err(|_| CheckpointError::Malformed("it is not UTF-8"))?;
        let (body, note) = text
            .split_once("\n\n")
            .ok_or(CheckpointError::Malformed("no blank line ends its text"))?;
        let note = note
            .strip_suffix('\n')
            .ok_or(CheckpointError::Malformed("its last line does not end"))?;
        let mut lines = note.split('\n');
        let first = lines.next().unwrap_or_default();
        let signed = SignedCheckpoint::parse(format!("{body}\n\n{first}\n").as_bytes())?;
        let others = lines
            .take(MOST_SIGNATURES + 1)
            .map(NoteSignature::parse)
            .collect::<Result<Vec<_>, _>>()?;
        if others.len() > MOST_SIGNATURES {
            return Err(CheckpointError::Malformed("it has too many signatures"));
        }
        Ok(Self { signed, others })
    }

    /// The whole note.
    pub fn to_text(&self) -> String {
        let mut text = self.signed.to_text();
        for other in &self.others {
            text.push_str(&other.line());
            text.push('\n');
        }
        text
    }

    /// When this witness saw the checkpoint, in seconds since 1970, by its own clock. `None`: it has not signed. A line of its that does
    /// not fit is an error.
    pub fn witnessed(&self, key: &WitnessKey) -> Result<Option<u64>, CheckpointError> {
        self.others
            .iter()
            .find(|line| key.is_of(line))
            .map(|line| key.verify(&self.signed, line))
            .transpose()
    }
}

/// A witness's verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    /// The witness's name.
    pub name: String,
    key: PublicKey,
    key_id: [u8; 4],
}

impl WitnessKey {
    /// A witness from its name and key.
    pub fn new(name: &str, key: PublicKey) -> Result<Self, CheckpointError> {
        check_origin(name)?;
        let mut message = name.as_bytes().to_vec();
        message.extend([b'\n', COSIGNATURE]);
        message.extend(key.as_bytes());
        let [a, b, c, d, ..] = *Hash::of(&message).as_bytes();
        Ok(Self {
            name: name.to_owned(),
            key,
            key_id: [a, b, c, d],
        })
    }

    /// Reads `name+id+base64(0x04 || key)`.
    pub fn parse(vkey: &str) -> Result<Self, CheckpointError> {
        const BAD: CheckpointError = CheckpointError::Malformed(
            "a witness's key is `name+8 hexadecimal digits+base64`, of the type 4",
        );
        let mut parts = vkey.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BAD);
        };
        let bytes = STANDARD.decode(key).map_err(|_| BAD)?;
        let Some((&COSIGNATURE, key)) = bytes.split_first() else {
            return Err(BAD);
        };
        let key = <[u8; 32]>::try_from(key).map_err(|_| BAD)?;
        let witness = Self::new(name, PublicKey::from_bytes(&key).ok_or(BAD)?)?;
        if hex::encode(witness.key_id) == id {
            Ok(witness)
        } else {
            Err(BAD)
        }
    }

    /// The verifier key's text.
    pub fn vkey(&self) -> String {
        let mut key = vec![COSIGNATURE];
        key.extend(self.key.as_bytes());
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.key_id),
            STANDARD.encode(key)
        )
    }

    /// Whether a signature line says that it is this witness's.
    pub fn is_of(&self, line: &NoteSignature) -> bool {
        line.name == self.name && line.key_id == self.key_id
    }

    /// Checks a line of this witness: when it signed, in seconds since 1970.
    pub fn verify(
        &self,
        signed: &SignedCheckpoint,
        line: &NoteSignature,
    ) -> Result<u64, CheckpointError> {
        if !self.is_of(line) {
            return Err(CheckpointError::OtherKey);
        }
        let (time, signature) = line
            .signature
            .split_first_chunk::<8>()
            .ok_or(CheckpointError::BadSignature)?;
        let signature = <[u8; SIGNATURE_LEN]>::try_from(signature)
            .map_err(|_| CheckpointError::BadSignature)?;
        let time = u64::from_be_bytes(*time);
        let message = cosigned_message(signed, time);
        if self.key.verify(message.as_bytes(), &signature) {
            Ok(time)
        } else {
            Err(CheckpointError::BadSignature)
        }
    }
}

fn cosigned_message(signed: &SignedCheckpoint, time: u64) -> String {
    format!(
        "cosignature/v1\ntime {time}\n{}",
        signed.unverified().body()
    )
}

/// A proof that an entry is in a log, in one file: C2SP's tlog-proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// What the log's application adds. Not authenticated by itself.
    pub extra: Option<Vec<u8>>,
    /// The entry's place.
    pub index: u64,
    /// From the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The checkpoint whose tree holds it.
    pub checkpoint: CosignedCheckpoint,
}

const PROOF: &str = "c2sp.org/tlog-proof@v1";

impl TlogProof {
    /// Reads the text of a proof, in the one spelling that [`Self::to_text`] has.
    pub fn parse(text: &[u8]) -> Result<Self, CheckpointError> {
        const BAD: CheckpointError = CheckpointError::Malformed("it is no tlog-proof@v1");
        let text =
            str::from_utf8(text).map_err(|_| CheckpointError::Malformed("it is not UTF-8"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(BAD)?;
        let mut lines = head.split('\n');
        if lines.next() != Some(PROOF) {
            return Err(BAD);
        }
        let mut line = lines.next().ok_or(BAD)?;
        let mut extra = None;
        if let Some(text) = line.strip_prefix("extra ") {
            extra = Some(STANDARD.decode(text).map_err(|_| BAD)?);
            line = lines.next().ok_or(BAD)?;
        }
        let index = line
            .strip_prefix("index ")
            .and_then(|text| text.parse().ok())
            .ok_or(BAD)?;
        let proof = Self {
            extra,
            index,
            hashes: lines
                .take(65)
                .map(|line| Hash::from_base64(line).ok_or(BAD))
                .collect::<Result<_, _>>()?,
            checkpoint: CosignedCheckpoint::parse(checkpoint.as_bytes())?,
        };
        if proof.to_text() == text {
            Ok(proof)
        } else {
            Err(CheckpointError::Malformed("it is not in its one spelling"))
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!("{PROOF}\n");
        if let Some(extra) = &self.extra {
            let _ = writeln!(text, "extra {}", STANDARD.encode(extra));
        }
        let _ = writeln!(text, "index {}", self.index);
        for hash in &self.hashes {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint.to_text());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{CosignedCheckpoint, NoteSignature, TlogProof, WitnessKey, cosigned_message};
    use crate::checkpoint::{Checkpoint, SignedCheckpoint};
    use crate::hash::Hash;
    use crate::key::SigningKey;

    fn witness() -> (SigningKey, WitnessKey) {
        let key = SigningKey::from_seed(&[3; 32]);
        let witness = WitnessKey::new("witness.example/w1", key.public_key()).unwrap();
        (key, witness)
    }

    fn cosigned() -> CosignedCheckpoint {
        let signed = Checkpoint {
            origin: "example.org/log".to_owned(),
            size: 42,
            root: Hash::of(b"root"),
        }
        .sign(&SigningKey::from_seed(&[7; 32]))
        .unwrap();
        let (key, witness) = witness();
        let mut signature = 1_700_000_000_u64.to_be_bytes().to_vec();
        signature.extend(key.sign(cosigned_message(&signed, 1_700_000_000).as_bytes()));
        let stranger = NoteSignature {
            name: "somebody.else".to_owned(),
            key_id: [1, 2, 3, 4],
            signature: vec![5],
        };
        CosignedCheckpoint {
            signed,
            others: vec![
                stranger,
                NoteSignature {
                    name: witness.name.clone(),
                    key_id: witness.key_id,
                    signature,
                },
            ],
        }
    }

    #[test]
    fn a_witness_is_believed_by_its_key_and_a_stranger_is_passed_over() {
        let (_, witness) = witness();
        assert_eq!(WitnessKey::parse(&witness.vkey()).unwrap(), witness);
        let read = CosignedCheckpoint::parse(cosigned().to_text().as_bytes()).unwrap();
        assert_eq!(read, cosigned());
        assert_eq!(read.witnessed(&witness).unwrap(), Some(1_700_000_000));
        let other = SigningKey::from_seed(&[4; 32]).public_key();
        let other = WitnessKey::new(&witness.name, other).unwrap();
        assert_eq!(read.witnessed(&other).unwrap(), None);
        // What evidence packages carry is still one signature.
        assert!(SignedCheckpoint::parse(cosigned().to_text().as_bytes()).is_err());
    }

    #[test]
    fn every_changed_byte_is_seen_or_is_a_strangers() {
        let (_, witness) = witness();
        let log = SigningKey::from_seed(&[7; 32]).public_key();
        let text = cosigned().to_text();
        let stranger = text.find("— somebody").unwrap()..text.find("— witness").unwrap();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] ^= 1;
            let seen = CosignedCheckpoint::parse(&changed).ok().filter(|note| {
                note.signed.verify(&log).is_ok()
                    && note.witnessed(&witness) == Ok(Some(1_700_000_000))
            });
            assert!(seen.is_none() || stranger.contains(&place), "byte {place}");
        }
    }

    #[test]
    fn a_proof_has_one_spelling() {
        let proof = TlogProof {
            extra: Some(b"what it is".to_vec()),
            index: 41,
            hashes: vec![Hash::of(b"1"), Hash::of(b"2")],
            checkpoint: cosigned(),
        };
        let text = proof.to_text();
        assert_eq!(TlogProof::parse(text.as_bytes()).unwrap(), proof);
        for changed in [
            text.replacen("index 41", "index 041", 1),
            text.replacen("@v1", "@v2", 1),
            text.replacen("\n\n", "\n\n\n", 1),
            format!("{text}\n"),
            text.replacen("extra ", "extra  ", 1),
        ] {
            assert!(TlogProof::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }
}
