//! The journal's blocks to files: what is missing is made, what a crash left over is removed.
//!
//! Order: files written and flushed, their digests listed, each moved into place, recorded in the tree. A crash before the last
//! move leaves a batch that does not count; the next run makes it again. Nothing is twice and nothing is missing, because the
//! names of complete batches say which records there are.

use crate::archive::{Archive, Batch, Layout};
use crate::columns::Row;
use crate::error::ArchiveError;
use crate::name::{PartName, day};
use crate::part::{PartWriter, Sums, Written};
use crate::record_list::{Listed, Register};
use crate::source::{Sealed, Source};
use crate::store::{Lock, Reading};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Files of a batch that are open at the same time; each holds a row group in memory. A block whose records were logged on more
/// days is a batch of its own, written day by day.
const OPEN: usize = 8;

/// How it is made.
#[derive(Clone, Copy, Debug)]
pub struct MakeOptions {
    /// A batch ends when one of its files has about this many bytes.
    pub file_bytes: u64,
    /// A batch ends at the first block behind this many records.
    pub batch_records: u64,
}

impl Default for MakeOptions {
    fn default() -> Self {
        Self {
            file_bytes: 256 << 20,
            batch_records: u64::MAX,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Made {
    /// Records written.
    pub records: u64,
    /// Files written, relative to the whole archive.
    pub files: Vec<String>,
    /// Files removed: left over by a run that ended, or merged into larger ones.
    pub removed: Vec<String>,
    /// Runs of records whose payload was pruned before it was archived.
    pub pruned: Vec<(u64, u64)>,
}

/// Brings the archive up to the end of the source. `at`: now, in milliseconds since 1970. `progress` is told how many records were
/// written so far, and how many there are to write.
pub fn catch_up(
    archive: &Archive,
    source: &dyn Source,
    register: &dyn Register,
    options: MakeOptions,
    at: i64,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, ArchiveError> {
    let (mut maker, begun) = Maker::begin(archive, source, register, options, at)?;
    let Begun {
        oldest,
        end,
        layout,
        lock: _lock,
    } = begun;
    maker.clean(&layout, oldest)?;
    archive.register(register)?;
    let missing = layout.missing(oldest, end);
    let wanted: u64 = missing.iter().map(|(first, end)| end - first).sum();
    for (first, end) in layout.missing(0, oldest) {
        maker.made.pruned.push((first, end));
    }
    for (first, end) in missing {
        maker.range(first, end, wanted, progress)?;
    }
    Ok(maker.made)
}

/// Makes batches again whose records are still in the source: the named ones, or all.
pub fn rebuild(
    archive: &Archive,
    source: &dyn Source,
    register: &dyn Register,
    options: MakeOptions,
    at: i64,
    only: Option<&BTreeSet<(u64, u64)>>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Made, ArchiveError> {
    let (mut maker, begun) = Maker::begin(archive, source, register, options, at)?;
    let Begun {
        oldest,
        end,
        layout,
        lock,
    } = begun;
    for batch in &layout.overlapping {
        must_be_there(batch, oldest)?;
        maker.remove(batch)?;
    }
    let chosen: Vec<&Batch> = layout
        .batches
        .iter()
        .filter(|batch| batch.first >= oldest && batch.end <= end)
        .filter(|batch| only.is_none_or(|only| only.contains(&(batch.first, batch.end))))
        .collect();
    let wanted = chosen.iter().map(|batch| batch.end - batch.first).sum();
    for batch in chosen {
        maker.again(batch)?;
        progress(maker.made.records, wanted);
    }
    let mut made = maker.made;
    drop(lock);
    // What was never there, or lay in a batch that was removed, is made as on any other day.
    let rest = catch_up(archive, source, register, options, at, progress)?;
    made.records += rest.records;
    made.files.extend(rest.files);
    made.removed.extend(rest.removed);
    made.pruned = rest.pruned;
    Ok(made)
}

struct Maker<'a> {
    archive: &'a Archive,
    source: &'a dyn Source,
    register: &'a dyn Register,
    options: MakeOptions,
    at: i64,
    made: Made,
}

/// The files of a batch, before they have their names.
struct Draft {
    writers: BTreeMap<Date, PartWriter>,
    finished: Vec<(Date, Written)>,
    first: u64,
    end: u64,
}

/// What a maker begins from.
struct Begun {
    /// The first record that the source still has.
    oldest: u64,
    /// Behind its last.
    end: u64,
    layout: Layout,
    /// Held as long as files are made.
    lock: Lock,
}

impl<'a> Maker<'a> {
    /// Becomes the archive's one writer and looks at what there is.
    fn begin(
        archive: &'a Archive,
        source: &'a dyn Source,
        register: &'a dyn Register,
        options: MakeOptions,
        at: i64,
    ) -> Result<(Self, Begun), ArchiveError> {
        let lock = archive.store.lock()?;
        let (oldest, end) = source.range()?;
        let layout = archive.layout()?;
        let maker = Self {
            archive,
            source,
            register,
            options,
            at,
            made: Made::default(),
        };
        let begun = Begun {
            oldest,
            end,
            layout,
            lock,
        };
        Ok((maker, begun))
    }

    /// Removes what does not count. What could not be made again stays, and is an error.
    fn clean(&mut self, layout: &Layout, oldest: u64) -> Result<(), ArchiveError> {
        if let Some(batch) = layout.overlapping.first() {
            let file = batch.parts.first().map(|(name, _)| name.path());
            return Err(crate::error::damaged(
                &file.unwrap_or_default(),
                "its records overlap those of another file",
            ));
        }
        for path in &layout.unfinished {
            self.archive.store.remove(path)?;
            self.made.removed.push(path.clone());
        }
        let begun = self.archive.store.give_up_begun()?;
        self.made.removed.extend(begun);
        for batch in &layout.superseded {
            self.remove(batch)?;
        }
        for batch in &layout.incomplete {
            // A part of a merged batch that never became complete: its records are in the smaller ones.
            let is_covered = layout.missing(batch.first, batch.end).is_empty();
            if !is_covered {
                must_be_there(batch, oldest)?;
            }
            self.remove(batch)?;
        }
        Ok(())
    }

    fn remove(&mut self, batch: &Batch) -> Result<(), ArchiveError> {
        for (name, _) in &batch.parts {
            self.archive.store.remove(&name.path())?;
            self.made.removed.push(self.archive.full_path(name));
        }
        Ok(())
    }

    /// Makes a run of records, in as many batches as it takes.
    fn range(
        &mut self,
        first: u64,
        end: u64,
        wanted: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), ArchiveError> {
        let mut draft = Draft::new(first);
        for sealed in self.source.sealed(first)? {
            let sealed = sealed?;
            if sealed.manifest.first_record >= end {
                break;
            }
            let days = days_of(&sealed);
            let is_wide = days.as_ref().is_none_or(|days| days.len() > OPEN);
            let would_be_open = days.map_or(0, |days| {
                days.iter()
                    .filter(|day| !draft.writers.contains_key(day))
                    .count()
                    + draft.writers.len()
            });
            if draft.is_begun() && (is_wide || would_be_open > OPEN) {
                draft = self.publish(draft)?;
            }
            if is_wide {
                draft.add_wide(self.archive, &sealed, first, end)?;
            } else {
                draft.add(self.archive, &sealed, first, end)?;
            }
            progress(self.made.records + draft.end - draft.first, wanted);
            let is_full = draft.largest() >= self.options.file_bytes
                || draft.end - draft.first >= self.options.batch_records;
            if is_wide || is_full {
                draft = self.publish(draft)?;
            }
        }
        if draft.is_begun() {
            draft = self.publish(draft)?;
        }
        if draft.end < end {
            return Err(ArchiveError::Hole {
                first: draft.end,
                last: end - 1,
            });
        }
        Ok(())
    }

    /// Makes a batch again, under the same range of records.
    fn again(&mut self, batch: &Batch) -> Result<(), ArchiveError> {
        let mut draft = Draft::new(batch.first);
        for sealed in self.source.sealed(batch.first)? {
            let sealed = sealed?;
            if sealed.manifest.first_record >= batch.end {
                break;
            }
            if days_of(&sealed).is_none() && !draft.is_begun() {
                draft.add_wide(self.archive, &sealed, batch.first, batch.end)?;
            } else {
                draft.add(self.archive, &sealed, batch.first, batch.end)?;
            }
        }
        if draft.end != batch.end {
            return Err(ArchiveError::Hole {
                first: draft.end,
                last: batch.end - 1,
            });
        }
        let before = self.made.files.len();
        self.publish(draft)?;
        // With the same rules the names are the same; with newer ones a part may have moved to another day.
        for (name, _) in &batch.parts {
            let path = self.archive.full_path(name);
            let is_new = self.made.files.iter().skip(before).any(|it| *it == path);
            if !is_new {
                self.archive.store.remove(&name.path())?;
                self.made.removed.push(path);
            }
        }
        Ok(())
    }

    /// Gives the files of a batch their names. What comes back is the next one.
    fn publish(&mut self, draft: Draft) -> Result<Draft, ArchiveError> {
        let (first, end) = (draft.first, draft.end);
        let files = publish(
            self.archive,
            self.register,
            self.at,
            (first, end),
            draft.finish(self.archive)?,
        )?;
        self.made.files.extend(files);
        self.made.records += end - first;
        Ok(Draft::new(end))
    }
}

/// Refuses to remove what could not be made again.
fn must_be_there(batch: &Batch, oldest: u64) -> Result<(), ArchiveError> {
    if batch.first >= oldest {
        return Ok(());
    }
    Err(ArchiveError::Hole {
        first: batch.first,
        last: batch.end.min(oldest).saturating_sub(1),
    })
}

/// Lists, moves into place and records the files of a batch.
pub(crate) fn publish(
    archive: &Archive,
    register: &dyn Register,
    at: i64,
    (first, end): (u64, u64),
    written: Vec<(Date, Written)>,
) -> Result<Vec<String>, ArchiveError> {
    let parts = u32::try_from(written.len()).unwrap_or(u32::MAX);
    let mut lines = Vec::new();
    let mut files = Vec::new();
    for ((day, written), part) in written.into_iter().zip(1..) {
        let name = PartName {
            first,
            end,
            part,
            parts,
            day,
        };
        let line = Listed {
            at,
            file: archive.full_path(&name),
            sha256: written.sha256,
            first,
            count: end - first,
        };
        archive.list(&line)?;
        lines.push(line);
        files.push((name, written.file));
    }
    for (name, file) in files {
        archive.store.publish(&file, &name.path())?;
    }
    for line in &lines {
        register.record(line.leaf())?;
    }
    Ok(lines.into_iter().map(|line| line.file).collect())
}

impl Draft {
    fn new(first: u64) -> Self {
        Self {
            writers: BTreeMap::new(),
            finished: Vec::new(),
            first,
            end: first,
        }
    }

    fn is_begun(&self) -> bool {
        self.end > self.first
    }

    fn largest(&self) -> u64 {
        let sizes = self.writers.values().map(PartWriter::bytes);
        sizes.max().unwrap_or(0)
    }

    fn add(
        &mut self,
        archive: &Archive,
        sealed: &Sealed,
        first: u64,
        end: u64,
    ) -> Result<(), ArchiveError> {
        self.goes_on_with(sealed, first)?;
        for row in rows(sealed, first, end) {
            let day = day_of(&row, sealed);
            let writer = match self.writers.entry(day) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(PartWriter::begin(archive, &unfinished(self.first, day))?)
                }
            };
            writer.push(sealed, &row)?;
        }
        self.end = sealed.end().min(end);
        Ok(())
    }

    /// Adds a block of many days, one day after the other.
    fn add_wide(
        &mut self,
        archive: &Archive,
        sealed: &Sealed,
        first: u64,
        end: u64,
    ) -> Result<(), ArchiveError> {
        self.goes_on_with(sealed, first)?;
        let days: BTreeSet<Date> = rows(sealed, first, end)
            .map(|row| day_of(&row, sealed))
            .collect();
        for day in days {
            let mut writer = PartWriter::begin(archive, &unfinished(self.first, day))?;
            for row in rows(sealed, first, end) {
                if day_of(&row, sealed) == day {
                    writer.push(sealed, &row)?;
                }
            }
            self.finished.push((day, writer.finish(archive)?));
        }
        self.end = sealed.end().min(end);
        Ok(())
    }

    /// Blocks follow each other without a gap, or the archive would have one that nobody sees.
    fn goes_on_with(&self, sealed: &Sealed, first: u64) -> Result<(), ArchiveError> {
        let begins = sealed.manifest.first_record;
        if begins == self.end || (self.end == first && begins < first) {
            return Ok(());
        }
        Err(ArchiveError::Hole {
            first: self.end,
            last: begins.saturating_sub(1),
        })
    }

    fn finish(self, archive: &Archive) -> Result<Vec<(Date, Written)>, ArchiveError> {
        let mut finished = self.finished;
        for (day, writer) in self.writers {
            finished.push((day, writer.finish(archive)?));
        }
        finished.sort_by_key(|(day, _)| *day);
        Ok(finished)
    }
}

fn unfinished(first: u64, day: Date) -> String {
    format!("r{first:012}.{day}.parquet")
}

/// The rows of a block that lie in a range.
fn rows(sealed: &Sealed, first: u64, end: u64) -> impl Iterator<Item = Row<'_>> {
    let begins = sealed.manifest.first_record;
    sealed
        .block
        .iter()
        .zip(0_u32..)
        .filter(move |(_, index)| {
            let number = begins.saturating_add(u64::from(*index));
            number >= first && number < end
        })
        .map(|((piece, bytes), index)| Row::new(sealed, index, piece, bytes))
}

/// A record of unknown time lies with the day of sealing.
fn day_of(row: &Row<'_>, sealed: &Sealed) -> Date {
    row.time()
        .and_then(day)
        .or_else(|| day(sealed.manifest.sealed_at))
        .unwrap_or(Date::ZERO)
}

/// The days that records of a block can have been logged on, by its manifest. `None`: too many to count.
fn days_of(sealed: &Sealed) -> Option<BTreeSet<Date>> {
    let mut days: BTreeSet<Date> = day(sealed.manifest.sealed_at).into_iter().collect();
    if let Some((first, last)) = sealed.block.times {
        let (mut at, last) = (day(first)?, day(last)?);
        while at <= last {
            days.insert(at);
            if days.len() > OPEN + 1 {
                return None;
            }
            at = at.tomorrow().ok()?;
        }
    }
    Some(days)
}

/// The sums of a file that is in its place.
pub(crate) fn sums(file: &Reading, path: &str) -> Result<Sums, ArchiveError> {
    let metadata = parquet::file::metadata::ParquetMetaDataReader::new()
        .parse_and_finish(file)
        .map_err(|error| file.failed(path, error))?;
    Sums::of(&metadata)
        .ok_or_else(|| crate::error::damaged(path, "it is not a file of this archive"))
}
