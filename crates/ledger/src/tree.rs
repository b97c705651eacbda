//! The Merkle tree of RFC 6962: roots, inclusion and consistency proofs.
//!
//! Making a proof needs the hashes of complete subtrees only; where they come
//! from (memory, tiles on disk) is the caller's business, through [`Nodes`].

use crate::hash::Hash;

/// Where the hashes of complete subtrees come from.
pub trait Nodes {
    /// Why a hash could not be had.
    type Error;

    /// The hash of the complete subtree over the leaves
    /// `index << level .. (index + 1) << level`. Level 0 is the leaf itself.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The hash of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash::of(b"")
}

/// The root of the tree over the first `size` leaves.
pub fn root<N: Nodes>(nodes: &N, size: u64) -> Result<Hash, N::Error> {
    if size == 0 {
        return Ok(empty_root());
    }
    range(nodes, 0, size)
}

/// Proves that the leaf at `index` is in the tree of `size` leaves.
/// A proof that makes no sense (`index >= size`) is empty and verifies nowhere.
pub fn prove_inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if index >= size {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of `old` leaves is a prefix of the tree of `new` leaves.
/// Empty when there is nothing to prove: `old` is 0, or not below `new`.
pub fn prove_consistency<N: Nodes>(nodes: &N, old: u64, new: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, new);
    while old < end {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    // The old tree itself, which the verifier knows, unless it was cut.
    if start > 0 {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The entry's place lies outside of the tree.
    #[error("entry {index} lies outside of a tree of {size}")]
    OutOfRange {
        /// The entry's place, from 0.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The proof has more or fewer hashes than its sizes call for.
    #[error("the proof has a wrong number of hashes")]
    WrongLength,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    WrongRoot,
    /// The later tree is the smaller one.
    #[error("a tree of {new} cannot continue a tree of {old}")]
    Shrunk {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
}

/// Checks that `leaf` is the leaf at `index` of the tree of `size` leaves with
/// this `root`.
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { index, size });
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = leaf;
    for &sibling in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if place & 1 == 1 || place == last {
            hash = Hash::node(sibling, hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = Hash::node(hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if hash != root {
        return Err(ProofError::WrongRoot);
    }
    Ok(())
}

/// Checks that the tree of `new` leaves and `new_root` continues the tree of
/// `old` leaves and `old_root`: nothing that was there was changed or dropped.
pub fn verify_consistency(
    old: u64,
    old_root: Hash,
    new: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == new || old == 0 {
        if !proof.is_empty() {
            return Err(ProofError::WrongLength);
        }
        let same = if old == new {
            old_root == new_root
        } else {
            old_root == empty_root()
        };
        return if same {
            Ok(())
        } else {
            Err(ProofError::WrongRoot)
        };
    }

    let (first, rest) = if old.is_power_of_two() {
        (old_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::WrongLength)?;
        (*first, rest)
    };
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (first, first);
    for &sibling in rest {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if place & 1 == 1 || place == last {
            old_hash = Hash::node(sibling, old_hash);
            new_hash = Hash::node(sibling, new_hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = Hash::node(new_hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::WrongLength);
    }
    if old_hash != old_root || new_hash != new_root {
        return Err(ProofError::WrongRoot);
    }
    Ok(())
}

/// The tree hash over the leaves `start..end`. Every range that RFC 6962's
/// recursions ask for starts at a multiple of the power of two below its length,
/// so its left part is a complete subtree.
fn range<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let length = end - start;
    if length.is_power_of_two() && start.is_multiple_of(length) {
        let level = length.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split(length);
    Ok(Hash::node(
        range(nodes, start, middle)?,
        range(nodes, middle, end)?,
    ))
}

/// The largest power of two below `length`, for a length of 2 or more.
fn split(length: u64) -> u64 {
    1 << (u64::BITS - 1 - (length - 1).leading_zeros())
}

/// The nodes of a tree whose leaf hashes are all in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryNodes {
    leaves: Vec<Hash>,
}

impl MemoryNodes {
    /// A tree over these leaf hashes (see [`Hash::leaf`]).
    pub fn new(leaves: Vec<Hash>) -> Self {
        Self { leaves }
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.leaves.len() as u64
    }
}

/// A subtree that reaches past the last leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tree has no complete subtree {index} at level {level}")]
pub struct NoSuchNode {
    /// The level, 0 for leaves.
    pub level: u32,
    /// The place within the level, from 0.
    pub index: u64,
}

impl Nodes for MemoryNodes {
    type Error = NoSuchNode;

    fn node(&self, level: u32, index: u64) -> Result<Hash, NoSuchNode> {
        let missing = NoSuchNode { level, index };
        let length = 1_u64.checked_shl(level).ok_or(missing)?;
        let start = index.checked_mul(length).ok_or(missing)?;
        let end = start.checked_add(length).ok_or(missing)?;
        let start = usize::try_from(start).map_err(|_| missing)?;
        let end = usize::try_from(end).map_err(|_| missing)?;
        let leaves = self.leaves.get(start..end).ok_or(missing)?;
        Ok(complete(leaves))
    }
}

/// The tree hash of a power of two of hashes.
pub(crate) fn complete(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => empty_root(),
        [only] => *only,
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Hash::node(complete(left), complete(right))
        }
    }
}

#[cfg(test)]
mod tests;
