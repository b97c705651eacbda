//! A leaf as the tree holds it: with what came before it.

use super::Leaf;
use pgattest_ledger::canonical::{self, CanonicalError};
use pgattest_ledger::tile::LONGEST_ENTRY;
use serde_json::Value;

/// The version of leaves, under the key `trail`.
const VERSION: u64 = 1;

/// A leaf and its place among records and blocks.
///
/// In the tree it is one JSON object: the leaf's own fields, `type`, and `trail` (the version, 1), `before` and `blocks`. So a
/// heartbeat says how many records there were, too, and any leaf leads a search by record number to the left or to the right.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// How many records the leaves before this one hold.
    pub before: u64,
    /// How many of the leaves before this one are blocks.
    pub blocks: u64,
    /// The leaf.
    pub leaf: Leaf,
}

/// Why a leaf cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    /// It is no canonical JSON, or does not have a leaf's fields.
    #[error(transparent)]
    Json(#[from] CanonicalError),
    /// It is longer than the tree's files can say.
    #[error("the leaf has {0} bytes; {LONGEST_ENTRY} is the most")]
    TooLong(usize),
    /// It was written by another version.
    #[error("the leaf is of a version that is not known")]
    Version,
}

impl Entry {
    /// The leaf's exact bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        let mut value = serde_json::to_value(&self.leaf).map_err(CanonicalError::from)?;
        if let Value::Object(fields) = &mut value {
            for (name, number) in [
                ("trail", VERSION),
                ("before", self.before),
                ("blocks", self.blocks),
            ] {
                fields.insert(name.to_owned(), number.into());
            }
        }
        let bytes = canonical::to_bytes(&value)?;
        if bytes.len() > LONGEST_ENTRY {
            return Err(LeafError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }

    /// Reads a leaf's bytes, which have to be the one spelling.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut value: Value = canonical::from_bytes(bytes)?;
        let mut number = |name: &str| {
            value
                .as_object_mut()
                .and_then(|fields| fields.shift_remove(name))
                .and_then(|value| value.as_u64())
        };
        if number("trail") != Some(VERSION) {
            return Err(LeafError::Version);
        }
        let (Some(before), Some(blocks)) = (number("before"), number("blocks")) else {
            return Err(LeafError::Version);
        };
        let leaf = serde_json::from_value(value).map_err(CanonicalError::from)?;
        Ok(Self {
            before,
            blocks,
            leaf,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Entry;
    use crate::leaf::Leaf;

    #[test]
    fn a_leaf_is_one_flat_object_that_reads_back() {
        let entry = Entry {
            before: 7,
            blocks: 2,
            leaf: Leaf::Heartbeat { at: -1 },
        };
        let bytes = entry.to_bytes().unwrap();
        assert_eq!(
            String::from_utf8(bytes.clone()).unwrap(),
            r#"{"at":-1,"before":7,"blocks":2,"trail":1,"type":"heartbeat"}"#
        );
        assert_eq!(Entry::from_bytes(&bytes).unwrap(), entry);
    }

    #[test]
    fn a_second_spelling_another_version_or_a_further_field_is_refused() {
        for text in [
            r#"{"at":-1,"before":7,"blocks":2,"trail":2,"type":"heartbeat"}"#,
            r#"{"at":-1,"blocks":2,"trail":1,"type":"heartbeat"}"#,
            r#"{"at":-1,"before":7,"blocks":2,"trail":1,"type":"heartbeat"} "#,
            r#"{"at":-1,"before":7,"blocks":2,"trail":1,"type":"unheard-of"}"#,
            r#"{"at":-1,"before":7,"blocks":2,"trail":1,"type":"heartbeat","zz":0}"#,
        ] {
            assert!(Entry::from_bytes(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_leaf_too_long_for_a_bundle_is_refused() {
        let entry = Entry {
            before: 0,
            blocks: 0,
            leaf: Leaf::Stop {
                at: 0,
                reason: "x".repeat(65_535),
            },
        };
        assert!(entry.to_bytes().is_err());
    }
}
