//! Nothing of a package can be changed unseen, and no package can hurt.

use std::fs;

use pgattest_evidence::{Outcome, SigningKey, StepId, Verdict, VerifyReport, open_bytes};
use pgattest_ledger::{dsse, sshsig};

use crate::support::{Place, assert_verified, check, pack, unpack};

#[track_caller]
fn assert_failed(report: &VerifyReport, words: &str) {
    assert_eq!(report.verdict(), Verdict::Failed, "{words}");
    let problems: Vec<String> = report.problems().map(ToString::to_string).collect();
    assert!(
        problems.iter().any(|problem| problem.contains(words)),
        "{words:?} is not in {problems:#?}"
    );
}

/// The files of a package, and the package.
fn sealed() -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let place = Place::new();
    place.seal("first");
    let path = place.seal("shop").path;
    let (files, bytes) = (unpack(&path), fs::read(&path).unwrap());
    assert_eq!(pack(&files), bytes, "the test packs as the product does");
    assert_verified(&check(&bytes));
    (files, bytes)
}

#[test]
fn every_changed_byte_of_the_zip_file_is_seen() {
    let (_, bytes) = sealed();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let report = check(&changed);
        assert_eq!(report.verdict(), Verdict::Failed, "byte {place}");
        assert!(report.package.is_none(), "byte {place}");
    }
}

/// Changes each byte of these files in a zip file that is right otherwise, so
/// that digests and signatures have to find it.
fn every_changed_byte_of(names: &[&str]) {
    let (files, _) = sealed();
    let mut tried = 0;
    for (file, name) in names.iter().map(|name| {
        let file = files.iter().position(|(found, _)| found == name).unwrap();
        (file, name)
    }) {
        for place in 0..files[file].1.len() {
            let mut changed = files.clone();
            changed[file].1[place] ^= 1 << (place % 8);
            let report = check(&pack(&changed));
            assert_failed(&report, name);
            assert_eq!(report.outcome(StepId::Container), Some(&Outcome::Ok));
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn every_changed_byte_of_the_manifest_is_seen() {
    every_changed_byte_of(&["manifest.json"]);
}

#[test]
fn every_changed_byte_of_the_signatures_is_seen() {
    every_changed_byte_of(&["manifest.dsse.json", "manifest.sshsig"]);
}

#[test]
fn every_changed_byte_of_the_ledger_files_is_seen() {
    every_changed_byte_of(&["ledger/checkpoint", "ledger/proof.json"]);
}

#[test]
fn every_changed_byte_of_the_content_is_seen() {
    // Opening is the part of verifying that looks at content.
    let (files, _) = sealed();
    for (file, (name, data)) in files.iter().enumerate() {
        if name.starts_with("manifest.") || name.starts_with("ledger/") {
            continue;
        }
        for place in 0..data.len() {
            let mut changed = files.clone();
            changed[file].1[place] ^= 1 << (place % 8);
            let damage = open_bytes(pack(&changed)).unwrap_err();
            assert_eq!(damage.problems.len(), 1, "{name} {place}: {damage}");
            assert_eq!(damage.problems[0].file.as_deref(), Some(&**name));
        }
    }
}

#[test]
fn a_file_added_dropped_swapped_or_renamed_is_named() {
    let (files, _) = sealed();
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    for (place, name) in names.iter().enumerate() {
        let mut dropped = files.clone();
        dropped.remove(place);
        assert_failed(&check(&pack(&dropped)), &format!("{name}: it is missing"));
        let mut emptied = files.clone();
        emptied[place].1.clear();
        if !files[place].1.is_empty() {
            assert_failed(&check(&pack(&emptied)), name);
        }
    }
    let mut added = files.clone();
    added.push(("zzz.txt".to_owned(), b"x".to_vec()));
    assert_failed(
        &check(&pack(&added)),
        "zzz.txt: the manifest does not list it",
    );

    let mut swapped = files.clone();
    let contents = swapped[9].1.clone();
    swapped[9].1 = std::mem::replace(&mut swapped[10].1, contents);
    assert_failed(&check(&pack(&swapped)), "report.html");

    let mut twice = files.clone();
    twice.insert(1, files[0].clone());
    assert_failed(&check(&pack(&twice)), "README.txt: it is out of order");
}

#[test]
fn a_truncated_package_is_refused_wherever_it_ends() {
    let (_, bytes) = sealed();
    for end in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
        let report = check(&bytes[..end]);
        assert_eq!(report.verdict(), Verdict::Failed, "{end}");
        assert!(report.problems().next().is_some());
    }
}

#[test]
fn bytes_before_or_behind_are_refused() {
    let (_, bytes) = sealed();
    assert_failed(
        &check(&[b"#!/bin/sh\n", bytes.as_slice()].concat()),
        "does not start",
    );
    assert_failed(
        &check(&[bytes.as_slice(), b"x"].concat()),
        "1 bytes follow the end",
    );
    assert_failed(&check(&bytes.repeat(2)), "bytes follow the end");
}

#[test]
fn a_zip_bomb_is_refused_unread() {
    // Python's zipfile, DEFLATE: 10 MB of zeros in some 10 kB, named like evidence.
    let place = Place::new();
    let path = place.dir.path().join("bomb.zip");
    let made = crate::support::python()
        .args([
            "-c",
            "import sys, zipfile\n\
             z = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n\
             z.writestr('README.txt', bytes(10**7))\n\
             z.close()",
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.len() < 100_000);
    assert_failed(&check(&bytes), "README.txt: it is compressed");
}

#[test]
fn a_path_that_leaves_the_package_is_refused() {
    for name in ["../../etc/cron.d/x", "/etc/passwd", "..\\x", "a\u{1b}[2Jb"] {
        let (mut files, _) = sealed();
        files.push((name.to_owned(), b"x".to_vec()));
        files.sort();
        let report = check(&pack(&files));
        assert_failed(&report, "its name is not allowed");
        assert!(
            report
                .problems()
                .all(|problem| !problem.to_string().contains('\u{1b}'))
        );
    }
}

/// Signs a changed manifest anew, as somebody with another key, or with the key of
/// another package, would.
fn forge(key: &SigningKey, change: impl Fn(&str) -> String) -> Vec<(String, Vec<u8>)> {
    let (mut files, _) = sealed();
    let manifest = files.iter_mut().find(|it| it.0 == "manifest.json").unwrap();
    let text = change(str::from_utf8(&manifest.1).unwrap());
    manifest.1 = text.clone().into_bytes();
    let signature = files
        .iter_mut()
        .find(|it| it.0 == "manifest.sshsig")
        .unwrap();
    signature.1 = sshsig::sign(key, text.as_bytes()).unwrap().into_bytes();

    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let statement = files
        .iter_mut()
        .find(|it| it.0 == "manifest.dsse.json")
        .unwrap();
    let predicate = serde_json::json!({
        "manifest_schema": value["schema"],
        "tool": value["tool"],
        "target": value["target"],
        "period": value["period"],
    });
    let digest = pgattest_evidence::Hash::of(text.as_bytes());
    let said = dsse::statement(
        "manifest.json",
        digest,
        "urn:pgattest:evidence:v1",
        &predicate,
    );
    statement.1 = dsse::seal(&said, key).unwrap();
    files
}

#[test]
fn a_manifest_signed_anew_is_not_in_the_ledger() {
    // Even with the true key, what was not recorded is not accepted.
    let key = SigningKey::from_seed(&[7; 32]);
    let files = forge(&key, |text| {
        text.replacen("permission denied", "nothing to see", 1)
    });
    let report = check(&pack(&files));
    assert_eq!(report.outcome(StepId::Statement), Some(&Outcome::Ok));
    assert_eq!(report.outcome(StepId::Signature), Some(&Outcome::Ok));
    assert_failed(
        &report,
        "ledger/proof.json: its entry is about another manifest",
    );
}

#[test]
fn signatures_by_two_keys_do_not_add_up() {
    let stranger = SigningKey::from_seed(&[8; 32]);
    let files = forge(&stranger, str::to_owned);
    let report = check(&pack(&files));
    assert_failed(
        &report,
        "ledger/checkpoint: the checkpoint was signed by another key",
    );
    assert!(matches!(
        report.outcome(StepId::Trust),
        Some(Outcome::NotChecked(_))
    ));
}

#[test]
fn a_statement_that_says_something_else_is_refused() {
    let key = SigningKey::from_seed(&[7; 32]);
    let (mut files, _) = sealed();
    let digest = {
        let (_, manifest) = files
            .iter()
            .find(|(name, _)| name == "manifest.json")
            .unwrap();
        pgattest_evidence::Hash::of(manifest)
    };
    let said = dsse::statement(
        "manifest.json",
        digest,
        "urn:pgattest:evidence:v1",
        &serde_json::json!({"verdict": "all is well"}),
    );
    let (_, statement) = files
        .iter_mut()
        .find(|(name, _)| name == "manifest.dsse.json")
        .unwrap();
    *statement = dsse::seal(&said, &key).unwrap();
    assert_failed(&check(&pack(&files)), "the statement says something else");
}

#[test]
fn the_key_in_the_package_is_never_enough() {
    // A package that is right in itself, made by a stranger from the start.
    let stranger = Place {
        key: SigningKey::from_seed(&[8; 32]),
        dir: tempfile::tempdir().unwrap(),
    };
    let bytes = fs::read(stranger.seal("shop").path).unwrap();
    let report = check(&bytes);
    assert_eq!(report.verdict(), Verdict::NotVerified);
    assert_eq!(report.problems().count(), 0);
}
