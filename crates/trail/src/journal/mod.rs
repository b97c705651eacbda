//! The journal: blocks in segments, their manifests in a tree.
//!
//! ```text
//! DIR/lock                      held by the one writer
//! DIR/segments/NNNNNNNNNNNN.zst named after its first block; frames, one block after the other (see `block::sidecar`);
//!                               `zstd -dc` gives the log back
//! DIR/tile/..                   C2SP tlog-tiles: entries are leaves (canonical JSON)
//! DIR/checkpoint                signed note; what it covers is durable
//! DIR/intent                    the sizes that a commit leads from and to, while one is under way
//! DIR/state.json                a cache: positions by file, counts; made again from the leaves
//! DIR/pruned                    the index of the leaf that says what was pruned; a cache
//! ```
//!
//! Order of a commit: segment written and flushed, intent written and flushed, tiles written and flushed, checkpoint renamed into
//! place. A crash leaves the old checkpoint or the new one; what lies beyond it is cut off when the journal is opened for writing.
//! Tiles beyond the checkpoint that the intent does not announce were committed once: such a journal was set back, and is refused.

mod error;
mod files;
mod packed;
mod prune;
mod reader;
mod recovery;
mod segment;
mod sender;
mod state;
mod tiles;
mod writer;

pub use error::JournalError;
pub use packed::PackedBlock;
pub use prune::{Pruning, remove_pruned};
pub use reader::{JournalReader, Leaves};
pub use sender::LeafSender;
pub use writer::{Journal, JournalOptions};

pub(crate) use files::{Files, Position};
pub(crate) use segment::each_segment;
pub(crate) use state::State;
pub(crate) use tiles::Tiles;

/// The file with the signed head.
pub(crate) const CHECKPOINT: &str = "checkpoint";
