//! A bucket of S3 as the archive needs it: objects read by ranges, written whole and under conditions.
//!
//! What is tried again within a moment (no answer, throttling, 5xx) the client of Amazon's tries again itself. An answer may be lost
//! although the work was done, so whoever writes under a condition has to be ready to find its own write.

mod error;
mod upload;

pub use error::BucketError;
pub use upload::Upload;

use crate::aws::AwsOptions;
use crate::sink::OpenError;
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use error::{Doing, failed};
use pgattest_ledger::Hash;
use std::ops::Range;
use std::time::Duration;

/// How often a request is sent, at most, before its failure is told.
const ATTEMPTS: u32 = 5;

/// How often a range is asked for whose bytes stop coming.
const READS: u32 = 3;

/// A bucket, with a client for it.
pub struct Bucket {
    client: Client,
    name: String,
    kms_key: Option<String>,
}

/// What is listed of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// What is to be read of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// These bytes.
    Range(Range<u64>),
    /// Its last bytes, at most so many.
    Last(u64),
}

/// An object, or a part of it.
#[derive(Clone, Debug)]
pub struct Found {
    /// What was asked for.
    pub bytes: Vec<u8>,
    /// What tells this version from any other.
    pub etag: String,
    /// Bytes of the whole object.
    pub size: u64,
    /// When it was written by the clock of S3, in seconds since 1970.
    pub modified: Option<i64>,
}

/// On what a write depends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Condition {
    /// On nothing.
    Always,
    /// There is no object of this name.
    Absent,
    /// The object is still this version.
    Unchanged(String),
}

/// What became of a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Put {
    /// It is there, durable, and this version.
    Done(String),
    /// The condition does not hold (any more).
    Unmet {
        /// The time by the clock of S3, in seconds since 1970.
        now: Option<i64>,
    },
}

impl Bucket {
    /// Makes the client. Nothing is sent to S3 yet; credentials are looked for with the first request.
    pub async fn open(
        name: &str,
        aws: &AwsOptions,
        path_style: bool,
        kms_key: Option<String>,
    ) -> Result<Self, OpenError> {
        let seconds = aws.timeout_seconds.unwrap_or(60).max(1);
        let config = aws_sdk_s3::config::Builder::from(&aws.load().await?)
            .force_path_style(path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(10))
                    .operation_attempt_timeout(Duration::from_secs(seconds))
                    .build(),
            )
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            name: name.to_owned(),
            kms_key,
        })
    }

    /// The bucket's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every object whose key begins like this, in the order of keys.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>, BucketError> {
        let mut found = Vec::new();
        self.pages(prefix, None, |page| {
            for object in page.contents() {
                if let Some(key) = object.key() {
                    found.push(Listed {
                        key: key.to_owned(),
                        size: object.size().and_then(|it| it.try_into().ok()).unwrap_or(0),
                    });
                }
            }
        })
        .await?;
        Ok(found)
    }

    /// The folders right below a prefix, which ends with `/` or is empty: their keys, each ending with `/`.
    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, BucketError> {
        let mut found = Vec::new();
        self.pages(prefix, Some("/"), |page| {
            let folders = page.common_prefixes().iter();
            found.extend(folders.filter_map(|it| Some(it.prefix()?.to_owned())));
        })
        .await?;
        Ok(found)
    }

    /// Every page of a listing.
    async fn pages(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        mut take: impl FnMut(&ListObjectsV2Output),
    ) -> Result<(), BucketError> {
        let doing = self.doing("list", prefix, "s3:ListBucket");
        let mut next = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(prefix)
                .set_delimiter(delimiter.map(str::to_owned))
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| failed(&doing, &error))?;
            take(&page);
            next = page.next_continuation_token().map(str::to_owned);
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads an object or a part of it; `None`: there is none. `version`: an `ETag` that it has to have;
    /// [`BucketError::is_changed`] when it has another.
    pub async fn get(
        &self,
        key: &str,
        part: &Part,
        version: Option<&str>,
    ) -> Result<Option<Found>, BucketError> {
        let mut attempt = 1;
        loop {
            match self.get_once(key, part, version).await {
                Err(error) if error.is_cut_off() && attempt < READS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn get_once(
        &self,
        key: &str,
        part: &Part,
        version: Option<&str>,
    ) -> Result<Option<Found>, BucketError> {
        let doing = self.doing("read", key, "s3:GetObject");
        let range = match part {
            Part::Whole => None,
            Part::Range(range) => Some(format!(
                "bytes={}-{}",
                range.start,
                range.end.saturating_sub(1)
            )),
            Part::Last(bytes) => Some(format!("bytes=-{bytes}")),
        };
        let sent = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .set_range(range)
            .set_if_match(version.map(str::to_owned))
            .send()
            .await;
        let output = match sent {
            Ok(output) => output,
            Err(error) => {
                let error = failed(&doing, &error);
                return match error.code() {
                    Some("NoSuchKey") => Ok(None),
                    // An object without a byte has no range.
                    Some("InvalidRange") if matches!(part, Part::Last(_)) => {
                        self.empty(key, version).await
                    }
                    _ => Err(error),
                };
            }
        };
        let etag = output.e_tag().unwrap_or_default().to_owned();
        let modified = output
            .last_modified()
            .map(aws_sdk_s3::primitives::DateTime::secs);
        let total = output
            .content_range()
            .and_then(|range| range.rsplit_once('/')?.1.parse().ok());
        let body = output.body.collect().await;
        let bytes = body
            .map_err(|error| BucketError::cut_off(&doing, &error))?
            .to_vec();
        let wanted = match part {
            Part::Range(range) => range.end.checked_sub(range.start),
            _ => None,
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if wanted.is_some_and(|wanted| wanted != length) {
            return Err(BucketError::other(
                &doing,
                format!("it was asked for {part:?} and gave {length} bytes"),
            ));
        }
        Ok(Some(Found {
            bytes,
            etag,
            size: total.unwrap_or(length),
            modified,
        }))
    }

    /// An object that is said to be too short for any range.
    async fn empty(&self, key: &str, version: Option<&str>) -> Result<Option<Found>, BucketError> {
        Box::pin(self.get_once(key, &Part::Whole, version)).await
    }

    /// Writes an object in one request, with its SHA-256, which S3 compares.
    pub async fn put(
        &self,
        key: &str,
        body: Vec<u8>,
        condition: &Condition,
    ) -> Result<Put, BucketError> {
        let doing = self.doing("write", key, "s3:PutObject");
        let digest = Hash::of(&body).to_base64();
        let request = self
            .client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(digest)
            .set_if_none_match((*condition == Condition::Absent).then(|| "*".to_owned()))
            .set_if_match(match condition {
                Condition::Unchanged(etag) => Some(etag.clone()),
                _ => None,
            })
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .body(ByteStream::from(body));
        match request.send().await {
            Ok(output) => match output.e_tag() {
                Some(etag) => Ok(Put::Done(etag.to_owned())),
                None => Err(BucketError::other(&doing, "the answer has no ETag".into())),
            },
            Err(error) => {
                let failure = failed(&doing, &error);
                let is_unmet = match condition {
                    Condition::Always => false,
                    Condition::Absent => failure.is_changed(),
                    Condition::Unchanged(_) => {
                        failure.is_changed() || failure.code() == Some("NoSuchKey")
                    }
                };
                if is_unmet {
                    let now = error.raw_response().and_then(error::time_of);
                    return Ok(Put::Unmet { now });
                }
                Err(failure)
            }
        }
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let doing = self.doing("remove", key, "s3:DeleteObject");
        let sent = self.client.delete_object().bucket(&self.name).key(key);
        match sent.send().await.map_err(|error| failed(&doing, &error)) {
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key
            .is_some()
            .then_some(ServerSideEncryption::AwsKms)
    }

    fn doing(&self, action: &'static str, key: &str, right: &'static str) -> Doing {
        Doing {
            action,
            place: format!("s3://{}/{key}", self.name),
            right,
        }
    }
}
