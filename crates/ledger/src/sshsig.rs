//! OpenSSH signatures of a file, as `ssh-keygen -Y sign` makes them.

use ssh_key::{Algorithm, HashAlg, LineEnding, Signature, SshSig};

use crate::key::{PublicKey, SIGNATURE_LEN, SigningKey};

/// What our signatures are for. A signature made for another purpose (a git
/// commit, a login) is not one of evidence.
pub const NAMESPACE: &str = "pgattest";

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshSigError {
    /// It cannot be read.
    #[error("not an OpenSSH signature: {0}")]
    Malformed(ssh_key::Error),
    /// It is of another key type, namespace or hash.
    #[error("not an Ed25519 signature with SHA-512 in the namespace `{NAMESPACE}`")]
    OtherKind,
    /// It is readable, but not as OpenSSH would write it.
    #[error("not in the one spelling of an OpenSSH signature")]
    Spelling,
    /// It does not fit the message.
    #[error("the signature does not fit the file")]
    BadSignature,
}

/// A parsed signature, which is still to be verified.
#[derive(Clone, Debug)]
pub struct FileSignature {
    public_key: PublicKey,
    signature: [u8; SIGNATURE_LEN],
}

impl FileSignature {
    /// Reads an armored signature, accepting the one spelling that [`sign`] has.
    pub fn parse(armored: &[u8]) -> Result<Self, SshSigError> {
        let parsed = SshSig::from_pem(armored).map_err(SshSigError::Malformed)?;
        let public_key = PublicKey::from_ssh(parsed.public_key()).ok_or(SshSigError::OtherKind)?;
        let ours = parsed.namespace() == NAMESPACE && parsed.hash_alg() == HashAlg::Sha512;
        let signature = <[u8; SIGNATURE_LEN]>::try_from(parsed.signature_bytes());
        let (true, Ok(signature)) = (ours, signature) else {
            return Err(SshSigError::OtherKind);
        };
        let again = armor(&public_key, &signature).map_err(SshSigError::Malformed)?;
        if again.as_bytes() != armored {
            return Err(SshSigError::Spelling);
        }
        Ok(Self {
            public_key,
            signature,
        })
    }

    /// The key that the signature names. Whether to trust it is the caller's
    /// business.
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Checks that the named key signed `message`.
    pub fn verify(&self, message: &[u8]) -> Result<(), SshSigError> {
        let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message)
            .map_err(SshSigError::Malformed)?;
        if self.public_key.verify(&signed, &self.signature) {
            Ok(())
        } else {
            Err(SshSigError::BadSignature)
        }
    }
}

/// Signs `message`; the result is an armored signature that ends in a newline.
pub fn sign(key: &SigningKey, message: &[u8]) -> Result<String, SshSigError> {
    let signed =
        SshSig::signed_data(NAMESPACE, HashAlg::Sha512, message).map_err(SshSigError::Malformed)?;
    armor(&key.public_key(), &key.sign(&signed)).map_err(SshSigError::Malformed)
}

fn armor(key: &PublicKey, signature: &[u8; SIGNATURE_LEN]) -> Result<String, ssh_key::Error> {
    let signature = Signature::new(Algorithm::Ed25519, signature.as_slice())?;
    let text =
        SshSig::new(key.to_ssh(), NAMESPACE, HashAlg::Sha512, signature)?.to_pem(LineEnding::LF)?;
    // `ssh-keygen -Y sign` ends the last line too.
    Ok(if text.ends_with('\n') {
        text
    } else {
        text + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::{FileSignature, SshSigError, sign};
    use crate::key::SigningKey;

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    /// Made by `ssh-keygen -Y sign -n pgattest` (OpenSSH 9.2) with the key above,
    /// over the message `evidence`.
    const BY_OPENSSH: &str = "\
-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg6kpsY+KcUgq+9VB7Ey7F+ZVHdq
6+vnuSQh7qaRRG0iwAAAAIcGdhdHRlc3QAAAAAAAAABnNoYTUxMgAAAFMAAAALc3NoLWVk
MjU1MTkAAABArVRyNHICysC58whkZXMQarjXTXIPA+GvWXcRoB9yCW1t2WO6eCT1IETs82
bT4hhyt60Y2EykkNjZ22l9NNCdDA==
-----END SSH SIGNATURE-----
";

    #[test]
    fn the_signature_is_the_one_that_openssh_makes() {
        assert_eq!(sign(&key(), b"evidence").unwrap(), BY_OPENSSH);
    }

    #[test]
    fn what_is_signed_is_verified() {
        let parsed = FileSignature::parse(BY_OPENSSH.as_bytes()).unwrap();
        assert_eq!(parsed.public_key(), key().public_key());
        assert_eq!(parsed.verify(b"evidence"), Ok(()));
        assert_eq!(parsed.verify(b"Evidence"), Err(SshSigError::BadSignature));
    }

    #[test]
    fn every_changed_byte_is_seen() {
        let armored = BY_OPENSSH.as_bytes();
        for place in 0..armored.len() {
            let bit = place % 8;
            let mut changed = armored.to_vec();
            changed[place] ^= 1 << bit;
            let accepted = FileSignature::parse(&changed).is_ok_and(|parsed| {
                parsed.public_key() == key().public_key() && parsed.verify(b"evidence").is_ok()
            });
            assert!(!accepted, "bit {bit} of byte {place}");
        }
    }
}
