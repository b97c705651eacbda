//! Second signatures: those kept beside the journal, and those that leaves tell of.

use super::anchored::unfit;
use super::blocks::prove_leaf;
use super::chain::Chain;
use super::report::{ProblemKind, Report, SecondSigned};
use super::{Request, error_text};
use crate::journal::{JournalReader, Tiles};
use crate::leaf::Leaf;
use crate::seal::Anchors;
use pgattest_ledger::ecdsa::EcPublicKey;
use pgattest_ledger::tile::TileNodes;
use pgattest_ledger::{Checkpoint, tree};
use std::collections::{BTreeMap, BTreeSet};

/// A second signature that a leaf tells of.
pub(super) struct Told {
    pub(super) leaf: u64,
    pub(super) size: u64,
    pub(super) key: String,
    pub(super) signature: String,
}

/// Which leaves were looked at already.
pub(super) enum Looked {
    /// All of them: what they tell of second signatures.
    AtEveryLeaf(Vec<Told>),
    /// Those of some records, the last one here; `None`: they are not there.
    UpToLeaf(Option<u64>),
}

pub(super) fn check(
    reader: &JournalReader,
    chain: &Chain<'_>,
    request: &Request<'_>,
    looked: &Looked,
    report: &mut Report,
) {
    let mut covered: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); request.second_keys.len()];
    check_files(reader, chain, request, &mut covered, report);
    match looked {
        Looked::AtEveryLeaf(told) => {
            check_leaves(reader, request, told, &mut covered, report);
        }
        Looked::UpToLeaf(Some(last)) => {
            return check_records(reader, request, *last, covered, report);
        }
        Looked::UpToLeaf(None) => return,
    }
    for (key, sizes) in request.second_keys.iter().zip(covered) {
        if sizes.is_empty() {
            report.add(
                ProblemKind::SecondSignature,
                "second",
                format!(
                    "the second key {} has signed no checkpoint of this journal",
                    key.fingerprint()
                ),
            );
        } else {
            report.second.push(SecondSigned {
                key: key.fingerprint(),
                checkpoints: sizes.into_iter().collect(),
            });
        }
    }
}

/// Whether the second keys cover some records, which end in the leaf `last`: by a file, or else by a leaf that comes after them. Leaves are
/// read up to the first that does, because whoever asks for some records does not ask for all of the journal.
fn check_records(
    reader: &JournalReader,
    request: &Request<'_>,
    last: u64,
    covered: Vec<BTreeSet<u64>>,
    report: &mut Report,
) {
    for (key, sizes) in request.second_keys.iter().zip(covered) {
        let own = std::slice::from_ref(key);
        let only = Request {
            second_keys: own,
            ..request.clone()
        };
        let mut covering: BTreeSet<u64> = sizes.range(last.saturating_add(1)..).copied().collect();
        let mut newest = sizes.last().copied();
        if covering.is_empty() {
            for told in signatures_after(reader, last, key.fingerprint()) {
                let mut found = [BTreeSet::new()];
                check_leaves(
                    reader,
                    &only,
                    std::slice::from_ref(&told),
                    &mut found,
                    report,
                );
                let Some(size) = found.iter().flatten().next().copied() else {
                    continue;
                };
                // The tiles as a whole were not looked at: what the signature is over has to lead to the same head as the records.
                let proven = prove_leaf(reader, told.leaf).and_then(|()| leads_on(reader, size));
                if let Err(reason) = proven {
                    report.add(ProblemKind::Tree, format!("leaf {}", told.leaf), reason);
                    continue;
                }
                newest = newest.max(Some(size));
                if size > last {
                    covering.insert(size);
                    break;
                }
            }
        }
        if covering.is_empty() {
            let seen = newest.map_or_else(
                || "none of its signatures was found".to_owned(),
                |size| format!("the newest that was found covers {size} leaves"),
            );
            report.add(
                ProblemKind::SecondSignature,
                "second",
                format!(
                    "no signature of the second key {} covers these records, which end in leaf {last}: {seen}",
                    key.fingerprint()
                ),
            );
        } else {
            report.second.push(SecondSigned {
                key: key.fingerprint(),
                checkpoints: covering.into_iter().collect(),
            });
        }
    }
}

/// That the journal's tree continues the one of its first `size` leaves. The error says why not.
fn leads_on(reader: &JournalReader, size: u64) -> Result<(), String> {
    let tiles = Tiles::new(reader.dir());
    let head = reader.checkpoint().unverified();
    let root = tree::root(&TileNodes::new(&tiles, head.size), size)
        .map_err(|error| error_text(&tiles.bad(error)))?;
    let proof = reader
        .prove_consistency(size)
        .map_err(|error| error_text(&error))?;
    tree::verify_consistency(size, root, head.size, head.root, &proof).map_err(|error| {
        format!(
            "it tells of a signature over {size} leaves that the journal does not continue: {error}"
        )
    })
}

/// What leaves after this one tell of a key's signatures, in order, each with its leaf; read as far as it is asked for.
fn signatures_after(
    reader: &JournalReader,
    last: u64,
    fingerprint: String,
) -> impl Iterator<Item = Told> {
    // What cannot be read tells nothing: then nothing covers the records, which is a problem.
    reader
        .leaves(last.saturating_add(1))
        .map_while(Result::ok)
        .filter_map(move |(leaf, told)| match told {
            Leaf::SecondSignature {
                size,
                key,
                signature,
                ..
            } if key == fingerprint => Some(Told {
                leaf,
                size,
                key,
                signature,
            }),
            _ => None,
        })
}

fn check_files(
    reader: &JournalReader,
    chain: &Chain<'_>,
    request: &Request<'_>,
    covered: &mut [BTreeSet<u64>],
    report: &mut Report,
) {
    let anchors = Anchors::of(reader.dir());
    let sizes = match anchors.second_sizes() {
        Ok(sizes) => sizes,
        Err(error) => {
            return report.add(ProblemKind::SecondSignature, "second", error_text(&error));
        }
    };
    let mut unchecked = 0_u64;
    for size in sizes {
        // Written since the checkpoint was read.
        if size > reader.size() && !is_older_than_the_file(reader, size) {
            continue;
        }
        let place = format!("second/{size}");
        let note = match anchors.read_second(size) {
            Ok(Some(note)) => note,
            Ok(None) => continue,
            Err(error) => {
                report.add(ProblemKind::SecondSignature, place, error_text(&error));
                continue;
            }
        };
        if let Some(reason) = unfit(reader, chain, &note.signed, size) {
            report.add(ProblemKind::SecondSignature, place, reason);
            continue;
        }
        let mut lines = note.others.len();
        for (key, covered) in request.second_keys.iter().zip(&mut *covered) {
            match key.has_signed(&note) {
                Ok(false) => {}
                Ok(true) => {
                    covered.insert(size);
                    lines = lines.saturating_sub(1);
                }
                Err(error) => {
                    lines = lines.saturating_sub(1);
                    report.add(
                        ProblemKind::SecondSignature,
                        place.clone(),
                        format!("the second key {}: {error}", key.fingerprint()),
                    );
                }
            }
        }
        unchecked += u64::from(lines > 0);
    }
    if unchecked > 0 {
        report.notes.push(format!(
            "{unchecked} checkpoints in `second` have signatures of keys that were not given: they were not checked (--second-key FILE)"
        ));
    }
}

fn check_leaves(
    reader: &JournalReader,
    request: &Request<'_>,
    told: &[Told],
    covered: &mut [BTreeSet<u64>],
    report: &mut Report,
) {
    let tiles = Tiles::new(reader.dir());
    let nodes = TileNodes::new(&tiles, reader.size());
    let mut others: BTreeMap<&str, u64> = BTreeMap::new();
    for one in told {
        let key = request
            .second_keys
            .iter()
            .zip(&mut *covered)
            .find(|(key, _)| key.fingerprint() == one.key);
        let Some((key, covered)) = key else {
            *others.entry(&one.key).or_default() += 1;
            continue;
        };
        let place = format!("leaf {}", one.leaf);
        if one.size > one.leaf {
            report.add(
                ProblemKind::SecondSignature,
                place,
                format!(
                    "it tells of a signature of {} leaves, and comes before they were there",
                    one.size
                ),
            );
            continue;
        }
        match tree::root(&nodes, one.size) {
            // Told of where the tree is checked.
            Err(_) => {}
            Ok(root) => {
                let checkpoint = Checkpoint {
                    origin: report.origin.clone(),
                    size: one.size,
                    root,
                };
                if signed(key, &checkpoint, &one.signature) {
                    covered.insert(one.size);
                } else {
                    report.add(
                        ProblemKind::SecondSignature,
                        place,
                        format!(
                            "it tells of a signature of the second key {} over {} leaves, which does not verify",
                            one.key.escape_debug(),
                            one.size
                        ),
                    );
                }
            }
        }
    }
    for (key, count) in others {
        report.notes.push(format!(
            "leaves tell of {count} signatures of the second key {}, which was not given: they were not checked (--second-key FILE)",
            key.escape_debug()
        ));
    }
}

fn signed(key: &EcPublicKey, checkpoint: &Checkpoint, signature: &str) -> bool {
    hex::decode(signature)
        .is_ok_and(|signature| key.verify(checkpoint.body().as_bytes(), &signature))
}

/// Whether the journal's checkpoint is still the one that was read: then a file of a larger size is of a journal that was set back.
fn is_older_than_the_file(reader: &JournalReader, size: u64) -> bool {
    JournalReader::open(reader.dir()).is_ok_and(|now| now.size() < size)
}
