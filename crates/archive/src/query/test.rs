//! Tests of rows: on columns, and before that on what statistics and Bloom filters say of many rows at once.

use crate::schema;
use arrow::array::{
    Array, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch, StringArray, StringViewArray,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, Int64Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A question about one text.
pub(crate) type TextTest = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// A test of a row. NULL is neither equal to anything nor in any range.
#[derive(Clone)]
pub(crate) enum Test {
    /// Every row.
    True,
    /// The text is one of these.
    Is(&'static str, Arc<BTreeSet<String>>),
    /// The text is such.
    Text(&'static str, TextTest),
    /// There is no value.
    Null(&'static str),
    /// There is a value.
    Known(&'static str),
    /// The number or time lies in the range, ends included.
    Range(&'static str, i64, i64),
    /// All of them.
    All(Vec<Test>),
    /// One of them.
    Any(Vec<Test>),
}

impl Test {
    pub(crate) fn is(column: &'static str, value: impl Into<String>) -> Self {
        Self::Is(column, Arc::new(BTreeSet::from([value.into()])))
    }

    pub(crate) fn one_of<'a>(
        column: &'static str,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Is(
            column,
            Arc::new(values.into_iter().map(str::to_owned).collect()),
        )
    }

    pub(crate) fn text(
        column: &'static str,
        test: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::Text(column, Arc::new(test))
    }

    /// The columns it looks at.
    pub(crate) fn columns(&self, into: &mut BTreeSet<&'static str>) {
        match self {
            Self::True => {}
            Self::Is(column, _)
            | Self::Text(column, _)
            | Self::Null(column)
            | Self::Known(column)
            | Self::Range(column, ..) => {
                into.insert(column);
            }
            Self::All(tests) | Self::Any(tests) => {
                for test in tests {
                    test.columns(into);
                }
            }
        }
    }

    /// A wider test that looks at no long text: what it refuses needs not be read.
    pub(crate) fn without_long_texts(&self) -> Self {
        match self {
            Self::Text(column, _) | Self::Is(column, _) if schema::is_long(column) => Self::True,
            Self::All(tests) => Self::All(tests.iter().map(Self::without_long_texts).collect()),
            Self::Any(tests) => Self::Any(tests.iter().map(Self::without_long_texts).collect()),
            other => other.clone(),
        }
    }

    /// Whether a row among many can pass, by what is known of all of them.
    pub(crate) fn may_pass(&self, known: &dyn Known) -> bool {
        match self {
            Self::True | Self::Text(..) => true,
            Self::Is(column, values) => known.may_be(column, values),
            Self::Null(column) => known.may_be_null(column),
            Self::Known(column) => known.may_be_known(column),
            Self::Range(column, from, to) => known.may_lie(column, *from, *to),
            Self::All(tests) => tests.iter().all(|test| test.may_pass(known)),
            Self::Any(tests) => tests.iter().any(|test| test.may_pass(known)),
        }
    }

    /// Which rows pass.
    pub(crate) fn rows(&self, batch: &RecordBatch) -> Result<BooleanArray, ArrowError> {
        let all = BooleanBuffer::new_set(batch.num_rows());
        Ok(BooleanArray::new(self.among(batch, &all)?, None))
    }

    /// Which of these rows pass. A text is looked at only where the row is among them.
    fn among(
        &self,
        batch: &RecordBatch,
        rows: &BooleanBuffer,
    ) -> Result<BooleanBuffer, ArrowError> {
        let array = |column: &str| {
            batch
                .column_by_name(column)
                .ok_or_else(|| ArrowError::SchemaError(format!("no column `{column}`")))
        };
        Ok(match self {
            Self::True => rows.clone(),
            Self::Is(column, values) => match values.first().filter(|_| values.len() == 1) {
                Some(value) => texts(array(column)?, rows, |text| text == value)?,
                None => texts(array(column)?, rows, |text| values.contains(text))?,
            },
            Self::Text(column, test) => texts(array(column)?, rows, |text| test(text))?,
            Self::Null(column) => match array(column)?.logical_nulls() {
                Some(nulls) => &!nulls.inner() & rows,
                None => BooleanBuffer::new_unset(rows.len()),
            },
            Self::Known(column) => match array(column)?.logical_nulls() {
                Some(nulls) => nulls.inner() & rows,
                None => rows.clone(),
            },
            Self::Range(column, from, to) => {
                let array = array(column)?;
                if let Some(numbers) = array.as_primitive_opt::<Int64Type>() {
                    range(numbers, rows, *from, *to)
                } else if let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() {
                    range(times, rows, *from, *to)
                } else {
                    return Err(kind(column));
                }
            }
            Self::All(tests) => {
                let mut left = rows.clone();
                for test in tests {
                    if left.count_set_bits() == 0 {
                        break;
                    }
                    left = test.among(batch, &left)?;
                }
                left
            }
            Self::Any(tests) => {
                let mut passed = BooleanBuffer::new_unset(rows.len());
                for test in tests {
                    let left = rows & &!&passed;
                    if left.count_set_bits() == 0 {
                        break;
                    }
                    passed = &passed | &test.among(batch, &left)?;
                }
                passed
            }
        })
    }
}

/// What is known of many rows without reading them.
pub(crate) trait Known {
    fn may_be(&self, column: &str, values: &BTreeSet<String>) -> bool;
    fn may_be_null(&self, column: &str) -> bool;
    fn may_be_known(&self, column: &str) -> bool;
    fn may_lie(&self, column: &str, from: i64, to: i64) -> bool;
}

fn kind(column: &str) -> ArrowError {
    ArrowError::SchemaError(format!("column `{column}` has another type"))
}

fn range<T: ArrowPrimitiveType<Native = i64>>(
    array: &arrow::array::PrimitiveArray<T>,
    rows: &BooleanBuffer,
    from: i64,
    to: i64,
) -> BooleanBuffer {
    let values = array.values();
    let inside = BooleanBuffer::collect_bool(values.len(), |row| {
        values
            .get(row)
            .is_some_and(|value| *value >= from && *value <= to)
    });
    let inside = match array.nulls() {
        Some(nulls) => &inside & nulls.inner(),
        None => inside,
    };
    &inside & rows
}

/// The rows among these whose text passes. Of a dictionary each value is looked at once.
fn texts(
    array: &dyn Array,
    rows: &BooleanBuffer,
    test: impl Fn(&str) -> bool,
) -> Result<BooleanBuffer, ArrowError> {
    if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() {
        let values: &StringArray = dictionary
            .values()
            .as_string_opt()
            .ok_or_else(|| kind("dictionary"))?;
        let keys = dictionary.keys();
        let mut known: Vec<Option<bool>> = vec![None; values.len()];
        return Ok(pick(rows, keys.nulls().map(NullBuffer::inner), |row| {
            let key = keys
                .values()
                .get(row)
                .and_then(|it| usize::try_from(*it).ok());
            let Some((key, slot)) = key.and_then(|key| Some((key, known.get_mut(key)?))) else {
                return false;
            };
            *slot.get_or_insert_with(|| !values.is_null(key) && test(values.value(key)))
        }));
    }
    if let Some(views) = array.as_any().downcast_ref::<StringViewArray>() {
        return Ok(pick(rows, views.nulls().map(NullBuffer::inner), |row| {
            test(views.value(row))
        }));
    }
    let plain: &StringArray = array.as_string_opt().ok_or_else(|| kind("text"))?;
    Ok(pick(rows, plain.nulls().map(NullBuffer::inner), |row| {
        test(plain.value(row))
    }))
}

/// Those of the rows that are valid and pass.
fn pick(
    rows: &BooleanBuffer,
    valid: Option<&BooleanBuffer>,
    mut test: impl FnMut(usize) -> bool,
) -> BooleanBuffer {
    let candidates = match valid {
        Some(valid) => rows & valid,
        None => rows.clone(),
    };
    if candidates.count_set_bits() == candidates.len() {
        return BooleanBuffer::collect_bool(candidates.len(), test);
    }
    let mut passed = BooleanBufferBuilder::new(candidates.len());
    passed.append_n(candidates.len(), false);
    for row in candidates.set_indices() {
        if test(row) {
            passed.set_bit(row, true);
        }
    }
    passed.finish()
}
