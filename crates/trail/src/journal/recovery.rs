//! Opening for writing: what the checkpoint covers is kept, what lies beyond it is cut off, and what does not fit is refused.

use super::segment::{each_segment, first_block};
use super::state::State;
use super::writer::{EVERY_LEAF, JournalOptions};
use super::{CHECKPOINT, JournalError, Tiles};
use crate::leaf::{Entry, Leaf};
use crate::seal::rotation;
use pgattest_evidence::DiskError;
use pgattest_evidence::disk::{Disk, parent};
use pgattest_ledger::checkpoint::default_origin;
use pgattest_ledger::tile::{Edge, Rows, TILE_WIDTH, Tile, TileNodes};
use pgattest_ledger::{Checkpoint, Hash, SignedCheckpoint, SigningKey, tree};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The cache of what the leaves say.
pub(super) const STATE: &str = "state.json";

const INTENT: &str = "intent";

/// More leaves than any commit adds: an intent that announces more is none.
const LARGEST_COMMIT: u64 = 1 << 20;

/// What there is.
pub(super) struct Recovered {
    pub(super) checkpoint: Checkpoint,
    pub(super) edge: Edge,
    pub(super) state: State,
    pub(super) intent: Intent,
    /// The size for which the cache was written.
    pub(super) saved_at: u64,
}

/// Makes the journal's folder and takes its lock.
/// Whether somebody has the journal open for writing. Makes nothing.
pub(super) fn is_locked(dir: &Path) -> Result<bool, JournalError> {
    let path = dir.join("lock");
    let failed = |source| JournalError::Disk {
        action: "lock",
        path: path.clone(),
        source,
    };
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.map_err(failed)?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

pub(super) fn lock(disk: &Disk, dir: &Path) -> Result<File, JournalError> {
    disk.create_folders(dir)?;
    let path = dir.join("lock");
    let failed = |source| JournalError::Disk {
        action: "lock",
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked(dir.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Reads what the checkpoint covers and removes the rest. The caller holds the lock.
pub(super) fn recover(
    disk: &Disk,
    dir: &Path,
    key: &SigningKey,
    options: &JournalOptions,
) -> Result<Recovered, JournalError> {
    let tiles = Tiles::new(dir);
    let (checkpoint, by_the_old_key) = match read_checkpoint(dir)? {
        Some(signed) => accept(dir, &tiles, &signed, key, options)?,
        None => (begin(disk, dir, key, options)?, false),
    };
    let size = checkpoint.size;
    let edge = Edge::load(&tiles, size).map_err(|error| tiles.bad(error))?;
    if edge.root() != checkpoint.root {
        return Err(JournalError::Damaged {
            path: dir.join("tile"),
            reason: "its tiles do not have the root in the checkpoint; restore the journal's folder from a backup".to_owned(),
        });
    }
    let intent = Intent::open(disk, dir)?;
    if let Some(after) = intent.unfulfilled(size) {
        remove_stray_tiles(disk, &tiles, size, after)?;
    }
    refuse_set_back(dir, &tiles, size)?;
    let (state, saved_at) = read_state(dir, &tiles, &checkpoint)?;
    if let Some(signer) = &state.signer
        && *signer != key.public_key().to_hex()
    {
        return Err(JournalError::Rotated(signer.clone()));
    }
    cut_segments(disk, dir, &state)?;
    if by_the_old_key {
        write_checkpoint(disk, dir, &checkpoint, key)?;
    }
    Ok(Recovered {
        checkpoint,
        edge,
        state,
        intent,
        saved_at,
    })
}

/// The checkpoint's file; `None` when there is none.
pub(super) fn read_checkpoint(dir: &Path) -> Result<Option<SignedCheckpoint>, JournalError> {
    let path = dir.join(CHECKPOINT);
    match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError::Disk {
            action: "read",
            path,
            source,
        }),
        Ok(bytes) => SignedCheckpoint::parse(&bytes)
            .map(Some)
            .map_err(|source| JournalError::Checkpoint { path, source }),
    }
}

/// Signs a checkpoint and moves it into place.
pub(super) fn write_checkpoint(
    disk: &Disk,
    dir: &Path,
    checkpoint: &Checkpoint,
    key: &SigningKey,
) -> Result<(), JournalError> {
    let path = dir.join(CHECKPOINT);
    let signed = checkpoint
        .clone()
        .sign(key)
        .map_err(|source| JournalError::Checkpoint {
            path: path.clone(),
            source,
        })?;
    let temporary = dir.join("checkpoint.new");
    disk.write_over(&temporary, signed.to_text().as_bytes())?;
    disk.replace(&temporary, &path)?;
    Ok(())
}

/// Writes a file that can be made again, at once.
pub(super) fn write_cache(
    disk: &Disk,
    dir: &Path,
    name: &str,
    bytes: &[u8],
) -> Result<(), DiskError> {
    let temporary = dir.join(format!("{name}.new"));
    disk.write_over(&temporary, bytes)?;
    disk.replace(&temporary, &dir.join(name))
}

/// What the checkpoint says, and whether the key before this one signed it: the last leaf is then the rotation to this one.
fn accept(
    dir: &Path,
    tiles: &Tiles,
    signed: &SignedCheckpoint,
    key: &SigningKey,
    options: &JournalOptions,
) -> Result<(Checkpoint, bool), JournalError> {
    let (checkpoint, by_the_old_key) = match signed.verify(&key.public_key()) {
        Ok(checkpoint) => (checkpoint, false),
        Err(source) => match signed_before_rotation(tiles, signed, key) {
            Some(checkpoint) => (checkpoint, true),
            None => {
                return Err(JournalError::Checkpoint {
                    path: dir.join(CHECKPOINT),
                    source,
                });
            }
        },
    };
    match &options.origin {
        Some(origin) if *origin != checkpoint.origin => Err(JournalError::Refused {
            what: "the name",
            reason: format!(
                "it is `{}` in the checkpoint, and `{}` was asked for",
                checkpoint.origin.escape_debug(),
                origin.escape_debug()
            ),
        }),
        _ => Ok((checkpoint.clone(), by_the_old_key)),
    }
}

/// The checkpoint, when the key that signed it names this key in its last leaf.
fn signed_before_rotation<'s>(
    tiles: &Tiles,
    signed: &'s SignedCheckpoint,
    key: &SigningKey,
) -> Option<&'s Checkpoint> {
    let head = signed.unverified();
    let last = head.size.checked_sub(1)?;
    let (bundle, place) = Tiles::place(last);
    let entries = tiles.bundle(bundle, head.size).ok()?;
    let entry = Entry::from_bytes(entries.get(place)?).ok()?;
    let Leaf::KeyRotation {
        old,
        new,
        signature,
        ..
    } = entry.leaf
    else {
        return None;
    };
    let before = Checkpoint {
        origin: head.origin.clone(),
        size: last,
        root: tree::root(&TileNodes::new(tiles, head.size), last).ok()?,
    };
    let (old, new) = rotation::check(&before, &old, &new, &signature).ok()?;
    (new == key.public_key())
        .then(|| signed.verify(&old).ok())
        .flatten()
}

/// Begins a journal: the checkpoint of the empty tree comes before everything else, so that a journal without one was tampered with.
fn begin(
    disk: &Disk,
    dir: &Path,
    key: &SigningKey,
    options: &JournalOptions,
) -> Result<Checkpoint, JournalError> {
    for name in ["tile", super::segment::SEGMENTS] {
        if dir.join(name).exists() {
            return Err(JournalError::SetBack {
                dir: dir.to_owned(),
                reason: format!("there is a folder `{name}` and no checkpoint"),
            });
        }
    }
    let origin = options.origin.clone().unwrap_or_else(|| {
        default_origin(&key.public_key()).replacen("pgattest-ledger-", "pgattest-trail-", 1)
    });
    let checkpoint = Checkpoint {
        origin,
        size: 0,
        root: tree::empty_root(),
    };
    write_checkpoint(disk, dir, &checkpoint, key)?;
    Ok(checkpoint)
}

/// Removes the tiles of the tree of `after` leaves that the tree of `size` leaves does not have.
fn remove_stray_tiles(
    disk: &Disk,
    tiles: &Tiles,
    size: u64,
    after: u64,
) -> Result<(), JournalError> {
    let rows = (0..8).map(Rows::Hashes).chain([Rows::Entries]);
    for rows in rows {
        let level = match rows {
            Rows::Hashes(level) => u32::from(level) * 8,
            Rows::Entries => 0,
        };
        for index in (size >> level) / TILE_WIDTH..=(after >> level) / TILE_WIDTH {
            let Some(tile) = Tile::of(rows, index, after) else {
                continue;
            };
            if Tile::of(rows, index, size) == Some(tile) {
                continue;
            }
            let path = tiles.path(tile);
            match disk.step("remove", &path, || std::fs::remove_file(&path)) {
                Ok(()) => disk.sync_folder(parent(&path))?,
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Refuses a journal with tiles beyond its checkpoint: what they hold was committed once.
fn refuse_set_back(dir: &Path, tiles: &Tiles, size: u64) -> Result<(), JournalError> {
    let (index, width) = (size / TILE_WIDTH, size % TILE_WIDTH);
    let set_back = |path: &Path| JournalError::SetBack {
        dir: dir.to_owned(),
        reason: format!(
            "`{}` belongs to a later state than its checkpoint of {size} leaves",
            path.strip_prefix(dir).unwrap_or(path).display()
        ),
    };
    for rows in EVERY_LEAF {
        let full = Tile {
            rows,
            index,
            width: 256,
        };
        let path = tiles.path(full);
        if path.exists() {
            return Err(set_back(&path));
        }
        let partial = dir.join(full.partial_directory());
        for file in std::fs::read_dir(&partial).into_iter().flatten().flatten() {
            let beyond = file
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u64>().ok())
                .is_some_and(|found| found > width);
            if beyond {
                return Err(set_back(&file.path()));
            }
        }
    }
    Ok(())
}

/// The cache, brought up to the checkpoint from the leaves after it; without a good cache, from all leaves.
fn read_state(
    dir: &Path,
    tiles: &Tiles,
    checkpoint: &Checkpoint,
) -> Result<(State, u64), JournalError> {
    let saved = std::fs::read(dir.join(STATE))
        .ok()
        .and_then(|text| State::from_text(&text));
    let mut state = State::default();
    if let Some((saved, root)) = saved {
        if saved.size > checkpoint.size {
            return Err(JournalError::SetBack {
                dir: dir.to_owned(),
                reason: format!(
                    "`{STATE}` was written when it had {} leaves, and its checkpoint has {}",
                    saved.size, checkpoint.size
                ),
            });
        }
        let nodes = TileNodes::new(tiles, checkpoint.size);
        let there = tree::root(&nodes, saved.size).map_err(|error| tiles.bad(error))?;
        if there == root {
            state = saved;
        }
    }
    let saved_at = state.size;
    replay(tiles, &mut state, checkpoint.size)?;
    Ok((state, saved_at))
}

fn replay(tiles: &Tiles, state: &mut State, size: u64) -> Result<(), JournalError> {
    while state.size < size {
        let (bundle, skip) = Tiles::place(state.size);
        let entries = tiles.bundle(bundle, size)?;
        let damaged = |reason: String| JournalError::Damaged {
            path: Tile::of(Rows::Entries, bundle, size)
                .map_or_else(PathBuf::new, |tile| tiles.path(tile)),
            reason,
        };
        for bytes in entries.iter().skip(skip) {
            let entry = Entry::from_bytes(bytes)
                .map_err(|error| damaged(format!("leaf {}: {error}", state.size)))?;
            state.apply(&entry).map_err(damaged)?;
        }
    }
    Ok(())
}

/// Cuts off what lies behind the last block that the checkpoint covers.
fn cut_segments(disk: &Disk, dir: &Path, state: &State) -> Result<(), JournalError> {
    let mut last = None;
    if let Some((name, length)) = &state.segment {
        let path = dir.join(name);
        let damaged = |reason: String| JournalError::Damaged {
            path: path.clone(),
            reason,
        };
        last = Some(
            first_block(name)
                .ok_or_else(|| damaged("the last manifest names no segment".to_owned()))?,
        );
        let file = match OpenOptions::new().write(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(
                    "it is missing, and the checkpoint covers it".to_owned(),
                ));
            }
            other => other.map_err(|source| JournalError::Disk {
                action: "open",
                path: path.clone(),
                source,
            })?,
        };
        let found = file.metadata().map_or(0, |metadata| metadata.len());
        if found < *length {
            return Err(damaged(format!(
                "it has {found} bytes, and the checkpoint covers {length}"
            )));
        }
        if found > *length {
            disk.step("cut", &path, || file.set_len(*length))?;
            disk.step("flush", &path, || file.sync_all())?;
        }
    }
    let mut removed = false;
    each_segment(dir, |number, path| {
        if last.is_none_or(|last| number > last) {
            disk.step("remove", path, || std::fs::remove_file(path))?;
            removed = true;
        }
        Ok(())
    })?;
    if removed {
        disk.sync_folder(&dir.join(super::segment::SEGMENTS))?;
    }
    Ok(())
}

/// The sizes that a commit leads from and to. Written over in place: it is shorter than what a disk writes at once.
pub(super) struct Intent {
    path: PathBuf,
    file: File,
    sizes: Option<(u64, u64)>,
}

impl Intent {
    fn open(disk: &Disk, dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(INTENT);
        let new = !path.exists();
        let file = disk.step("open", &path, || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
        })?;
        if new {
            disk.sync_folder(dir)?;
        }
        let mut text = [0; LINE];
        let sizes = file
            .read_exact_at(&mut text, 0)
            .ok()
            .and_then(|()| parse(&text));
        Ok(Self { path, file, sizes })
    }

    /// The size to which a commit from `size` was under way.
    fn unfulfilled(&self, size: u64) -> Option<u64> {
        let (from, to) = self.sizes?;
        (from == size && to > size && to - size <= LARGEST_COMMIT).then_some(to)
    }

    /// Says what is about to be written, before it is.
    pub(super) fn announce(&self, disk: &Disk, from: u64, to: u64) -> Result<(), DiskError> {
        disk.step("announce in", &self.path, || {
            self.file.write_all_at(line(from, to).as_bytes(), 0)
        })?;
        disk.step("flush", &self.path, || self.file.sync_data())
    }

    /// Says that there is nothing beyond `size`. When that does not reach the disk, the announcement is of a commit that was made.
    pub(super) fn fulfil(&self, disk: &Disk, size: u64) {
        let _ = disk.step("fulfil", &self.path, || {
            self.file.write_all_at(line(size, size).as_bytes(), 0)
        });
    }
}

const LINE: usize = 20 + 1 + 20 + 1 + 16 + 1;

fn line(from: u64, to: u64) -> String {
    let sizes = format!("{from:020} {to:020}");
    let check: String = Hash::of(sizes.as_bytes())
        .to_hex()
        .chars()
        .take(16)
        .collect();
    format!("{sizes} {check}\n")
}

fn parse(text: &[u8]) -> Option<(u64, u64)> {
    let mut words = str::from_utf8(text).ok()?.split_ascii_whitespace();
    let (from, to) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (line(from, to).as_bytes() == text).then_some((from, to))
}
