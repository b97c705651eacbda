//! Questions and their answers, from the archive alone.
//!
//! An answer is given as batches of columns while files are read: memory does not grow with it. Rows come in the order of files:
//! by record number, and where a batch has several days, day by day.

mod counts;
mod naming;
mod question;
pub mod render;
mod scan;
mod shape;
mod test;
mod unused;

pub use naming::{TableName, dotted};
pub use question::{ClassifiedTable, Filter, Question};
pub use scan::Looked;
pub use unused::{Grant, UnusedGrants};

use crate::archive::Archive;
use crate::error::{ArchiveError, damaged};
use crate::name::{PartName, day};
use arrow::array::{Array as _, ArrayRef, AsArray, RecordBatch, StringArray, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Field, Int64Type, Schema};
use arrow::error::ArrowError;
use std::collections::BTreeSet;
use std::sync::Arc;
use test::Test;

/// What an answer rests on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Population {
    /// Whose archive.
    pub instance: String,
    /// The first record of the archive, and the number behind its last.
    pub range: Option<(u64, u64)>,
    /// Runs of records that the archive lacks: first and last.
    pub holes: Vec<(u64, u64)>,
    /// What was looked at. Files of other days than those asked for are not among it.
    pub looked: Looked,
    /// Records in the answer.
    pub matched: u64,
}

impl Question {
    /// The names of the answer's columns.
    pub fn columns(&self) -> Result<Vec<&'static str>, ArchiveError> {
        if matches!(self, Self::Counts) {
            return Ok(counts::NAMES.to_vec());
        }
        if matches!(self, Self::UnusedGrants(_)) {
            return Ok(unused::NAMES.to_vec());
        }
        Ok(self.outs()?.iter().map(shape::Out::name).collect())
    }
}

/// Answers a question. `each` is given the rows, batch by batch.
pub fn answer(
    archive: &Archive,
    question: &Question,
    filter: &Filter,
    each: &mut dyn FnMut(&RecordBatch) -> Result<(), ArchiveError>,
) -> Result<Population, ArchiveError> {
    let layout = archive.layout()?;
    if layout.batches.is_empty() {
        return Err(ArchiveError::Absent {
            place: archive.store.place(),
            instance: archive.instance.clone(),
        });
    }
    let mut population = Population {
        instance: archive.instance.clone(),
        range: layout
            .batches
            .first()
            .zip(layout.batches.last())
            .map(|(first, last)| (first.first, last.end)),
        holes: layout
            .holes()
            .into_iter()
            .map(|(first, end)| (first, end - 1))
            .collect(),
        ..Population::default()
    };
    let mut tests = match question {
        // Of the records only the period is restricted: who and what is asked about are grants.
        Question::UnusedGrants(_) => filter.times(),
        _ => filter.tests(),
    };
    tests.push(question.test());
    let mut asked = Asked {
        archive,
        test: Test::All(tests),
        population: &mut population,
    };
    for batch in &layout.batches {
        let parts: Vec<&PartName> = batch
            .parts
            .iter()
            .map(|(name, _)| name)
            .filter(|name| is_asked_for(name, filter))
            .collect();
        asked.parts(question, &parts, each)?;
    }
    if let Question::Counts = question {
        let rows = asked.counted(&layout.batches, filter)?;
        population.matched = u64::try_from(rows.num_rows()).unwrap_or(0);
        each(&rows)?;
    } else if let Question::UnusedGrants(grants) = question {
        let uses = asked.used(&layout.batches, filter)?;
        let (from, _) = filter.range();
        let begins_before = day(from).is_some_and(|first| {
            let mut parts = layout.batches.iter().flat_map(|batch| &batch.parts);
            parts.any(|(name, _)| name.day < first)
        });
        let rows = uses.rows(grants, filter, begins_before, &population)?;
        population.matched = u64::try_from(rows.num_rows()).unwrap_or(0);
        each(&rows)?;
    }
    Ok(population)
}

struct Asked<'a> {
    archive: &'a Archive,
    test: Test,
    population: &'a mut Population,
}

impl Asked<'_> {
    fn parts(
        &mut self,
        question: &Question,
        parts: &[&PartName],
        each: &mut dyn FnMut(&RecordBatch) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        if matches!(question, Question::Counts | Question::UnusedGrants(_)) {
            return Ok(());
        }
        let outs = question.outs()?;
        let sources: BTreeSet<&str> = outs
            .iter()
            .flat_map(|out| out.sources().iter().copied())
            .collect();
        let sources: Vec<&str> = sources.into_iter().collect();
        // A session that goes on over midnight, told in its order although its days lie in several files.
        let in_order = matches!(question, Question::Session(_)) && parts.len() > 1;
        let mut kept = Vec::new();
        for name in parts {
            let path = name.path();
            let looked = &mut self.population.looked;
            let matched = &mut self.population.matched;
            scan::scan(
                self.archive,
                name,
                &self.test,
                &sources,
                looked,
                &mut |rows| {
                    *matched += u64::try_from(rows.num_rows()).unwrap_or(0);
                    let rows = shape::shape(rows, &outs, &path)?;
                    if in_order {
                        kept.push(rows);
                        return Ok(());
                    }
                    each(&rows)
                },
            )?;
        }
        let path = parts.first().map(|name| name.path()).unwrap_or_default();
        match by_record_number(&kept).map_err(|error| damaged(&path, error))? {
            Some(rows) => each(&rows),
            None => Ok(()),
        }
    }

    fn used(
        &mut self,
        batches: &[crate::archive::Batch],
        filter: &Filter,
    ) -> Result<unused::Uses, ArchiveError> {
        let mut uses = unused::Uses::default();
        for (name, _) in batches.iter().flat_map(|batch| &batch.parts) {
            if !is_asked_for(name, filter) {
                continue;
            }
            let path = name.path();
            let looked = &mut self.population.looked;
            let each = &mut |rows: &RecordBatch| uses.add(rows, &path);
            scan::scan(
                self.archive,
                name,
                &self.test,
                &unused::SOURCES,
                looked,
                each,
            )?;
        }
        Ok(uses)
    }

    fn counted(
        &mut self,
        batches: &[crate::archive::Batch],
        filter: &Filter,
    ) -> Result<RecordBatch, ArchiveError> {
        let mut counts = counts::Counts::default();
        for (name, _) in batches.iter().flat_map(|batch| &batch.parts) {
            if !is_asked_for(name, filter) {
                continue;
            }
            let path = name.path();
            let looked = &mut self.population.looked;
            let each = &mut |rows: &RecordBatch| counts.add(name.day, rows, &path);
            scan::scan(
                self.archive,
                name,
                &self.test,
                &counts::SOURCES,
                looked,
                each,
            )?;
        }
        counts.rows()
    }
}

/// Whether a file's day has anything of the period.
fn is_asked_for(name: &PartName, filter: &Filter) -> bool {
    let (from, to) = filter.range();
    let is_early = day(from).is_some_and(|first| name.day < first);
    let is_late = day(to).is_some_and(|last| name.day > last);
    !is_early && !is_late
}

/// Rows of several files in one order. `None`: there are none.
fn by_record_number(batches: &[RecordBatch]) -> Result<Option<RecordBatch>, ArrowError> {
    let plain: Vec<RecordBatch> = batches.iter().map(plain).collect::<Result<_, _>>()?;
    let Some(first) = plain.first() else {
        return Ok(None);
    };
    let all = concat_batches(&first.schema(), &plain)?;
    let numbers = all
        .column_by_name("record_number")
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| ArrowError::SchemaError("no `record_number`".to_owned()))?;
    let mut order: Vec<(i64, u64)> = numbers.values().iter().copied().zip(0..).collect();
    order.sort_unstable();
    let order = UInt64Array::from_iter_values(order.into_iter().map(|(_, row)| row));
    take_record_batch(&all, &order).map(Some)
}

/// The same rows with every text in one layout, so that batches can be joined.
fn plain(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for (field, array) in batch.schema().fields().iter().zip(batch.columns()) {
        let array = match shape::Texts::of(array) {
            Some(texts) => {
                let texts: StringArray = (0..array.len()).map(|row| texts.get(row)).collect();
                Arc::new(texts)
            }
            None => array.clone(),
        };
        fields.push(Field::new(field.name(), array.data_type().clone(), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}
