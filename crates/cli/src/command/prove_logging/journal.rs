//! The journal from now on, and what sinks have confirmed of it.

use super::perform::Done;
use super::report::{Found, Line};
use super::watch::Piece;
use pgattest_trail::{JournalError, JournalReader, Leaf};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

pub(super) struct Journal {
    dir: PathBuf,
    reader: Option<JournalReader>,
    /// The next leaf to look at.
    next: u64,
    /// For each sink, the first record that it has not confirmed.
    confirmed: BTreeMap<String, u64>,
}

impl Journal {
    /// Remembers where the journal ends now. There need be none yet.
    pub(super) fn open(dir: &Path) -> Self {
        let reader = JournalReader::open(dir).ok();
        Self {
            dir: dir.to_owned(),
            next: reader.as_ref().map_or(0, JournalReader::size),
            reader,
            confirmed: BTreeMap::new(),
        }
    }

    /// The records of the blocks that were added since the last look.
    pub(super) fn arrived(&mut self) -> Result<Vec<Piece>, String> {
        self.look().map_err(|error| error.to_string())
    }

    fn look(&mut self) -> Result<Vec<Piece>, JournalError> {
        if self.reader.is_none() {
            match JournalReader::open(&self.dir) {
                Ok(reader) => self.reader = Some(reader),
                Err(JournalError::Absent(_)) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            }
        }
        let Some(reader) = &mut self.reader else {
            return Ok(Vec::new());
        };
        reader.refresh()?;
        let mut pieces = Vec::new();
        for leaf in reader.leaves(self.next) {
            let (index, leaf) = leaf?;
            self.next = index + 1;
            match leaf {
                Leaf::Block(manifest) => {
                    let block = reader.block(&manifest)?;
                    let first = manifest.first_record;
                    for (number, (_, bytes)) in (first..).zip(block.iter()) {
                        pieces.push(Piece {
                            number: Some(number),
                            format: block.format.clone(),
                            bytes: bytes.to_vec(),
                        });
                    }
                }
                Leaf::Watermark { sink, next, .. } => {
                    self.confirmed.insert(sink, next);
                }
                _ => {}
            }
        }
        Ok(pieces)
    }

    /// Waits until the sinks have confirmed the records of the canaries that the journal has. A line for each sink and canary.
    pub(super) async fn sinks(
        &mut self,
        sinks: &[String],
        done: &Done,
        found: &[Line],
        patience: Duration,
    ) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for sink in sinks {
            for canary in &done.canaries {
                let mut line = Line::new(canary, sink);
                line.record = found
                    .iter()
                    .find(|other| other.place == "journal" && other.class == canary.class)
                    .and_then(|other| other.record);
                lines.push(line);
            }
        }
        let deadline = Instant::now() + patience;
        while !lines.is_empty() {
            if let Err(error) = self.look() {
                for line in &mut lines {
                    line.fail(&error.to_string());
                }
                break;
            }
            for line in &mut lines {
                let confirmed = self.confirmed.get(&line.place);
                if let (Some(record), Some(next)) = (line.record, confirmed)
                    && record < *next
                {
                    line.found = Found::Right;
                }
            }
            let waiting = lines
                .iter()
                .any(|line| line.found != Found::Right && line.record.is_some());
            if !waiting || Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        lines
    }
}
