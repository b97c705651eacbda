//! What others hold or have signed: earlier checkpoints, witnesses' signatures, time stamps.

use super::chain::Chain;
use super::report::{ProblemKind, Report, Stamped, Witnessed};
use super::{Request, error_text};
use crate::journal::{JournalReader, Tiles};
use crate::seal::Anchors;
use pgattest_ledger::cosigned::CosignedCheckpoint;
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::{SignedCheckpoint, tree};

pub(super) fn check_earlier(
    reader: &JournalReader,
    chain: &Chain<'_>,
    request: &Request<'_>,
    report: &mut Report,
) {
    for (number, text) in (1..).zip(request.earlier) {
        let place = format!("earlier checkpoint {number}");
        let read = CosignedCheckpoint::parse(text).map_err(|error| error.to_string());
        let checked = read.and_then(|earlier| {
            chain.earlier(&earlier.signed)?;
            continues(reader, &earlier.signed)?;
            Ok(earlier.signed.unverified().size)
        });
        match checked {
            Ok(size) => report.continues.push(size),
            Err(reason) => report.add(ProblemKind::Continuation, place, reason),
        }
    }
}

/// Whether the journal is what a checkpoint of it became. The error says why not.
fn continues(reader: &JournalReader, earlier: &SignedCheckpoint) -> Result<(), String> {
    let (old, new) = (earlier.unverified(), reader.checkpoint().unverified());
    if old.origin != new.origin {
        return Err(format!(
            "it is of `{}`, another journal",
            old.origin.escape_debug()
        ));
    }
    if old.size > new.size {
        return Err(format!(
            "it has {} leaves, and the journal has {}: the journal was set back, and leaves were cut off",
            old.size, new.size
        ));
    }
    let tiles = Tiles::new(reader.dir());
    let proof = tree::prove_consistency(&TileNodes::new(&tiles, new.size), old.size, new.size)
        .map_err(|error| error_text(&tiles.bad(error)))?;
    tree::verify_consistency(old.size, old.root, new.size, new.root, &proof).map_err(|error| {
        format!(
            "the journal of {} leaves is not its continuation, something was changed: {error}",
            new.size
        )
    })
}

pub(super) fn check_witnesses(
    reader: &JournalReader,
    chain: &Chain<'_>,
    request: &Request<'_>,
    report: &mut Report,
) {
    let anchors = Anchors::of(reader.dir());
    let sizes = match anchors.cosigned_sizes() {
        Ok(sizes) => sizes,
        Err(error) => return report.add(ProblemKind::Witness, "witness", error_text(&error)),
    };
    let mut latest: Vec<Option<Witnessed>> = vec![None; request.witnesses.len()];
    for size in sizes {
        let place = format!("witness/{size}");
        let note = match anchors.read_cosigned(size) {
            Ok(Some(note)) => note,
            Ok(None) => continue,
            Err(error) => {
                report.add(ProblemKind::Witness, place, error_text(&error));
                continue;
            }
        };
        if let Some(reason) = unfit(reader, chain, &note.signed, size) {
            report.add(ProblemKind::Witness, place, reason);
            continue;
        }
        for (key, last) in request.witnesses.iter().zip(&mut latest) {
            match note.witnessed(key) {
                Ok(None) => {}
                Ok(Some(time)) => {
                    *last = Some(Witnessed {
                        witness: key.name.clone(),
                        size,
                        time,
                    });
                }
                Err(error) => report.add(
                    ProblemKind::Witness,
                    place.clone(),
                    format!("{}: {error}", key.name.escape_debug()),
                ),
            }
        }
    }
    for (key, last) in request.witnesses.iter().zip(latest) {
        match last {
            Some(last) => report.witnessed.push(last),
            None => report.add(
                ProblemKind::Witness,
                "witness",
                format!(
                    "{} has signed no checkpoint of this journal",
                    key.name.escape_debug()
                ),
            ),
        }
    }
}

pub(super) fn check_timestamps(reader: &JournalReader, chain: &Chain<'_>, report: &mut Report) {
    let anchors = Anchors::of(reader.dir());
    let sizes = match anchors.stamped_sizes() {
        Ok(sizes) => sizes,
        Err(error) => return report.add(ProblemKind::Timestamp, "timestamps", error_text(&error)),
    };
    for size in sizes {
        let place = format!("timestamps/{size}.tsr");
        match anchors.read_timestamp(size) {
            Err(error) => report.add(ProblemKind::Timestamp, place, error_text(&error)),
            Ok(None) => report.add(
                ProblemKind::Timestamp,
                place,
                "the checkpoint that it is about is missing",
            ),
            Ok(Some((signed, token))) => match unfit(reader, chain, &signed, size) {
                Some(reason) => report.add(ProblemKind::Timestamp, place, reason),
                None => report.stamped.push(Stamped {
                    size,
                    time: token.time,
                }),
            },
        }
    }
}

/// Why a checkpoint that was kept with an anchor is not one of this journal.
pub(super) fn unfit(
    reader: &JournalReader,
    chain: &Chain<'_>,
    signed: &SignedCheckpoint,
    size: u64,
) -> Option<String> {
    if signed.unverified().size != size {
        return Some("its checkpoint has another size than its name says".to_owned());
    }
    chain
        .earlier(signed)
        .and_then(|_| continues(reader, signed))
        .err()
}
