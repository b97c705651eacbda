//! A package that was damaged, edited, or sealed by somebody else convinces nobody, and the answer says where.

use crate::support::{Desk, members, python, repository};
use crate::zip_file::{repair, spots};
use pgattest_evidence::{
    KeyStore, Ledger, Package, PackageFile, SealRequest, Sealer, SigningKey, open,
};
use pgattest_testkit::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A desk with one sealed package; the cluster is gone.
async fn sealed() -> (Desk, PathBuf) {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE shop LOGIN SUPERUSER; CREATE ROLE \"=cmd()\nx\" LOGIN; \
             CREATE TABLE orders (tenant_id int); ALTER TABLE orders ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY p ON orders USING (tenant_id = current_setting('app.tenant')::int)",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    let package = desk.seal(&cluster.dsn("postgres"));
    (desk, package)
}

#[tokio::test]
async fn one_changed_byte_in_any_file_is_seen_and_named_by_both_verifiers() {
    let (desk, package) = sealed().await;
    let bytes = fs::read(&package).unwrap();
    let spots = spots(&bytes);
    assert_eq!(
        spots.keys().collect::<Vec<_>>(),
        members(&package).keys().collect::<Vec<_>>()
    );
    let variants = desk.path("variants");
    fs::create_dir(&variants).unwrap();
    for (number, (name, place)) in spots.iter().enumerate() {
        assert!(!place.is_empty(), "{name}");
        let at = place.start + (number * 7919) % place.len();
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (number % 8);
        // As an editor of zip files would, the sum in the headers is put right: digests have to find it.
        repair(&mut changed, place);
        let path = variants.join(format!("{number:03}.zip"));
        fs::write(&path, changed).unwrap();
        let answer = desk.run(&["verify", path.to_str().unwrap()]);
        answer.assert_code(1);
        answer.assert_says(name);
        answer.assert_says("not verified ");
    }

    let theirs = python()
        .arg(repository("crates/evidence/tests/python/flip.py"))
        .arg(repository("verifier"))
        .arg("--each")
        .arg(&variants)
        .arg(desk.key_file("openssh"))
        .output()
        .unwrap();
    assert!(
        theirs.status.success(),
        "{}",
        String::from_utf8_lossy(&theirs.stderr)
    );
    let found: BTreeMap<String, Value> = serde_json::from_slice(&theirs.stdout).unwrap();
    assert_eq!(found.len(), spots.len());
    for (name, said) in found {
        assert_eq!(said["verdict"], "failed", "{name}: {said}");
    }
}

#[tokio::test]
async fn bytes_between_and_behind_the_files_are_seen() {
    let (desk, package) = sealed().await;
    let bytes = fs::read(&package).unwrap();
    let mut damaged: Vec<Vec<u8>> = vec![
        bytes[..bytes.len() / 2].to_vec(),
        bytes[..bytes.len() - 1].to_vec(),
        [bytes.as_slice(), b"\n"].concat(),
        [b"#!/bin/sh\n", bytes.as_slice()].concat(),
        bytes.repeat(2),
    ];
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut changed = bytes.clone();
        changed[at] = changed[at].wrapping_add(1);
        damaged.push(changed);
    }
    for bytes in damaged {
        let path = desk.write("damaged.zip", bytes);
        let answer = desk.run(&["verify", path.to_str().unwrap()]);
        answer.assert_code(1);
        answer.assert_says("failed");
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_verifies_nothing() {
    let (desk, package) = sealed().await;
    let mut bytes = fs::read(&package).unwrap();
    bytes[100] ^= 1;
    fs::write(&package, bytes).unwrap();
    let mut child = desk
        .command(&["verify", package.to_str().unwrap()])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_package_is_as_good_as_the_key_that_is_trusted() {
    let (theirs, package) = sealed().await;
    let package = package.to_str().unwrap();
    let fingerprint = theirs.run(&["key"]).text();
    let fingerprint = fingerprint.lines().last().unwrap().trim().to_owned();
    let key = theirs.key_file("openssh");

    // An auditor without any key: nothing is wrong, and nothing is proven.
    let auditor = Desk::new();
    let answer = auditor.run(&["verify", package]);
    answer.assert_code(1);
    answer.assert_says("not verified ");
    answer.assert_says(&fingerprint);
    assert!(
        !auditor.path("home").exists(),
        "verifying makes no key of its own"
    );

    // One with a key of somebody else, and one who has sealed packages with it, too.
    let stranger = Desk::new();
    stranger.run(&["key"]).assert_code(0);
    let (colleague, own) = sealed().await;
    colleague
        .run(&["verify", own.to_str().unwrap()])
        .assert_code(0);
    for other in [&stranger, &colleague] {
        let answer = other.run(&["verify", package]);
        answer.assert_code(1);
        answer.assert_says("not verified ");
        answer.assert_says(&format!("hint: it is signed by {fingerprint}"));
        assert!(!answer.text().contains("failed"), "{answer}");
    }

    // One with the right key, in whatever form, beside others.
    for form in ["openssh", "allowed-signers"] {
        let key = theirs.key_file(form);
        let other = stranger.key_file("openssh");
        let answer = auditor.run(&[
            "verify",
            package,
            "--key",
            other.to_str().unwrap(),
            "--key",
            key.to_str().unwrap(),
        ]);
        answer.assert_code(0);
        answer.assert_says(&format!("signed by {fingerprint}"));
    }
    // The key named is the only one that counts, also on the machine that audited.
    let answer = theirs.run(&[
        "verify",
        package,
        "--key",
        stranger.key_file("openssh").to_str().unwrap(),
    ]);
    answer.assert_code(1);
    assert!(key.exists());
}

/// Whoever holds the key can sign what the observations do not say. Performing it again finds that.
#[tokio::test]
async fn documents_that_the_observations_do_not_give_are_refused_though_signed() {
    let (desk, package) = sealed().await;
    let files = members(&package);

    let same = reseal(&desk, &package, |_| ());
    desk.run(&["verify", same.to_str().unwrap()]).assert_code(0);

    let roles = files
        .keys()
        .find(|path| path.ends_with("cluster/roles.csv"))
        .unwrap()
        .clone();
    let fewer = roles.clone();
    let edits: Vec<Edit> = vec![
        (
            "a verdict",
            Box::new(|forged| {
                forged.json("verdicts.json", |verdicts| {
                    let check = &mut verdicts["checks"][0];
                    assert_eq!(check["id"], "ROL-01");
                    check["verdict"] = json!("pass");
                    check["findings"] = json!([]);
                });
            }),
            vec!["verdicts.json", "ROL-01", "stored pass, recomputed fail"],
        ),
        (
            "a point of the checklist",
            Box::new(|forged| {
                forged.json("verdicts.json", |verdicts| {
                    verdicts["checklist"][0]["verdict"] = json!("pass");
                });
            }),
            vec!["verdicts.json", "/checklist/", "stored pass"],
        ),
        (
            "the report",
            Box::new(|forged| forged.replace("report.html", "not approved", "approved")),
            vec!["report.html is not what the observations give"],
        ),
        (
            "the note for the auditor",
            Box::new(|forged| forged.file("README.txt").extend(b"All is well.\n")),
            vec!["README.txt is not what the observations give"],
        ),
        (
            "an observation",
            Box::new(move |forged| {
                let csv = String::from_utf8(forged.file(&roles).clone()).unwrap();
                let place = csv
                    .split('\n')
                    .next()
                    .unwrap()
                    .split(',')
                    .position(|it| it == "superuser");
                let place = place.unwrap_or_else(|| panic!("{csv}"));
                let row = csv.lines().find(|row| row.contains("shop")).unwrap();
                let mut fields: Vec<&str> = row.split(',').collect();
                assert_eq!(fields[place], "t", "{csv}");
                fields[place] = "f";
                *forged.file(&roles) = csv.replacen(row, &fields.join(","), 1).into_bytes();
            }),
            vec![
                "/checks/ROL-01/verdict: ROL-01: stored fail, recomputed pass",
                "and ",
            ],
        ),
        (
            "an observation with a row less",
            Box::new(move |forged| {
                let csv = String::from_utf8(forged.file(&fewer).clone()).unwrap();
                let row = csv.lines().find(|row| row.contains("shop")).unwrap();
                *forged.file(&fewer) = csv.replacen(&format!("{row}\n"), "", 1).into_bytes();
            }),
            vec!["/checks/ROL-01/verdict", "recomputed not assessed"],
        ),
        (
            "the policy",
            Box::new(|forged| {
                forged.request.files.push(PackageFile {
                    path: "policy.toml".to_owned(),
                    bytes: b"[access]\nsuperusers = [\"postgres\", \"shop\"]\n".to_vec(),
                });
            }),
            vec!["/checks/ROL-01/verdict", "stored fail, recomputed pass"],
        ),
        (
            "a policy that is none",
            Box::new(|forged| {
                forged.request.files.push(PackageFile {
                    path: "policy.toml".to_owned(),
                    bytes: b"[access\n".to_vec(),
                });
            }),
            vec!["policy.toml"],
        ),
        (
            "a transcript without an observation",
            Box::new(|forged| {
                let lines = String::from_utf8(forged.file("observations.jsonl").clone()).unwrap();
                let kept: String = lines
                    .split_inclusive('\n')
                    .filter(|line| !line.contains("\"cluster/memberships\""))
                    .collect();
                assert_ne!(lines, kept);
                *forged.file("observations.jsonl") = kept.into_bytes();
            }),
            vec!["ROL-02", "recomputed not assessed"],
        ),
        (
            "a transcript that is none",
            Box::new(|forged| *forged.file("observations.jsonl") = b"{}\n".to_vec()),
            vec!["line 1 of the transcript"],
        ),
        (
            "a file more",
            Box::new(|forged| {
                forged.request.files.push(PackageFile {
                    path: "auditors-opinion.txt".to_owned(),
                    bytes: b"unqualified\n".to_vec(),
                });
            }),
            vec!["auditors-opinion.txt is no file that an audit makes"],
        ),
        (
            "what was not visible",
            Box::new(|forged| forged.request.not_visible = vec![json!("nothing")]),
            vec!["manifest.json: not_visible"],
        ),
        (
            "the target",
            Box::new(|forged| forged.request.target["system_identifier"] = json!("1")),
            vec!["manifest.json: target"],
        ),
        (
            "the line in the ledger",
            Box::new(|forged| forged.request.summary = json!({"fail": 0})),
            vec!["the summary in the ledger's entry"],
        ),
        (
            "the time",
            Box::new(|forged| forged.request.started_at += jiff_hour()),
            vec!["/started_at"],
        ),
    ];
    for (what, edit, words) in edits {
        let path = reseal(&desk, &package, edit);
        let answer = desk.run(&["verify", path.to_str().unwrap()]);
        assert_eq!(answer.code, Some(1), "{what}\n{answer}");
        for word in words {
            assert!(
                answer.text().contains(word),
                "{what}: no {word:?}\n{answer}"
            );
        }
        // The key is the right one: that is not what fails.
        answer.assert_says("ok           the signing key is one you trust");
        answer.assert_says("not verified ");
    }
}

/// A server that this version does not know is not judged, whatever its catalogs look like.
#[tokio::test]
async fn versions_that_are_not_supported_are_not_assessed() {
    let (desk, package) = sealed().await;
    for major in ["190000", "120022"] {
        let path = reseal(&desk, &package, |forged| {
            let name = "observations/cluster/server.csv";
            let csv = String::from_utf8(forged.file(name).clone()).unwrap();
            let mut columns = csv.lines().next().unwrap().split(',');
            let place = columns
                .position(|column| column == "server_version_num" || column == "version_num")
                .unwrap_or_else(|| panic!("no version in {csv}"));
            let row = csv.lines().nth(1).unwrap();
            let old = row.split(',').nth(place).unwrap();
            assert!(old.starts_with("15"), "{csv}");
            *forged.file(name) = csv.replacen(old, major, 1).into_bytes();
        });
        let answer = desk.run(&["verify", path.to_str().unwrap()]);
        answer.assert_code(1);
        answer.assert_says("recomputed not assessed");
        for word in ["pass", "fail"] {
            let found = format!("recomputed {word}");
            assert!(!answer.text().contains(&found), "{answer}");
        }
        assert_eq!(
            verdicts_of(&path),
            vec!["not_assessed"; checks()],
            "{major}"
        );
    }
}

/// What is edited, how, and words of the answer.
type Edit = (&'static str, Box<dyn Fn(&mut Forged)>, Vec<&'static str>);

/// A package to be sealed again, with the true key, after some edits.
pub(crate) struct Forged {
    pub(crate) request: SealRequest,
}

impl Forged {
    pub(crate) fn file(&mut self, path: &str) -> &mut Vec<u8> {
        let found = self.request.files.iter_mut().find(|file| file.path == path);
        &mut found.unwrap_or_else(|| panic!("no {path}")).bytes
    }

    pub(crate) fn replace(&mut self, path: &str, from: &str, to: &str) {
        let bytes = self.file(path);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains(from), "{path}");
        *bytes = text.replacen(from, to, 1).into_bytes();
    }

    pub(crate) fn json(&mut self, path: &str, edit: impl Fn(&mut Value)) {
        let bytes = self.file(path);
        let mut value: Value = serde_json::from_slice(bytes).unwrap();
        edit(&mut value);
        *bytes = serde_json::to_vec_pretty(&value).unwrap();
    }
}

pub(crate) fn reseal(desk: &Desk, package: &Path, edit: impl Fn(&mut Forged)) -> PathBuf {
    let mut forged = Forged {
        request: request(&open(package).unwrap()),
    };
    edit(&mut forged);
    let key: SigningKey = KeyStore::new(desk.path("home/keys")).load().unwrap();
    let ledger = Ledger::new(desk.path("home/ledger"));
    let sealer = Sealer {
        key: &key,
        ledger: &ledger,
        out_dir: &desk.path("forged"),
    };
    sealer.seal(forged.request).unwrap().path
}

/// What was sealed into this package.
fn request(package: &Package) -> SealRequest {
    let manifest = package.manifest().clone();
    let proof: Value = serde_json::from_slice(package.file("ledger/proof.json").unwrap()).unwrap();
    let entry: Value = serde_json::from_str(proof["entry"].as_str().unwrap()).unwrap();
    let envelope = |path: &str| path.starts_with("manifest.") || path.starts_with("ledger/");
    SealRequest {
        tool: manifest.tool,
        target_name: entry["target"].as_str().unwrap().to_owned(),
        target: manifest.target,
        started_at: manifest.period.started_at.parse().unwrap(),
        finished_at: manifest.period.finished_at.parse().unwrap(),
        recorded_at: entry["recorded_at"].as_str().unwrap().parse().unwrap(),
        clock_skew_ms: manifest.clock_skew_ms,
        not_visible: manifest.not_visible,
        notes: manifest.notes,
        summary: entry["summary"].clone(),
        files: package
            .files()
            .filter(|(path, _)| !envelope(path))
            .map(|(path, bytes)| PackageFile {
                path: path.to_owned(),
                bytes: bytes.to_vec(),
            })
            .collect(),
    }
}

fn jiff_hour() -> std::time::Duration {
    std::time::Duration::from_hours(1)
}

/// Every verdict that a package's observations give, by the library.
fn verdicts_of(package: &Path) -> Vec<&'static str> {
    let package = open(package).unwrap();
    let text = std::str::from_utf8(package.file("observations.jsonl").unwrap()).unwrap();
    let observations =
        pgattest_catalog::transcript::read(text, |path| package.file(path).map(<[u8]>::to_vec))
            .unwrap();
    let facts = pgattest_catalog::decode(&observations);
    let assessment = pgattest_checks::assess(&facts, &pgattest_model::Policy::default());
    assessment
        .checks
        .iter()
        .map(|result| result.verdict.status().as_str())
        .collect()
}

fn checks() -> usize {
    pgattest_checks::CHECKS.len()
}
