//! Secrets: named in the configuration, never written there.

use crate::sink::OpenError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Where a secret is: `{ env = "DD_API_KEY" }` or `{ file = "/run/credentials/datadog" }`.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretFrom {
    /// In this environment variable of the collector.
    Env(String),
    /// In this file; blanks and line ends around it do not count.
    File(PathBuf),
}

impl SecretFrom {
    /// Whether it will never be there: a variable that this process was not given. A file may come.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Env(name) => std::env::var_os(name).is_none(),
            Self::File(_) => false,
        }
    }

    /// Reads it.
    pub fn read(&self) -> Result<Secret, OpenError> {
        let text = match self {
            Self::Env(name) => Zeroizing::new(
                std::env::var(name).map_err(|_| OpenError::NoVariable(name.clone()))?,
            ),
            Self::File(path) => Zeroizing::new(std::fs::read_to_string(path).map_err(
                |source| OpenError::File {
                    path: path.clone(),
                    source,
                },
            )?),
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(OpenError::Other(format!(
                "the secret in {self} is empty: put it there, and only it"
            )));
        }
        Ok(Secret(Zeroizing::new(text.to_owned())))
    }
}

impl std::fmt::Display for SecretFrom {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(to, "the environment variable `{name}`"),
            Self::File(path) => write!(to, "`{}`", path.display()),
        }
    }
}

/// A secret. It is overwritten when dropped, and its `Debug` says nothing.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The secret itself: only for the place where it goes over the wire.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Secret(..)")
    }
}
