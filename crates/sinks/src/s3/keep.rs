//! The bucket: whether it locks, and what it keeps.

use super::{Mode, S3, object};
use crate::aws::{answer, read};
use crate::evidence::{Lock, Retention, Retrieved, SinkEvidence};
use crate::sink::{Answer, Sink};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, LifecycleRule, ObjectLockEnabled, ObjectLockMode,
};

const DAY: i64 = 24 * 60 * 60;
const RIGHTS: &str = "Grant s3:GetBucketVersioning and s3:GetBucketObjectLockConfiguration";

impl S3 {
    /// Once: a bucket that does not lock is not written to.
    pub(super) async fn look_at_bucket(&mut self) -> Result<(), Answer> {
        if self.looked_at {
            return Ok(());
        }
        let bucket = &self.config.bucket;
        let versioning = self
            .client
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await
            .map_err(|error| answer(&error, RIGHTS))?;
        if versioning.status() != Some(&BucketVersioningStatus::Enabled) {
            return Err(Answer::misconfigured(format!(
                "the bucket `{bucket}` keeps no versions: enable versioning, then Object Lock (docs/trail/aws.md has the commands)"
            )));
        }
        let without_lock = || {
            Answer::misconfigured(format!(
                "the bucket `{bucket}` has no Object Lock: whatever is written there can be deleted. Enable it (docs/trail/aws.md has the commands)"
            ))
        };
        let result = self
            .client
            .get_object_lock_configuration()
            .bucket(bucket)
            .send()
            .await;
        match result {
            Ok(output) => {
                let enabled = output
                    .object_lock_configuration()
                    .and_then(|lock| lock.object_lock_enabled());
                if enabled != Some(&ObjectLockEnabled::Enabled) {
                    return Err(without_lock());
                }
            }
            Err(error) => {
                let (_, code, _) = read(&error);
                return Err(match code.as_deref() {
                    Some("ObjectLockConfigurationNotFoundError") => without_lock(),
                    _ => answer(&error, RIGHTS),
                });
            }
        }
        self.looked_at = true;
        Ok(())
    }

    /// Fetches the oldest object, with its lock, and reads what would delete it.
    pub(super) async fn look(&mut self) -> Result<SinkEvidence, String> {
        self.looked_at = false;
        self.look_at_bucket()
            .await
            .map_err(|answer| said(&answer))?;
        let mut problems = Vec::new();
        let retention = self.retention(&mut problems).await;

        let mut lock = Lock::None;
        let mut oldest: Option<Retrieved> = None;
        for instance in self.instances().await? {
            let Some(key) = self.first_key(&instance).await? else {
                continue;
            };
            let (found, its_lock) = self.fetch(&key, &mut problems).await?;
            if oldest.is_none_or(|oldest| found.at < oldest.at) {
                oldest = Some(found);
                lock = its_lock;
            }
        }
        let (strong, days) = match lock {
            Lock::None => (false, 0),
            Lock::Governance(days) => (self.config.lock == Mode::Governance, days),
            Lock::Compliance(days) => (true, days),
        };
        if oldest.is_some() && !strong {
            problems.push("the oldest object does not have the lock that is asked for".into());
        } else if oldest.is_some() && days < self.config.retention_days {
            problems.push(format!(
                "the oldest object is locked for {days} days from its writing, {} are asked for",
                self.config.retention_days
            ));
        }
        if let Retention::Days(days) = retention
            && days < self.config.retention_days
        {
            problems.push(format!(
                "a lifecycle rule of the bucket removes objects after {days} days, {} are asked for: objects vanish from listings then, though locked versions stay",
                self.config.retention_days
            ));
        }
        Ok(SinkEvidence {
            place: self.place(),
            looked_at: jiff::Timestamp::now().as_millisecond(),
            retention,
            lock,
            oldest,
            newest: self.known.newest,
            problems,
        })
    }

    /// What lifecycle rules say.
    async fn retention(&self, problems: &mut Vec<String>) -> Retention {
        let result = self
            .client
            .get_bucket_lifecycle_configuration()
            .bucket(&self.config.bucket)
            .send()
            .await;
        match result {
            Ok(output) => output
                .rules()
                .iter()
                .filter(|rule| may_concern(rule, &self.config.prefix))
                .filter_map(|rule| rule.expiration()?.days())
                .filter_map(|days| u32::try_from(days).ok())
                .min()
                .map_or(Retention::Unlimited, Retention::Days),
            Err(error) => {
                let (_, code, text) = read(&error);
                if code.as_deref() != Some("NoSuchLifecycleConfiguration") {
                    problems.push(format!(
                        "the bucket's lifecycle rules cannot be read ({text}): whether one removes objects is not known. Grant s3:GetLifecycleConfiguration"
                    ));
                }
                Retention::Unlimited
            }
        }
    }

    /// The instance whose records were delivered, or all that are there.
    async fn instances(&self) -> Result<Vec<String>, String> {
        if let Some(instance) = &self.known.instance {
            return Ok(vec![self.key(instance, "")]);
        }
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.config.bucket)
            .prefix(&self.config.prefix)
            .delimiter("/")
            .send()
            .await
            .map_err(|error| {
                format!(
                    "nothing can be listed: {}. Grant s3:ListBucket",
                    read(&error).2
                )
            })?;
        Ok(listed
            .common_prefixes()
            .iter()
            .filter_map(|prefix| prefix.prefix().map(str::to_owned))
            .collect())
    }

    async fn first_key(&self, instance: &str) -> Result<Option<String>, String> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.config.bucket)
            .prefix(format!("{instance}records/"))
            .max_keys(1)
            .send()
            .await
            .map_err(|error| {
                format!(
                    "nothing can be listed: {}. Grant s3:ListBucket",
                    read(&error).2
                )
            })?;
        Ok(listed
            .contents()
            .first()
            .and_then(|object| object.key().map(str::to_owned)))
    }

    /// Fetches an object and holds it against its own manifest.
    async fn fetch(
        &self,
        key: &str,
        problems: &mut Vec<String>,
    ) -> Result<(Retrieved, Lock), String> {
        let output = self
            .client
            .get_object()
            .bucket(&self.config.bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| format!("`{key}` cannot be fetched: {}", read(&error).2))?;
        let lock = lock(&output);
        let written = output.last_modified().map_or(0, DateTime::secs);
        let bytes = output
            .body
            .collect()
            .await
            .map_err(|error| format!("`{key}` cannot be fetched: {error}"))?
            .to_vec();
        let found = match object::manifest(&bytes) {
            Ok(manifest) => Retrieved {
                number: Some(manifest.first_record),
                at: manifest.first_time.unwrap_or(manifest.sealed_at),
            },
            Err(reason) => {
                problems.push(format!("`{key}` is damaged: {reason}"));
                Retrieved {
                    number: Self::number_of(key),
                    at: written.saturating_mul(1000),
                }
            }
        };
        Ok((found, lock))
    }
}

/// How an object is locked: for so many days from its writing.
fn lock(object: &GetObjectOutput) -> Lock {
    let until = object.object_lock_retain_until_date();
    let written = object.last_modified();
    let seconds = until.zip(written).map_or(0, |(until, written)| {
        until.secs().saturating_sub(written.secs())
    });
    // Rounded: what is written in the second after the date was made is no day short.
    let days = u32::try_from(seconds.saturating_add(DAY / 2) / DAY).unwrap_or(0);
    match object.object_lock_mode() {
        Some(ObjectLockMode::Compliance) => Lock::Compliance(days),
        Some(ObjectLockMode::Governance) => Lock::Governance(days),
        _ => Lock::None,
    }
}

/// Whether a rule may remove something below the prefix. One that asks for tags or sizes counts: it may.
fn may_concern(rule: &LifecycleRule, prefix: &str) -> bool {
    if rule.status() != &ExpirationStatus::Enabled {
        return false;
    }
    let filter = rule.filter();
    let its = filter
        .and_then(|filter| filter.prefix())
        .or_else(|| filter.and_then(|filter| filter.and())?.prefix())
        .unwrap_or_default();
    prefix.starts_with(its) || its.starts_with(prefix)
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::Again { reason, .. }
        | Answer::Refused { reason }
        | Answer::Misconfigured { reason } => reason.clone(),
        _ => "the bucket cannot be looked at".into(),
    }
}
