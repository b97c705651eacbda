//! The one writer.

use super::files::Position;
use super::packed::{PackedBlock, Place};
use super::recovery::{self, Intent};
use super::segment::OpenSegment;
use super::sender::{LeafSender, Shared};
use super::state::State;
use super::{JournalError, Tiles};
use crate::block::{Block, FileId};
use crate::leaf::{Entry, Leaf};
use crate::seal::rotation;
use pgattest_evidence::FaultHook;
use pgattest_evidence::disk::{Disk, parent};
use pgattest_ledger::tile::{Edge, Rows, Tile, TileWrite};
use pgattest_ledger::{Checkpoint, SigningKey};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Leaves that a commit adds at most: more are committed before they are asked for, so that memory stays bounded.
const BATCH: u64 = 4096;

/// Leaves after which the cache of what the leaves say is written again.
const SAVE_EVERY: u64 = 4096;

/// How the journal is written.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// The name in checkpoints. `None`: made from the key.
    pub origin: Option<String>,
    /// zstd's level.
    pub level: i32,
    /// A segment is closed at this many bytes.
    pub segment_bytes: u64,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            origin: None,
            level: 1,
            segment_bytes: 64 << 20,
        }
    }
}

/// A journal open for writing.
///
/// When [`Self::commit`] fails, or an [`Self::append`] that had to commit, what is on the disk is in doubt: every later call gives
/// [`JournalError::Broken`], and opening the journal again cuts off what was not committed. A failed append that wrote nothing but its
/// block (a full disk) may be tried again.
pub struct Journal {
    pub(super) dir: PathBuf,
    pub(super) disk: Disk,
    pub(super) tiles: Tiles,
    pub(super) state: State,
    pub(super) checkpoint: Checkpoint,
    key: SigningKey,
    options: JournalOptions,
    edge: Edge,
    intent: Intent,
    segment: Option<OpenSegment>,
    shared: Arc<Shared>,
    saved_at: u64,
    broken: bool,
    _lock: File,
}

impl Journal {
    /// Opens a journal, making it when it is not there, and cuts off what no checkpoint covers.
    pub fn open(
        dir: &Path,
        key: SigningKey,
        options: JournalOptions,
    ) -> Result<Self, JournalError> {
        Self::open_on(Disk::default(), dir, key, options)
    }

    /// The same, calling `hook` before each step of writing. For tests.
    #[doc(hidden)]
    pub fn open_with_faults(
        dir: &Path,
        key: SigningKey,
        options: JournalOptions,
        hook: FaultHook,
    ) -> Result<Self, JournalError> {
        Self::open_on(Disk::with_hook(hook), dir, key, options)
    }

    /// Whether somebody writes to it now. Needs no key, and makes nothing.
    pub fn is_written_to(dir: &Path) -> Result<bool, JournalError> {
        recovery::is_locked(dir)
    }

    fn open_on(
        disk: Disk,
        dir: &Path,
        key: SigningKey,
        options: JournalOptions,
    ) -> Result<Self, JournalError> {
        let lock = recovery::lock(&disk, dir)?;
        let recovered = recovery::recover(&disk, dir, &key, &options)?;
        let mut journal = Self {
            dir: dir.to_owned(),
            tiles: Tiles::new(dir),
            saved_at: recovered.saved_at,
            state: recovered.state,
            checkpoint: recovered.checkpoint,
            edge: recovered.edge,
            intent: recovered.intent,
            disk,
            key,
            options,
            segment: None,
            shared: Arc::default(),
            broken: false,
            _lock: lock,
        };
        journal.finish_pruning()?;
        Ok(journal)
    }

    /// Packs a block and adds it: [`Self::append_packed`].
    pub fn append(&mut self, block: &Block) -> Result<(), JournalError> {
        self.append_packed(&PackedBlock::new(block, self.options.level)?)
    }

    /// Adds a block: written, durable only after [`Self::commit`].
    ///
    /// Refused: one that begins before the end of the last block of its file, unless a [`Leaf::Gap`] of that file came between.
    pub fn append_packed(&mut self, block: &PackedBlock) -> Result<(), JournalError> {
        self.refuse_broken()?;
        self.refuse_overlap(block)?;
        let (segment, position) = self.state.next_place(self.options.segment_bytes);
        let place = Place {
            block: self.state.blocks,
            first_record: self.state.records,
            segment: segment.clone(),
            position,
        };
        let entry = self.state.entry(Leaf::Block(block.manifest(place, now())));
        let bytes = entry.to_bytes()?;
        self.segment_at(&segment, position)?
            .write_at(position, block.frames())?;
        self.add(&entry, &bytes)
    }

    /// Adds another leaf. [`Leaf::Pruned`] as [`JournalReader::pruning`](super::JournalReader::pruning) made it, whose files then
    /// [`remove_pruned`](super::remove_pruned) removes once it is durable.
    pub fn note(&mut self, leaf: &Leaf) -> Result<(), JournalError> {
        self.refuse_broken()?;
        if let Leaf::Pruned {
            oldest_leaf,
            oldest_record,
            ..
        } = leaf
        {
            if self.state.is_pruned_to(*oldest_record) {
                // Said already: by an attempt whose end was not seen.
                return Ok(());
            }
            self.refuse_pruning(*oldest_leaf, *oldest_record)?;
        }
        if matches!(leaf, Leaf::Block(_) | Leaf::KeyRotation { .. }) {
            return Err(JournalError::Refused {
                what: "the leaf",
                reason: "the journal writes leaves of this kind itself".to_owned(),
            });
        }
        self.note_any(leaf)
    }

    pub(super) fn note_any(&mut self, leaf: &Leaf) -> Result<(), JournalError> {
        let entry = self.state.entry(leaf.clone());
        let bytes = entry.to_bytes()?;
        self.add(&entry, &bytes)
    }

    /// Makes everything added so far durable, in one step: afterwards the checkpoint covers it. With nothing added, nothing is
    /// written.
    pub fn commit(&mut self) -> Result<Checkpoint, JournalError> {
        self.refuse_broken()?;
        for leaf in self.shared.take() {
            if let Err(error) = self.note_any(&leaf) {
                // Those who handed in the others must not be told that theirs are durable.
                self.fail();
                return Err(error);
            }
        }
        self.commit_added()?;
        self.shared.committed();
        Ok(self.checkpoint.clone())
    }

    /// Has this key sign from now on: a leaf in which the key until now names it, committed by that key, then the same checkpoint signed
    /// by the new one. When that fails, the journal is opened again with either key, see [`crate::seal::rotation`].
    pub(crate) fn rotate(&mut self, new: SigningKey, at: i64) -> Result<(), JournalError> {
        self.commit()?;
        let leaf = rotation::leaf(at, &self.checkpoint, &self.key, &new.public_key());
        self.note_any(&leaf)?;
        self.commit_added()?;
        if let Err(error) =
            recovery::write_checkpoint(&self.disk, &self.dir, &self.checkpoint, &new)
        {
            self.fail();
            return Err(error);
        }
        self.key = new;
        Ok(())
    }

    /// How far a file has been sealed: the offset behind its last block, or behind its last declared gap. `None`: nothing of it.
    /// Blocks that were added but not committed count.
    pub fn sealed(&self, file: &FileId) -> Option<u64> {
        self.state.files.get(file).map(|position| position.end)
    }

    /// Files that have blocks, with the offset behind the last one, the most recent last. Of more than 100,000 those that have not
    /// changed for longest are forgotten.
    pub fn files(&self) -> Vec<(FileId, u64)> {
        self.state
            .files
            .iter()
            .map(|position| (position.file.clone(), position.end))
            .collect()
    }

    /// Records so far: the number that the next piece will have.
    pub fn next_record(&self) -> u64 {
        self.state.records
    }

    /// zstd's level, for [`PackedBlock::new`].
    pub fn level(&self) -> i32 {
        self.options.level
    }

    /// The last checkpoint: what is durable.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The names of legal holds that are in force.
    pub fn holds(&self) -> impl Iterator<Item = &str> {
        self.state.holds.iter().map(String::as_str)
    }

    /// Where others of this process (sinks, detect, archive) hand in leaves. They are added at the next commit.
    pub fn leaf_sender(&self) -> LeafSender {
        self.shared.sender()
    }

    /// Whether leaves were handed in that wait for a commit.
    pub fn has_leaves_waiting(&self) -> bool {
        self.shared.is_waiting()
    }

    fn refuse_broken(&self) -> Result<(), JournalError> {
        if self.broken {
            Err(JournalError::Broken)
        } else {
            Ok(())
        }
    }

    fn refuse_overlap(&self, block: &PackedBlock) -> Result<(), JournalError> {
        match self.state.files.get(block.file()) {
            Some(Position { end, gap, .. }) if block.offset() < *end && !gap => {
                Err(JournalError::Refused {
                    what: "the block",
                    reason: format!(
                        "it begins at byte {} of `{}`, which is sealed up to byte {end}",
                        block.offset(),
                        block.file().name
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    fn segment_at(&mut self, name: &str, position: u64) -> Result<Writing<'_>, JournalError> {
        if self.segment.as_ref().is_none_or(|it| it.name() != name) {
            if let Some(mut before) = self.segment.take() {
                let length = match &self.state.segment {
                    Some((name, length)) if name == before.name() => *length,
                    _ => 0,
                };
                if let Err(error) = before.flush(&self.disk, length) {
                    self.fail();
                    return Err(error);
                }
            }
            self.segment = Some(OpenSegment::open(&self.disk, &self.dir, name, position)?);
        }
        match &mut self.segment {
            Some(segment) => Ok(Writing {
                segment,
                disk: &self.disk,
            }),
            None => Err(JournalError::Broken),
        }
    }

    fn add(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), JournalError> {
        let refused = |reason| JournalError::Refused {
            what: "the leaf",
            reason,
        };
        self.edge
            .append(bytes)
            .map_err(|error| refused(error.to_string()))?;
        if let Err(reason) = self.state.apply(entry) {
            // The tree has it, and the sums do not.
            self.fail();
            return Err(refused(reason));
        }
        if self.edge.size() - self.checkpoint.size >= BATCH {
            self.commit_added()?;
        }
        Ok(())
    }

    fn commit_added(&mut self) -> Result<(), JournalError> {
        if self.edge.size() == self.checkpoint.size {
            return Ok(());
        }
        if let Err(error) = self.write_commit() {
            self.fail();
            return Err(error);
        }
        if self.checkpoint.size - self.saved_at >= SAVE_EVERY {
            self.save_state();
        }
        Ok(())
    }

    fn write_commit(&mut self) -> Result<(), JournalError> {
        if let (Some(segment), Some((_, length))) = (&mut self.segment, &self.state.segment) {
            segment.flush(&self.disk, *length)?;
        }
        let (before, after) = (self.checkpoint.size, self.edge.size());
        self.intent.announce(&self.disk, before, after)?;
        let writes = self.edge.take_writes();
        self.write_tiles(&writes)?;
        let checkpoint = Checkpoint {
            origin: self.checkpoint.origin.clone(),
            size: after,
            root: self.edge.root(),
        };
        recovery::write_checkpoint(&self.disk, &self.dir, &checkpoint, &self.key)?;
        self.checkpoint = checkpoint;
        // From here on it is committed; nothing below may make it fail.
        self.intent.fulfil(&self.disk, after);
        self.drop_partial_tiles(&writes);
        Ok(())
    }

    fn write_tiles(&self, writes: &[TileWrite]) -> Result<(), JournalError> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for write in writes {
            let path = self.tiles.path(write.tile);
            self.disk.create_folders(parent(&path))?;
            self.disk.write_over(&path, &write.bytes)?;
            let folder = parent(&path).to_owned();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        for folder in folders {
            self.disk.sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Removes the partial tiles that came before a full one. They are never needed again, so that failing to is no error; the next
    /// full tile of the row tries again.
    fn drop_partial_tiles(&self, writes: &[TileWrite]) {
        for full in writes.iter().filter(|write| write.tile.is_full()) {
            let previous = full.tile.index.checked_sub(1);
            for index in previous.into_iter().chain([full.tile.index]) {
                let tile = Tile { index, ..full.tile };
                let folder = self.dir.join(tile.partial_directory());
                let _ = self
                    .disk
                    .step("remove", &folder, || std::fs::remove_dir_all(&folder));
            }
        }
    }

    /// Writes the cache. That it cannot be written costs the next start some time, no more.
    fn save_state(&mut self) {
        let written = self
            .state
            .to_text(self.checkpoint.root)
            .map_err(std::io::Error::other)
            .and_then(|text| {
                recovery::write_cache(&self.disk, &self.dir, recovery::STATE, &text)
                    .map_err(|error| error.source)
            });
        match written {
            Ok(()) => self.saved_at = self.checkpoint.size,
            Err(error) => tracing::warn!(%error, "the journal's cache could not be written"),
        }
    }

    fn fail(&mut self) {
        self.broken = true;
        self.shared.end();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.end();
        // The state covers what was added, too: it is the checkpoint's only when nothing is pending.
        if !self.broken
            && self.edge.size() == self.checkpoint.size
            && self.saved_at != self.checkpoint.size
        {
            self.save_state();
        }
    }
}

/// A segment and the disk it is on.
struct Writing<'j> {
    segment: &'j mut OpenSegment,
    disk: &'j Disk,
}

impl Writing<'_> {
    fn write_at(&mut self, position: u64, bytes: &[u8]) -> Result<(), JournalError> {
        self.segment.write(self.disk, position, bytes)
    }
}

pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The bundle and the tiles of the first row, which every leaf has.
pub(super) const EVERY_LEAF: [Rows; 2] = [Rows::Entries, Rows::Hashes(0)];
