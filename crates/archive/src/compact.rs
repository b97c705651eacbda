//! Small batches to larger ones: engines open few large files faster than many small ones.
//!
//! A group of neighbours is merged once it cannot grow any more: its files are large enough, or its day is over. The merged batch
//! is in place before the small ones are removed, and contains them, so that it counts from its last move on.

use crate::archive::{Archive, Batch};
use crate::error::{ArchiveError, damaged};
use crate::make::{Made, publish, sums};
use crate::part::{PartWriter, Sums};
use crate::record_list::Register;
use jiff::civil::Date;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::{BTreeMap, BTreeSet};

/// Merges what can be merged. `file_bytes`: how large a file shall become; `at`: now, in milliseconds since 1970.
pub fn compact(
    archive: &Archive,
    register: &dyn Register,
    file_bytes: u64,
    at: i64,
) -> Result<Made, ArchiveError> {
    let _lock = archive.store.lock()?;
    let layout = archive.layout()?;
    let mut made = Made::default();
    for group in groups(&layout.batches, file_bytes) {
        merge(archive, register, group, at, &mut made)?;
    }
    Ok(made)
}

/// Runs of neighbours to be merged.
fn groups(batches: &[Batch], file_bytes: u64) -> Vec<&[Batch]> {
    let mut groups = Vec::new();
    let mut begin = 0;
    let mut bytes = 0_u64;
    for (at, batch) in batches.iter().enumerate() {
        let is_neighbour = at > 0 && batches.get(at - 1).is_some_and(|it| it.end == batch.first);
        if !is_neighbour || bytes.saturating_add(batch.bytes()) > file_bytes {
            groups.extend(batches.get(begin..at));
            begin = at;
            bytes = 0;
        }
        bytes = bytes.saturating_add(batch.bytes());
        let first_day = batches.get(begin).and_then(last_day);
        // The batch in which a day begins ends the group of the day before it.
        if last_day(batch) > first_day {
            groups.extend(batches.get(begin..=at));
            begin = at + 1;
            bytes = 0;
        }
    }
    groups.retain(|group| group.len() > 1);
    groups
}

fn last_day(batch: &Batch) -> Option<Date> {
    batch.parts.iter().map(|(name, _)| name.day).max()
}

fn merge(
    archive: &Archive,
    register: &dyn Register,
    group: &[Batch],
    at: i64,
    made: &mut Made,
) -> Result<(), ArchiveError> {
    let (Some(first), Some(last)) = (group.first(), group.last()) else {
        return Ok(());
    };
    let range = (first.first, last.end);
    let days: BTreeSet<Date> = group
        .iter()
        .flat_map(|batch| batch.parts.iter().map(|(name, _)| name.day))
        .collect();
    let mut written = Vec::new();
    let mut rows: BTreeMap<Date, u64> = BTreeMap::new();
    for day in days {
        let mut writer =
            PartWriter::begin(archive, &format!("merged-{:012}.{day}.parquet", range.0))?;
        let parts = group.iter().flat_map(|batch| &batch.parts);
        let mut total = Sums::default();
        for (name, _) in parts.filter(|(name, _)| name.day == day) {
            let path = name.path();
            let file = archive.store.open_whole(&path)?;
            total = total.and(sums(&file, &path)?);
            let reader = ParquetRecordBatchReaderBuilder::try_new(file)
                .and_then(|builder| builder.with_batch_size(8_192).build())
                .map_err(|error| damaged(&path, error))?;
            for batch in reader {
                let batch = batch.map_err(|error| damaged(&path, error))?;
                *rows.entry(day).or_default() += u64::try_from(batch.num_rows()).unwrap_or(0);
                writer.copy(&batch)?;
            }
        }
        writer.sums = total;
        written.push((day, writer.finish(archive)?));
    }
    let copied: u64 = rows.values().sum();
    if copied != range.1 - range.0 {
        return Err(damaged(
            &first
                .parts
                .first()
                .map(|it| it.0.path())
                .unwrap_or_default(),
            format_args!(
                "records {} to {} should be {}, and the files have {copied}",
                range.0,
                range.1 - 1,
                range.1 - range.0
            ),
        ));
    }
    made.files
        .extend(publish(archive, register, at, range, written)?);
    made.records += copied;
    for (name, _) in group.iter().flat_map(|batch| &batch.parts) {
        archive.store.remove(&name.path())?;
        made.removed.push(archive.full_path(name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::groups;
    use crate::archive::Batch;
    use crate::name::PartName;

    fn batch(first: u64, end: u64, days: &[i8], size: u64) -> Batch {
        let parts = u32::try_from(days.len()).unwrap();
        let name = |(day, part): (&i8, u32)| PartName {
            first,
            end,
            part,
            parts,
            day: jiff::civil::date(2026, 1, *day),
        };
        Batch {
            first,
            end,
            parts: days.iter().zip(1..).map(|it| (name(it), size)).collect(),
        }
    }

    #[test]
    fn the_batches_of_a_day_are_merged_when_it_is_over() {
        let batches = [
            batch(0, 10, &[1], 5),
            batch(10, 20, &[1], 5),
            batch(20, 30, &[1, 2], 5),
            batch(30, 40, &[2], 5),
            batch(40, 50, &[2], 5),
        ];
        let lengths: Vec<_> = groups(&batches, 1_000).iter().map(|it| it.len()).collect();
        assert_eq!(lengths, [3], "the second day is not over");
    }

    #[test]
    fn no_group_outgrows_the_size_or_spans_a_hole() {
        let batches = [
            batch(0, 10, &[1], 50),
            batch(10, 20, &[1], 50),
            batch(20, 30, &[1], 50),
            batch(40, 50, &[1], 10),
            batch(50, 60, &[1, 2], 10),
        ];
        let ranges: Vec<_> = groups(&batches, 100)
            .iter()
            .map(|it| (it[0].first, it[it.len() - 1].end))
            .collect();
        assert_eq!(ranges, [(0, 20), (40, 60)]);
    }
}
