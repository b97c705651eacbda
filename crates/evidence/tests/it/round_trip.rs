//! Sealing a package and reading it back.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use pgattest_evidence::{
    Anchors, Ledger, OpenError, Outcome, SealError, SigningKey, StepId, Verdict, open, verify,
};
use serde_json::json;

use crate::support::{Place, assert_verified, at, check, file, request};

#[test]
fn a_sealed_package_is_verified_by_its_key() {
    let place = Place::new();
    let sealed = place.seal("shop");
    assert_eq!(sealed.package, "evidence-shop-20260102T030406Z.zip");
    assert_eq!(sealed.path, place.out().join(&sealed.package));
    let report = verify(&sealed.path, &[place.public()], &Anchors::default()).unwrap();
    assert_verified(&report);
    assert_eq!(report.notes, Vec::<String>::new());

    let package = report.package.unwrap();
    assert_eq!(package.file("verdicts.json"), Some(b"{}".as_slice()));
    let names: Vec<&str> = package.files().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "ledger/checkpoint",
            "ledger/proof.json",
            "manifest.dsse.json",
            "manifest.json",
            "manifest.sshsig",
            "observations.jsonl",
            "observations/cluster/roles.csv",
            "policy.toml",
            "report.html",
            "verdicts.json",
        ]
    );
    assert_eq!(package.manifest().clock_skew_ms, Some(-12));
    assert_eq!(package.manifest_digest(), sealed.manifest_digest);
    assert_eq!(fs::metadata(&sealed.path).unwrap().len(), sealed.bytes);
}

#[test]
fn the_same_request_gives_the_same_bytes() {
    let bytes = || fs::read(Place::new().seal("shop").path).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_package_is_for_its_owner_only() {
    let sealed = Place::new();
    let path = sealed.seal("shop").path;
    assert_eq!(
        fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn without_a_trusted_key_nothing_is_verified() {
    let place = Place::new();
    let path = place.seal("shop").path;
    let report = verify(&path, &[], &Anchors::default()).unwrap();
    assert_eq!(report.verdict(), Verdict::NotVerified);
    assert_eq!(
        report.outcome(StepId::Trust),
        Some(&Outcome::NotChecked(format!(
            "signed by {}, which you have not said you trust",
            place.public().fingerprint()
        )))
    );
}

#[test]
fn a_package_signed_by_another_key_is_not_verified() {
    let place = Place::new();
    let path = place.seal("shop").path;
    let other = SigningKey::from_seed(&[8; 32]).public_key();
    let report = verify(&path, &[other], &Anchors::default()).unwrap();
    assert_eq!(report.verdict(), Verdict::NotVerified);
    let Some(Outcome::NotChecked(why)) = report.outcome(StepId::Trust) else {
        panic!("{:?}", report.steps);
    };
    assert!(why.contains(&place.public().fingerprint()) && why.contains(&other.fingerprint()));
    assert_eq!(report.signer, Some(place.public()));
}

#[test]
fn another_name_is_noted_and_no_failure() {
    let place = Place::new();
    let path = place.seal("shop").path;
    let renamed = place.out().join("q3.zip");
    fs::rename(path, &renamed).unwrap();
    let report = verify(&renamed, &[place.public()], &Anchors::default()).unwrap();
    assert_verified(&report);
    assert_eq!(report.notes.len(), 1);
}

#[test]
fn a_second_package_of_the_same_second_gets_a_name_of_its_own() {
    let place = Place::new();
    let first = place.seal("shop");
    let second = place.seal("shop");
    assert_eq!(second.package, "evidence-shop-20260102T030406Z-2.zip");
    for sealed in [first, second] {
        assert_verified(&verify(&sealed.path, &[place.public()], &Anchors::default()).unwrap());
    }
}

#[test]
fn a_hostile_target_name_makes_a_harmless_file_name() {
    let place = Place::new();
    for name in [
        "../../etc",
        "a\nb",
        "<script>",
        "=cmd()",
        "\u{1b}[2J",
        "",
        "CON",
    ] {
        let sealed = place.seal(name);
        assert_eq!(sealed.path.parent(), Some(place.out().as_path()));
        assert!(
            sealed.package.bytes().all(|b| b.is_ascii_graphic()),
            "{sealed:?}"
        );
        assert_verified(&check(&fs::read(sealed.path).unwrap()));
    }
    let listed = place
        .ledger()
        .list(&place.public(), &[&place.out()])
        .unwrap();
    assert_eq!(listed[0].entry.as_ref().unwrap().target, "../../etc");
}

#[test]
fn what_cannot_be_a_package_is_refused_before_anything_is_written() {
    #[track_caller]
    fn refused(change: impl FnOnce(&mut pgattest_evidence::SealRequest), words: &str) {
        let place = Place::new();
        let ledger = place.ledger();
        let mut request = request("shop");
        change(&mut request);
        let error = place.sealer(&ledger).seal(request).unwrap_err();
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(text.contains(words), "{text}");
        assert!(!matches!(error, SealError::SelfCheck(_)), "{text}");
        assert_eq!(fs::read_dir(place.out()).unwrap().count(), 0);
        assert_eq!(ledger.checkpoint_text().unwrap(), None);
    }
    refused(
        |it| it.files.push(file("../x", "")),
        "`../x` cannot be a file",
    );
    refused(
        |it| it.files.push(file("VERDICTS.json", "")),
        "would both be",
    );
    refused(|it| it.files.push(file("verdicts.json", "")), "each once");
    refused(
        |it| it.files.push(file("manifest.json", "")),
        "made while sealing",
    );
    refused(
        |it| it.files.push(file("ledger/x", "")),
        "made while sealing",
    );
    refused(|it| it.files.push(file("ReadMe.txt", "")), "would both be");
    refused(
        |it| it.files.retain(|file| file.path != "README.txt"),
        "does not list `README.txt`",
    );
    refused(
        |it| it.files.retain(|file| file.path != "verdicts.json"),
        "does not list `verdicts.json`",
    );
    refused(|it| it.target = json!(u64::MAX), "18446744073709551615");
    refused(|it| it.summary = json!("x".repeat(70_000)), "too long");
}

#[test]
fn a_file_that_is_no_package_is_an_error_and_no_panic() {
    let place = Place::new();
    fs::create_dir(place.out()).unwrap();
    assert!(matches!(
        open(&place.out().join("none.zip")),
        Err(OpenError::Io { .. })
    ));
    assert!(matches!(open(&place.out()), Err(OpenError::Io { .. })));
    let path = place.out().join("x.zip");
    fs::write(&path, b"hello").unwrap();
    let Err(OpenError::Damaged { source, .. }) = open(&path) else {
        panic!("opened");
    };
    assert_eq!(source.problems.len(), 1);
}

#[test]
fn an_empty_file_and_a_large_one_are_packed() {
    let place = Place::new();
    let ledger = place.ledger();
    let mut request = request("shop");
    request.files.push(file("observations/empty.csv", ""));
    request.files.push(file(
        "observations/large.csv",
        &"0123456789\n".repeat(300_000),
    ));
    request.finished_at = at("1969-07-20T20:17:40Z");
    let sealed = place.sealer(&ledger).seal(request).unwrap();
    assert_verified(&check(&fs::read(sealed.path).unwrap()));
}

#[test]
fn another_key_cannot_add_to_a_ledger() {
    let place = Place::new();
    place.seal("shop");
    let stranger = Place {
        key: SigningKey::from_seed(&[8; 32]),
        dir: tempfile::tempdir().unwrap(),
    };
    let ledger = Ledger::new(place.ledger().dir());
    let error = stranger.sealer(&ledger).seal(request("shop")).unwrap_err();
    let SealError::Ledger(cause) = &error else {
        panic!("{error:?}");
    };
    assert!(
        cause
            .to_string()
            .contains("use the key that began this ledger")
    );
    assert!(place.ledger().check(&place.public()).unwrap().unwrap().size == 1);
}
