//! Text files on the server's machine, read through the server: `pg_hba.conf` and what it includes.
//!
//! For superusers, members of `pg_read_server_files` and roles that were granted the functions. Nothing is written.

use crate::failure::with_causes;
use pgattest_wire::{ConnectError, ConnectOptions, Connection, connect};
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};

/// The largest file that is read, in bytes.
const LARGEST: i64 = 1024 * 1024;
/// The longest that one file is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session that reads files.
#[derive(Debug)]
pub struct ServerFiles {
    connection: Connection,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ServerFileError {
    /// The server refused, or the connection broke.
    #[error("the server did not give `{path}`: {why}")]
    Refused {
        /// The file or directory.
        path: String,
        /// In the server's words.
        why: String,
    },
    /// Nobody writes such a file by hand.
    #[error("`{path}` is larger than {LARGEST} bytes")]
    TooLarge {
        /// The file.
        path: String,
    },
}

impl ServerFiles {
    /// Connects.
    ///
    /// # Errors
    ///
    /// No connection.
    pub async fn open(options: &ConnectOptions) -> Result<Self, ConnectError> {
        Ok(Self {
            connection: connect(options).await?,
        })
    }

    /// The bytes of a file; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// See [`ServerFileError`].
    pub async fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>, ServerFileError> {
        let refused = |why| ServerFileError::Refused {
            path: path.to_owned(),
            why,
        };
        let beyond = LARGEST + 1;
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&path, Type::TEXT), (&beyond, Type::INT8)];
        let asked = self.connection.client().query_typed(
            "SELECT pg_catalog.pg_read_binary_file($1, 0, $2, true)",
            &parameters,
        );
        let rows = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| refused("no answer".to_owned()))?
            .map_err(|error| refused(with_causes(&error)))?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let bytes: Option<Vec<u8>> = row
            .try_get(0)
            .map_err(|error| refused(with_causes(&error)))?;
        match bytes {
            Some(bytes) if i64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST) => {
                Err(ServerFileError::TooLarge {
                    path: path.to_owned(),
                })
            }
            bytes => Ok(bytes),
        }
    }

    /// Names of the regular files in a directory; `None` when it is not there.
    ///
    /// # Errors
    ///
    /// See [`ServerFileError`].
    pub async fn names(&self, directory: &str) -> Result<Option<Vec<String>>, ServerFileError> {
        let refused = |why| ServerFileError::Refused {
            path: directory.to_owned(),
            why,
        };
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&directory, Type::TEXT)];
        let asked = self.connection.client().query_typed(
            "SELECT listed.name, coalesce(listed.name is not null and not s.isdir, false) \
             FROM pg_catalog.pg_stat_file($1, true) AS here \
             LEFT JOIN LATERAL pg_catalog.pg_ls_dir($1) AS listed(name) ON true \
             LEFT JOIN LATERAL pg_catalog.pg_stat_file($1 || '/' || listed.name, true) AS s ON true \
             WHERE here.isdir",
            &parameters,
        );
        let rows = tokio::time::timeout(PATIENCE, asked)
            .await
            .map_err(|_| refused("no answer".to_owned()))?
            .map_err(|error| refused(with_causes(&error)))?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut names = Vec::new();
        for row in &rows {
            let name: Option<String> = row
                .try_get(0)
                .map_err(|error| refused(with_causes(&error)))?;
            let is_file: bool = row
                .try_get(1)
                .map_err(|error| refused(with_causes(&error)))?;
            names.extend(name.filter(|_| is_file));
        }
        Ok(Some(names))
    }

    /// Ends the session.
    pub async fn close(self) {
        // Nothing was written: there is nothing to lose.
        let _ = self.connection.close().await;
    }
}
