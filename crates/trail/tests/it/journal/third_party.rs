//! Other people's programs come to the same answer.

use super::support::{Place, fill, key};
use pgattest_evidence::{PublicKey, SigningKey};
use pgattest_ledger::SignedCheckpoint;
use pgattest_testkit::tools::python_module;
use pgattest_trail::seal::{Anchors, timestamp};
use pgattest_trail::verify::{Request, verify};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A journal of more than one tile, and checkpoints that it had on the way.
fn grown() -> (Place, Vec<PathBuf>) {
    let place = Place::new();
    let mut earlier = Vec::new();
    for leaves in [1, 4, 250, 3, 260] {
        let mut journal = place.open();
        fill(&mut journal, leaves);
        let copy = place
            .folder
            .path()
            .join(format!("checkpoint-{}", earlier.len()));
        std::fs::copy(place.dir().join("checkpoint"), &copy).unwrap();
        earlier.push(copy);
    }
    (place, earlier)
}

fn vkey(place: &Place, key: &PublicKey) -> String {
    let text = std::fs::read(place.dir().join("checkpoint")).unwrap();
    let origin = SignedCheckpoint::parse(&text)
        .unwrap()
        .unverified()
        .origin
        .clone();
    key.vkey(&origin)
}

fn spoke(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Go's own transparency log code, compiled once.
fn go_verifier() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    std::fs::create_dir_all(&folder).unwrap();
    let program = folder.join("verify");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/verify.go");
    let output = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(&source)
        .env("GO111MODULE", "off")
        .env("GOPATH", "/usr/share/gocode")
        .env("GOFLAGS", "")
        .env("GOCACHE", folder.join("cache"))
        .output()
        .expect("`script/bootstrap` installs Go");
    assert!(output.status.success(), "{}", spoke(&output));
    program
}

#[test]
fn go_finds_every_leaf_in_the_tree_and_the_tree_only_grown() {
    let (place, earlier) = grown();
    let program = go_verifier();
    let run = |vkey: &str| {
        Command::new(&program)
            .arg(place.dir())
            .arg(vkey)
            .args(&earlier)
            .output()
            .unwrap()
    };
    let output = run(&vkey(&place, &key().public_key()));
    assert_eq!(spoke(&output), "518 leaves, 5 earlier checkpoints\n");
    let stranger = SigningKey::from_seed(&[1; 32]).public_key();
    assert!(!run(&vkey(&place, &stranger)).status.success());
    let bundle = place.dir().join("tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(!run(&vkey(&place, &key().public_key())).status.success());
}

/// `aics-tlog`, a verifier of C2SP logs in Python.
fn aics_tlog() -> Command {
    python_module("tlog", "aics_tlog").unwrap()
}

#[test]
fn a_python_verifier_of_c2sp_logs_agrees() {
    let (place, earlier) = grown();
    let vkey = vkey(&place, &key().public_key());
    let dir = place.dir();
    let leaf = place.folder.path().join("leaf");
    for index in [0, 255, 256, 517] {
        std::fs::write(&leaf, place.reader().leaf_bytes(index).unwrap()).unwrap();
        let output = aics_tlog()
            .args([
                "verify-inclusion",
                "--log-key",
                &vkey,
                "--index",
                &index.to_string(),
                "--tiles",
            ])
            .arg(&dir)
            .arg("--leaf")
            .arg(&leaf)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", spoke(&output));
    }
    // Another leaf is not at that place.
    let output = aics_tlog()
        .args([
            "verify-inclusion",
            "--log-key",
            &vkey,
            "--index",
            "0",
            "--tiles",
        ])
        .arg(&dir)
        .arg("--leaf")
        .arg(&leaf)
        .output()
        .unwrap();
    assert!(!output.status.success());
    for old in &earlier {
        let output = aics_tlog()
            .args(["verify-consistency", "--log-key", &vkey, "--tiles"])
            .arg(&dir)
            .arg("--old-checkpoint")
            .arg(old)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", spoke(&output));
    }
}

fn openssl(folder: &Path, arguments: &[&str]) -> Output {
    Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// A time stamping authority of its own, in this folder: `ca.pem` is what is believed.
fn authority(folder: &Path) {
    std::fs::write(
        folder.join("tsa.cnf"),
        "[tsa]\ndefault_tsa = tsa1\n[tsa1]\nserial = serial\nsigner_cert = ca.pem\nsigner_key = ca.key\n\
         signer_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1\n\
         ess_cert_id_chain = no\nordering = yes\n\
         [req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = time\n\
         [ext]\nextendedKeyUsage = critical,timeStamping\nkeyUsage = critical,digitalSignature\nbasicConstraints = CA:FALSE\n",
    )
    .unwrap();
    std::fs::write(folder.join("serial"), "01\n").unwrap();
    let made = openssl(
        folder,
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-config", "tsa.cnf",
        ],
    );
    assert!(made.status.success(), "{}", spoke(&made));
}

#[test]
fn openssl_stamps_a_checkpoint_and_verifies_it() {
    let place = Place::filled(9);
    let folder = place.folder.path().join("tsa");
    std::fs::create_dir(&folder).unwrap();
    authority(&folder);
    let signed = place.reader().checkpoint().clone();
    let nonce = [7; 8];
    std::fs::write(
        folder.join("query.tsq"),
        timestamp::request(signed.to_text().as_bytes(), nonce),
    )
    .unwrap();
    let reply = openssl(
        &folder,
        &[
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-queryfile",
            "query.tsq",
            "-out",
            "answer.tsr",
        ],
    );
    assert!(reply.status.success(), "{}", spoke(&reply));
    let answer = std::fs::read(folder.join("answer.tsr")).unwrap();

    let anchors = Anchors::of(&place.dir());
    assert!(
        anchors.add_timestamp(&signed, &answer, [8; 8]).is_err(),
        "another request's"
    );
    let token = anchors.add_timestamp(&signed, &answer, nonce).unwrap();
    assert!(token.time > 1_700_000_000);
    let verified = |data: &str| {
        Command::new("openssl")
            .args(["ts", "-verify", "-CAfile"])
            .arg(folder.join("ca.pem"))
            .arg("-data")
            .arg(place.dir().join(data))
            .arg("-in")
            .arg(place.dir().join("timestamps/9.tsr"))
            .output()
            .unwrap()
    };
    let output = verified("timestamps/9.checkpoint");
    assert!(output.status.success(), "{}", spoke(&output));
    assert!(!verified("tile/0/000.p/9").status.success());

    let key = [key().public_key()];
    let request = Request {
        keys: &key,
        earlier: &[],
        witnesses: &[],
        second_keys: &[],
        records: None,
        heartbeat_ms: 0,
    };
    let report = verify(&place.dir(), &request).unwrap();
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.stamped.len(), 1);
    // The token belongs to these bytes only.
    fill(&mut place.open(), 1);
    std::fs::copy(
        place.dir().join("checkpoint"),
        place.dir().join("timestamps/9.checkpoint"),
    )
    .unwrap();
    let report = verify(&place.dir(), &request).unwrap();
    assert_eq!(report.problems[0].place, "timestamps/9.tsr");
}
