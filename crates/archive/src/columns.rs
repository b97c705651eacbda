//! Pieces of blocks to columns.

use crate::error::ArchiveError;
use crate::schema::SCHEMA;
use crate::source::Sealed;
use arrow::array::{
    ArrayBuilder as _, ArrayRef, BinaryBuilder, BooleanBuilder, Int64Builder, RecordBatch,
    StringArray, TimestampMillisecondBuilder, new_null_array,
};
use arrow::datatypes::DataType;
use pgattest_parse::audit_log::pgaudit::{Audit, Said};
use pgattest_parse::audit_log::{Format, Record, TornReason, authentication, decode, pgaudit};
use pgattest_trail::{Piece, PieceKind};
use std::sync::Arc;

/// How many rows are handed to the Parquet writer at once.
pub(crate) const BATCH: usize = 16 * 1024;

/// A column that most rows of a log leave empty. Its NULLs are only counted until a value comes: half of what a row has is NULL.
#[derive(Default)]
struct Sparse<B> {
    builder: B,
    nulls: usize,
}

/// Texts, gathered as bytes: that they are UTF-8 is looked at once for the whole column, and before that once for a whole record.
type Texts = Sparse<BinaryBuilder>;

type Numbers = Sparse<Int64Builder>;

/// What is known of a row's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    /// The whole record is UTF-8, and so is each of its fields: they end where ASCII stands.
    Utf8,
    /// Each field is to be looked at.
    Unknown,
    /// One of the fields was no UTF-8.
    Damaged,
}

impl Encoding {
    fn of(row: &Row<'_>, format: &Format) -> Self {
        // JSON has escapes, which may mean what no text can hold.
        let is_plain = matches!(format, Format::Csvlog { .. });
        if is_plain && std::str::from_utf8(row.bytes).is_ok() {
            Self::Utf8
        } else {
            Self::Unknown
        }
    }
}

impl Texts {
    fn put(&mut self, text: Option<&[u8]>, encoding: &mut Encoding) {
        let Some(bytes) = text else {
            self.nulls += 1;
            return;
        };
        if *encoding == Encoding::Utf8 || std::str::from_utf8(bytes).is_ok() {
            self.value(bytes);
        } else {
            *encoding = Encoding::Damaged;
            self.value(String::from_utf8_lossy(bytes).as_bytes());
        }
    }

    fn word(&mut self, word: Option<&str>) {
        match word {
            Some(word) => self.value(word.as_bytes()),
            None => self.nulls += 1,
        }
    }

    fn value(&mut self, text: &[u8]) {
        self.settle();
        self.builder.append_value(text);
    }

    fn settle(&mut self) {
        if self.nulls > 0 {
            self.builder.append_nulls(std::mem::take(&mut self.nulls));
        }
    }
}

impl Numbers {
    fn append_option(&mut self, number: Option<i64>) {
        match number {
            Some(number) => {
                self.settle();
                self.builder.append_value(number);
            }
            None => self.nulls += 1,
        }
    }

    fn settle(&mut self) {
        if self.nulls > 0 {
            self.builder.append_nulls(std::mem::take(&mut self.nulls));
        }
    }
}

/// Declares the builders, and how they become a batch: once, in the order of [`crate::schema::COLUMNS`].
macro_rules! builders {
    ($($name:ident: $kind:ty),* $(,)?) => {
        /// Rows being gathered.
        #[derive(Default)]
        pub(crate) struct Columns {
            rows: usize,
            $($name: $kind,)*
        }

        impl Columns {
            fn arrays(&mut self) -> Vec<ArrayRef> {
                vec![$(self.$name.finished(),)*]
            }

            /// The builders' names, to be compared with the schema.
            #[cfg(test)]
            fn names() -> Vec<&'static str> {
                vec![$(stringify!($name),)*]
            }
        }
    };
}

builders! {
    record_number: Int64Builder,
    block_seq: Int64Builder,
    record_idx: Int64Builder,
    leaf_index: Int64Builder,
    log_time: TimestampMillisecondBuilder,
    log_time_text: Texts,
    user_name: Texts,
    database_name: Texts,
    pid: Numbers,
    client_addr: Texts,
    client_port: Numbers,
    session_id: Texts,
    session_line_num: Numbers,
    command_tag: Texts,
    session_start: Texts,
    vxid: Texts,
    xid: Numbers,
    severity: Texts,
    sqlstate: Texts,
    message: Texts,
    detail: Texts,
    hint: Texts,
    internal_query: Texts,
    context: Texts,
    statement: Texts,
    application_name: Texts,
    backend_type: Texts,
    leader_pid: Numbers,
    query_id: Numbers,
    audit_type: Texts,
    statement_id: Numbers,
    substatement_id: Numbers,
    class: Texts,
    command: Texts,
    object_type: Texts,
    object_name: Texts,
    audit_statement: Texts,
    audit_statement_absent: Texts,
    parameters: Texts,
    parameters_absent: Texts,
    rows_affected: Numbers,
    auth_event: Texts,
    auth_identity: Texts,
    auth_method: Texts,
    auth_role_exists: BooleanBuilder,
    torn: BooleanBuilder,
    torn_reason: Texts,
    redacted: BooleanBuilder,
    time_unknown: BooleanBuilder,
    not_utf8: BooleanBuilder,
    raw: BinaryBuilder,
    source_file: Texts,
    source_format: Texts,
}

/// A builder's array, and the builder empty again.
trait Finish {
    fn finished(&mut self) -> ArrayRef;
}

macro_rules! finish {
    ($($kind:ty),*) => {
        $(impl Finish for $kind {
            fn finished(&mut self) -> ArrayRef {
                Arc::new(self.finish())
            }
        })*
    };
}

finish!(Int64Builder, BooleanBuilder, BinaryBuilder);

impl Finish for Texts {
    fn finished(&mut self) -> ArrayRef {
        if self.builder.is_empty() {
            return new_null_array(&DataType::Utf8, std::mem::take(&mut self.nulls));
        }
        self.settle();
        let bytes = self.builder.finish();
        // The next rows are much like these: growing to where these ended would copy them several times.
        self.builder = BinaryBuilder::with_capacity(BATCH, bytes.value_data().len());
        match StringArray::try_from_binary(bytes.clone()) {
            Ok(texts) => Arc::new(texts),
            // No value is put that is no text; whatever it is, a reader gets what can be read.
            Err(_) => Arc::new(
                bytes
                    .iter()
                    .map(|text| text.map(String::from_utf8_lossy))
                    .collect::<StringArray>(),
            ),
        }
    }
}

impl Finish for Numbers {
    fn finished(&mut self) -> ArrayRef {
        if self.builder.is_empty() {
            return new_null_array(&DataType::Int64, std::mem::take(&mut self.nulls));
        }
        self.settle();
        let numbers = self.builder.finish();
        self.builder = Int64Builder::with_capacity(BATCH);
        Arc::new(numbers)
    }
}

impl Finish for TimestampMillisecondBuilder {
    fn finished(&mut self) -> ArrayRef {
        Arc::new(self.finish().with_timezone("UTC"))
    }
}

/// A piece, decoded as far as it can be.
pub(crate) struct Row<'a> {
    /// Its place in the block.
    pub(crate) index: u32,
    piece: Piece,
    bytes: &'a [u8],
    record: Option<Record<'a>>,
}

impl<'a> Row<'a> {
    pub(crate) fn new(sealed: &Sealed, index: u32, piece: Piece, bytes: &'a [u8]) -> Self {
        let record = match piece.kind {
            PieceKind::Record => decode(&sealed.block.format, bytes),
            PieceKind::Torn(_) => None,
        };
        Self {
            index,
            piece,
            bytes,
            record,
        }
    }

    /// When it was logged, in milliseconds since 1970; `None`: unknown.
    pub(crate) fn time(&self) -> Option<i64> {
        self.record.as_ref()?.time_ms
    }

    /// Whether it is no record.
    pub(crate) fn is_torn(&self) -> bool {
        matches!(self.piece.kind, PieceKind::Torn(_))
    }
}

impl Columns {
    /// Rows gathered.
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// The rows gathered, as a batch; none are left.
    pub(crate) fn take(&mut self, file: &str) -> Result<RecordBatch, ArchiveError> {
        self.rows = 0;
        RecordBatch::try_new(SCHEMA.clone(), self.arrays()).map_err(|error| ArchiveError::Write {
            file: file.to_owned(),
            source: error.into(),
        })
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, sealed: &Sealed, row: &Row<'_>) {
        let manifest = &sealed.manifest;
        let number = manifest.first_record.saturating_add(u64::from(row.index));
        self.rows += 1;
        self.record_number.append_option(signed(number));
        self.block_seq.append_option(signed(manifest.block));
        self.record_idx.append_value(i64::from(row.index));
        self.leaf_index.append_option(signed(sealed.leaf_index));
        let mut encoding = Encoding::of(row, &sealed.block.format);
        let nothing = Record::default();
        let record = row.record.as_ref().unwrap_or(&nothing);
        self.push_record(record, row.record.is_some(), &mut encoding);
        let audit = pgaudit::read(&record.message);
        self.push_audit(audit.as_ref(), &mut encoding);
        let message = (row.record.is_some() && audit.is_none()).then_some(&*record.message);
        self.message.put(message, &mut encoding);
        let event = match (&row.record, &audit) {
            (Some(record), None) => authentication::read(record),
            _ => None,
        };
        self.push_event(event.as_ref(), &mut encoding);
        self.torn.append_value(row.is_torn());
        self.torn_reason.word(match row.piece.kind {
            PieceKind::Record => None,
            PieceKind::Torn(reason) => Some(reason_name(reason)),
        });
        self.redacted.append_value(row.piece.original.is_some());
        self.time_unknown.append_value(record.time_ms.is_none());
        let damaged = encoding == Encoding::Damaged;
        self.not_utf8.append_value(damaged);
        if damaged || row.record.is_none() {
            self.raw.append_value(row.bytes);
        } else {
            self.raw.append_null();
        }
        self.source_file.word(Some(&sealed.block.file.name));
        self.source_format.word(Some(sealed.block.format.name()));
    }

    fn push_record(&mut self, record: &Record<'_>, known: bool, encoding: &mut Encoding) {
        self.log_time.append_option(record.time_ms);
        self.log_time_text
            .put(known.then_some(&*record.time), encoding);
        self.user_name.put(record.user.as_deref(), encoding);
        self.database_name.put(record.database.as_deref(), encoding);
        self.pid.append_option(record.pid.map(i64::from));
        self.client_addr.put(record.host.as_deref(), encoding);
        self.client_port.append_option(record.port.map(i64::from));
        self.session_id.put(record.session.as_deref(), encoding);
        self.session_line_num
            .append_option(record.line.and_then(signed));
        self.command_tag
            .put(record.command_tag.as_deref(), encoding);
        self.session_start
            .put(record.session_start.as_deref(), encoding);
        self.vxid
            .put(record.virtual_transaction.as_deref(), encoding);
        self.xid.append_option(record.transaction.and_then(signed));
        self.severity.put(record.severity.as_deref(), encoding);
        self.sqlstate.put(record.sqlstate.as_deref(), encoding);
        self.detail.put(record.detail.as_deref(), encoding);
        self.hint.put(record.hint.as_deref(), encoding);
        self.internal_query
            .put(record.internal_query.as_deref(), encoding);
        self.context.put(record.context.as_deref(), encoding);
        self.statement.put(record.statement.as_deref(), encoding);
        self.application_name
            .put(record.application_name.as_deref(), encoding);
        self.backend_type
            .put(record.backend_type.as_deref(), encoding);
        self.leader_pid
            .append_option(record.leader_pid.map(i64::from));
        self.query_id.append_option(record.query_id);
    }

    fn push_audit(&mut self, audit: Option<&Audit<'_>>, encoding: &mut Encoding) {
        self.audit_type.put(audit.map(|it| &*it.kind), encoding);
        let number = |of: fn(&Audit<'_>) -> u64| audit.map(of).and_then(signed);
        self.statement_id
            .append_option(number(|audit| audit.statement_id));
        self.substatement_id
            .append_option(number(|audit| audit.substatement_id));
        self.class.put(audit.map(|it| &*it.class), encoding);
        self.command.put(audit.map(|it| &*it.command), encoding);
        // pgaudit writes an empty text when it does not say.
        let said = |text: &'_ [u8]| !text.is_empty();
        let object_type = audit.map(|it| &*it.object_type).filter(|it| said(it));
        self.object_type.put(object_type, encoding);
        let object_name = audit.map(|it| &*it.object_name).filter(|it| said(it));
        self.object_name.put(object_name, encoding);
        let (text, absent) = split(audit.map(|it| &it.statement));
        self.audit_statement.put(text, encoding);
        self.audit_statement_absent.word(absent);
        let (text, absent) = split(audit.map(|it| &it.parameters));
        self.parameters.put(text, encoding);
        self.parameters_absent.word(absent);
        self.rows_affected
            .append_option(audit.and_then(|audit| audit.rows).and_then(signed));
    }

    fn push_event(&mut self, event: Option<&authentication::Event<'_>>, encoding: &mut Encoding) {
        use authentication::Event;
        let (name, identity, method, role_exists) = match event {
            None => (None, None, None, None),
            Some(Event::Received) => (Some("received"), None, None, None),
            Some(Event::Authenticated { identity, method }) => (
                Some("authenticated"),
                Some(&**identity),
                Some(&**method),
                None,
            ),
            Some(Event::Authorized { .. }) => (Some("authorized"), None, None, None),
            Some(Event::Refused { role_exists }) => (Some("refused"), None, None, *role_exists),
            Some(Event::Disconnected) => (Some("disconnected"), None, None, None),
        };
        self.auth_event.word(name);
        self.auth_identity.put(identity, encoding);
        self.auth_method.put(method, encoding);
        self.auth_role_exists.append_option(role_exists);
    }
}

fn split<'a>(said: Option<&'a Said<'a>>) -> (Option<&'a [u8]>, Option<&'static str>) {
    match said {
        None => (None, None),
        Some(Said::Text(text)) => (Some(text), None),
        Some(Said::None) => (None, Some("none")),
        Some(Said::NotLogged) => (None, Some("not logged")),
        Some(Said::Before) => (None, Some("previously logged")),
        Some(Said::TooLong) => (None, Some("too long")),
    }
}

fn reason_name(reason: TornReason) -> &'static str {
    match reason {
        TornReason::CutShort => "cut short",
        TornReason::Glued => "glued",
        TornReason::Fields => "fields",
        TornReason::Foreign => "foreign",
    }
}

/// Numbers of a log fit; one that does not is unknown rather than wrong.
fn signed(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::Columns;
    use crate::schema::COLUMNS;

    #[test]
    fn builders_stand_in_the_order_of_the_schema() {
        let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
        let builders: Vec<&str> = Columns::names()
            .into_iter()
            .map(|name| {
                if name == "rows_affected" {
                    "rows"
                } else {
                    name
                }
            })
            .collect();
        assert_eq!(builders, names);
    }
}
