//! The package of a plan that was applied: both verifiers take it, and what it says of the change is computed again.

use crate::changing::Site;
use crate::support::{members, packages, python, repository};
use crate::tamper::{Forged, reseal};
use pgattest_report::plan;
use serde_json::json;
use std::path::PathBuf;

async fn sealed(policy: &str) -> (Site, PathBuf) {
    let site = Site::new(15).await;
    if !policy.is_empty() {
        site.desk.write("pgattest.toml", policy);
    }
    site.plan();
    let answer = site.apply(&["--yes", "--out", "evidence"]);
    answer.assert_code(0);
    let mut found = packages(&site.desk.path("evidence"));
    assert_eq!(found.len(), 1, "{answer}");
    let package = found.remove(0);
    (site, package)
}

#[tokio::test]
async fn both_verifiers_take_the_package_of_a_change() {
    let (site, package) = sealed("").await;
    let files = members(&package);
    for name in [
        "plan.json",
        "apply/journal.jsonl",
        "apply/verification.json",
        "before/verdicts.json",
        "before/observations.jsonl",
    ] {
        assert!(!files[name].is_empty(), "{name}");
    }
    let verification: serde_json::Value =
        serde_json::from_slice(&files["apply/verification.json"]).unwrap();
    assert_eq!(verification["held"], json!(true));
    assert_eq!(verification["not_closed"], json!([]));
    let closed = verification["closed"].as_array().unwrap();
    assert!(closed.iter().any(|one| one["check"] == "ROL-09"));
    assert!(closed.iter().any(|one| one["check"] == "GRN-03"));

    let ours = site.desk.run(&["verify", package.to_str().unwrap()]);
    ours.assert_code(0);
    assert!(!ours.text().contains("not checked"), "{ours}");
    let theirs = python()
        .arg(repository("verifier/pgattest_verify.py"))
        .arg(&package)
        .arg("--key")
        .arg(site.desk.key_file("openssh"))
        .output()
        .unwrap();
    assert_eq!(
        theirs.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&[theirs.stdout, theirs.stderr].concat())
    );
}

/// What is edited, how, and words of the answer.
type Edit = (&'static str, Box<dyn Fn(&mut Forged)>, &'static str);

#[tokio::test]
async fn what_the_true_key_signed_is_held_against_the_observations() {
    let (site, package) = sealed("[access]\nbypass_rls = []\n").await;
    let same = reseal(&site.desk, &package, |_| ());
    site.desk
        .run(&["verify", same.to_str().unwrap()])
        .assert_code(0);

    let edits: Vec<Edit> = vec![
        (
            "a verdict before",
            Box::new(|forged| {
                forged.json("before/verdicts.json", |verdicts| {
                    let check = verdicts["checks"]
                        .as_array_mut()
                        .unwrap()
                        .iter_mut()
                        .find(|check| check["id"] == "ROL-09")
                        .unwrap();
                    assert_eq!(check["verdict"], "fail");
                    check["verdict"] = json!("pass");
                    check["findings"] = json!([]);
                });
            }),
            "before/verdicts.json /checks/",
        ),
        (
            "a letter of the plan",
            Box::new(|forged| forged.replace("plan.json", "NOCREATEDB", "NOCREATEDb")),
            "plan.json: ",
        ),
        (
            "a plan with a claim less, with a digest of its own",
            Box::new(|forged| {
                let text = String::from_utf8(forged.file("plan.json").clone()).unwrap();
                let (mut plan, _) = plan::read(&text).unwrap();
                plan.changes.pop();
                *forged.file("plan.json") = plan::write(&plan).into_bytes();
            }),
            "apply/journal.jsonl is of another plan than plan.json",
        ),
        (
            "a plan for another cluster",
            Box::new(|forged| {
                let text = String::from_utf8(forged.file("plan.json").clone()).unwrap();
                let (mut plan, _) = plan::read(&text).unwrap();
                plan.target.system_identifier = "7123456789012345678".to_owned();
                *forged.file("plan.json") = plan::write(&plan).into_bytes();
            }),
            "plan.json is for another cluster",
        ),
        (
            "a plan from other facts",
            Box::new(|forged| {
                let text = String::from_utf8(forged.file("plan.json").clone()).unwrap();
                let (mut plan, _) = plan::read(&text).unwrap();
                plan.facts.groups.pop();
                *forged.file("plan.json") = plan::write(&plan).into_bytes();
            }),
            "plan.json was made from other facts",
        ),
        (
            "a plan by another policy",
            Box::new(|forged| {
                let text = String::from_utf8(forged.file("plan.json").clone()).unwrap();
                let (mut plan, _) = plan::read(&text).unwrap();
                plan.policy_sha256 = None;
                *forged.file("plan.json") = plan::write(&plan).into_bytes();
            }),
            "plan.json was made by another policy",
        ),
        (
            "a finding that was closed",
            Box::new(|forged| {
                forged.json("apply/verification.json", |verification| {
                    verification["closed"].as_array_mut().unwrap().pop();
                });
            }),
            "apply/verification.json is not what the plan and the audits before and after it give",
        ),
        (
            "a byte of how it held",
            Box::new(|forged| forged.file("apply/verification.json").push(b' ')),
            "apply/verification.json is not what",
        ),
        (
            "a journal that is none",
            Box::new(|forged| *forged.file("apply/journal.jsonl") = b"{\n".to_vec()),
            "apply/journal.jsonl cannot be read",
        ),
        (
            "a change without its journal",
            Box::new(|forged| {
                let files = &mut forged.request.files;
                files.retain(|file| file.path != "apply/journal.jsonl");
            }),
            "the package has no apply/journal.jsonl",
        ),
        (
            "the audit before",
            Box::new(|forged| {
                let files = &mut forged.request.files;
                files.retain(|file| !file.path.starts_with("before/"));
            }),
            "is no file that an audit makes",
        ),
    ];
    for (what, edit, words) in edits {
        let path = reseal(&site.desk, &package, edit);
        let answer = site.desk.run(&["verify", path.to_str().unwrap()]);
        assert_eq!(answer.code, Some(1), "{what}\n{answer}");
        assert!(
            answer.text().contains(words),
            "{what}: no {words:?}\n{answer}"
        );
        answer.assert_says("ok           the signing key is one you trust");
        answer.assert_says("not verified ");
    }
}
