//! The payload: each block against its manifest, each segment against the blocks it should hold.

use super::error_text;
use super::report::{ProblemKind, Report};
use crate::journal::{JournalError, JournalReader, Tiles, each_segment};
use crate::leaf::{BlockLeaf, Leaf};
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::{Hash, tree};
use std::ops::Range;

/// Takes the blocks in order.
pub(super) struct Blocks<'r> {
    reader: &'r JournalReader,
    /// Records before this one were pruned.
    oldest: u64,
    /// The segment of the last block, and where that ends.
    segment: Option<(String, u64)>,
}

impl<'r> Blocks<'r> {
    pub(super) fn new(reader: &'r JournalReader, report: &mut Report) -> Self {
        let oldest = match reader.oldest() {
            Ok((record, _)) => record,
            Err(error) => {
                report.add(ProblemKind::Leaf, "pruned", error_text(&error));
                0
            }
        };
        Self {
            reader,
            oldest,
            segment: None,
        }
    }

    pub(super) fn check(&mut self, leaf: &BlockLeaf, report: &mut Report) {
        self.check_place(leaf, report);
        check_payload(self.reader, leaf, report);
    }

    /// Blocks follow each other in a segment without a byte between them.
    fn check_place(&mut self, leaf: &BlockLeaf, report: &mut Report) {
        let expected = match self.segment.take() {
            Some((name, end)) if name == leaf.segment => Some(end),
            Some((name, end)) => {
                self.check_end(&name, end, report);
                None
            }
            None => None,
        };
        let begins = expected.unwrap_or(0);
        if leaf.position != begins {
            report.add(
                ProblemKind::Segment,
                leaf.segment.clone(),
                format!(
                    "block {} begins at byte {}, and the block before it ends at byte {begins}",
                    leaf.block, leaf.position
                ),
            );
        }
        self.segment = Some((
            leaf.segment.clone(),
            leaf.position.saturating_add(leaf.stored),
        ));
    }

    fn check_end(&self, name: &str, end: u64, report: &mut Report) {
        let found = std::fs::metadata(self.reader.dir().join(name));
        if let Ok(found) = found
            && found.len() > end
        {
            report.add(
                ProblemKind::Segment,
                name,
                format!(
                    "it has {} bytes, and no block covers those from {end} on",
                    found.len()
                ),
            );
        }
    }

    /// Nothing lies among the segments that the tree does not know. What follows the last block may be on its way.
    pub(super) fn finish(self, report: &mut Report) {
        let last = self.segment.as_ref().map(|(name, _)| name.clone());
        if let Some((name, end)) = &self.segment
            && let Ok(found) = std::fs::metadata(self.reader.dir().join(name))
            && found.len() > *end
        {
            report.notes.push(format!(
                "{name} has {} bytes behind the last block that the checkpoint covers: they were not committed",
                found.len() - end
            ));
        }
        let listed = each_segment(self.reader.dir(), |number, path| {
            let name = format!("segments/{number:012}.zst");
            let known = self
                .reader
                .find_block(number)?
                .is_some_and(|(_, block)| block.segment == name && block.position == 0);
            if known {
                // It was pruned, and is there again or still.
            } else if last.as_ref().is_none_or(|last| name > *last) {
                report
                    .notes
                    .push(format!("{} was not committed", path.display()));
            } else {
                report.add(
                    ProblemKind::Segment,
                    name,
                    "no leaf says that there is such a segment",
                );
            }
            Ok(())
        });
        if let Err(error) = listed {
            report.add(ProblemKind::Segment, "segments", error_text(&error));
        }
        if self.oldest > 0 {
            report.notes.push(format!(
                "the payload of records before {} was removed by the retention policy; their manifests are still proven",
                self.oldest
            ));
        }
    }
}

fn check_payload(reader: &JournalReader, leaf: &BlockLeaf, report: &mut Report) {
    match reader.block(leaf) {
        Ok(_) => {
            report.blocks_checked += 1;
            report.records_checked += u64::from(leaf.records);
            report.torn += u64::from(leaf.torn);
        }
        Err(JournalError::Pruned(_)) => report.blocks_pruned += 1,
        Err(error) => report.add(
            ProblemKind::Block,
            format!(
                "block {} (records {} to {})",
                leaf.block,
                leaf.first_record,
                leaf.next_record().saturating_sub(1)
            ),
            error_text(&error),
        ),
    }
}

/// The blocks of a range of records: each leaf's proof against the root, each payload against its manifest. The last leaf of them.
pub(super) fn check_range(
    reader: &JournalReader,
    records: Range<u64>,
    report: &mut Report,
) -> Option<u64> {
    let place = format!(
        "records {} to {}",
        records.start,
        records.end.saturating_sub(1)
    );
    let first = match reader.find_record(records.start) {
        Ok(Some((leaf, _))) => leaf,
        Ok(None) => {
            report.add(
                ProblemKind::Numbering,
                place,
                "the journal has no such record",
            );
            return None;
        }
        Err(error) => {
            report.add(ProblemKind::Leaf, place, error_text(&error));
            return None;
        }
    };
    let mut next = records.start;
    let mut last = first;
    for leaf in reader.leaves(first) {
        let (index, leaf) = match leaf {
            Ok(leaf) => leaf,
            Err(error) => {
                report.add(ProblemKind::Leaf, place, error_text(&error));
                return None;
            }
        };
        let Leaf::Block(block) = leaf else { continue };
        if block.first_record >= records.end {
            break;
        }
        last = index;
        report.leaves_checked += 1;
        if let Err(reason) = prove_leaf(reader, index) {
            report.add(ProblemKind::Tree, format!("leaf {index}"), reason);
        }
        if !(block.first_record..block.next_record()).contains(&next) {
            report.add(
                ProblemKind::Numbering,
                format!("leaf {index}"),
                format!(
                    "record {next} should be in it, and it begins with {}",
                    block.first_record
                ),
            );
        }
        next = block.next_record();
        check_payload(reader, &block, report);
    }
    if next < records.end {
        report.add(
            ProblemKind::Numbering,
            place,
            format!("the journal ends before record {next}"),
        );
    }
    Some(last)
}

/// Proves a leaf against the root in the checkpoint. The error says why that fails.
pub(super) fn prove_leaf(reader: &JournalReader, index: u64) -> Result<(), String> {
    let tiles = Tiles::new(reader.dir());
    let head = reader.checkpoint().unverified();
    let bytes = reader
        .leaf_bytes(index)
        .map_err(|error| error_text(&error))?;
    let nodes = TileNodes::new(&tiles, head.size);
    let proof = tree::prove_inclusion(&nodes, index, head.size)
        .map_err(|error| error_text(&tiles.bad(error)))?;
    tree::verify_inclusion(Hash::leaf(&bytes), index, head.size, &proof, head.root)
        .map_err(|error| format!("it is not in the tree of the checkpoint: {error}"))
}
