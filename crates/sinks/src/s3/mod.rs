//! Amazon S3 with Object Lock.
//!
//! One object a block of the journal, named by the block's first record and written only when there is none of that name: exactly
//! once, whatever is tried again. Beside it, in objects of their own, the checkpoints: a journal that is written anew later does not
//! fit them, and nobody can take them away before their time.
//!
//! ```text
//! PREFIX INSTANCE/records/NNNNNNNNNNNNNNNNNNNN.zst        the frame as the journal stores it, then the leaf (see `object`)
//! PREFIX INSTANCE/checkpoints/NNNNNNNNNNNNNNNNNNNN        the signed note, by the tree's size
//! PREFIX INSTANCE/trials/NNN-MMM.json                     what `trail sinks --test` writes
//! ```

mod keep;
mod object;
mod put;

use crate::aws::AwsOptions;
use crate::evidence::{Retrieved, SinkEvidence};
use crate::record::{Batch, Record, WholeBlock};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use aws_sdk_s3::Client;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The bucket: with versioning and Object Lock.
    pub bucket: String,
    /// What every key begins with: `audit/`. Nothing when nothing is said.
    #[serde(default)]
    pub prefix: String,
    /// The lock's mode: `compliance` (nobody deletes, the root user included) or `governance` (a right of its own does).
    pub lock: Mode,
    /// For how many days from its writing an object is locked.
    #[serde(default = "a_year_and_a_month")]
    pub retention_days: u32,
    /// A key of KMS to encrypt with (SSE-KMS). Without it: as the bucket does by default.
    #[serde(default)]
    pub kms_key: Option<String>,
    /// Put the bucket's name into the path, not into the host's name: for services of the same protocol.
    #[serde(default)]
    pub path_style: bool,
    /// How to reach Amazon.
    #[serde(default)]
    pub aws: AwsOptions,
}

/// The lock's mode.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Whoever has `s3:BypassGovernanceRetention` can delete.
    Governance,
    /// Nobody can delete before the time has come.
    Compliance,
}

fn a_year_and_a_month() -> u32 {
    400
}

/// Opens it. The bucket is looked at with the first delivery.
pub(crate) async fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    if !(1..=36_500).contains(&config.retention_days) {
        return Err(OpenError::Setting {
            setting: "retention_days",
            problem: "must be 1 to 36500".into(),
        });
    }
    if config.bucket.is_empty() {
        return Err(OpenError::Setting {
            setting: "bucket",
            problem: "is empty".into(),
        });
    }
    let client = aws_sdk_s3::config::Builder::from(&config.aws.load().await?)
        .force_path_style(config.path_style)
        .build();
    Ok(Box::new(S3 {
        config: config.clone(),
        client: Client::from_conf(client),
        looked_at: false,
        known: Known::default(),
    }))
}

struct S3 {
    config: Config,
    client: Client,
    /// Whether the bucket was found to be versioned and locked.
    looked_at: bool,
    known: Known,
}

/// What is found again after a restart.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Known {
    /// Whose records were delivered.
    instance: Option<String>,
    /// The newest of them.
    newest: Option<Retrieved>,
}

impl Sink for S3 {
    fn limits(&self) -> Limits {
        Limits {
            records: usize::MAX,
            bytes: usize::MAX,
            overhead: 0,
            record_bytes: usize::MAX,
            whole_blocks: true,
        }
    }

    /// What a trial holds; a block is stored as the journal has it.
    fn encode(&self, record: &Record) -> Vec<u8> {
        record.json().to_string().into_bytes()
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async {
            let outcome = async {
                self.look_at_bucket().await?;
                match &batch.block {
                    Some(block) => self.deliver_block(batch, block).await,
                    None => self.deliver_trials(batch).await,
                }
            };
            match outcome.await {
                Ok(()) => Answer::Durable,
                Err(answer) => answer,
            }
        })
    }

    fn state(&self) -> Option<serde_json::Value> {
        serde_json::to_value(&self.known).ok()
    }

    fn restore(&mut self, state: Option<serde_json::Value>) -> Task<'_, Result<(), OpenError>> {
        // Nothing but evidence comes of it: what cannot be read is as good as nothing.
        self.known = state
            .and_then(|state| serde_json::from_value(state).ok())
            .unwrap_or_default();
        Box::pin(async { Ok(()) })
    }

    fn evidence(&mut self) -> Task<'_, Result<Option<SinkEvidence>, String>> {
        Box::pin(async { self.look().await.map(Some) })
    }

    fn place(&self) -> String {
        format!("S3, s3://{}/{}", self.config.bucket, self.config.prefix)
    }
}

impl S3 {
    async fn deliver_block(&mut self, batch: &Batch, block: &WholeBlock) -> Result<(), Answer> {
        let Some(item) = batch.items.first() else {
            return Ok(());
        };
        let instance = &item.record.instance;
        let body = object::build(block)
            .map_err(|reason| Answer::again(format!("block {}: {reason}", block.manifest.block)))?;
        let key = self.key(instance, &object::records_key(block.manifest.first_record));
        self.put_once(&key, body, "application/zstd").await?;

        // The checkpoint after what it covers: one that is there says that everything below is there, too.
        let (name, note) = object::checkpoint(&block.checkpoint).map_err(Answer::again)?;
        let key = self.key(instance, &name);
        self.put_checkpoint(&key, note).await?;

        self.known.instance = Some(instance.to_string());
        self.known.newest = Some(Retrieved {
            number: Some(
                block
                    .manifest
                    .first_record
                    .saturating_add(u64::from(block.manifest.records).saturating_sub(1)),
            ),
            at: block.manifest.last_time.unwrap_or(block.manifest.sealed_at),
        });
        Ok(())
    }

    async fn deliver_trials(&self, batch: &Batch) -> Result<(), Answer> {
        for item in &batch.items {
            let name = format!(
                "trials/{}-{}.json",
                item.record.sealed_at, item.record.number
            );
            let key = self.key(&item.record.instance, &name);
            self.put_once(&key, item.encoded.clone(), "application/json")
                .await?;
        }
        Ok(())
    }

    fn key(&self, instance: &str, name: &str) -> String {
        format!("{}{}/{name}", self.config.prefix, object::plain(instance))
    }
}
