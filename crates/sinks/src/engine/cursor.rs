//! How far a sink is: `JOURNAL/sinks/NAME.json`, flushed and moved into place after each confirmed delivery.
//!
//! The cursor is behind what the sink has, never ahead of it: a crash between the answer and the cursor delivers a batch twice, with
//! the same numbers.

use super::files::{self, FileError};
use crate::config::Name;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// How far a sink is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Cursor {
    /// The number of the first record that is neither confirmed nor in a dead letter.
    pub next: u64,
    /// When it was written, in milliseconds since 1970.
    pub at: i64,
    /// Records confirmed so far.
    pub delivered: u64,
    /// Records in dead letters so far.
    pub dead: u64,
    /// What the sink wants to find again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<serde_json::Value>,
}

impl Cursor {
    /// The cursor of a sink; the beginning of the journal when there is none yet. One that cannot be read is an error: starting over
    /// by itself would deliver everything twice.
    pub fn load(journal: &Path, name: &Name) -> Result<Self, FileError> {
        let path = path(journal, name);
        let Some(bytes) = files::read(&path)? else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            files::failed("understand", &path)(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("{error}; the sink's last watermark leaf says where it was: write {{\"next\":N,\"at\":0,\"delivered\":0,\"dead\":0}}, or remove the file to deliver everything again"),
            ))
        })
    }

    /// Writes it. Afterwards it is durable.
    pub fn save(&self, journal: &Path, name: &Name) -> Result<(), FileError> {
        files::directory(&directory(journal))?;
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        files::replace(&path(journal, name), &bytes, true)
    }
}

/// Where cursors and states are.
pub(super) fn directory(journal: &Path) -> PathBuf {
    journal.join("sinks")
}

fn path(journal: &Path, name: &Name) -> PathBuf {
    directory(journal).join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_found_again_and_a_damaged_one_is_not_the_beginning() {
        let journal = tempfile::tempdir().unwrap();
        let name = Name::try_from("siem".to_owned()).unwrap();
        assert_eq!(Cursor::load(journal.path(), &name).unwrap().next, 0);
        let cursor = Cursor {
            next: 42,
            at: 7,
            delivered: 41,
            dead: 1,
            state: Some(serde_json::json!({"length": 12})),
        };
        cursor.save(journal.path(), &name).unwrap();
        assert_eq!(Cursor::load(journal.path(), &name).unwrap(), cursor);
        std::fs::write(journal.path().join("sinks/siem.json"), "{\"next\":4").unwrap();
        let error = Cursor::load(journal.path(), &name).unwrap_err().to_string();
        assert!(error.contains("sinks/siem.json"), "{error}");
    }
}
