//! A key in AWS KMS that signs: `ECC_NIST_P256`, `ECDSA_SHA_256`. The private half never leaves KMS.

use crate::aws::{AwsOptions, Meaning, read};
use crate::sink::OpenError;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use pgattest_ledger::ecdsa::EcPublicKey;

/// The longest message that KMS hashes itself, in bytes.
const LONGEST: usize = 4096;

const RIGHTS: &str = "Grant kms:GetPublicKey and kms:Sign on the key, and see that it is enabled";

/// A key of KMS.
pub struct KmsKey {
    client: Client,
    name: String,
    public: EcPublicKey,
}

/// Why KMS did not sign. Names the key as the configuration does, and repeats the beginning of what KMS said.
#[derive(Debug, thiserror::Error)]
pub enum KmsError {
    /// The client cannot be made of its configuration.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is not able now (a fault of its own, throttling, no answer): asking again later is right.
    #[error("KMS does not sign with `{key}` now: {reason}")]
    Again {
        /// The key.
        key: String,
        /// What was said.
        reason: String,
    },
    /// It will not sign before a person changes something.
    #[error("KMS refuses to sign with `{key}`: {reason}. {RIGHTS}")]
    Refused {
        /// The key.
        key: String,
        /// What was said.
        reason: String,
    },
    /// The key is of another kind.
    #[error(
        "the key `{key}` of KMS is {found}: make one with `aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P256`"
    )]
    OtherKind {
        /// The key.
        key: String,
        /// Its kind.
        found: String,
    },
    /// What came back is not a signature of the key.
    #[error("what KMS answered for `{0}` is not its signature")]
    NotASignature(String),
    /// Nothing of this length is signed.
    #[error("the message has {0} bytes; {LONGEST} is the most")]
    TooLong(usize),
}

impl KmsKey {
    /// Asks KMS for the public key, and sees that it is one that signs. `name`: an ARN, an id, or `alias/..`.
    pub async fn open(name: &str, aws: &AwsOptions) -> Result<Self, KmsError> {
        let client = Client::new(&aws.load().await?);
        let answer = client
            .get_public_key()
            .key_id(name)
            .send()
            .await
            .map_err(|error| failure(name, read(&error)))?;
        // What the key is, its own encoding says.
        let public = answer
            .public_key()
            .and_then(|der| EcPublicKey::from_der(der.as_ref()).ok())
            .filter(|_| answer.key_usage() == Some(&KeyUsageType::SignVerify));
        let Some(public) = public else {
            return Err(KmsError::OtherKind {
                key: name.to_owned(),
                found: format!(
                    "of the kind {} for {}",
                    answer.key_spec().map_or("unknown", KeySpec::as_str),
                    answer.key_usage().map_or("unknown", KeyUsageType::as_str)
                ),
            });
        };
        Ok(Self {
            client,
            name: name.to_owned(),
            public,
        })
    }

    /// Its public half.
    pub fn public_key(&self) -> &EcPublicKey {
        &self.public
    }

    /// Signs a message of at most 4,096 bytes: the signature in DER, verified.
    pub async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KmsError> {
        if message.len() > LONGEST {
            return Err(KmsError::TooLong(message.len()));
        }
        let answer = self
            .client
            .sign()
            .key_id(&self.name)
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .message(Blob::new(message))
            .send()
            .await
            .map_err(|error| failure(&self.name, read(&error)))?;
        let signature = answer
            .signature
            .map(Blob::into_inner)
            .filter(|signature| self.public.verify(message, signature));
        signature.ok_or_else(|| KmsError::NotASignature(self.name.clone()))
    }
}

fn failure(name: &str, (meaning, code, reason): (Meaning, Option<String>, String)) -> KmsError {
    let key = name.to_owned();
    // KMS says this of itself, not of us.
    let theirs = matches!(
        code.as_deref(),
        Some("KMSInternalException" | "DependencyTimeoutException" | "KeyUnavailableException")
    );
    match meaning {
        Meaning::Again => KmsError::Again { key, reason },
        _ if theirs => KmsError::Again { key, reason },
        _ => KmsError::Refused { key, reason },
    }
}
