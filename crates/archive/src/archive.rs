//! What an archive holds, by the names of its files alone.

use crate::error::ArchiveError;
use crate::location::Place;
use crate::name::{PartName, UNFINISHED, is_instance};
use crate::store::Store;
use pgattest_evidence::FaultHook;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// One instance's archive.
#[derive(Clone)]
pub struct Archive {
    pub(crate) instance: String,
    pub(crate) store: Store,
}

/// A run of blocks, with a file for each day.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// The number of its first record.
    pub first: u64,
    /// The number behind its last.
    pub end: u64,
    /// Its files, by day, with their sizes in bytes.
    pub parts: Vec<(PartName, u64)>,
}

impl Batch {
    /// Bytes of all its files.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|(_, size)| size).sum()
    }

    fn is_complete(&self) -> bool {
        let Some((first, _)) = self.parts.first() else {
            return false;
        };
        let wanted = first.parts;
        self.parts.len() == usize::try_from(wanted).unwrap_or(usize::MAX)
            && self
                .parts
                .iter()
                .zip(1..)
                .all(|((name, _), at)| name.part == at && name.parts == wanted)
    }

    fn contains(&self, other: &Self) -> bool {
        self.first <= other.first
            && other.end <= self.end
            && (self.first, self.end) != (other.first, other.end)
    }
}

/// The files of an archive, sorted out.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// What counts, in the order of records. Disjoint.
    pub batches: Vec<Batch>,
    /// Batches that lack a part: a crash, or somebody removed one.
    pub incomplete: Vec<Batch>,
    /// Batches that were merged into a larger one.
    pub superseded: Vec<Batch>,
    /// Batches that overlap one before them, neither containing the other: no run of this program makes them.
    pub overlapping: Vec<Batch>,
    /// Files that were being written when a run ended.
    pub unfinished: Vec<String>,
}

impl Layout {
    /// Runs of records that nothing here holds, between `from` and `end`.
    pub fn missing(&self, from: u64, end: u64) -> Vec<(u64, u64)> {
        let mut at = from;
        let mut missing = Vec::new();
        for batch in &self.batches {
            if batch.first > at && at < end {
                missing.push((at, batch.first.min(end)));
            }
            at = at.max(batch.end);
        }
        if at < end {
            missing.push((at, end));
        }
        missing
    }

    /// Runs of records that lie between batches, and are in none.
    pub fn holes(&self) -> Vec<(u64, u64)> {
        match (self.batches.first(), self.batches.last()) {
            (Some(first), Some(last)) => self.missing(first.first, last.end),
            _ => Vec::new(),
        }
    }

    /// How many records it holds.
    pub fn records(&self) -> u64 {
        self.batches.iter().map(|it| it.end - it.first).sum()
    }
}

impl Archive {
    /// The archive of an instance below a directory; neither needs to be there yet.
    pub fn new(root: &Path, instance: &str) -> Result<Self, ArchiveError> {
        Ok(Self {
            store: Store::new(&root.join(folder(instance)?)),
            instance: instance.to_owned(),
        })
    }

    /// The archive of an instance at a place; neither needs to be there yet.
    pub fn at(place: &Place, instance: &str) -> Result<Self, ArchiveError> {
        Ok(Self {
            store: Store::at(place, &folder(instance)?)?,
            instance: instance.to_owned(),
        })
    }

    /// The same, announcing each step of writing.
    #[must_use]
    pub fn with_hook(mut self, hook: FaultHook) -> Self {
        self.store = self.store.with_hook(hook);
        self
    }

    /// The same, taking a lock on S3 for this long at a time.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.store = self.store.with_lease(lease);
        self
    }

    /// The same, whose requests to S3 are no longer waited for once this says so.
    #[must_use]
    pub fn stopping_when(mut self, is_stopped: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.store = self.store.stopping_when(is_stopped);
        self
    }

    /// The instances that have an archive at a place, in the order of names.
    pub fn instances(place: &Place) -> Result<Vec<String>, ArchiveError> {
        let mut names: Vec<String> = Store::folders(place)?
            .iter()
            .filter_map(|name| Some(name.strip_prefix("instance=")?.to_owned()))
            .filter(|name| is_instance(name))
            .collect();
        names.sort();
        Ok(names)
    }

    /// Whose it is.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Where its files are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// A file's path relative to the whole archive, as leaves have it.
    pub fn full_path(&self, name: &PartName) -> String {
        format!("instance={}/{}", self.instance, name.path())
    }

    /// Looks at the files.
    pub fn layout(&self) -> Result<Layout, ArchiveError> {
        let mut layout = Layout::default();
        let mut batches: BTreeMap<(u64, u64), Batch> = BTreeMap::new();
        for entry in self.store.list()? {
            let name = entry.path.rsplit('/').next().unwrap_or_default();
            if name.starts_with(UNFINISHED) {
                layout.unfinished.push(entry.path);
            } else if let Some(part) = PartName::parse(&entry.path) {
                let batch = batches
                    .entry((part.first, part.end))
                    .or_insert_with(|| Batch {
                        first: part.first,
                        end: part.end,
                        parts: Vec::new(),
                    });
                batch.parts.push((part, entry.size));
            }
        }
        let mut complete = Vec::new();
        for mut batch in batches.into_values() {
            batch.parts.sort_by_key(|(name, _)| (name.part, *name));
            if batch.is_complete() {
                complete.push(batch);
            } else {
                layout.incomplete.push(batch);
            }
        }
        // The widest first, so that whatever lies in it comes later.
        complete.sort_by_key(|batch| (batch.first, std::cmp::Reverse(batch.end)));
        for batch in complete {
            match layout.batches.last() {
                Some(last) if last.contains(&batch) => layout.superseded.push(batch),
                Some(last) if batch.first < last.end => layout.overlapping.push(batch),
                _ => layout.batches.push(batch),
            }
        }
        Ok(layout)
    }
}

fn folder(instance: &str) -> Result<String, ArchiveError> {
    if !is_instance(instance) {
        return Err(ArchiveError::Instance(instance.to_owned()));
    }
    Ok(format!("instance={instance}"))
}

#[cfg(test)]
mod tests {
    use super::Archive;

    fn archive(names: &[&str]) -> (tempfile::TempDir, Archive) {
        let folder = tempfile::tempdir().unwrap();
        let archive = Archive::new(folder.path(), "main").unwrap();
        for name in names {
            let path = archive.store().directory().unwrap().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        (folder, archive)
    }

    #[test]
    fn a_batch_counts_with_all_its_parts_only() {
        let (_folder, archive) = archive(&[
            "dt=2026-01-01/r000000000000-000000000010.1of2.parquet",
            "dt=2026-01-02/r000000000000-000000000010.2of2.parquet",
            "dt=2026-01-02/r000000000010-000000000020.1of2.parquet",
            "dt=2026-01-02/.unfinished-r000000000020-000000000030.1of1.parquet",
            "dt=2026-01-02/notes.txt",
        ]);
        let layout = archive.layout().unwrap();
        assert_eq!(layout.batches.len(), 1);
        assert_eq!(layout.records(), 10);
        assert_eq!(layout.incomplete.len(), 1);
        assert_eq!(layout.unfinished.len(), 1);
        assert_eq!(layout.missing(0, 25), [(10, 25)]);
    }

    #[test]
    fn a_merged_batch_takes_the_place_of_those_in_it() {
        let (_folder, archive) = archive(&[
            "dt=2026-01-01/r000000000000-000000000010.1of1.parquet",
            "dt=2026-01-01/r000000000010-000000000020.1of1.parquet",
            "dt=2026-01-01/r000000000000-000000000020.1of1.parquet",
            "dt=2026-01-01/r000000000030-000000000040.1of1.parquet",
            "dt=2026-01-01/r000000000035-000000000050.1of1.parquet",
        ]);
        let layout = archive.layout().unwrap();
        let ranges: Vec<_> = layout.batches.iter().map(|it| (it.first, it.end)).collect();
        assert_eq!(ranges, [(0, 20), (30, 40)]);
        assert_eq!(layout.superseded.len(), 2);
        assert_eq!(layout.overlapping.len(), 1);
        assert_eq!(layout.holes(), [(20, 30)]);
        assert_eq!(layout.missing(5, 60), [(20, 30), (40, 60)]);
        assert_eq!(layout.missing(0, 25), [(20, 25)]);
    }
}
