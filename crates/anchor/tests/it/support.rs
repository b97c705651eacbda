//! A journal to anchor.

use pgattest_anchor::AnchorClient;
use pgattest_evidence::SigningKey;
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_trail::verify::{Report, Request, verify};
use pgattest_trail::{Journal, JournalOptions, JournalReader, Leaf};
use std::path::PathBuf;
use std::time::Duration;

pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    pub(crate) fn grow(&self, leaves: i64) {
        let mut journal = Journal::open(&self.dir(), key(), JournalOptions::default()).unwrap();
        for at in 0..leaves {
            journal.note(&Leaf::Heartbeat { at }).unwrap();
        }
        journal.commit().unwrap();
    }

    pub(crate) fn reader(&self) -> JournalReader {
        JournalReader::open(&self.dir()).unwrap()
    }

    pub(crate) fn verify(&self, witnesses: &[WitnessKey]) -> Report {
        verify(
            &self.dir(),
            &Request {
                keys: &[key().public_key()],
                earlier: &[],
                witnesses,
                second_keys: &[],
                records: None,
                heartbeat_ms: 0,
            },
        )
        .unwrap()
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

pub(crate) fn client() -> AnchorClient {
    AnchorClient::new(Duration::from_mins(1)).unwrap()
}
