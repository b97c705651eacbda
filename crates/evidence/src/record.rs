//! Recording what is no package: a step of changing a cluster.

use pgattest_ledger::SigningKey;
use pgattest_ledger::canonical;
use pgattest_ledger::entry::ChangeEntry;

use crate::store::{Ledger, LedgerError};

/// An entry that was recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// Its place in the ledger, from 0.
    pub index: u64,
    /// The ledger's head right after it.
    pub checkpoint: String,
}

impl Ledger {
    /// Records a step. When this returns, the entry survives a power cut. Whoever else adds to the ledger is waited for.
    pub fn record(&self, key: &SigningKey, entry: &ChangeEntry) -> Result<Recorded, LedgerError> {
        let text = canonical::to_string(entry).map_err(|source| LedgerError::Refused {
            dir: self.dir().to_owned(),
            reason: source.to_string(),
        })?;
        let locked = self.lock()?;
        let prepared = locked.prepare(key, &text)?;
        locked.commit(&prepared)?;
        Ok(Recorded {
            index: prepared.proof.index,
            checkpoint: prepared.checkpoint.to_text(),
        })
    }
}
