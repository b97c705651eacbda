//! The keys of a trail, as an operator and an auditor handle them: a second signature, and rotation.

#![allow(
    clippy::disallowed_methods,
    reason = "the program under test and openssl are other programs"
)]

use pgattest_evidence::KeyStore;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// A collector's configuration and a log; a second key that `openssl` made.
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.path("log")).unwrap();
        place.log(1);
        fs::write(
            place.path("trail.toml"),
            "instance = \"shop\"\njournal = \"journal\"\nkeys = \"keys\"\n[capture]\nlogs = [\"log\"]\n\
             [[seal.second]]\nfile = \"second.pem\"\n",
        )
        .unwrap();
        let made = Command::new("bash")
            .args([
                "-euc",
                "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out second.pem; chmod 600 second.pem; \
                 openssl pkey -in second.pem -pubout -out second.pub; \
                 openssl pkey -in second.pem -pubout -outform DER -out second.der",
            ])
            .current_dir(place.folder.path())
            .output()
            .unwrap();
        assert!(made.status.success());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another log file.
    fn log(&self, number: u32) {
        let record = format!(
            "2026-01-01 12:00:0{number}.000 UTC,\"app\",\"shop\",7,\"10.0.0.1:5000\",6b03e095.7,{number},\"SELECT\",\
             2026-01-01 11:00:00 UTC,3/4,0,LOG,00000,\"AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1,<none>\",\
             ,,,,,,,,\"psql\",\"client backend\",,7\n"
        );
        fs::write(self.path(&format!("log/postgresql-{number}.csv")), record).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_pgattest"))
            .arg("trail")
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PGATTEST_HOME", self.path("home"))
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32) -> (String, String) {
        let output = self.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
        (out, err)
    }

    fn collect(&self) {
        self.says(&["run", "--config", "trail.toml", "--once"], 0);
    }
}

const VERIFY: [&str; 5] = ["verify", "--journal", "journal", "--key", "first.pub"];

#[test]
fn a_second_key_signs_beside_the_collector_and_the_auditor_checks_it() {
    let place = Place::new();
    place.collect();
    fs::copy(
        place.path("keys/pgattest_ed25519.pub"),
        place.path("first.pub"),
    )
    .unwrap();
    for key in ["second.pub", "second.der"] {
        let (out, _) = place.says(&[&VERIFY[..], &["--second-key", key]].concat(), 0);
        assert!(out.contains(" signed by "), "{out}");
        assert!(
            out.contains("leaves have the first signature alone"),
            "{out}"
        );
    }
    let (out, _) = place.says(&VERIFY, 0);
    assert!(
        out.contains("were not checked (--second-key FILE)"),
        "{out}"
    );

    // Another key has signed nothing, and an Ed25519 key is none.
    let other = Place::new();
    fs::copy(other.path("second.pub"), place.path("other.pub")).unwrap();
    let (out, _) = place.says(&[&VERIFY[..], &["--second-key", "other.pub"]].concat(), 1);
    assert!(out.contains("has signed no checkpoint"), "{out}");
    let (_, err) = place.says(&[&VERIFY[..], &["--second-key", "first.pub"]].concat(), 2);
    assert!(err.contains("not a P-256 public key"), "{err}");

    // A key that cannot be used is told, and stands in nobody's way.
    fs::write(place.path("second.pem"), "hidden").unwrap();
    place.log(2);
    let (_, err) = place.says(&["run", "--config", "trail.toml", "--once"], 0);
    assert!(
        err.contains("not a P-256 private key") && !err.contains("hidden"),
        "{err}"
    );
    let (out, _) = place.says(&[&VERIFY[..], &["--second-key", "second.pub"]].concat(), 0);
    assert!(out.contains("2 in 2 blocks checked"), "{out}");
}

#[test]
fn a_rotated_key_is_followed_from_the_one_the_auditor_has() {
    let place = Place::new();
    place.collect();
    fs::copy(
        place.path("keys/pgattest_ed25519.pub"),
        place.path("first.pub"),
    )
    .unwrap();
    let rotate = ["rotate-key", "--config", "trail.toml"];
    let (out, err) = place.says(&rotate, 0);
    assert!(out.starts_with("ssh-ed25519 "), "{out}");
    assert!(err.contains("signs from now on"), "{err}");
    assert_eq!(
        fs::read_to_string(place.path("keys/pgattest_ed25519.pub")).unwrap(),
        out
    );
    place.log(2);
    place.collect();
    let (out, _) = place.says(&[&VERIFY[..], &["--second-key", "second.pub"]].concat(), 0);
    assert!(out.contains("  key      1 of 2, SHA256:"), "{out}");
    // One a run at least: how often it comes to sign is a matter of time.
    assert!(
        out.contains("  second   ") && !out.contains("  second   1 checkpoint "),
        "{out}"
    );
    assert!(out.contains("2 in 2 blocks checked"), "{out}");

    // Interrupted after the journal named the new key, before the key took its place: the collector finishes it.
    let store = KeyStore::new(place.path("keys"));
    let old = store.load().unwrap().to_openssh().unwrap();
    place.says(&rotate, 0);
    fs::rename(store.private_key_path(), store.next_key_path()).unwrap();
    fs::write(store.private_key_path(), old.as_bytes()).unwrap();
    let chmod = Command::new("chmod")
        .arg("600")
        .arg(store.private_key_path())
        .status()
        .unwrap();
    assert!(chmod.success());
    place.log(3);
    let (_, err) = place.says(&["run", "--config", "trail.toml", "--once"], 0);
    assert!(err.contains("interrupted rotation was finished"), "{err}");
    let (out, _) = place.says(&VERIFY, 0);
    assert!(out.contains("  key      3 of 3, SHA256:"), "{out}");
    assert!(!store.next_key_path().exists());
}

#[test]
fn a_key_that_signs_the_ledger_too_and_a_journal_that_is_not_there_are_refused() {
    let place = Place::new();
    let (_, err) = place.says(&["rotate-key", "--config", "trail.toml"], 2);
    assert!(err.contains("there is no journal"), "{err}");
    assert!(!place.path("keys").exists());
    fs::create_dir_all(place.path("home/ledger")).unwrap();
    let (_, err) = place.says(
        &["rotate-key", "--journal", "journal", "--keys", "home/keys"],
        2,
    );
    assert!(err.contains("signs the evidence ledger"), "{err}");
}
