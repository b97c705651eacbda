//! What a leaf of the trail's tree says. Canonical JSON (RFC 8785), below 65,535 bytes.

mod entry;
mod told;

pub use entry::{Entry, LeafError};
pub use told::{Told, ToldArchive, ToldSink};

use crate::block::FileId;
use pgattest_parse::audit_log::Format;
use serde::{Deserialize, Serialize};

/// A leaf.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Leaf {
    /// A block of records.
    Block(BlockLeaf),
    /// The collector began. `at` everywhere: when, by the collector's clock, in milliseconds since 1970.
    Start {
        /// When.
        at: i64,
        /// pgattest's version.
        version: String,
        /// The configuration's digest: SHA-256, hexadecimal.
        configuration: String,
        /// What it captures: directories, or `-`.
        sources: Vec<String>,
        /// The instance's name.
        instance: String,
    },
    /// The collector stopped in an orderly way.
    Stop {
        /// When.
        at: i64,
        /// Why: `asked`, `end of input`, or an error.
        reason: String,
    },
    /// Nothing was logged, and the collector lives.
    Heartbeat {
        /// When.
        at: i64,
    },
    /// Records that the source had and the journal lacks, or may lack. After it, the file's next block may begin anywhere.
    Gap {
        /// When it was noticed.
        at: i64,
        /// The file.
        file: Option<FileId>,
        /// From which byte of the file.
        offset: Option<u64>,
        /// How many bytes, when that is known.
        length: Option<u64>,
        /// What happened: `deleted before it was read`, `truncated`.
        reason: String,
    },
    /// What the collector is told to do: after each start, and when that changed while it ran.
    Configuration {
        /// When.
        at: i64,
        /// The configuration's digest.
        configuration: String,
        /// What it says. None in journals of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        told: Option<Told>,
    },
    /// A sink has confirmed everything below this record.
    Watermark {
        /// When.
        at: i64,
        /// The sink's name.
        sink: String,
        /// The number of the first record that it has not confirmed.
        next: u64,
    },
    /// A sink refuses these records for good; they are kept in its dead-letter block.
    DeadLetter {
        /// When.
        at: i64,
        /// The sink's name.
        sink: String,
        /// The records' numbers.
        records: Vec<u64>,
        /// What the sink said.
        reason: String,
        /// The dead-letter file's name and SHA-256.
        file: String,
        /// Hexadecimal.
        sha256: String,
    },
    /// A file of the archive was made from the journal.
    Archived {
        /// When.
        at: i64,
        /// The file, relative to the archive.
        file: String,
        /// SHA-256, hexadecimal.
        sha256: String,
        /// Its first record's number.
        first: u64,
        /// How many records.
        count: u64,
    },
    /// Payload was removed by the retention policy; leaves and tree stay.
    Pruned {
        /// When.
        at: i64,
        /// The first leaf whose payload is still there.
        oldest_leaf: u64,
        /// The number of its first record.
        oldest_record: u64,
        /// The retention that was asked for, in days.
        retention_days: u32,
    },
    /// A legal hold was set or lifted.
    Hold {
        /// When.
        at: i64,
        /// The hold's name.
        name: String,
        /// Set or lifted.
        active: bool,
        /// Why, and by whose word.
        reason: String,
    },
    /// The signing or the redaction key changed.
    Key {
        /// When.
        at: i64,
        /// `signing`, `redaction`.
        purpose: String,
        /// The new key's identifier (public key or key digest, hexadecimal).
        key: String,
    },
    /// Another key signs from here on, by the word of the one before.
    KeyRotation {
        /// When.
        at: i64,
        /// The key until now, hexadecimal.
        old: String,
        /// The key from now on, hexadecimal.
        new: String,
        /// The old key's signature over the tree before this leaf and both keys (see docs/trail/keys.md), hexadecimal.
        signature: String,
    },
    /// A second key signed a checkpoint.
    SecondSignature {
        /// When.
        at: i64,
        /// How many leaves the checkpoint has.
        size: u64,
        /// The key: SHA-256 of its `SubjectPublicKeyInfo`, hexadecimal.
        key: String,
        /// The signature over the checkpoint's text: ECDSA with SHA-256, DER, hexadecimal.
        signature: String,
    },
    /// A canary was looked for and found, or not.
    Canary {
        /// When.
        at: i64,
        /// The canary's random mark.
        mark: String,
        /// What was done: `ddl`, `write`, `refused`.
        class: String,
        /// Where it was looked for: `log`, `journal`, a sink's name.
        place: String,
        /// Whether it was found with the right fields before the deadline.
        found: bool,
        /// The system identifier of the cluster that it was performed on, in decimal: what ties the trail to that cluster. None
        /// when the role may not read it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system_identifier: Option<String>,
    },
    /// A rule of `detect` fired.
    Alert {
        /// When.
        at: i64,
        /// The rule.
        rule: String,
        /// The records that made it fire.
        records: Vec<u64>,
        /// Where it was delivered, with what came back.
        delivered: Vec<String>,
    },
}

/// The manifest of a block.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BlockLeaf {
    /// The block's number, from 0: blocks only.
    pub block: u64,
    /// The number of its first piece, from 0 over the whole journal.
    pub first_record: u64,
    /// How many pieces.
    pub records: u32,
    /// How many of them are torn.
    pub torn: u32,
    /// How many were redacted.
    pub redacted: u32,
    /// The redaction policy: [`pgattest_parse::audit_log::redact::POLICY`].
    pub redaction: String,
    /// The file.
    pub file: FileId,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes of the file.
    pub source_length: u64,
    /// The form's name.
    pub format: String,
    /// `log_line_prefix`, for the forms that have one.
    pub prefix: Option<String>,
    /// Columns, for csvlog.
    pub columns: Option<u8>,
    /// The segment that holds it, relative to the journal.
    pub segment: String,
    /// Where in the segment its frames begin: the sidecar's and, right behind it, the pieces'.
    pub position: u64,
    /// Bytes of both frames.
    pub stored: u64,
    /// SHA-256 of both frames as they are stored, hexadecimal.
    pub stored_sha256: String,
    /// Bytes of the pieces.
    pub length: u64,
    /// Root of the tree over the pieces, hexadecimal.
    pub records_root: String,
    /// Earliest time of a record, in milliseconds since 1970.
    pub first_time: Option<i64>,
    /// Latest time of a record.
    pub last_time: Option<i64>,
    /// When it was sealed, by the collector's clock, in milliseconds since 1970.
    pub sealed_at: i64,
}

impl BlockLeaf {
    /// The form, with what belongs to it; `None` when this version does not know it.
    pub fn form(&self) -> Option<Format> {
        Some(match (self.format.as_str(), self.columns, &self.prefix) {
            ("csvlog", Some(columns), None) => Format::Csvlog { columns },
            ("jsonlog", None, None) => Format::Jsonlog,
            ("stderr", None, Some(prefix)) => Format::Stderr {
                prefix: prefix.clone(),
            },
            ("rds-stderr", None, None) => Format::RdsStderr,
            ("pgauditlogtofile-csv", None, None) => Format::PgauditlogtofileCsv,
            ("pgauditlogtofile-json", None, None) => Format::PgauditlogtofileJson,
            ("cloud-sql", None, None) => Format::CloudSql,
            _ => return None,
        })
    }

    /// Where its file has been read to.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.source_length)
    }

    /// The number of the first piece that is not in it.
    pub fn next_record(&self) -> u64 {
        self.first_record.saturating_add(u64::from(self.records))
    }
}

impl Leaf {
    /// When it was written, by the collector's clock, in milliseconds since 1970.
    pub fn at(&self) -> i64 {
        match self {
            Self::Block(block) => block.sealed_at,
            Self::Start { at, .. }
            | Self::Stop { at, .. }
            | Self::Heartbeat { at }
            | Self::Gap { at, .. }
            | Self::Configuration { at, .. }
            | Self::Watermark { at, .. }
            | Self::DeadLetter { at, .. }
            | Self::Archived { at, .. }
            | Self::Pruned { at, .. }
            | Self::Hold { at, .. }
            | Self::Key { at, .. }
            | Self::KeyRotation { at, .. }
            | Self::SecondSignature { at, .. }
            | Self::Canary { at, .. }
            | Self::Alert { at, .. } => *at,
        }
    }

    /// The same, of leaves that the collector makes at the moment when they are sealed. `None`: somebody hands it in, and it says when
    /// what it tells of began, which may be long before.
    pub fn sealed_at(&self) -> Option<i64> {
        match self {
            Self::Block(_)
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::Heartbeat { .. }
            | Self::Gap { .. }
            | Self::Watermark { .. } => Some(self.at()),
            _ => None,
        }
    }
}
