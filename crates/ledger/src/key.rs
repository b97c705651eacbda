//! Ed25519 keys in the formats that OpenSSH and C2SP give them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::Signer as _;
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding};
use zeroize::Zeroizing;

use crate::hash::Hash;

/// The name under which `ssh-keygen -Y verify` knows whoever signs.
pub const PRINCIPAL: &str = "pgattest";

/// How many bytes an Ed25519 signature has.
pub const SIGNATURE_LEN: usize = 64;

/// The byte that says "Ed25519" in a signed note's key.
const NOTE_ED25519: u8 = 0x01;

/// Why a key could not be read. Says nothing of the key's content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The private key is not in OpenSSH's format.
    #[error("not an Ed25519 private key in OpenSSH's format: {0}")]
    NotAPrivateKey(ssh_key::Error),
    /// The private key is protected by a passphrase.
    #[error("the private key is protected by a passphrase, which is not supported")]
    Encrypted,
    /// The key is of another kind.
    #[error("the key is not an Ed25519 key but {0}")]
    NotEd25519(String),
    /// A line of a file of public keys cannot be read.
    #[error("line {line} is not an Ed25519 public key: {reason}")]
    NotAPublicKey {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of public keys holds none.
    #[error("there is no public key in it")]
    Empty,
}

/// An Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    /// A key from its 32 bytes; `None` when they are no point of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes)
            .ok()
            .map(Self)
    }

    /// Reads a file of public keys: OpenSSH public key lines, lines of an
    /// `allowed_signers` file, or 64 hexadecimal digits; `#` starts a comment.
    pub fn parse_file(text: &str) -> Result<Vec<Self>, KeyError> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_line(line).map_err(|reason| KeyError::NotAPublicKey {
                line: number,
                reason,
            })?;
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyError::Empty);
        }
        Ok(keys)
    }

    /// The key's 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The 32 bytes as 64 lower-case hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.as_bytes())
    }

    /// The `keyid` of a DSSE signature: SHA-256 of the 32 bytes, in hexadecimal.
    pub fn key_id(&self) -> String {
        Hash::of(self.as_bytes()).to_hex()
    }

    /// `SHA256:...`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        self.to_ssh().fingerprint(HashAlg::Sha256).to_string()
    }

    /// `ssh-ed25519 AAAA... pgattest`: the content of a `.pub` file, without a
    /// newline.
    pub fn openssh_line(&self) -> String {
        format!(
            "ssh-ed25519 {} {PRINCIPAL}",
            STANDARD.encode(self.ssh_blob())
        )
    }

    /// A line of the `allowed_signers` file of `ssh-keygen -Y verify`.
    pub fn allowed_signers_line(&self) -> String {
        format!(
            "{PRINCIPAL} namespaces=\"{}\" ssh-ed25519 {}",
            crate::sshsig::NAMESPACE,
            STANDARD.encode(self.ssh_blob())
        )
    }

    /// The four bytes that a signed note puts before a signature:
    /// `SHA-256(name || "\n" || 0x01 || key)[..4]`.
    pub fn note_key_id(&self, name: &str) -> [u8; 4] {
        let mut message = name.as_bytes().to_vec();
        message.push(b'\n');
        message.extend(self.note_key());
        let [a, b, c, d, ..] = *Hash::of(&message).as_bytes();
        [a, b, c, d]
    }

    /// The verifier key of signed notes: `name+hash+base64(0x01 || key)`.
    pub fn vkey(&self, name: &str) -> String {
        format!(
            "{name}+{}+{}",
            hex::encode(self.note_key_id(name)),
            STANDARD.encode(self.note_key())
        )
    }

    /// Checks a signature over `message`, strictly: a signature has one spelling.
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0.verify_strict(message, &signature).is_ok()
    }

    pub(crate) fn to_ssh(self) -> ssh_key::public::KeyData {
        ssh_key::public::KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(*self.as_bytes()))
    }

    pub(crate) fn from_ssh(key: &ssh_key::public::KeyData) -> Option<Self> {
        Self::from_bytes(&key.ed25519()?.0)
    }

    fn note_key(&self) -> Vec<u8> {
        let mut key = vec![NOTE_ED25519];
        key.extend(self.as_bytes());
        key
    }

    fn ssh_blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        for field in [b"ssh-ed25519".as_slice(), self.as_bytes()] {
            // Both are shorter than 256 bytes.
            blob.extend([0, 0, 0, field.len().to_le_bytes()[0]]);
            blob.extend(field);
        }
        blob
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

fn parse_line(line: &str) -> Result<PublicKey, String> {
    if line.len() == 64 && line.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let bytes = hex::decode(line).map_err(|error| error.to_string())?;
        let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| "not 32 bytes".to_owned())?;
        return PublicKey::from_bytes(&bytes).ok_or_else(|| "not a key".to_owned());
    }
    let mut words = line.split_whitespace();
    words
        .find(|word| *word == "ssh-ed25519")
        .ok_or("it does not contain `ssh-ed25519`")?;
    let blob = words.next().ok_or("nothing follows `ssh-ed25519`")?;
    let key = ssh_key::PublicKey::from_openssh(&format!("ssh-ed25519 {blob}"))
        .map_err(|error| error.to_string())?;
    PublicKey::from_ssh(key.key_data()).ok_or_else(|| "not a key".to_owned())
}

/// An Ed25519 signing key. Has no `Debug`, and is wiped when dropped.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// A key from 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads the content of a private key file in OpenSSH's format.
    pub fn from_openssh(text: &str) -> Result<Self, KeyError> {
        let key = ssh_key::PrivateKey::from_openssh(text).map_err(KeyError::NotAPrivateKey)?;
        if key.is_encrypted() {
            return Err(KeyError::Encrypted);
        }
        let pair = key
            .key_data()
            .ed25519()
            .ok_or_else(|| KeyError::NotEd25519(key.algorithm().to_string()))?;
        let seed = Zeroizing::new(pair.private.to_bytes());
        let signing = Self::from_seed(&seed);
        if signing.public_key().as_bytes() != &pair.public.0 {
            return Err(KeyError::NotAPrivateKey(ssh_key::Error::PublicKey));
        }
        Ok(signing)
    }

    /// The content of a private key file in OpenSSH's format, unprotected.
    pub fn to_openssh(&self) -> Result<Zeroizing<String>, KeyError> {
        let pair = Ed25519Keypair::from_seed(&Zeroizing::new(self.0.to_bytes()));
        ssh_key::PrivateKey::new(pair.into(), PRINCIPAL)
            .and_then(|key| key.to_openssh(LineEnding::LF))
            .map_err(KeyError::NotAPrivateKey)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `message`; the same message gives the same signature.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyError, PublicKey, SigningKey};

    fn key() -> SigningKey {
        SigningKey::from_seed(&[7; 32])
    }

    #[test]
    fn rfc_8032_test_1_is_signed_as_published() {
        let seed: [u8; 32] =
            hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
                .unwrap()
                .try_into()
                .unwrap();
        let key = SigningKey::from_seed(&seed);
        assert_eq!(
            key.public_key().to_hex(),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
        assert_eq!(
            hex::encode(key.sign(b"")),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        );
    }

    #[test]
    fn a_private_key_survives_its_file() {
        let text = key().to_openssh().unwrap();
        assert!(text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        let again = SigningKey::from_openssh(&text).unwrap();
        assert_eq!(again.public_key(), key().public_key());
    }

    #[test]
    fn a_damaged_private_key_is_refused_without_being_shown() {
        let text = key().to_openssh().unwrap();
        for cut in [0, 10, 60, text.len() / 2] {
            let Err(error) = SigningKey::from_openssh(&text[..cut]) else {
                panic!("cut at {cut} was accepted");
            };
            assert!(matches!(error, KeyError::NotAPrivateKey(_)));
        }
    }

    #[test]
    fn every_way_of_writing_a_public_key_is_read() {
        let public = key().public_key();
        let file = format!(
            "# the auditor's copy\n\n{}\n{}\n{}\r\n",
            public.openssh_line(),
            public.allowed_signers_line(),
            public.to_hex()
        );
        assert_eq!(PublicKey::parse_file(&file).unwrap(), vec![public; 3]);
    }

    #[test]
    fn what_is_no_public_key_is_refused_with_its_line() {
        #[track_caller]
        fn check(text: &str, line: usize) {
            match PublicKey::parse_file(text) {
                Err(KeyError::NotAPublicKey { line: found, .. }) => assert_eq!(found, line),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        check("# x\nssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ== me", 2);
        check("ssh-ed25519", 1);
        check("ssh-ed25519 !!!!", 1);
        check("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==", 1);
        check("-----BEGIN OPENSSH PRIVATE KEY-----", 1);
        assert_eq!(PublicKey::parse_file("# x\n"), Err(KeyError::Empty));
    }

    #[test]
    fn the_note_key_is_the_one_of_gos_sumdb_note() {
        // The verifier key of the Go checksum database, published in its source.
        let published = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        let (_, key) = published.rsplit_once("+Ac4").unwrap();
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            format!("Ac4{key}"),
        )
        .unwrap();
        let key = PublicKey::from_bytes(bytes[1..].try_into().unwrap()).unwrap();
        assert_eq!(key.vkey("sum.golang.org"), published);
    }
}
