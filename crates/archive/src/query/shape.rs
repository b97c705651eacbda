//! What an answer tells of each record: columns of the archive, and a few that are made of several.

use super::naming::{Mention, TableName};
use crate::error::{ArchiveError, damaged};
use arrow::array::{
    Array, ArrayRef, AsArray, DictionaryArray, RecordBatch, StringArray, StringBuilder,
    StringViewArray,
};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use std::sync::Arc;

/// A column of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Out {
    /// A column as it is.
    Column(&'static str),
    /// `how`: audited, named in an audited statement, failed, or what happened to a connection.
    How,
    /// `command`: pgaudit's, else the command tag.
    Command,
    /// `statement`: pgaudit's, else that of the error.
    Statement,
    /// `classified`: the classes, and which of their columns the statement names.
    Classified(Vec<Look>),
}

/// Finds what a statement names of a classified table.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) class: String,
    pub(crate) database: Option<String>,
    pub(crate) table: TableName,
    pub(crate) columns: Vec<(String, Mention)>,
}

impl Out {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Column(name) => name,
            Self::How => "how",
            Self::Command => "command",
            Self::Statement => "statement",
            Self::Classified(_) => "classified",
        }
    }

    /// The columns it is made of.
    pub(crate) fn sources(&self) -> &[&'static str] {
        match self {
            Self::Column(name) => std::slice::from_ref(name),
            Self::How => &[
                "audit_type",
                "object_name",
                "auth_event",
                "sqlstate",
                "torn",
            ],
            Self::Command => &["command", "command_tag"],
            Self::Statement => &["audit_statement", "statement"],
            Self::Classified(_) => &[
                "database_name",
                "object_name",
                "audit_statement",
                "statement",
            ],
        }
    }

    fn array(&self, batch: &RecordBatch) -> Option<ArrayRef> {
        let column = |name: &str| batch.column_by_name(name).cloned();
        match self {
            Self::Column(name) => column(name),
            Self::How => how(batch),
            Self::Command => coalesced(&column("command")?, &column("command_tag")?),
            Self::Statement => coalesced(&column("audit_statement")?, &column("statement")?),
            Self::Classified(looks) => classified(batch, looks),
        }
    }
}

/// The answer's columns of rows that were read.
pub(crate) fn shape(
    batch: &RecordBatch,
    outs: &[Out],
    path: &str,
) -> Result<RecordBatch, ArchiveError> {
    let mut names = Vec::new();
    let mut arrays = Vec::new();
    for out in outs {
        let array = out
            .array(batch)
            .ok_or_else(|| damaged(path, format_args!("no column for `{}`", out.name())))?;
        names.push(out.name());
        arrays.push(array);
    }
    table(&names, arrays, path)
}

/// Columns with their names. `path`: where they come from, for messages.
pub(crate) fn table(
    names: &[&str],
    arrays: Vec<ArrayRef>,
    path: &str,
) -> Result<RecordBatch, ArchiveError> {
    let fields: Vec<Field> = names
        .iter()
        .zip(&arrays)
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|error| damaged(path, error))
}

/// Whether an SQLSTATE is neither success, a warning, "no data" nor "not yet complete".
pub(crate) fn is_failure(state: &str) -> bool {
    !matches!(state.get(..2), Some("00" | "01" | "02" | "03"))
}

/// A text column, whatever its layout.
pub(crate) enum Texts<'a> {
    Dictionary(&'a DictionaryArray<Int32Type>, &'a StringArray),
    Views(&'a StringViewArray),
    Plain(&'a StringArray),
}

impl<'a> Texts<'a> {
    pub(crate) fn of(array: &'a ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Dictionary(..) => {
                let dictionary = array.as_dictionary_opt::<Int32Type>()?;
                let values = dictionary.values().as_string_opt()?;
                Some(Self::Dictionary(dictionary, values))
            }
            DataType::Utf8View => array.as_any().downcast_ref().map(Self::Views),
            DataType::Utf8 => array.as_string_opt().map(Self::Plain),
            _ => None,
        }
    }

    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::Dictionary(dictionary, values) => {
                let key = dictionary.key(row)?;
                (!values.is_null(key)).then(|| values.value(key))
            }
            Self::Views(views) => (!views.is_null(row)).then(|| views.value(row)),
            Self::Plain(plain) => (!plain.is_null(row)).then(|| plain.value(row)),
        }
    }
}

/// The first, and where it is NULL the second.
fn coalesced(first: &ArrayRef, second: &ArrayRef) -> Option<ArrayRef> {
    if second.logical_null_count() == second.len() || first.logical_null_count() == 0 {
        return Some(first.clone());
    }
    if first.logical_null_count() == first.len() {
        return Some(second.clone());
    }
    let (one, other) = (Texts::of(first)?, Texts::of(second)?);
    let mut texts = StringBuilder::new();
    for row in 0..first.len() {
        texts.append_option(one.get(row).or_else(|| other.get(row)));
    }
    Some(Arc::new(texts.finish()))
}

fn how(batch: &RecordBatch) -> Option<ArrayRef> {
    let column = |name: &str| batch.column_by_name(name);
    let audit = column("audit_type")?.logical_nulls();
    let object = column("object_name")?.logical_nulls();
    let event = Texts::of(column("auth_event")?)?;
    let state = Texts::of(column("sqlstate")?)?;
    let torn = column("torn")?.as_boolean_opt()?;
    let mut words = StringBuilder::with_capacity(batch.num_rows(), batch.num_rows() * 8);
    for row in 0..batch.num_rows() {
        let is_audit = audit.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let names_object = object.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        words.append_value(if is_audit && names_object {
            "audited"
        } else if is_audit {
            "audited, object not named"
        } else if let Some(event) = event.get(row) {
            event
        } else if torn.value(row) {
            "torn"
        } else {
            match state.get(row) {
                Some(state) if is_failure(state) => "failed",
                _ => "logged",
            }
        });
    }
    Some(Arc::new(words.finish()))
}

fn classified(batch: &RecordBatch, looks: &[Look]) -> Option<ArrayRef> {
    let texts = |name: &str| Texts::of(batch.column_by_name(name)?);
    let databases = texts("database_name")?;
    let objects = texts("object_name")?;
    let statements = texts("audit_statement")?;
    let failed = texts("statement")?;
    let tests: Vec<_> = looks
        .iter()
        .map(|look| (look, look.table.object_test(), look.table.statement_test()))
        .collect();
    let mut words = StringBuilder::new();
    for row in 0..batch.num_rows() {
        let statement = statements.get(row).or_else(|| failed.get(row));
        let mut found = Vec::new();
        for (look, is_object, is_named) in &tests {
            let is_database =
                look.database.is_none() || look.database.as_deref() == databases.get(row);
            let is_table = match objects.get(row) {
                Some(object) => is_object(object),
                None => statement.is_some_and(is_named),
            };
            if is_database && is_table {
                found.push(look.told(statement));
            }
        }
        words.append_value(found.join("; "));
    }
    Some(Arc::new(words.finish()))
}

impl Look {
    /// `pii public.people: email, phone`; `?` where the statement is not there.
    fn told(&self, statement: Option<&str>) -> String {
        let columns = match statement {
            _ if self.columns.is_empty() => "every column".to_owned(),
            None => "? (no statement)".to_owned(),
            Some(statement) => {
                let named: Vec<&str> = self
                    .columns
                    .iter()
                    .filter(|(_, mention)| mention.is_in(statement))
                    .map(|(name, _)| name.as_str())
                    .collect();
                match (named.is_empty(), statement.contains('*')) {
                    (true, true) => "*".to_owned(),
                    (true, false) => "none named".to_owned(),
                    (false, _) => named.join(", "),
                }
            }
        };
        format!("{} {}: {columns}", self.class, self.table.sql())
    }
}
