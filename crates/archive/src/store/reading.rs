//! A file that is read where something is looked for, as the Parquet reader wants it.

use super::s3::Object;
use crate::error::{ArchiveError, damaged};
use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

/// What was read over the network.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Requests for an object or a part of one.
    pub requests: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// An open file.
#[derive(Clone)]
pub struct Reading(Kind);

#[derive(Clone)]
enum Kind {
    File(Arc<File>),
    Object(Arc<Object>),
}

/// Reads on from a place.
pub enum From {
    /// In a file.
    File(BufReader<File>),
    /// In an object.
    Object(OfObject),
}

/// Reads on from a place in an object.
pub struct OfObject {
    object: Arc<Object>,
    at: u64,
}

impl Reading {
    pub(super) fn of_file(file: File) -> Self {
        Self(Kind::File(Arc::new(file)))
    }

    pub(super) fn of_object(object: Object) -> Self {
        Self(Kind::Object(Arc::new(object)))
    }

    /// Tells where the file's columns are, once its footer was read: nothing is read ahead beyond the end of one.
    pub(crate) fn learn(&self, footer: &ParquetMetaData) {
        if let Kind::Object(object) = &self.0 {
            let chunks = footer
                .row_groups()
                .iter()
                .flat_map(RowGroupMetaData::columns);
            object.learn(chunks.filter_map(|chunk| {
                // Not `byte_range`, which panics over a footer that somebody made up.
                let start = chunk
                    .dictionary_page_offset()
                    .unwrap_or(chunk.data_page_offset());
                let end = start.checked_add(chunk.compressed_size())?;
                Some(u64::try_from(start).ok()?..u64::try_from(end).ok()?)
            }));
        }
    }

    /// Why the Parquet reader failed: the bytes could not be had, or are not what they should be.
    pub(crate) fn failed(&self, path: &str, error: impl std::fmt::Display) -> ArchiveError {
        let unread = match &self.0 {
            Kind::File(_) => None,
            Kind::Object(object) => object.take_failure(),
        };
        unread.unwrap_or_else(|| damaged(path, error))
    }

    /// Reads from the first byte on.
    pub(crate) fn whole(&self) -> Result<From, ParquetError> {
        self.get_read(0)
    }
}

impl Length for Reading {
    fn len(&self) -> u64 {
        match &self.0 {
            Kind::File(file) => file.len(),
            Kind::Object(object) => object.size(),
        }
    }
}

impl ChunkReader for Reading {
    type T = From;

    fn get_read(&self, start: u64) -> Result<From, ParquetError> {
        match &self.0 {
            Kind::File(file) => Ok(From::File(file.get_read(start)?)),
            Kind::Object(object) => Ok(From::Object(OfObject {
                object: Arc::clone(object),
                at: start,
            })),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        match &self.0 {
            Kind::File(file) => file.get_bytes(start, length),
            Kind::Object(object) => {
                let bytes = object.get(start, length)?;
                if bytes.len() == length {
                    return Ok(bytes);
                }
                Err(ParquetError::EOF(format!(
                    "{length} bytes at {start} are behind its end"
                )))
            }
        }
    }
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Object(OfObject { object, at }) => {
                let bytes = object.get(*at, buffer.len())?;
                let length = bytes.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..length), bytes.get(..length)) {
                    to.copy_from_slice(from);
                }
                *at += u64::try_from(length).unwrap_or(0);
                Ok(length)
            }
        }
    }
}
