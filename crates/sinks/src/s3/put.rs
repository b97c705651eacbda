//! Writing an object once.

use super::{Mode, S3, object};
use crate::aws::{Meaning, answer, read};
use crate::sink::Answer;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ObjectLockMode, ServerSideEncryption};
use pgattest_ledger::{Hash, SignedCheckpoint};

const WHAT_TO_DO: &str = "Check the collector's credentials and its rights (s3:PutObject, s3:PutObjectRetention) on the bucket";
const DAY: i64 = 24 * 60 * 60;

/// What became of a write.
enum Written {
    New,
    /// There is an object of this name.
    Before(Box<HeadObjectOutput>),
}

impl S3 {
    /// Writes an object unless there is the same one already. Another one of that name is nobody's to overwrite.
    pub(super) async fn put_once(
        &self,
        key: &str,
        body: Vec<u8>,
        content_type: &str,
    ) -> Result<(), Answer> {
        let digest = Hash::of(&body);
        let Written::Before(there) = self.put(key, body, digest, content_type).await? else {
            return Ok(());
        };
        if self.digest(key, &there).await? != digest {
            return Err(self.other(key));
        }
        self.must_be_locked(key, &there)
    }

    /// The same for a checkpoint: a later note of the same tree may have more signatures.
    pub(super) async fn put_checkpoint(&self, key: &str, note: Vec<u8>) -> Result<(), Answer> {
        let digest = Hash::of(&note);
        let ours = SignedCheckpoint::parse(&note);
        let Written::Before(there) = self.put(key, note, digest, "text/plain").await? else {
            return Ok(());
        };
        if self.digest(key, &there).await? != digest {
            let theirs = SignedCheckpoint::parse(&self.get(key).await?);
            let same = match (&ours, &theirs) {
                (Ok(ours), Ok(theirs)) => ours.unverified() == theirs.unverified(),
                _ => false,
            };
            if !same {
                return Err(self.other(key));
            }
        }
        self.must_be_locked(key, &there)
    }

    async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        digest: Hash,
        content_type: &str,
    ) -> Result<Written, Answer> {
        let until = jiff::Timestamp::now()
            .as_second()
            .saturating_add(i64::from(self.config.retention_days).saturating_mul(DAY));
        let request = self
            .client
            .put_object()
            .bucket(&self.config.bucket)
            .key(key)
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(digest.to_base64())
            .object_lock_mode(match self.config.lock {
                Mode::Governance => ObjectLockMode::Governance,
                Mode::Compliance => ObjectLockMode::Compliance,
            })
            .object_lock_retain_until_date(DateTime::from_secs(until))
            .set_server_side_encryption(
                self.config
                    .kms_key
                    .is_some()
                    .then_some(ServerSideEncryption::AwsKms),
            )
            .set_ssekms_key_id(self.config.kms_key.clone())
            .content_type(content_type)
            .body(ByteStream::from(body));
        let Err(error) = request.send().await else {
            return Ok(Written::New);
        };
        let (meaning, code, text) = read(&error);
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        if code.as_deref() == Some("PreconditionFailed") || status == Some(412) {
            return self
                .head(key)
                .await
                .map(|there| Written::Before(Box::new(there)));
        }
        // An object has no record that could be left out: what is refused here is the set-up.
        Err(match meaning {
            Meaning::Refused => Answer::misconfigured(format!("{text}. {WHAT_TO_DO}")),
            _ => answer(&error, WHAT_TO_DO),
        })
    }

    async fn head(&self, key: &str) -> Result<HeadObjectOutput, Answer> {
        self.client
            .head_object()
            .bucket(&self.config.bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| {
                answer(
                    &error,
                    "Grant s3:GetObject and s3:GetObjectRetention: after a lost answer the object that is there is compared",
                )
            })
    }

    /// An object's whole content.
    pub(super) async fn get(&self, key: &str) -> Result<Vec<u8>, Answer> {
        let output = self
            .client
            .get_object()
            .bucket(&self.config.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| answer(&error, "Grant s3:GetObject"))?;
        match output.body.collect().await {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(error) => Err(Answer::again(format!("`{key}` cannot be read: {error}"))),
        }
    }

    /// The SHA-256 of an object that is there: as S3 keeps it, or over its bytes where S3 keeps none.
    async fn digest(&self, key: &str, there: &HeadObjectOutput) -> Result<Hash, Answer> {
        if let Some(digest) = there.checksum_sha256().and_then(Hash::from_base64) {
            return Ok(digest);
        }
        Ok(Hash::of(&self.get(key).await?))
    }

    fn other(&self, key: &str) -> Answer {
        Answer::misconfigured(format!(
            "s3://{}/{key} is there with other content: another journal has used this instance's name, or somebody wrote there. Nothing was overwritten. Find out which, then give this journal a `prefix` of its own",
            self.config.bucket
        ))
    }

    fn must_be_locked(&self, key: &str, there: &HeadObjectOutput) -> Result<(), Answer> {
        let locked = match there.object_lock_mode() {
            Some(ObjectLockMode::Compliance) => true,
            Some(ObjectLockMode::Governance) => self.config.lock == Mode::Governance,
            _ => false,
        };
        if locked {
            return Ok(());
        }
        Err(Answer::misconfigured(format!(
            "s3://{}/{key} is there with the right content and without the lock that is asked for: lock it (aws s3api put-object-retention). Without s3:GetObjectRetention a lock cannot be seen, either",
            self.config.bucket
        )))
    }

    /// The number of the first record that an object's name says.
    pub(super) fn number_of(key: &str) -> Option<u64> {
        key.rsplit_once("/records/")?
            .1
            .strip_suffix(".zst")?
            .parse()
            .ok()
            .filter(|&number| key.ends_with(&object::records_key(number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_number() {
        let key = format!("audit/prod/{}", object::records_key(42));
        assert_eq!(S3::number_of(&key), Some(42));
        assert_eq!(S3::number_of("audit/prod/records/42.zst"), None);
        assert_eq!(
            S3::number_of("audit/prod/checkpoints/00000000000000000042"),
            None
        );
    }
}
