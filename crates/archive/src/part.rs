//! One file: written, digested, with its sums in the footer.

use crate::archive::Archive;
use crate::columns::{BATCH, Columns, Row};
use crate::error::ArchiveError;
use crate::schema::{SCHEMA, VERSION, properties};
use crate::source::Sealed;
use crate::store::Unfinished;
use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Write};

/// What a file's footer says of its rows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sums {
    /// Rows.
    pub rows: u64,
    /// Of them, bytes that are no record.
    pub torn: u64,
    /// Of them, records whose time is unknown.
    pub time_unknown: u64,
    /// When the last of them was sealed, in milliseconds since 1970.
    pub sealed_at: i64,
}

impl Sums {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            rows: self.rows + other.rows,
            torn: self.torn + other.torn,
            time_unknown: self.time_unknown + other.time_unknown,
            sealed_at: self.sealed_at.max(other.sealed_at),
        }
    }

    /// From a footer. `None`: not a file of this schema.
    pub fn of(metadata: &ParquetMetaData) -> Option<Self> {
        let pairs = metadata.file_metadata().key_value_metadata()?;
        let value = |key: &str| {
            let pair = pairs.iter().find(|pair| pair.key == key)?;
            pair.value.as_deref()
        };
        if value("pgattest.schema") != Some(VERSION) {
            return None;
        }
        Some(Self {
            rows: u64::try_from(metadata.file_metadata().num_rows()).ok()?,
            torn: value("pgattest.torn")?.parse().ok()?,
            time_unknown: value("pgattest.time_unknown")?.parse().ok()?,
            sealed_at: value("pgattest.sealed_at")?.parse().ok()?,
        })
    }
}

/// A file that is being written.
pub(crate) struct PartWriter {
    writer: ArrowWriter<BufWriter<Hashed>>,
    columns: Columns,
    pub(crate) sums: Sums,
    /// For messages.
    name: String,
}

/// A written file that is not in its place yet.
pub(crate) struct Written {
    pub(crate) file: Unfinished,
    /// SHA-256, hexadecimal.
    pub(crate) sha256: String,
}

impl PartWriter {
    /// Begins a file. `name` only has to be unlike those of other unfinished files.
    pub(crate) fn begin(archive: &Archive, name: &str) -> Result<Self, ArchiveError> {
        let file = Hashed {
            inner: archive.store.begin(name)?,
            digest: Sha256::new(),
        };
        let options = ArrowWriterOptions::new()
            .with_properties(properties())
            .with_skip_arrow_metadata(true);
        let buffered = BufWriter::with_capacity(1 << 20, file);
        let writer = ArrowWriter::try_new_with_options(buffered, SCHEMA.clone(), options)
            .map_err(failed(name))?;
        Ok(Self {
            writer,
            columns: Columns::default(),
            sums: Sums::default(),
            name: name.to_owned(),
        })
    }

    pub(crate) fn push(&mut self, sealed: &Sealed, row: &Row<'_>) -> Result<(), ArchiveError> {
        self.columns.push(sealed, row);
        self.sums = self.sums.and(Sums {
            rows: 1,
            torn: row.is_torn().into(),
            time_unknown: row.time().is_none().into(),
            sealed_at: sealed.manifest.sealed_at,
        });
        if self.columns.len() >= BATCH {
            self.write_gathered()?;
        }
        Ok(())
    }

    /// Adds rows of another file of the archive, with what its footer says of them.
    pub(crate) fn copy(&mut self, rows: &RecordBatch) -> Result<(), ArchiveError> {
        self.writer.write(rows).map_err(failed(&self.name))
    }

    /// About how many bytes the file has by now.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = self.writer.bytes_written() + self.writer.in_progress_size();
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn write_gathered(&mut self) -> Result<(), ArchiveError> {
        if self.columns.len() > 0 {
            let batch = self.columns.take(&self.name)?;
            self.writer.write(&batch).map_err(failed(&self.name))?;
        }
        Ok(())
    }

    /// Writes the footer and waits until the file is on the disk.
    pub(crate) fn finish(mut self, archive: &Archive) -> Result<Written, ArchiveError> {
        self.write_gathered()?;
        for (key, value) in [
            ("pgattest.schema", VERSION.to_owned()),
            ("pgattest.instance", archive.instance.clone()),
            ("pgattest.torn", self.sums.torn.to_string()),
            ("pgattest.time_unknown", self.sums.time_unknown.to_string()),
            ("pgattest.sealed_at", self.sums.sealed_at.to_string()),
        ] {
            let pair = KeyValue::new(key.to_owned(), value);
            self.writer.append_key_value_metadata(pair);
        }
        let buffered = self.writer.into_inner().map_err(failed(&self.name))?;
        let hashed = buffered.into_inner().map_err(|error| {
            let error = ParquetError::External(Box::new(error.into_error()));
            failed(&self.name)(error)
        })?;
        archive.store.flush(&hashed.inner)?;
        Ok(Written {
            file: hashed.inner,
            sha256: hex::encode(hashed.digest.finalize()),
        })
    }
}

fn failed(name: &str) -> impl FnOnce(ParquetError) -> ArchiveError + use<> {
    let file = name.to_owned();
    move |source| ArchiveError::Write { file, source }
}

/// Digests what goes through.
struct Hashed {
    inner: Unfinished,
    digest: Sha256,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(bytes.get(..written).unwrap_or(bytes));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
