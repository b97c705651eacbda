//! The ledger: what it lists, what it needs of its cache, and what it says when it is damaged.

use crate::support::{Desk, members, packages, python, repository};
use pgattest_testkit::Cluster;
use std::fs;
use std::path::{Path, PathBuf};

#[tokio::test]
async fn the_ledger_is_what_counts_and_its_index_a_cache() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let desk = Desk::new();
    for _ in 0..3 {
        desk.run(&[
            "audit",
            &cluster.dsn("postgres"),
            "--format",
            "json=audit.json",
            "--out",
            "out",
            "--fail-on",
            "none",
        ])
        .assert_code(0);
    }
    let sealed = packages(&desk.path("out"));
    assert_eq!(sealed.len(), 3);
    let arguments = ["ledger", "--packages", "out"];
    let list = desk.run(&arguments);
    list.assert_code(0);
    for package in &sealed {
        list.assert_says(package.file_name().unwrap().to_str().unwrap());
    }
    assert!(!list.text().contains("missing"), "{list}");

    let caches: Vec<PathBuf> = packages(&desk.path("home/ledger"))
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name == "index.json"))
        .collect();
    for cache in &caches {
        fs::remove_file(cache).unwrap();
    }
    let again = desk.run(&arguments);
    again.assert_code(0);
    assert_eq!(again.text(), list.text(), "nothing was lost with the index");
    for cache in &caches {
        fs::write(cache, "nonsense").unwrap();
        let again = desk.run(&arguments);
        assert_eq!(again.text(), list.text(), "a damaged index is made anew");
    }

    // A package that is gone, or is not the one that was recorded, is not passed over.
    fs::rename(&sealed[1], desk.path("taken.zip")).unwrap();
    fs::copy(&sealed[0], &sealed[2]).unwrap();
    let text = desk.run(&arguments).text();
    assert!(text.contains("missing"), "{text}");
    assert!(text.contains("replaced by another file"), "{text}");

    // A byte of what was recorded.
    let entries = newest_file(&desk.path("home/ledger/tile"));
    let mut bytes = fs::read(&entries).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&entries, bytes).unwrap();
    let broken = desk.run(&arguments);
    broken.assert_code(2);
    assert!(broken.stdout.is_empty(), "{broken}");
    assert!(
        broken.stderr.contains("the ledger does not hold together"),
        "{broken}"
    );
}

#[tokio::test]
async fn a_checkpoint_kept_elsewhere_shows_that_nothing_was_rewritten() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let desk = Desk::new();
    let key = desk.key_file("openssh");
    let kept = |package: &Path| members(package)["ledger/checkpoint"].clone();
    let seal = |folder: &str| {
        let connection = cluster.dsn("postgres");
        let out = [
            "--out",
            folder,
            "--fail-on",
            "none",
            "--format",
            "json=a.json",
        ];
        desk.run(&[&["audit", connection.as_str()], &out[..]].concat())
            .assert_code(0);
        packages(&desk.path(folder)).remove(0)
    };
    let first = seal("first");
    desk.write("kept", kept(&first));
    let second = seal("second");
    desk.write("until", kept(&second));
    let proof = desk.run(&["ledger", "--since", "kept", "--until", "until"]);
    proof.assert_code(0);
    desk.write("proof.json", &proof.stdout);

    let (package, key) = (second.to_str().unwrap(), key.to_str().unwrap());
    let anchored = |checkpoint: &str, proof: &str| {
        let anchors = ["--checkpoint", checkpoint, "--consistency", proof];
        let ours = desk.run(&[&["verify", package, "--key", key], &anchors[..]].concat());
        let theirs = python()
            .arg(repository("verifier/pgattest_verify.py"))
            .args([package, "--key", key])
            .args(anchors)
            .current_dir(desk.path(""))
            .output()
            .unwrap();
        assert_eq!(
            ours.code,
            theirs.status.code(),
            "both verifiers agree: {ours}"
        );
        ours
    };
    let answer = anchored("kept", "proof.json");
    answer.assert_code(0);
    answer.assert_says("the ledger agrees with the checkpoint kept elsewhere");

    // The ledger was thrown away and begun again with the same key: its first checkpoint is another.
    fs::remove_dir_all(desk.path("home/ledger")).unwrap();
    let again = seal("again");
    desk.write("rewritten", kept(&again));
    anchored("rewritten", "proof.json").assert_code(1);
}

#[test]
fn an_empty_ledger_says_so() {
    let desk = Desk::new();
    let answer = desk.run(&["ledger"]);
    answer.assert_code(0);
    assert!(answer.stdout.is_empty(), "{answer}");
    assert!(answer.stderr.contains("is empty"), "{answer}");
}

fn newest_file(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    // Entries are the largest of the tiles.
    found
        .into_iter()
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}
