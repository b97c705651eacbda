//! How many records of each class, by day and role.

use super::shape::{Texts, is_failure, table};
use crate::error::{ArchiveError, damaged};
use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, DictionaryArray, Int64Array, RecordBatch, StringArray,
    StringBuilder,
};
use arrow::datatypes::{Int32Type, Int64Type};
use jiff::civil::Date;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What is read of each record.
pub(crate) const SOURCES: [&str; 7] = [
    "record_number",
    "user_name",
    "class",
    "audit_type",
    "auth_event",
    "sqlstate",
    "torn",
];

/// The answer's columns.
pub(crate) const NAMES: [&str; 6] = [
    "day",
    "user_name",
    "class",
    "records",
    "first_record",
    "last_record",
];

/// Records counted, by day, role (`None`: none is known) and class.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<(Date, Option<String>, String), Count>);

#[derive(Clone, Copy, Debug)]
struct Count {
    records: i64,
    first: i64,
    last: i64,
}

/// A row's role and class, as short as a batch can tell them: keys of its dictionaries. Negative: no value; classes below -1 are
/// words of ours.
type Short = (i32, i32);

const WORDS: [&str; 5] = ["(refused)", "(connection)", "(torn)", "(failed)", "(other)"];

impl Counts {
    /// Counts the rows of a file's day.
    pub(crate) fn add(
        &mut self,
        day: Date,
        batch: &RecordBatch,
        path: &str,
    ) -> Result<(), ArchiveError> {
        self.try_add(day, batch)
            .ok_or_else(|| damaged(path, "a column has another type"))
    }

    fn try_add(&mut self, day: Date, batch: &RecordBatch) -> Option<()> {
        let dictionary = |name: &str| {
            let array: &DictionaryArray<Int32Type> =
                batch.column_by_name(name)?.as_dictionary_opt()?;
            Some(array)
        };
        let numbers: &Int64Array = batch
            .column_by_name("record_number")?
            .as_primitive_opt::<Int64Type>()?;
        let (users, classes) = (dictionary("user_name")?, dictionary("class")?);
        let (events, states) = (
            Texts::of(batch.column_by_name("auth_event")?)?,
            Texts::of(batch.column_by_name("sqlstate")?)?,
        );
        let torn: &BooleanArray = batch.column_by_name("torn")?.as_boolean_opt()?;
        let mut counts: HashMap<Short, Count> = HashMap::new();
        let mut last: Option<(Short, Count)> = None;
        for row in 0..batch.num_rows() {
            let class = match key(classes, row) {
                key if key >= 0 => key,
                _ => word(events.get(row), torn.value(row), states.get(row)),
            };
            let short = (key(users, row), class);
            let number = numbers.value(row);
            // Neighbours are alike more often than not.
            match &mut last {
                Some((same, count)) if *same == short => {
                    count.records += 1;
                    count.last = number;
                }
                _ => {
                    let new = Count {
                        records: 1,
                        first: number,
                        last: number,
                    };
                    if let Some((short, count)) = last.replace((short, new)) {
                        merge(
                            counts.entry(short).or_insert(Count {
                                records: 0,
                                ..count
                            }),
                            count,
                        );
                    }
                }
            }
        }
        if let Some((short, count)) = last {
            merge(
                counts.entry(short).or_insert(Count {
                    records: 0,
                    ..count
                }),
                count,
            );
        }
        let (user_names, class_names) = (
            users.values().as_string_opt::<i32>()?,
            classes.values().as_string_opt::<i32>()?,
        );
        let mut counts: Vec<(Short, Count)> = counts.into_iter().collect();
        counts.sort_by_key(|(short, _)| *short);
        for ((user, class), count) in counts {
            let class = match at(class_names, class) {
                Some(name) => name,
                None => WORDS.get(usize::try_from(-2 - class).ok()?)?,
            };
            let user = at(user_names, user).map(str::to_owned);
            let entry = self.0.entry((day, user, class.to_owned()));
            merge(
                entry.or_insert(Count {
                    records: 0,
                    ..count
                }),
                count,
            );
        }
        Some(())
    }

    /// The counts as rows, by day, role and class.
    pub(crate) fn rows(&self) -> Result<RecordBatch, ArchiveError> {
        let mut texts = [
            StringBuilder::new(),
            StringBuilder::new(),
            StringBuilder::new(),
        ];
        let mut numbers: [Vec<i64>; 3] = Default::default();
        for ((day, user, class), count) in &self.0 {
            let [days, users, classes] = &mut texts;
            days.append_value(day.to_string());
            users.append_option(user.as_deref());
            classes.append_value(class);
            let [records, firsts, lasts] = &mut numbers;
            records.push(count.records);
            firsts.push(count.first);
            lasts.push(count.last);
        }
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for mut text in texts {
            arrays.push(Arc::new(text.finish()));
        }
        for number in numbers {
            arrays.push(Arc::new(Int64Array::from(number)));
        }
        table(&NAMES, arrays, "counts")
    }
}

/// The class of a record that pgaudit did not write, as a key below -1.
fn word(event: Option<&str>, torn: bool, state: Option<&str>) -> i32 {
    match event {
        Some("refused") => -2,
        Some(_) => -3,
        None if torn => -4,
        None if state.is_some_and(is_failure) => -5,
        None => -6,
    }
}

fn key(dictionary: &DictionaryArray<Int32Type>, row: usize) -> i32 {
    let keys = dictionary.keys();
    if keys.is_null(row) {
        return -1;
    }
    keys.value(row)
}

fn at(values: &StringArray, key: i32) -> Option<&str> {
    let key = usize::try_from(key).ok()?;
    (key < values.len() && !values.is_null(key)).then(|| values.value(key))
}

fn merge(into: &mut Count, count: Count) {
    into.records += count.records;
    into.first = into.first.min(count.first);
    into.last = into.last.max(count.last);
}
