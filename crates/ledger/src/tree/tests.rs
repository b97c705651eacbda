use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;

use super::{
    MemoryNodes, ProofError, empty_root, prove_consistency, prove_inclusion, root,
    verify_consistency, verify_inclusion,
};
use crate::hash::Hash;

const LARGEST: u64 = 300;

/// The leaves of the reference trees that Certificate Transparency publishes.
const KNOWN_LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// Their roots, for 1 to 8 leaves.
const KNOWN_ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn known() -> MemoryNodes {
    MemoryNodes::new(
        KNOWN_LEAVES
            .iter()
            .map(|leaf| Hash::leaf(&hex::decode(leaf).unwrap()))
            .collect(),
    )
}

fn hash(text: &str) -> Hash {
    Hash::from_hex(text).unwrap()
}

#[test]
fn roots_are_those_of_the_published_trees() {
    assert_eq!(
        empty_root().to_hex(),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    for (size, expected) in (1..).zip(KNOWN_ROOTS) {
        assert_eq!(root(&known(), size).unwrap(), hash(expected), "size {size}");
    }
}

#[test]
fn an_inclusion_proof_is_the_published_one() {
    // The path of leaf 0 in the tree of 8.
    let expected = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    assert_eq!(
        prove_inclusion(&known(), 0, 8).unwrap(),
        expected.map(hash).to_vec()
    );
}

#[test]
fn a_consistency_proof_is_the_published_one() {
    // From the tree of 6 to the tree of 8.
    let expected = [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ];
    assert_eq!(
        prove_consistency(&known(), 6, 8).unwrap(),
        expected.map(hash).to_vec()
    );
}

/// RFC 6962 section 2.1, read as literally as it is written.
mod naive {
    use crate::hash::Hash;

    pub(super) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::of(b""),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(below(more.len()));
                Hash::node(root(left), root(right))
            }
        }
    }

    pub(super) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(below(leaves.len()));
        let (mut path, other) = if index < left.len() {
            (path(index, left), right)
        } else {
            (path(index - left.len(), right), left)
        };
        path.push(root(other));
        path
    }

    pub(super) fn proof(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if whole {
                Vec::new()
            } else {
                vec![root(leaves)]
            };
        }
        let (left, right) = leaves.split_at(below(leaves.len()));
        let (mut path, other) = if old <= left.len() {
            (proof(old, left, whole), right)
        } else {
            (proof(old - left.len(), right, false), left)
        };
        path.push(root(other));
        path
    }

    fn below(length: usize) -> usize {
        let mut power = 1;
        while power * 2 < length {
            power *= 2;
        }
        power
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count)
        .map(|number| Hash::leaf(&number.to_be_bytes()))
        .collect()
}

#[test]
fn every_proof_up_to_300_leaves_equals_the_rfc_read_literally() {
    let all = leaves(LARGEST);
    let nodes = MemoryNodes::new(all.clone());
    let roots: Vec<Hash> = (0..=LARGEST)
        .map(|size| root(&nodes, size).unwrap())
        .collect();
    for size in 0..=LARGEST {
        let some = &all[..usize::try_from(size).unwrap()];
        let now = roots[some.len()];
        assert_eq!(now, naive::root(some), "root of {size}");
        // The quadratic part: a stride that is prime meets every residue.
        for index in (0..size).step_by(if size < 70 { 1 } else { 29 }) {
            let place = usize::try_from(index).unwrap();
            let proof = prove_inclusion(&nodes, index, size).unwrap();
            assert_eq!(proof, naive::path(place, some), "{index} of {size}");
            verify_inclusion(all[place], index, size, &proof, now).unwrap();

            let (old, was) = (index + 1, roots[place + 1]);
            let proof = prove_consistency(&nodes, old, size).unwrap();
            assert_eq!(proof, naive::proof(place + 1, some, true), "{old} {size}");
            verify_consistency(old, was, size, now, &proof).unwrap();
        }
    }
}

#[test]
fn another_implementation_accepts_and_makes_the_same_proofs() {
    let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=70_u64 {
        theirs.push((size - 1).to_be_bytes().to_vec());
        let nodes = MemoryNodes::new(leaves(size));
        assert_eq!(
            theirs.root().as_bytes().as_slice(),
            root(&nodes, size).unwrap().as_bytes()
        );
        for index in 0..size {
            let flat = |proof: Vec<Hash>| -> Vec<u8> {
                proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
            };
            assert_eq!(
                theirs
                    .prove_inclusion(usize::try_from(index).unwrap())
                    .as_bytes(),
                flat(prove_inclusion(&nodes, index, size).unwrap())
            );
            if index > 0 {
                let added = usize::try_from(size - index).unwrap();
                assert_eq!(
                    theirs.prove_consistency(added).as_bytes(),
                    flat(prove_consistency(&nodes, index, size).unwrap())
                );
            }
        }
    }
}

#[test]
fn a_tree_of_nothing_is_continued_by_every_tree() {
    let one = leaves(1)[0];
    verify_consistency(0, empty_root(), 1, one, &[]).unwrap();
    assert_eq!(
        verify_consistency(0, one, 1, one, &[]),
        Err(ProofError::WrongRoot)
    );
    assert_eq!(
        verify_consistency(0, empty_root(), 1, one, &[one]),
        Err(ProofError::WrongLength)
    );
}

#[test]
fn a_shorter_tree_never_continues_a_longer_one() {
    let nodes = MemoryNodes::new(leaves(9));
    let (four, nine) = (root(&nodes, 4).unwrap(), root(&nodes, 9).unwrap());
    assert_eq!(
        verify_consistency(9, nine, 4, four, &[]),
        Err(ProofError::Shrunk { old: 9, new: 4 })
    );
}

proptest! {
    /// A proof holds for its own leaf, place, size and root, and for no other.
    #[test]
    fn an_inclusion_proof_fits_nothing_else(
        size in 1..=LARGEST,
        index in 0..LARGEST,
        other in 0..LARGEST,
        flip in any::<prop::sample::Index>(),
    ) {
        let index = index % size;
        let all = leaves(LARGEST);
        let nodes = MemoryNodes::new(all.clone());
        let now = root(&nodes, size).unwrap();
        let proof = prove_inclusion(&nodes, index, size).unwrap();
        let leaf = all[usize::try_from(index).unwrap()];

        prop_assert!(verify_inclusion(leaf, index, size, &proof, now).is_ok());
        if other != index {
            let stranger = all[usize::try_from(other).unwrap()];
            prop_assert!(verify_inclusion(leaf, other, size, &proof, now).is_err());
            prop_assert!(verify_inclusion(stranger, index, size, &proof, now).is_err());
        }
        let mut longer = proof.clone();
        longer.push(now);
        prop_assert!(verify_inclusion(leaf, index, size, &longer, now).is_err());
        if !proof.is_empty() {
            prop_assert!(verify_inclusion(leaf, index, size, &proof[1..], now).is_err());
            let mut damaged = proof;
            let at = flip.index(damaged.len());
            damaged[at] = Hash::of(damaged[at].as_bytes());
            prop_assert_eq!(
                verify_inclusion(leaf, index, size, &damaged, now),
                Err(ProofError::WrongRoot)
            );
        }
    }

    /// A tree whose past was changed is consistent with no proof of the old one.
    #[test]
    fn a_rewritten_past_is_never_consistent(
        old in 1..LARGEST,
        more in 1..LARGEST,
        changed in 0..LARGEST,
        flip in any::<prop::sample::Index>(),
    ) {
        let new = (old + more).min(LARGEST);
        let changed = usize::try_from(changed % old).unwrap();
        let honest = MemoryNodes::new(leaves(LARGEST));
        let mut rewritten = leaves(LARGEST);
        rewritten[changed] = Hash::leaf(b"rewritten");
        let rewritten = MemoryNodes::new(rewritten);

        let was = root(&honest, old).unwrap();
        let now = root(&honest, new).unwrap();
        let proof = prove_consistency(&honest, old, new).unwrap();
        prop_assert!(verify_consistency(old, was, new, now, &proof).is_ok());

        let lie = root(&rewritten, new).unwrap();
        let excuse = prove_consistency(&rewritten, old, new).unwrap();
        prop_assert!(verify_consistency(old, was, new, lie, &excuse).is_err());
        prop_assert!(verify_consistency(old, was, new, lie, &proof).is_err());

        let mut damaged = proof;
        let at = flip.index(damaged.len());
        damaged[at] = Hash::of(damaged[at].as_bytes());
        prop_assert!(verify_consistency(old, was, new, now, &damaged).is_err());
    }

    /// Whatever a proof from outside says, checking it ends without a panic.
    #[test]
    fn any_numbers_are_answered(
        old in any::<u64>(),
        new in any::<u64>(),
        count in 0_usize..70,
    ) {
        let proof = vec![Hash::of(b"x"); count];
        let root = Hash::of(b"root");
        let other = Hash::of(b"other");
        prop_assert!(verify_inclusion(other, old, new, &proof, root).is_err());
        prop_assert!(verify_consistency(old, other, new, root, &proof).is_err());
    }
}
