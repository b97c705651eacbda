//! Programs that are not ours accept a good package and refuse a changed one, and
//! the independent verifier says of every package what we say.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use pgattest_evidence::{Anchors, Outcome, SigningKey, Verdict, VerifyReport, verify_bytes};
use pgattest_ledger::canonical;
use serde_json::{Value, json};

use crate::support::{Place, check, pack, python, python_json, repository, unpack};

fn verifier() -> std::path::PathBuf {
    repository("verifier")
}

#[test]
fn ssh_keygen_accepts_the_signature_and_refuses_an_edited_manifest() {
    let place = Place::new();
    for (name, bytes) in unpack(&place.seal("shop").path) {
        let path = place.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let signers = place.dir.path().join("allowed_signers");
    let accepts = |signer: &SigningKey| {
        fs::write(&signers, signer.public_key().allowed_signers_line() + "\n").unwrap();
        Command::new("ssh-keygen")
            .args(["-Y", "verify", "-I", "pgattest", "-n", "pgattest", "-f"])
            .arg(&signers)
            .arg("-s")
            .arg(place.dir.path().join("manifest.sshsig"))
            .stdin(File::open(place.dir.path().join("manifest.json")).unwrap())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    assert!(accepts(&place.key));
    assert!(!accepts(&SigningKey::from_seed(&[8; 32])), "another key");
    let manifest = place.dir.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replacen("denied", "Denied", 1)).unwrap();
    assert!(!accepts(&place.key), "an edited manifest");
}

#[test]
fn securesystemslib_and_pythons_zip_reader_accept_the_package() {
    let place = Place::new();
    let sealed = place.seal("shop");
    let found = python_json(
        "third_party.py",
        &[&sealed.path, Path::new(&place.public().to_hex())],
    );
    let names: Vec<String> = unpack(&sealed.path).into_iter().map(|it| it.0).collect();
    assert_eq!(
        found,
        json!({
            "damaged": null,
            "names": names,
            "good": true,
            "other_key": false,
            "edited": false,
        })
    );
}

#[test]
fn the_independent_verifier_sees_every_changed_byte() {
    let place = Place::new();
    place.seal("first");
    let sealed = place.seal("shop");
    let found = python_json("flip.py", &[&verifier(), &sealed.path, &place.key_file()]);
    assert_eq!(found["accepted"], json!([]));
    assert_eq!(found["unnamed"], json!([]));
    assert!(found["tried"].as_u64().unwrap() > sealed.bytes);
}

/// What the independent verifier says of each of these packages.
fn theirs(place: &Place, packages: &[Vec<u8>]) -> Vec<Value> {
    let dir = place.dir.path().join("variants");
    fs::create_dir(&dir).unwrap();
    for (number, package) in packages.iter().enumerate() {
        fs::write(dir.join(format!("{number:05}")), package).unwrap();
    }
    let found = python_json(
        "flip.py",
        &[&verifier(), Path::new("--each"), &dir, &place.key_file()],
    );
    found.as_object().unwrap().values().cloned().collect()
}

fn ours(report: &VerifyReport) -> Value {
    let steps: serde_json::Map<String, Value> = report
        .steps
        .iter()
        .map(|step| {
            let end = match step.outcome {
                Outcome::Ok => "ok",
                Outcome::Failed(_) => "failed",
                Outcome::NotChecked(_) => "unknown",
            };
            (step.id.as_str().to_owned(), end.into())
        })
        .collect();
    let verdict = match report.verdict() {
        Verdict::Verified => "verified",
        Verdict::NotVerified => "not verified",
        Verdict::Failed => "failed",
    };
    json!({"verdict": verdict, "steps": steps})
}

#[test]
fn both_verifiers_agree_step_by_step() {
    let place = Place::new();
    place.seal("first");
    let path = place.seal("shop").path;
    let (files, bytes) = (unpack(&path), fs::read(&path).unwrap());
    let mut packages = vec![bytes.clone(), Vec::new(), bytes.repeat(2)];

    // Another signer, right in itself.
    let stranger = Place {
        key: SigningKey::from_seed(&[8; 32]),
        dir: tempfile::tempdir().unwrap(),
    };
    packages.push(fs::read(stranger.seal("shop").path).unwrap());

    for (place, (name, data)) in files.iter().enumerate() {
        let mut dropped = files.clone();
        dropped.remove(place);
        packages.push(pack(&dropped));
        let mut moved = files.clone();
        moved[place].0 = format!("zz/{name}");
        moved.sort();
        packages.push(pack(&moved));
        for at in (0..data.len()).step_by(11) {
            let mut changed = files.clone();
            changed[place].1[at] ^= 1 << (at % 8);
            packages.push(pack(&changed));
        }
    }
    for at in (0..bytes.len()).step_by(41) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        packages.push(changed);
        packages.push(bytes[..at].to_vec());
    }
    assert!(packages.len() > 500);
    for (number, (package, theirs)) in packages.iter().zip(theirs(&place, &packages)).enumerate() {
        assert_eq!(ours(&check(package)), theirs, "package {number}");
    }
}

/// Replaces a piece of `manifest.json` and signs it anew with the true key, so
/// that only what the manifest says can be wrong with it.
fn with_manifest(
    place: &Place,
    files: &[(String, Vec<u8>)],
    change: impl Fn(&str) -> String,
) -> Vec<u8> {
    let mut files = files.to_vec();
    let text = {
        let (_, manifest) = files
            .iter()
            .find(|(name, _)| name == "manifest.json")
            .unwrap();
        change(str::from_utf8(manifest).unwrap())
    };
    for (name, data) in &mut files {
        if name == "manifest.json" {
            *data = text.clone().into_bytes();
        } else if name == "manifest.sshsig" {
            *data = pgattest_ledger::sshsig::sign(&place.key, text.as_bytes())
                .unwrap()
                .into_bytes();
        }
    }
    pack(&files)
}

#[test]
fn both_verifiers_read_a_manifest_the_same_way() {
    let place = Place::new();
    let path = place.seal("shop").path;
    let files = unpack(&path);
    let ratio =
        |number: &str| with_manifest(&place, &files, |text| text.replacen("0.1", number, 1));
    let mut packages: Vec<Vec<u8>> = [
        "0.1",
        "0.10",
        "1e-1",
        "1",
        "1.0",
        "-0",
        "0",
        "1e21",
        "1e+21",
        "1e+22",
        "1e20",
        "100000000000000000000",
        "9007199254740993",
        "9007199254740992",
        "5e-324",
        "1e-7",
        "0.0000010",
        "0.000001",
        "123456789.12345678",
        "1e400",
        "NaN",
        "Infinity",
        "01",
        "+1",
        "\"\\u0041\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "\"\u{1f600}\"",
        "\"\\/\"",
        "\"\\u001f\"",
        "\"\\u001F\"",
        "\"\\b\"",
        "\"\\u0008\"",
        "\"\u{7f}\"",
        "\"\u{2028}\"",
        "null",
        "true",
        "[]",
        "[ ]",
        "{}",
        "{\"b\":1,\"a\":2}",
        "{\"a\":1,\"a\":1}",
        "{\"\u{fb33}\":1,\"\u{1f600}\":2}",
        "{\"\u{1f600}\":2,\"\u{fb33}\":1}",
    ]
    .into_iter()
    .map(ratio)
    .collect();
    // Around the deepest nesting that is read; two levels are around it.
    for depth in [100, 124, 125, 126, 127, 200, 5000] {
        packages.push(ratio(&format!(
            "{}{}",
            "[".repeat(depth),
            "]".repeat(depth)
        )));
    }
    for (from, to) in [
        ("manifest/1", "manifest/2"),
        ("\"clock_skew_ms\":-12", "\"clock_skew_ms\":null"),
        ("\"clock_skew_ms\":-12", "\"clock_skew_ms\":true"),
        ("\"clock_skew_ms\":-12", "\"clock_skew_ms\":\"1\""),
        ("\"clock_skew_ms\":-12", "\"clock_skew_ms\":1.5"),
        ("\"clock_skew_ms\":-12,", ""),
        ("\"sha256\":null", "\"sha256\":\"x\""),
        ("\"sha256\":null", "\"sha256\":1"),
        ("\"notes\":[", "\"notes\":{},\"x\":["),
        ("\"bytes\":2,", "\"bytes\":-2,"),
        ("\"bytes\":2,", "\"bytes\":true,"),
        ("README.txt", "README.TXT"),
        ("verdicts.json", "verdicts.txt"),
        ("\"path\":\"policy.toml\"", "\"path\":\"ledger/checkpoint\""),
        ("\"path\":\"policy.toml\"", "\"path\":\"report.html\""),
    ] {
        let changed = with_manifest(&place, &files, |text| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        });
        packages.push(changed);
    }
    packages.push(with_manifest(&place, &files, |text| {
        format!("\u{feff}{text}")
    }));
    packages.push(with_manifest(&place, &files, |text| format!("{text}\n")));
    packages.push(with_manifest(&place, &files, |_| String::new()));

    let mut passed = 0;
    for (number, (package, theirs)) in packages.iter().zip(theirs(&place, &packages)).enumerate() {
        let report = check(package);
        assert_eq!(ours(&report), theirs, "package {number}");
        passed += usize::from(report.verdict() == Verdict::Verified);
    }
    assert_eq!(passed, 1, "only the manifest that was recorded");
}

#[track_caller]
fn answers((code, text): (Option<i32>, String), expected: i32, words: &str) {
    assert_eq!(code, Some(expected), "{text}");
    assert!(text.contains(words), "{words:?} is not in {text}");
}

#[test]
fn the_independent_verifiers_command_line_answers_with_its_exit_status() {
    let place = Place::new();
    let sealed = place.seal("shop");
    place.seal("later");
    let key = place.key_file();
    let other_key = place.dir.path().join("other.pub");
    let other = SigningKey::from_seed(&[8; 32]).public_key();
    fs::write(&other_key, other.openssh_line()).unwrap();
    let anchor = place.dir.path().join("anchor");
    let head = place.ledger().checkpoint_text().unwrap().unwrap();
    fs::write(&anchor, head).unwrap();
    let proof = place.dir.path().join("proof.json");
    let consistency = place
        .ledger()
        .prove_consistency(&place.public(), 1, 2)
        .unwrap();
    fs::write(&proof, canonical::to_bytes(&consistency).unwrap()).unwrap();
    let damaged = place.dir.path().join("damaged.zip");
    let mut bytes = fs::read(&sealed.path).unwrap();
    bytes[42] ^= 1;
    fs::write(&damaged, bytes).unwrap();

    let run = |package: &Path, options: &[(&str, &Path)]| {
        let mut command = python();
        command
            .arg(verifier().join("pgattest_verify.py"))
            .arg(package);
        for (option, value) in options {
            command.arg(option).arg(value);
        }
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    answers(
        run(&sealed.path, &[("--key", &key)]),
        0,
        "VERIFIED: signed by SHA256:",
    );
    answers(
        run(&sealed.path, &[]),
        1,
        "which you have not said you trust",
    );
    answers(
        run(&sealed.path, &[("--key", &other_key)]),
        1,
        "none of the keys you trust",
    );
    answers(
        run(&damaged, &[("--key", &key)]),
        1,
        "README.txt: its bytes do not have",
    );
    answers(
        run(&place.dir.path().join("none"), &[]),
        2,
        "cannot read the package",
    );
    answers(
        run(&sealed.path, &[("--key", &sealed.path)]),
        2,
        "not an Ed25519 public key",
    );
    answers(run(&sealed.path, &[("--nonsense", &key)]), 2, "usage");
    let anchored: [(&str, &Path); 2] = [("--key", &key), ("--checkpoint", &anchor)];
    answers(
        run(&sealed.path, &anchored),
        1,
        "a consistency proof is needed",
    );
    let proven = [anchored.as_slice(), &[("--consistency", proof.as_path())]].concat();
    answers(run(&sealed.path, &proven), 0, "VERIFIED");
}

#[test]
fn both_verifiers_agree_on_every_consistency_proof() {
    // Larger trees than a test seals: the proofs and checkpoints are made directly.
    use pgattest_ledger::entry::ConsistencyProof;
    use pgattest_ledger::tree::{MemoryNodes, prove_consistency, root};
    use pgattest_ledger::{Checkpoint, Hash};

    let place = Place::new();
    for _ in 0..6 {
        place.seal("a");
    }
    let path = place.seal("shop").path;
    let ledger = place.ledger();
    let mut leaves: Vec<Hash> = ledger
        .entries(&place.public())
        .unwrap()
        .iter()
        .map(|entry| Hash::leaf(entry))
        .collect();
    leaves.extend((0..40_u64).map(|n| Hash::leaf(&n.to_be_bytes())));
    let nodes = MemoryNodes::new(leaves);
    let head = ledger.checkpoint(&place.public()).unwrap().unwrap();
    let bytes = fs::read(path).unwrap();
    let jobs: Vec<(Vec<u8>, Vec<u8>, bool)> = (0..=40)
        .flat_map(|size| {
            let anchor = Checkpoint {
                origin: head.origin.clone(),
                size,
                root: root(&nodes, size).unwrap(),
            };
            let (old, new) = (size.min(head.size), size.max(head.size));
            let hashes = prove_consistency(&nodes, old, new).unwrap();
            let good = ConsistencyProof::new(old, new, &hashes);
            let mut longer = good.clone();
            longer.hashes.push(head.root.to_hex());
            let text = anchor.clone().sign(&place.key).unwrap().to_text();
            let same = size == head.size;
            let forged = Checkpoint {
                root: Hash::of(b"forged"),
                ..anchor
            };
            let forged = forged.sign(&place.key).unwrap().to_text();
            [
                (&text, &good, true),
                (&text, &longer, same),
                (&forged, &good, false),
            ]
            .map(|(text, proof, fits)| {
                let proof = canonical::to_bytes(proof).unwrap();
                (text.clone().into_bytes(), proof, fits)
            })
        })
        .collect();

    let dir = place.dir.path();
    fs::write(dir.join("package"), &bytes).unwrap();
    let list: Vec<Value> = jobs
        .iter()
        .map(|(anchor, proof, _)| {
            json!([
                String::from_utf8_lossy(anchor),
                String::from_utf8_lossy(proof)
            ])
        })
        .collect();
    fs::write(dir.join("jobs"), serde_json::to_vec(&list).unwrap()).unwrap();
    let key = place.key_file();
    let verifier = verifier();
    let theirs = python_json(
        "anchors.py",
        &[&verifier, &dir.join("package"), &dir.join("jobs"), &key],
    );
    let theirs = theirs.as_array().unwrap();
    assert_eq!(theirs.len(), jobs.len());
    for ((anchor, proof, fits), theirs) in jobs.iter().zip(theirs) {
        let anchors = Anchors {
            checkpoint: Some(anchor),
            consistency: Some(proof),
            ledger: None,
        };
        let report = verify_bytes(bytes.clone(), None, &[place.public()], &anchors);
        let text = String::from_utf8_lossy(anchor);
        assert_eq!(report.verdict() == Verdict::Verified, *fits, "{text}");
        assert_eq!(theirs, &json!(fits), "{text}");
    }
}
