//! `aics-witness`, a witness that others wrote.

use crate::support::{Place, client, key};
use pgattest_anchor::AnchorFailure;
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_testkit::tools::{Program, python_module};
use pgattest_trail::verify::ProblemKind;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

struct Witness {
    _process: Program,
    url: reqwest::Url,
    key: WitnessKey,
}

fn program() -> Command {
    python_module("tlog", "aics_witness").unwrap()
}

fn succeeded(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A witness that knows this journal.
fn witness(place: &Place) -> Witness {
    let config = place.folder.path().join("witness.json");
    let vkey = succeeded(
        program()
            .args([
                "init",
                "--name",
                "witness.example/w1",
                "--listen",
                "127.0.0.1:0",
                "--config",
            ])
            .arg(&config)
            .output()
            .unwrap(),
    );
    let origin = place.reader().checkpoint().unverified().origin.clone();
    succeeded(
        program()
            .args([
                "add-log",
                "--origin",
                &origin,
                "--vkey",
                &key().public_key().vkey(&origin),
                "--config",
            ])
            .arg(&config)
            .output()
            .unwrap(),
    );
    let mut process = program()
        .args(["serve", "--config"])
        .arg(&config)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It says where it listens; what it says later must find a reader, too.
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let url = lines
        .by_ref()
        .map(Result::unwrap)
        .find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split_whitespace().next().map(str::to_owned)
        })
        .unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    Witness {
        _process: Program(process),
        url: url.parse().unwrap(),
        key: WitnessKey::parse(&vkey).unwrap(),
    }
}

#[tokio::test]
async fn a_witness_signs_a_growing_journal_and_the_signatures_verify() {
    let place = Place::new();
    place.grow(3);
    let witness = witness(&place);
    let client = client();
    let first = client
        .witness(&witness.url, &witness.key, &place.reader())
        .await
        .unwrap();
    assert!(first > 1_700_000_000);
    place.grow(300);
    client
        .witness(&witness.url, &witness.key, &place.reader())
        .await
        .unwrap();
    // What was kept here is lost: the witness says what it knows.
    std::fs::remove_dir_all(place.dir().join("witness")).unwrap();
    place.grow(1);
    client
        .witness(&witness.url, &witness.key, &place.reader())
        .await
        .unwrap();

    let report = place.verify(std::slice::from_ref(&witness.key));
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!((report.witnessed.len(), report.witnessed[0].size), (1, 304));

    let kept = place.dir().join("witness/304");
    let text = std::fs::read_to_string(&kept).unwrap();
    let line = text.lines().last().unwrap().to_owned();
    std::fs::write(
        &kept,
        text.replace(
            &line,
            &line.replace(&line[60..61], if &line[60..61] == "A" { "B" } else { "A" }),
        ),
    )
    .unwrap();
    let report = place.verify(std::slice::from_ref(&witness.key));
    assert!(
        report
            .problems
            .iter()
            .all(|problem| problem.kind == ProblemKind::Witness)
    );
    assert!(!report.verified);
}

#[tokio::test]
async fn a_witness_does_not_sign_another_past_and_knows_of_a_journal_that_was_set_back() {
    let place = Place::new();
    place.grow(9);
    let witness = witness(&place);
    let client = client();
    client
        .witness(&witness.url, &witness.key, &place.reader())
        .await
        .unwrap();
    // The same name and key, and another history.
    let other = Place::new();
    other.grow(5);
    let error = client
        .witness(&witness.url, &witness.key, &other.reader())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AnchorFailure::SetBack {
                seen: 9,
                size: 5,
                ..
            }
        ),
        "{error}"
    );
    for _ in 0..7 {
        other.grow(1);
    }
    let error = client
        .witness(&witness.url, &witness.key, &other.reader())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AnchorFailure::Refused { status: 422, .. }),
        "{error}"
    );
    assert!(
        !other.dir().join("witness").exists(),
        "nothing was signed, nothing is kept"
    );
}

#[tokio::test]
async fn nobody_at_the_address_is_told_from_a_refusal() {
    let place = Place::new();
    place.grow(1);
    let key = WitnessKey::new("nobody.example", key().public_key()).unwrap();
    let url = "http://user:secret@127.0.0.1:1/?token=secret"
        .parse()
        .unwrap();
    let error = client()
        .witness(&url, &key, &place.reader())
        .await
        .unwrap_err();
    assert!(
        matches!(error, AnchorFailure::Unreachable { .. }),
        "{error}"
    );
    assert!(!error.to_string().contains("secret"), "{error}");
}
