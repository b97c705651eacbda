//! The files that blocks are in.

use super::JournalError;
use crate::block::{Block, PieceKind, sidecar};
use crate::leaf::BlockLeaf;
use pgattest_evidence::disk::{Disk, parent};
use pgattest_ledger::Hash;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The folder of segments within the journal.
pub(crate) const SEGMENTS: &str = "segments";

/// The name, relative to the journal, of the segment that begins with this block.
pub(crate) fn segment_name(first_block: u64) -> String {
    format!("{SEGMENTS}/{first_block:012}.zst")
}

/// The first block of the segment with this name; `None` when it is no segment's name.
pub(crate) fn first_block(name: &str) -> Option<u64> {
    let digits = name
        .strip_prefix(SEGMENTS)?
        .strip_prefix('/')?
        .strip_suffix(".zst")?;
    let number = digits.parse().ok()?;
    (segment_name(number) == name).then_some(number)
}

/// The segment that is being written.
pub(crate) struct OpenSegment {
    name: String,
    path: PathBuf,
    file: File,
    dirty: bool,
}

impl OpenSegment {
    /// Opens the segment that goes on at `position`, making it when that is 0.
    pub(crate) fn open(
        disk: &Disk,
        dir: &Path,
        name: &str,
        position: u64,
    ) -> Result<Self, JournalError> {
        let path = dir.join(name);
        disk.create_folders(parent(&path))?;
        let new = position == 0;
        let file = disk.step("open", &path, || {
            OpenOptions::new()
                .write(true)
                .create(new)
                .truncate(new)
                .mode(0o600)
                .open(&path)
        })?;
        if new {
            disk.sync_folder(parent(&path))?;
        }
        Ok(Self {
            name: name.to_owned(),
            path,
            file,
            dirty: false,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes at a place that nothing committed is at. When it fails, the place may be written to again.
    pub(crate) fn write(
        &mut self,
        disk: &Disk,
        position: u64,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        self.dirty = true;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let middle = position.saturating_add(first.len() as u64);
        disk.step("write", &self.path, || {
            self.file.write_all_at(first, position)
        })?;
        disk.step("write the rest of", &self.path, || {
            self.file.write_all_at(second, middle)
        })?;
        Ok(())
    }

    /// Waits until what was written is on the disk. `length`: where it ends; what lies behind is the rest of a failed write.
    pub(crate) fn flush(&mut self, disk: &Disk, length: u64) -> Result<(), JournalError> {
        if !self.dirty {
            return Ok(());
        }
        if self.file.metadata().map_or(0, |metadata| metadata.len()) > length {
            disk.step("cut", &self.path, || self.file.set_len(length))?;
        }
        disk.step("flush", &self.path, || self.file.sync_data())?;
        self.dirty = false;
        Ok(())
    }
}

/// The stored bytes of a block, whose digest is the manifest's.
pub(crate) fn read_stored(dir: &Path, leaf: &BlockLeaf) -> Result<Vec<u8>, JournalError> {
    let path = dir.join(&leaf.segment);
    let damaged = |reason: &str| JournalError::Damaged {
        path: path.clone(),
        reason: format!("block {} at byte {}: {reason}", leaf.block, leaf.position),
    };
    if first_block(&leaf.segment).is_none() {
        return Err(damaged("its manifest names no segment"));
    }
    let failed = |source| JournalError::Disk {
        action: "read",
        path: path.clone(),
        source,
    };
    let mut file = File::open(&path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    // Checked first, so that no manifest makes this ask for more memory than there is file.
    if leaf
        .position
        .checked_add(leaf.stored)
        .is_none_or(|end| end > length)
    {
        return Err(damaged("the file ends before it does"));
    }
    file.seek(SeekFrom::Start(leaf.position)).map_err(failed)?;
    let mut stored = Vec::with_capacity(usize::try_from(leaf.stored).unwrap_or(0));
    file.take(leaf.stored)
        .read_to_end(&mut stored)
        .map_err(failed)?;
    if Hash::of(&stored).to_hex() != leaf.stored_sha256 {
        return Err(damaged("its bytes do not have the digest in its manifest"));
    }
    Ok(stored)
}

/// A block whose stored bytes are `stored`, held against its manifest. The error says what differs.
pub(crate) fn unpack(stored: &[u8], leaf: &BlockLeaf) -> Result<Block, String> {
    let format = leaf
        .form()
        .ok_or("its manifest names a form that is not known")?;
    let (bytes, pieces) = sidecar::decode(stored, leaf.length)?;
    let count = |matches: fn(PieceKind) -> bool| {
        pieces.iter().filter(|piece| matches(piece.kind)).count() as u64
    };
    if pieces.len() as u64 != u64::from(leaf.records)
        || count(|kind| kind != PieceKind::Record) != u64::from(leaf.torn)
    {
        return Err("it does not have as many pieces as its manifest says".to_owned());
    }
    let redacted = pieces.iter().filter(|piece| piece.original.is_some());
    if redacted.count() as u64 != u64::from(leaf.redacted) {
        return Err("it does not have as many redacted pieces as its manifest says".to_owned());
    }
    let block = Block {
        file: leaf.file.clone(),
        offset: leaf.offset,
        source_length: leaf.source_length,
        format,
        bytes,
        pieces,
        times: leaf.first_time.zip(leaf.last_time),
    };
    if block.records_root().to_hex() != leaf.records_root {
        return Err("its pieces do not have the root in its manifest".to_owned());
    }
    Ok(block)
}

/// Calls `each` for every segment there is, in no order. Holds no list of them.
pub(crate) fn each_segment(
    dir: &Path,
    mut each: impl FnMut(u64, &Path) -> Result<(), JournalError>,
) -> Result<(), JournalError> {
    let folder = dir.join(SEGMENTS);
    let failed = |source| JournalError::Disk {
        action: "list",
        path: folder.clone(),
        source,
    };
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| first_block(&format!("{SEGMENTS}/{name}")));
        if let Some(number) = number {
            each(number, &entry.path())?;
        }
    }
    Ok(())
}
