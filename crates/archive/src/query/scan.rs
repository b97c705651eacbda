//! Reading the rows of files that pass a test: statistics and Bloom filters first, then the columns that the test looks at, then
//! the columns that are asked for, of the rows that are left.

use super::test::{Known, Test};
use crate::archive::Archive;
use crate::error::{ArchiveError, damaged};
use crate::name::PartName;
use crate::part::Sums;
use crate::schema::{READING, position};
use crate::store::Reading;
use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions,
    ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;
use std::collections::BTreeSet;
use std::ops::Range;

/// Rows of a batch of columns. Larger ones make fewer looks at a dictionary; this many rows of long statements still are small.
const ROWS: usize = 16 * 1024;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// Files whose footers were read.
    pub files: u64,
    /// What their footers say.
    pub sums: Sums,
    /// Rows of the row groups that were read; the others cannot hold what was asked for.
    pub read: u64,
    /// The earliest and the latest time of a record in the files, in milliseconds since 1970.
    pub times: Option<(i64, i64)>,
}

/// A file with its footer, and the row groups in which rows can pass.
struct Chosen {
    file: Reading,
    footer: ArrowReaderMetadata,
    groups: Vec<usize>,
}

/// Gives the rows of a file that pass, in the order of records, with these columns.
pub(crate) fn scan(
    archive: &Archive,
    name: &PartName,
    test: &Test,
    columns: &[&str],
    looked: &mut Looked,
    each: &mut dyn FnMut(&RecordBatch) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let path = name.path();
    let chosen = choose(archive, &path, test, looked)?;
    let failed = |error: parquet::errors::ParquetError| chosen.file.failed(&path, error);
    let metadata = chosen.footer.metadata().clone();
    let mask = |names: &BTreeSet<&str>| {
        ProjectionMask::columns(
            metadata.file_metadata().schema_descr(),
            names.iter().copied(),
        )
    };
    // One row group after the other: a batch over two of them has two dictionaries, and each of its texts would be looked up to make
    // them one.
    for &group in &chosen.groups {
        let mut builder = builder(&chosen.file, &chosen.footer)
            .with_row_groups(vec![group])
            .with_batch_size(ROWS)
            .with_projection(mask(&columns.iter().copied().collect()))
            .with_row_filter(RowFilter::new(filters(test, mask)));
        if let Some(selection) = pages(&metadata, group, test) {
            builder = builder.with_row_selection(selection);
        }
        for batch in builder.build().map_err(failed)? {
            let batch = batch.map_err(|error| chosen.file.failed(&path, error))?;
            if batch.num_rows() > 0 {
                each(&batch)?;
            }
        }
    }
    Ok(())
}

fn builder(
    file: &Reading,
    footer: &ArrowReaderMetadata,
) -> ParquetRecordBatchReaderBuilder<Reading> {
    ParquetRecordBatchReaderBuilder::new_with_metadata(file.clone(), footer.clone())
}

/// Reads a file's footer, and the row groups in which rows can pass.
fn choose(
    archive: &Archive,
    path: &str,
    test: &Test,
    looked: &mut Looked,
) -> Result<Chosen, ArchiveError> {
    let file = archive.store.open(path)?;
    let options = ArrowReaderOptions::new()
        .with_schema(READING.clone())
        .with_page_index_policy(PageIndexPolicy::Optional);
    let footer =
        ArrowReaderMetadata::load(&file, options).map_err(|error| file.failed(path, error))?;
    file.learn(footer.metadata());
    let sums = Sums::of(footer.metadata())
        .ok_or_else(|| damaged(path, "it is not a file of this archive"))?;
    looked.files += 1;
    looked.sums = looked.sums.and(sums);
    looked.times = joined(looked.times, times(footer.metadata()));
    let blooms = builder(&file, &footer);
    let mut groups = Vec::new();
    for (at, group) in footer.metadata().row_groups().iter().enumerate() {
        let statistics = GroupStatistics {
            metadata: footer.metadata(),
            group: at,
            blooms: None,
        };
        if !test.may_pass(&statistics) {
            continue;
        }
        let with_blooms = GroupStatistics {
            blooms: Some(&blooms),
            ..statistics
        };
        if test.may_pass(&with_blooms) {
            groups.push(at);
            looked.read += u64::try_from(group.num_rows()).unwrap_or(0);
        }
    }
    Ok(Chosen {
        file,
        footer,
        groups,
    })
}

/// The tests, the cheap ones first. Each is asked about the rows that the ones before it let pass.
fn filters(
    test: &Test,
    mask: impl Fn(&BTreeSet<&str>) -> ProjectionMask,
) -> Vec<Box<dyn ArrowPredicate>> {
    let tests = match test {
        Test::All(tests) => tests.clone(),
        other => vec![other.clone()],
    };
    let mut steps: Vec<Test> = Vec::new();
    let mut last: Vec<Test> = Vec::new();
    for test in tests {
        let mut columns = BTreeSet::new();
        test.columns(&mut columns);
        if columns.iter().any(|column| crate::schema::is_long(column)) {
            steps.push(test.without_long_texts());
            last.push(test);
        } else {
            steps.push(test);
        }
    }
    steps.extend(last);
    let mut filters: Vec<Box<dyn ArrowPredicate>> = Vec::new();
    for step in steps {
        let mut columns = BTreeSet::new();
        step.columns(&mut columns);
        if !columns.is_empty() {
            let rows = move |batch: RecordBatch| step.rows(&batch);
            filters.push(Box::new(ArrowPredicateFn::new(mask(&columns), rows)));
        }
    }
    filters
}

/// The earliest and the latest `log_time`, by the statistics.
fn times(metadata: &ParquetMetaData) -> Option<(i64, i64)> {
    let column = position("log_time")?;
    let mut all = None;
    for group in metadata.row_groups() {
        if let Some(Statistics::Int64(statistics)) = group.columns().get(column)?.statistics() {
            let range = statistics
                .min_opt()
                .copied()
                .zip(statistics.max_opt().copied());
            all = joined(all, range);
        }
    }
    all
}

fn joined(one: Option<(i64, i64)>, other: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (one, other) {
        (Some(one), Some(other)) => Some((one.0.min(other.0), one.1.max(other.1))),
        (one, other) => one.or(other),
    }
}

/// What a row group's statistics, and on demand its Bloom filters, say.
#[derive(Clone, Copy)]
struct GroupStatistics<'a> {
    metadata: &'a ParquetMetaData,
    group: usize,
    blooms: Option<&'a ParquetRecordBatchReaderBuilder<Reading>>,
}

impl GroupStatistics<'_> {
    fn statistics(&self, column: &str) -> Option<(&Statistics, i64)> {
        let group = self.metadata.row_groups().get(self.group)?;
        let chunk = group.columns().get(position(column)?)?;
        Some((chunk.statistics()?, group.num_rows()))
    }
}

impl Known for GroupStatistics<'_> {
    fn may_be(&self, column: &str, values: &BTreeSet<String>) -> bool {
        let Some((statistics, _)) = self.statistics(column) else {
            return true;
        };
        let bounds = statistics.min_bytes_opt().zip(statistics.max_bytes_opt());
        let mut possible = values.iter().filter(|value| {
            bounds.is_none_or(|(min, max)| value.as_bytes() >= min && value.as_bytes() <= max)
        });
        let Some(builder) = self.blooms else {
            return possible.next().is_some();
        };
        let bloom = position(column).and_then(|at| {
            builder
                .get_row_group_column_bloom_filter(self.group, at)
                .ok()?
        });
        match bloom {
            Some(bloom) => possible.any(|value| bloom.check(&value.as_str())),
            None => possible.next().is_some(),
        }
    }

    fn may_be_null(&self, column: &str) -> bool {
        self.statistics(column)
            .and_then(|(statistics, _)| statistics.null_count_opt())
            .is_none_or(|nulls| nulls > 0)
    }

    fn may_be_known(&self, column: &str) -> bool {
        self.statistics(column)
            .and_then(|(statistics, rows)| Some((statistics.null_count_opt()?, rows)))
            .is_none_or(|(nulls, rows)| u64::try_from(rows).is_ok_and(|rows| nulls < rows))
    }

    fn may_lie(&self, column: &str, from: i64, to: i64) -> bool {
        match self.statistics(column) {
            Some((Statistics::Int64(statistics), _)) => {
                let bounds = statistics.min_opt().zip(statistics.max_opt());
                match bounds {
                    Some((min, max)) => *min <= to && *max >= from,
                    // No bounds: no value, unless the count of NULLs says otherwise.
                    None => self.may_be_known(column),
                }
            }
            _ => true,
        }
    }
}

/// What the page index says of one page of one column. A page of another column has other rows: it can only be asked about its own.
struct PageStatistics<'a> {
    column: &'a str,
    index: &'a ColumnIndexMetaData,
    page: usize,
    rows: usize,
}

impl Known for PageStatistics<'_> {
    fn may_be(&self, column: &str, values: &BTreeSet<String>) -> bool {
        match self.index {
            ColumnIndexMetaData::BYTE_ARRAY(index) if column == self.column => {
                match index.min_value(self.page).zip(index.max_value(self.page)) {
                    Some((min, max)) => values
                        .iter()
                        .any(|value| value.as_bytes() >= min && value.as_bytes() <= max),
                    None => self.may_be_known(column),
                }
            }
            _ => true,
        }
    }

    fn may_be_null(&self, column: &str) -> bool {
        column != self.column
            || self
                .index
                .null_count(self.page)
                .is_none_or(|nulls| nulls > 0)
    }

    fn may_be_known(&self, column: &str) -> bool {
        let nulls = self.index.null_count(self.page);
        column != self.column
            || nulls.is_none_or(|nulls| usize::try_from(nulls).is_ok_and(|it| it < self.rows))
    }

    fn may_lie(&self, column: &str, from: i64, to: i64) -> bool {
        match self.index {
            ColumnIndexMetaData::INT64(index) if column == self.column => {
                match index.min_value(self.page).zip(index.max_value(self.page)) {
                    Some((min, max)) => *min <= to && *max >= from,
                    None => self.may_be_known(column),
                }
            }
            _ => true,
        }
    }
}

/// The rows of a row group that the page index leaves. `None`: it leaves all.
fn pages(metadata: &ParquetMetaData, group: usize, test: &Test) -> Option<RowSelection> {
    let mut columns = BTreeSet::new();
    test.columns(&mut columns);
    columns.retain(|column| !crate::schema::is_long(column));
    let rows = usize::try_from(metadata.row_groups().get(group)?.num_rows()).ok()?;
    let mut selections: Vec<RowSelection> = Vec::new();
    let mut leaves_all = true;
    for column in &columns {
        let at = position(column)?;
        let index = metadata.column_index()?.get(group)?.get(at)?;
        let locations = metadata
            .offset_index()?
            .get(group)?
            .get(at)?
            .page_locations();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (page, location) in locations.iter().enumerate() {
            let first = usize::try_from(location.first_row_index).ok()?;
            let end = match locations.get(page + 1) {
                Some(next) => usize::try_from(next.first_row_index).ok()?,
                None => rows,
            };
            let statistics = PageStatistics {
                column,
                index,
                page,
                rows: end.saturating_sub(first),
            };
            if test.may_pass(&statistics) {
                ranges.push(first..end);
            } else {
                leaves_all = false;
            }
        }
        selections.push(RowSelection::from_consecutive_ranges(
            ranges.into_iter(),
            rows,
        ));
    }
    if leaves_all {
        return None;
    }
    selections
        .into_iter()
        .reduce(|one, other| one.intersection(&other))
}
