//! The columns of the archive, as data: names, types, encodings. Adding a column adds a line here and one in [`crate::columns`].
//!
//! Types are those that every engine has: no unsigned numbers (Spark), no dictionaries in the schema, times in milliseconds.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use std::sync::{Arc, LazyLock};

/// The version of this schema, in the footer of every file.
pub const VERSION: &str = "pgattest.archive/1";

/// Rows of a row group: what one statistic, one Bloom filter covers.
pub const ROW_GROUP: usize = 128 * 1024;

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Text, UTF-8; bytes that are no UTF-8 are replaced and the row's `raw` has them.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// Milliseconds since 1970, UTC.
    Time,
    /// Bytes.
    Bytes,
}

/// How a column is stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stored {
    /// Few different values.
    Dictionary,
    /// Numbers near the ones before.
    Delta,
    /// Texts that begin as the one before.
    Prefix,
    /// Long texts: a dictionary as long as it pays.
    Long,
    /// Bits.
    Bits,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What it means, for the documentation.
    pub meaning: &'static str,
    required: bool,
    stored: Stored,
    /// The most different values of a row group that a Bloom filter is made for.
    bloom: Option<u64>,
}

const fn column(name: &'static str, kind: Kind, stored: Stored, meaning: &'static str) -> Column {
    Column {
        name,
        kind,
        meaning,
        required: false,
        stored,
        bloom: None,
    }
}

const fn required(name: &'static str, kind: Kind, stored: Stored, meaning: &'static str) -> Column {
    Column {
        required: true,
        ..column(name, kind, stored, meaning)
    }
}

const fn sought(name: &'static str, kind: Kind, values: u64, meaning: &'static str) -> Column {
    Column {
        bloom: Some(values),
        ..column(name, kind, Dictionary, meaning)
    }
}

use Kind::{Bytes, Flag, Number, Text, Time};
use Stored::{Bits, Delta, Dictionary, Long, Prefix};

/// Every column, in order.
#[rustfmt::skip]
pub const COLUMNS: &[Column] = &[
    required("record_number", Number, Delta, "the record's number in the journal: `pgattest trail proof` takes it"),
    required("block_seq", Number, Delta, "the number of its block"),
    required("record_idx", Number, Delta, "its place in the block, from 0"),
    required("leaf_index", Number, Delta, "the index of the block's leaf in the tree"),
    column("log_time", Time, Delta, "when it was logged, UTC; NULL when the text does not mean one moment"),
    column("log_time_text", Text, Prefix, "the same as written"),
    sought("user_name", Text, 1_024, "the role that logged in"),
    column("database_name", Text, Dictionary, "the database"),
    column("pid", Number, Dictionary, "the process"),
    sought("client_addr", Text, 4_096, "the client without its port; `[local]`"),
    column("client_port", Number, Dictionary, "the client's port"),
    sought("session_id", Text, 16_384, "the session"),
    column("session_line_num", Number, Delta, "the record's number within the session, from 1, without a gap"),
    column("command_tag", Text, Dictionary, "what the session was doing"),
    column("session_start", Text, Dictionary, "when the session began, as written"),
    column("vxid", Text, Prefix, "the virtual transaction"),
    column("xid", Number, Delta, "the transaction; 0: none"),
    column("severity", Text, Dictionary, "`LOG`, `ERROR`, in the server's language"),
    column("sqlstate", Text, Dictionary, "SQLSTATE"),
    column("message", Text, Long, "the message; NULL for an audit record, whose message is in the columns below"),
    column("detail", Text, Long, "DETAIL"),
    column("hint", Text, Dictionary, "HINT"),
    column("internal_query", Text, Long, "the internal query that failed"),
    column("context", Text, Long, "CONTEXT"),
    column("statement", Text, Long, "the statement that led to the error"),
    column("application_name", Text, Dictionary, "what the client calls itself"),
    column("backend_type", Text, Dictionary, "the kind of process"),
    column("leader_pid", Number, Dictionary, "the leader of the parallel group"),
    sought("query_id", Number, 16_384, "the query's identifier, signed"),
    column("audit_type", Text, Dictionary, "`SESSION` or `OBJECT`; NULL: no audit record"),
    column("statement_id", Number, Delta, "pgaudit's number of the statement within the session"),
    column("substatement_id", Number, Delta, "the number of the statement within the statement"),
    column("class", Text, Dictionary, "`READ`, `WRITE`, `DDL`, `ROLE`, `FUNCTION`, `MISC`"),
    column("command", Text, Dictionary, "`SELECT`, `CREATE TABLE`"),
    column("object_type", Text, Dictionary, "`TABLE`, `INDEX`; NULL when pgaudit does not say"),
    sought("object_name", Text, 16_384, "the object, as pgaudit quotes it; NULL when pgaudit does not say"),
    column("audit_statement", Text, Long, "the statement; NULL when it is not there"),
    column("audit_statement_absent", Text, Dictionary, "why it is not there: `none`, `not logged`, `previously logged`, `too long`"),
    column("parameters", Text, Long, "the parameters as pgaudit writes them (CSV)"),
    column("parameters_absent", Text, Dictionary, "why they are not there, likewise"),
    column("rows", Number, Delta, "rows retrieved or affected, with `pgaudit.log_rows`"),
    column("auth_event", Text, Dictionary, "`received`, `authenticated`, `authorized`, `refused`, `disconnected`"),
    column("auth_identity", Text, Dictionary, "who, as the method of authentication knows it"),
    column("auth_method", Text, Dictionary, "`scram-sha-256`, `trust`"),
    column("auth_role_exists", Flag, Bits, "of a refusal: false when the record says that there is no such role"),
    required("torn", Flag, Bits, "no record: bytes between records, which are in `raw`"),
    column("torn_reason", Text, Dictionary, "why it is none"),
    required("redacted", Flag, Bits, "a secret was taken out before it was sealed"),
    required("time_unknown", Flag, Bits, "`log_time` is NULL: the row lies with the day of sealing"),
    required("not_utf8", Flag, Bits, "a text column had bytes that are no UTF-8"),
    column("raw", Bytes, Long, "the record's bytes, where it is torn, no UTF-8 or not to be decoded"),
    required("source_file", Text, Dictionary, "the log file"),
    required("source_format", Text, Dictionary, "its form: `csvlog`, `jsonlog`"),
];

/// The Arrow schema.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = COLUMNS.iter().map(|column| {
        let kind = match column.kind {
            Text => DataType::Utf8,
            Number => DataType::Int64,
            Flag => DataType::Boolean,
            Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Bytes => DataType::Binary,
        };
        Field::new(column.name, kind, !column.required)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// The schema to read with: texts of few different values as dictionaries, so that a test looks at each value once.
pub(crate) static READING: LazyLock<SchemaRef> = LazyLock::new(|| {
    let fields = COLUMNS.iter().zip(SCHEMA.fields()).map(|(column, field)| {
        let kind = match (column.kind, column.stored) {
            (Text, Dictionary) => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
            (Text, _) => DataType::Utf8View,
            _ => field.data_type().clone(),
        };
        Field::new(column.name, kind, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
});

/// Whether a column holds long texts, which cost more to read than all the others.
pub(crate) fn is_long(name: &str) -> bool {
    COLUMNS
        .iter()
        .any(|column| column.name == name && column.stored == Long)
}

/// The place of a column.
pub fn position(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|column| column.name == name)
}

/// How files are written.
pub(crate) fn properties() -> WriterProperties {
    let mut builder = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by(format!("pgattest {}", env!("CARGO_PKG_VERSION")))
        // What dictionaries leave of a log is no smaller with a higher level: level 3 gave files that were 3 % larger, and took 3 % longer.
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).unwrap_or_default()))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_sorting_columns(Some(vec![SortingColumn {
            column_idx: 0,
            descending: false,
            nulls_first: false,
        }]));
    for column in COLUMNS {
        let path = || ColumnPath::from(column.name);
        builder = match column.stored {
            Dictionary | Long | Bits => builder,
            Delta => builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BINARY_PACKED),
            Prefix => builder
                .set_column_dictionary_enabled(path(), false)
                .set_column_encoding(path(), Encoding::DELTA_BYTE_ARRAY),
        };
        // Nobody looks for a long text by its first letters; a statistic of it would be half of a small file. What is stored by
        // prefixes, the time as written and the transaction, is looked for by the columns beside it.
        if matches!(column.stored, Long | Prefix) {
            builder = builder.set_column_statistics_enabled(path(), EnabledStatistics::None);
        }
        if let Some(values) = column.bloom {
            builder = builder
                .set_column_bloom_filter_max_ndv(path(), values)
                .set_column_bloom_filter_fpp(path(), 0.01);
        }
    }
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, SCHEMA, position, properties};

    #[test]
    fn every_column_has_one_name_and_one_place() {
        for (at, column) in COLUMNS.iter().enumerate() {
            assert_eq!(position(column.name), Some(at));
            assert_eq!(SCHEMA.field(at).name(), column.name);
        }
        assert_eq!(position("no such column"), None);
        let _ = properties();
    }
}

#[cfg(test)]
mod documentation {
    use super::{COLUMNS, Column, Kind};

    const DOCUMENTATION: &str = include_str!("../../../docs/trail/archive.md");

    /// A column's line of the table in docs/trail/archive.md.
    fn line(column: &Column) -> String {
        let kind = match column.kind {
            Kind::Text => "text",
            Kind::Number => "int64",
            Kind::Flag => "boolean",
            Kind::Time => "timestamp, ms, UTC",
            Kind::Bytes => "bytes",
        };
        format!(
            "| `{}` | {kind}{} | {}{} |",
            column.name,
            if column.required { "" } else { ", NULL" },
            column.meaning,
            if column.bloom.is_some() {
                " (Bloom filter)"
            } else {
                ""
            }
        )
    }

    #[test]
    fn the_documentation_has_every_column_as_it_is_and_no_other() {
        let (_, section) = DOCUMENTATION.split_once("## Columns\n").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let there: Vec<&str> = section
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let expected: Vec<String> = COLUMNS.iter().map(line).collect();
        assert_eq!(there, expected);
    }
}
