//! The local ledger: a Merkle tree in the files of C2SP's tlog-tiles.
//!
//! ```text
//! DIR/checkpoint            the signed head; replacing it is what commits an entry
//! DIR/tile/<L>/<N>[.p/<W>]  hashes
//! DIR/tile/entries/<N>[.p/<W>]  entries
//! DIR/lock                  held while an entry is added
//! DIR/index.json            a cache for listing; may be deleted at any time
//! ```
//!
//! Files that an entry adds have names that the ledger without it does not use,
//! so until the checkpoint is replaced the old ledger is whole, and after a crash
//! what lies beyond the checkpoint is written again.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use pgattest_ledger::checkpoint::{CheckpointError, default_origin};
use pgattest_ledger::entry::{ConsistencyProof, InclusionProof};
use pgattest_ledger::tile::{
    self, AppendError, Rows, TILE_WIDTH, Tile, TileError, TileNodes, TileReader, TileWrite,
};
use pgattest_ledger::{Checkpoint, Hash, PublicKey, SignedCheckpoint, SigningKey, tree};

use crate::disk::{Disk, DiskError, FaultHook, parent};

const CHECKPOINT: &str = "checkpoint";

/// A ledger in a folder.
#[derive(Clone)]
pub struct Ledger {
    dir: PathBuf,
    disk: Disk,
}

/// Why the ledger cannot be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The checkpoint cannot be accepted.
    #[error(
        "the ledger's checkpoint `{}` cannot be accepted{}",
        .path.display(),
        if matches!(.source, CheckpointError::OtherKey) {
            "; use the key that began this ledger, or begin another ledger in a folder of its own"
        } else {
            "; restore the ledger's folder from a backup"
        }
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        source: CheckpointError,
    },
    /// A tile is missing or damaged.
    #[error("the ledger in `{}` is damaged; restore its folder from a backup", .dir.display())]
    Tile {
        /// The ledger's folder.
        dir: PathBuf,
        /// Which tile, and how.
        source: TileError<io::Error>,
    },
    /// The tiles do not give the checkpoint's root.
    #[error(
        "the ledger in `{}` is damaged: its entries do not have the root in its checkpoint; \
         restore its folder from a backup",
        .0.display()
    )]
    WrongRoot(PathBuf),
    /// There are entries that the checkpoint does not cover.
    #[error(
        "the ledger in `{}` was set back: `{}` belongs to a later state than its checkpoint of \
         size {size}; restore the later checkpoint",
        .dir.display(), .file
    )]
    SetBack {
        /// The ledger's folder.
        dir: PathBuf,
        /// The size in the checkpoint.
        size: u64,
        /// The file that should not be there.
        file: String,
    },
    /// The entry cannot be added.
    #[error("the ledger in `{}` cannot take the entry: {reason}", .dir.display())]
    Refused {
        /// The ledger's folder.
        dir: PathBuf,
        /// Why.
        reason: String,
    },
    /// A proof was asked for that reaches beyond the ledger.
    #[error("the ledger in `{}` has {size} entries; {asked} is beyond that", .dir.display())]
    Beyond {
        /// The ledger's folder.
        dir: PathBuf,
        /// Its size.
        size: u64,
        /// What was asked for.
        asked: u64,
    },
}

impl Ledger {
    /// The ledger in `dir`, which need not exist yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            disk: Disk::default(),
        }
    }

    /// The same ledger, calling `hook` before each step of writing to it and of
    /// sealing a package. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn with_faults(self, hook: FaultHook) -> Self {
        Self {
            disk: Disk::with_hook(hook),
            ..self
        }
    }

    /// The ledger's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The ledger's head as it is on disk, to be anchored elsewhere; `None` when
    /// nothing was ever recorded.
    pub fn checkpoint_text(&self) -> Result<Option<String>, LedgerError> {
        Ok(self.read_checkpoint()?.map(|signed| signed.to_text()))
    }

    /// The ledger's head, which `key` has to have signed; `None` when nothing was
    /// ever recorded.
    pub fn checkpoint(&self, key: &PublicKey) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(signed) = self.read_checkpoint()? else {
            return Ok(None);
        };
        match signed.verify(key) {
            Ok(checkpoint) => Ok(Some(checkpoint.clone())),
            Err(source) => Err(self.bad_checkpoint(source)),
        }
    }

    /// The exact text of every entry, proven against the signed root.
    pub fn entries(&self, key: &PublicKey) -> Result<Vec<Vec<u8>>, LedgerError> {
        let Some(checkpoint) = self.checkpoint(key)? else {
            return Ok(Vec::new());
        };
        let entries = self.read_entries(checkpoint.size)?;
        if root_of(&entries) == checkpoint.root {
            Ok(entries)
        } else {
            Err(LedgerError::WrongRoot(self.dir.clone()))
        }
    }

    /// Reads everything: every entry and every tile has to fit the signed root.
    pub fn check(&self, key: &PublicKey) -> Result<Option<Checkpoint>, LedgerError> {
        let checkpoint = self.checkpoint(key)?;
        if let Some(checkpoint) = &checkpoint {
            let leaves: Vec<Hash> = self
                .entries(key)?
                .iter()
                .map(|entry| Hash::leaf(entry))
                .collect();
            if leaves.len() as u64 == checkpoint.size {
                tile::check_hashes(self, &leaves).map_err(|source| self.bad_tile(source))?;
            }
            self.refuse_set_back(checkpoint.size)?;
        }
        Ok(checkpoint)
    }

    /// Proves, under the present head, that the entry at `index` is in the ledger.
    pub fn prove_inclusion(
        &self,
        key: &PublicKey,
        index: u64,
    ) -> Result<InclusionProof, LedgerError> {
        let signed = self.read_checkpoint()?;
        let size = signed.as_ref().map_or(0, |it| it.unverified().size);
        let beyond = || LedgerError::Beyond {
            dir: self.dir.clone(),
            size,
            asked: index,
        };
        let signed = signed.filter(|_| index < size).ok_or_else(beyond)?;
        signed
            .verify(key)
            .map_err(|source| self.bad_checkpoint(source))?;
        let entries = self.entries(key)?;
        let entry = usize::try_from(index)
            .ok()
            .and_then(|place| entries.get(place))
            .and_then(|entry| String::from_utf8(entry.clone()).ok())
            .ok_or_else(beyond)?;
        let hashes = tree::prove_inclusion(&TileNodes::new(self, size), index, size)
            .map_err(|source| self.bad_tile(source))?;
        Ok(InclusionProof::new(index, entry, &hashes, &signed))
    }

    /// Proves that the ledger of `new_size` entries continues that of `old_size`.
    pub fn prove_consistency(
        &self,
        key: &PublicKey,
        old_size: u64,
        new_size: u64,
    ) -> Result<ConsistencyProof, LedgerError> {
        let size = self.checkpoint(key)?.map_or(0, |head| head.size);
        let asked = old_size.max(new_size);
        if asked > size {
            return Err(LedgerError::Beyond {
                dir: self.dir.clone(),
                size,
                asked,
            });
        }
        let hashes = tree::prove_consistency(&TileNodes::new(self, size), old_size, new_size)
            .map_err(|source| self.bad_tile(source))?;
        Ok(ConsistencyProof::new(old_size, new_size, &hashes))
    }

    /// The root that the ledger had at an earlier size.
    pub(crate) fn root_at(&self, key: &PublicKey, earlier: u64) -> Result<Hash, LedgerError> {
        let size = self.checkpoint(key)?.map_or(0, |head| head.size);
        if earlier > size {
            return Err(LedgerError::Beyond {
                dir: self.dir.clone(),
                size,
                asked: earlier,
            });
        }
        tree::root(&TileNodes::new(self, size), earlier).map_err(|source| self.bad_tile(source))
    }

    /// Waits until nobody else adds to the ledger, making it when it is not there.
    pub(crate) fn lock(&self) -> Result<Locked<'_>, LedgerError> {
        self.disk.create_folders(&self.dir)?;
        let path = self.dir.join("lock");
        let failed = |source| DiskError {
            action: "lock",
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(Locked {
            ledger: self,
            _file: file,
        })
    }

    pub(crate) fn disk(&self) -> &Disk {
        &self.disk
    }

    pub(crate) fn read_entries(&self, size: u64) -> Result<Vec<Vec<u8>>, LedgerError> {
        tile::entries(self, size).map_err(|source| self.bad_tile(source))
    }

    fn read_checkpoint(&self) -> Result<Option<SignedCheckpoint>, LedgerError> {
        let path = self.dir.join(CHECKPOINT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(LedgerError::Disk(DiskError {
                    action: "read",
                    path,
                    source,
                }));
            }
        };
        SignedCheckpoint::parse(&bytes)
            .map(Some)
            .map_err(|source| self.bad_checkpoint(source))
    }

    /// Refuses a ledger whose checkpoint was replaced by an earlier one, or was
    /// deleted. A crash leaves files of one entry beyond the checkpoint, never of
    /// two.
    fn refuse_set_back(&self, size: u64) -> Result<(), LedgerError> {
        let Some(after) = size.checked_add(2) else {
            return Ok(());
        };
        let Some(tile) = Tile::of(Rows::Entries, (after - 1) / TILE_WIDTH, after) else {
            return Ok(());
        };
        let full = Tile { width: 256, ..tile };
        for file in [tile.path(), full.path()] {
            if self.dir.join(&file).exists() {
                return Err(LedgerError::SetBack {
                    dir: self.dir.clone(),
                    size,
                    file,
                });
            }
        }
        Ok(())
    }

    fn bad_checkpoint(&self, source: CheckpointError) -> LedgerError {
        LedgerError::Checkpoint {
            path: self.dir.join(CHECKPOINT),
            source,
        }
    }

    fn bad_tile(&self, source: TileError<io::Error>) -> LedgerError {
        LedgerError::Tile {
            dir: self.dir.clone(),
            source,
        }
    }
}

impl TileReader for Ledger {
    type Error = io::Error;

    fn read(&self, tile: Tile) -> io::Result<Vec<u8>> {
        match fs::read(self.dir.join(tile.path())) {
            // It has become full since the checkpoint was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !tile.is_full() => {
                let full = Tile { width: 256, ..tile };
                let bytes = fs::read(self.dir.join(full.path())).map_err(|_| error)?;
                Ok(tile.cut(bytes))
            }
            other => other,
        }
    }
}

/// The root of the tree over these entries.
pub(crate) fn root_of(entries: &[Vec<u8>]) -> Hash {
    let nodes = tree::MemoryNodes::new(entries.iter().map(|entry| Hash::leaf(entry)).collect());
    // The nodes of all the leaves there are cannot be missing; and if they were,
    // an empty tree's root fits no entries.
    tree::root(&nodes, nodes.size()).unwrap_or_else(|_| tree::empty_root())
}

/// A ledger that nobody else adds to meanwhile.
pub(crate) struct Locked<'l> {
    ledger: &'l Ledger,
    _file: File,
}

/// An entry that is about to be recorded.
pub(crate) struct Prepared {
    pub(crate) checkpoint: SignedCheckpoint,
    pub(crate) proof: InclusionProof,
    writes: Vec<TileWrite>,
}

impl Locked<'_> {
    /// Computes what recording `entry` comes to, writing nothing.
    pub(crate) fn prepare(&self, key: &SigningKey, entry: &str) -> Result<Prepared, LedgerError> {
        let ledger = self.ledger;
        let public = key.public_key();
        let (origin, size) = match ledger.checkpoint(&public)? {
            None => (default_origin(&public), 0),
            Some(head) => {
                // What is appended to has to be what was signed.
                if ledger.root_at(&public, head.size)? != head.root {
                    return Err(LedgerError::WrongRoot(ledger.dir.clone()));
                }
                (head.origin, head.size)
            }
        };
        ledger.refuse_set_back(size)?;

        let writes = tile::append(ledger, size, entry.as_bytes()).map_err(|error| match error {
            AppendError::Tile(source) => ledger.bad_tile(source),
            other => LedgerError::Refused {
                dir: ledger.dir.clone(),
                reason: other.to_string(),
            },
        })?;
        let grown = size + 1;
        let overlay = Overlay {
            ledger,
            writes: &writes,
        };
        let nodes = TileNodes::new(&overlay, grown);
        let bad_tile = |source| ledger.bad_tile(source);
        let root = tree::root(&nodes, grown).map_err(bad_tile)?;
        let hashes = tree::prove_inclusion(&nodes, size, grown).map_err(bad_tile)?;
        let checkpoint = Checkpoint {
            origin,
            size: grown,
            root,
        }
        .sign(key)
        .map_err(|source| ledger.bad_checkpoint(source))?;
        let proof = InclusionProof::new(size, entry.to_owned(), &hashes, &checkpoint);
        Ok(Prepared {
            checkpoint,
            proof,
            writes,
        })
    }

    /// Records the entry. When this returns, it survives a power cut; when it does
    /// not return, the ledger is as before or as after.
    pub(crate) fn commit(&self, prepared: &Prepared) -> Result<(), LedgerError> {
        let (dir, disk) = (&self.ledger.dir, &self.ledger.disk);
        for write in &prepared.writes {
            let path = dir.join(write.tile.path());
            disk.create_folders(parent(&path))?;
            disk.write_over(&path, &write.bytes)?;
            disk.sync_folder(parent(&path))?;
        }
        let temporary = dir.join("checkpoint.new");
        disk.write_over(&temporary, prepared.checkpoint.to_text().as_bytes())?;
        disk.replace(&temporary, &dir.join(CHECKPOINT))?;
        self.drop_partial_tiles(prepared);
        Ok(())
    }

    /// Removes the partial tiles that came before a full one. They are never needed
    /// again, so that failing to is no error; the next full tile tries again.
    fn drop_partial_tiles(&self, prepared: &Prepared) {
        let Some(first) = prepared.writes.first() else {
            return;
        };
        let full = prepared.writes.iter().filter(|write| write.tile.is_full());
        let previous = first
            .tile
            .index
            .checked_sub(1)
            .into_iter()
            .flat_map(|index| {
                [Rows::Entries, Rows::Hashes(0)].map(|rows| Tile {
                    rows,
                    index,
                    width: 256,
                })
            });
        for tile in full.map(|write| write.tile).chain(previous) {
            let _ = fs::remove_dir_all(self.ledger.dir.join(tile.partial_directory()));
        }
    }
}

/// The ledger as it will be once these files are written.
struct Overlay<'a> {
    ledger: &'a Ledger,
    writes: &'a [TileWrite],
}

impl TileReader for Overlay<'_> {
    type Error = io::Error;

    fn read(&self, tile: Tile) -> io::Result<Vec<u8>> {
        match self.writes.iter().find(|write| write.tile == tile) {
            Some(write) => Ok(write.bytes.clone()),
            None => self.ledger.read(tile),
        }
    }
}
