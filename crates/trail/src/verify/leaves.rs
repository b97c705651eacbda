//! All leaves, one after the other: numbering, sources, signs of life, and the blocks they are manifests of.

use super::blocks::Blocks;
use super::chain::Said;
use super::report::{Outage, ProblemKind, Report};
use super::second::Told;
use super::tree::TreeCheck;
use super::{Request, error_text};
use crate::journal::{Files, JournalReader, Position, State, Tiles};
use crate::leaf::{BlockLeaf, Entry, Leaf};
use pgattest_ledger::tile::{TILE_WIDTH, TileNodes};
use pgattest_ledger::tree;
use std::collections::BTreeSet;

/// What leaves tell of keys.
#[derive(Default)]
pub(super) struct ToldOfKeys {
    /// Second signatures.
    pub(super) second: Vec<Told>,
    /// Rotations.
    pub(super) rotations: Vec<Said>,
}

/// Checks every leaf; what they tell of keys.
pub(super) fn check_all(
    reader: &JournalReader,
    request: &Request<'_>,
    report: &mut Report,
) -> ToldOfKeys {
    let size = reader.size();
    let tiles = Tiles::new(reader.dir());
    let mut tree = TreeCheck::new(&tiles, size);
    let mut walk = Walk {
        heartbeat_ms: request.heartbeat_ms,
        blocks: Blocks::new(reader, report),
        numbers: Some((0, 0)),
        files: Files::default(),
        holds: BTreeSet::new(),
        life: Life::default(),
        keys: ToldOfKeys::default(),
    };
    for bundle in 0..size.div_ceil(TILE_WIDTH) {
        match tiles.bundle(bundle, size) {
            Err(error) => {
                report.add(
                    ProblemKind::Tree,
                    format!("leaves from {}", bundle * TILE_WIDTH),
                    error_text(&error),
                );
                tree.bundle(bundle, None, report);
                walk.skip();
            }
            Ok(leaves) => {
                tree.bundle(bundle, Some(&leaves), report);
                for (index, bytes) in (bundle * TILE_WIDTH..).zip(&leaves) {
                    report.leaves_checked += 1;
                    match Entry::from_bytes(bytes) {
                        Ok(entry) => walk.leaf(index, &entry, report),
                        Err(error) => {
                            report.add(
                                ProblemKind::Leaf,
                                format!("leaf {index}"),
                                error_text(&error),
                            );
                            walk.skip();
                        }
                    }
                }
            }
        }
    }
    tree.finish(reader.checkpoint().unverified().root, report);
    walk.blocks.finish(report);
    check_cache(reader, &tiles, report);
    walk.keys
}

struct Walk<'r> {
    heartbeat_ms: i64,
    blocks: Blocks<'r>,
    /// Records and blocks so far; `None` behind a leaf that cannot be read.
    numbers: Option<(u64, u64)>,
    files: Files,
    holds: BTreeSet<String>,
    life: Life,
    keys: ToldOfKeys,
}

/// What is known of the collector.
#[derive(Default)]
struct Life {
    running: bool,
    last: Option<i64>,
    stopped: Option<String>,
}

impl Walk<'_> {
    fn skip(&mut self) {
        self.numbers = None;
    }

    fn leaf(&mut self, index: u64, entry: &Entry, report: &mut Report) {
        let place = format!("leaf {index}");
        if let Some((records, blocks)) = self.numbers
            && (records, blocks) != (entry.before, entry.blocks)
        {
            report.add(
                ProblemKind::Numbering,
                place.clone(),
                format!(
                    "it says that {} records in {} blocks come before it, and there are {records} in {blocks}",
                    entry.before, entry.blocks
                ),
            );
        }
        let mut numbers = (entry.before, entry.blocks);
        self.sign_of_life(&place, &entry.leaf, report);
        match &entry.leaf {
            Leaf::Block(block) => {
                if (block.first_record, block.block) != numbers {
                    report.add(
                        ProblemKind::Numbering,
                        place.clone(),
                        format!(
                            "block {} and record {} are not the numbers that follow",
                            block.block, block.first_record
                        ),
                    );
                }
                numbers = (block.next_record(), block.block.saturating_add(1));
                self.source(&place, block, report);
                self.blocks.check(block, report);
            }
            Leaf::Gap {
                file,
                offset,
                length,
                ..
            } => {
                report.gaps += 1;
                if let Some(file) = file {
                    let known = self.files.get(file).map(|position| position.end);
                    let behind = offset.map(|offset| offset.saturating_add(length.unwrap_or(0)));
                    self.files.set(Position {
                        file: file.clone(),
                        end: behind.or(known).unwrap_or(0),
                        gap: true,
                    });
                }
            }
            Leaf::Hold { name, active, .. } => {
                if *active {
                    self.holds.insert(name.clone());
                } else {
                    self.holds.remove(name);
                }
            }
            Leaf::SecondSignature {
                size,
                key,
                signature,
                ..
            } => self.keys.second.push(Told {
                leaf: index,
                size: *size,
                key: key.clone(),
                signature: signature.clone(),
            }),
            leaf @ Leaf::KeyRotation { .. } => self.keys.rotations.extend(Said::of(index, leaf)),
            Leaf::Pruned { .. } => {
                if let Some(hold) = self.holds.first() {
                    report.add(
                        ProblemKind::Retention,
                        place,
                        format!("payload was pruned while the hold `{hold}` was in force"),
                    );
                }
            }
            _ => {}
        }
        self.numbers = Some(numbers);
    }

    /// A file's blocks follow each other without a hole or an overlap, unless a gap was declared.
    fn source(&mut self, place: &str, block: &BlockLeaf, report: &mut Report) {
        let (end, gap) = self
            .files
            .get(&block.file)
            .map_or((0, false), |position| (position.end, position.gap));
        if block.offset != end && !gap {
            report.add(
                ProblemKind::Source,
                place,
                format!(
                    "block {} begins at byte {} of `{}`, which was sealed up to byte {end}, and no leaf says why",
                    block.block, block.offset, block.file.name
                ),
            );
        }
        self.files.set(Position {
            file: block.file.clone(),
            end: block.end(),
            gap: false,
        });
    }

    fn sign_of_life(&mut self, place: &str, leaf: &Leaf, report: &mut Report) {
        // A second of an adjusted clock is nobody's doing.
        const ADJUSTED: i64 = 1000;
        // An archive's files, a canary: their leaves come when they are finished, with the time at which they began.
        let Some(at) = leaf.sealed_at() else {
            return;
        };
        let before = self.life.last.replace(at);
        if let Some(before) = before {
            if at.saturating_add(ADJUSTED) < before {
                report.clock_set_back += 1;
            }
            if let Leaf::Start { .. } = leaf {
                report.outage(Outage {
                    from: before,
                    to: at,
                    reason: self.life.stopped.take(),
                });
            } else if self.life.running
                && self.heartbeat_ms > 0
                && at.saturating_sub(before) > self.heartbeat_ms.saturating_mul(2)
            {
                report.add(
                    ProblemKind::Silence,
                    place,
                    format!(
                        "nothing was sealed for {} seconds before it, and the collector was running",
                        at.saturating_sub(before) / 1000
                    ),
                );
            }
        }
        match leaf {
            Leaf::Start { .. } => self.life.running = true,
            Leaf::Stop { reason, .. } => {
                self.life.running = false;
                self.life.stopped = Some(reason.clone());
            }
            _ => {}
        }
    }
}

/// The cache is no evidence, and whoever changes it changes nothing; but a damaged one is a sign.
fn check_cache(reader: &JournalReader, tiles: &Tiles, report: &mut Report) {
    const STATE: &str = "state.json";
    let Ok(text) = std::fs::read(reader.dir().join(STATE)) else {
        return;
    };
    let reason = match State::from_text(&text) {
        None => "it is not as it was written",
        // Written since the checkpoint was read.
        Some((state, _)) if state.size > reader.size() => return,
        Some((state, root)) => {
            match tree::root(&TileNodes::new(tiles, reader.size()), state.size) {
                Ok(found) if found == root => return,
                _ => "it is of another tree",
            }
        }
    };
    report.add(
        ProblemKind::Cache,
        STATE,
        format!("{reason}; it is only a cache, and is made again when the journal is next written"),
    );
}
