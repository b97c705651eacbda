//! How a trail is, from its journal alone.

use crate::block::FileId;
use crate::capture::Config;
use crate::journal::{JournalError, JournalReader};
use crate::leaf::Leaf;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Gaps and the like that are listed; more are only counted.
const LISTED: usize = 20;

/// What a journal says of itself. Times in milliseconds since 1970.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Status {
    /// Leaves of the tree.
    pub leaves: u64,
    /// Pieces, torn ones included.
    pub records: u64,
    /// Blocks.
    pub blocks: u64,
    /// Torn pieces.
    pub torn: u64,
    /// Pieces that secrets were taken out of.
    pub redacted: u64,
    /// Bytes of logs that are sealed.
    pub source_bytes: u64,
    /// When the last block was sealed.
    pub last_sealed: Option<i64>,
    /// The latest time of a record.
    pub last_record: Option<i64>,
    /// When a leaf of any kind was last added: a heartbeat, if nothing else.
    pub last_sign_of_life: Option<i64>,
    /// Whether the last start was followed by an orderly stop.
    pub stopped: bool,
    /// Gaps that were declared.
    pub gaps: u64,
    /// The last of them: when, and what happened.
    pub last_gaps: Vec<(i64, String)>,
    /// For each sink, the first record that it has not confirmed, and when that was sealed.
    pub sinks: BTreeMap<String, (u64, i64)>,
    /// The last canary: when, where it was looked for, whether it was found.
    pub last_canary: Option<(i64, String, bool)>,
    /// Bytes that the log directories have and the journal has not, when they could be looked at.
    pub behind_bytes: Option<u64>,
}

/// Reads a journal's leaves from the first to the last.
pub fn status(dir: &Path, logs: Option<&Config>) -> Result<Status, JournalError> {
    let reader = JournalReader::open(dir)?;
    let mut status = Status {
        leaves: reader.size(),
        ..Status::default()
    };
    let mut ends: Vec<(FileId, u64)> = Vec::new();
    let mut place: BTreeMap<(u64, u64, String), usize> = BTreeMap::new();
    for leaf in reader.leaves(0) {
        let (_, leaf) = leaf?;
        status.last_sign_of_life = leaf.sealed_at().or(status.last_sign_of_life);
        match leaf {
            Leaf::Block(block) => {
                status.blocks += 1;
                status.records += u64::from(block.records);
                status.torn += u64::from(block.torn);
                status.redacted += u64::from(block.redacted);
                status.source_bytes += block.source_length;
                status.last_sealed = Some(block.sealed_at);
                status.last_record = status.last_record.max(block.last_time);
                let file = &block.file;
                let key = (file.device, file.inode, file.fingerprint.clone());
                let index = *place.entry(key).or_insert_with(|| {
                    ends.push((file.clone(), 0));
                    ends.len() - 1
                });
                if let Some(entry) = ends.get_mut(index) {
                    entry.1 = block.offset + block.source_length;
                }
            }
            Leaf::Start { .. } => status.stopped = false,
            Leaf::Stop { .. } => status.stopped = true,
            Leaf::Gap { at, reason, .. } => {
                status.gaps += 1;
                status.last_gaps.push((at, reason));
                if status.last_gaps.len() > LISTED {
                    status.last_gaps.remove(0);
                }
            }
            Leaf::Watermark { at, sink, next } => {
                status.sinks.insert(sink, (next, at));
            }
            Leaf::Canary {
                at, place, found, ..
            } => status.last_canary = Some((at, place, found)),
            _ => {}
        }
    }
    status.behind_bytes = logs.and_then(|config| behind(config, &ends));
    Ok(status)
}

/// Bytes of log files behind what is sealed of them. `None` when a directory cannot be looked at.
fn behind(config: &Config, ends: &[(FileId, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    for dir in config
        .logs
        .iter()
        .filter(|dir| dir.as_path() != Path::new("-"))
    {
        for entry in std::fs::read_dir(dir).ok()? {
            let metadata = entry.ok()?.metadata().ok()?;
            if !metadata.is_file() {
                continue;
            }
            let sealed = ends
                .iter()
                .rev()
                .find(|(file, _)| (file.device, file.inode) == (metadata.dev(), metadata.ino()))
                .map_or(0, |(_, end)| *end);
            sum = sum.saturating_add(metadata.len().saturating_sub(sealed));
        }
    }
    Some(sum)
}
