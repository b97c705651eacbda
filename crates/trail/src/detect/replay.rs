//! Rules over records that are already there.

use super::alert::Alert;
use super::engine::{Engine, Input};
use crate::block::PieceKind;
use crate::completeness::source::{self, Period, SourceError};
use crate::journal::{JournalError, JournalReader};
use crate::leaf::Leaf;
use pgattest_parse::audit_log::redact::redact;
use pgattest_parse::audit_log::{Decoder, Format};
use std::path::PathBuf;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Looked {
    /// Records that the rules saw.
    pub records: u64,
    /// Records whose payload was pruned.
    pub pruned: u64,
    /// Pieces that are no record, or could not be decoded.
    pub undecodable: u64,
}

/// Runs the rules over a journal. They see everything up to the end of the period, so that they have learnt by its beginning, and
/// `raise` gets the alerts that fall into it.
pub fn journal(
    engine: &mut Engine,
    reader: &JournalReader,
    period: Period,
    mut raise: impl FnMut(Alert),
) -> Result<Looked, SourceError> {
    let mut looked = Looked::default();
    let up_to = Period {
        from: None,
        until: period.until,
    };
    for leaf in reader.leaves(0) {
        let (_, leaf) = leaf?;
        let block = match leaf {
            Leaf::Start { instance, .. } => {
                engine.set_instance(&instance);
                continue;
            }
            Leaf::Block(block) if up_to.touches(block.first_time.zip(block.last_time)) => block,
            _ => continue,
        };
        let payload = match reader.block(&block) {
            Ok(payload) => payload,
            Err(JournalError::Pruned(_)) => {
                looked.pruned += u64::from(block.records);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let decoder = Decoder::new(payload.format.clone());
        for (number, (piece, bytes)) in (block.first_record..).zip(payload.iter()) {
            if piece.kind == PieceKind::Record {
                let input = Input {
                    number,
                    decoder: &decoder,
                    bytes,
                };
                look(engine, input, period, &mut looked, &mut raise);
            } else {
                looked.undecodable += 1;
            }
        }
    }
    Ok(looked)
}

/// Runs the rules over log files, in this order, all of one form. Secrets are taken out first.
pub fn log_files(
    engine: &mut Engine,
    files: &[PathBuf],
    format: &Format,
    period: Period,
    mut raise: impl FnMut(Alert),
) -> Result<Looked, SourceError> {
    let mut looked = Looked::default();
    let decoder = Decoder::new(format.clone());
    let mut number = 0;
    for path in files {
        source::each_piece(path, format, |bytes, torn| {
            if torn.is_none() {
                let (bytes, _) = redact(format, bytes);
                let input = Input {
                    number,
                    decoder: &decoder,
                    bytes: &bytes,
                };
                look(engine, input, period, &mut looked, &mut raise);
            } else {
                looked.undecodable += 1;
            }
            number += 1;
        })?;
    }
    Ok(looked)
}

fn look(
    engine: &mut Engine,
    input: Input<'_>,
    period: Period,
    looked: &mut Looked,
    raise: &mut impl FnMut(Alert),
) {
    let Some(record) = input.decoder.decode(input.bytes) else {
        looked.undecodable += 1;
        return;
    };
    if let (Some(time), Some(until)) = (record.time_ms, period.until)
        && time >= until
    {
        return;
    }
    looked.records += 1;
    for alert in engine.decoded(input.number, &record) {
        // A record that tells no time may be of the period.
        if alert.at.is_none_or(|at| period.holds(at)) {
            raise(alert);
        }
    }
}
