//! The keys of a trail, as an operator and an auditor handle them: a second signature, and rotation.

#![allow(
    clippy::disallowed_methods,
    reason = "the program under test and openssl are other programs"
)]

use crate::trail_desk::{TrailDesk, wait};
use pgattest_evidence::{DiskStep, FaultHook, KeyStore};
use pgattest_trail::seal::rotation;
use rustix::process::{Signal, getpid, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const CHILD_DIR: &str = "PGATTEST_TEST_DIR";
const CHILD_STEP: &str = "PGATTEST_TEST_DIE_AT";

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

    /// Another place with the same journal, keys and log.
    fn copy(&self) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.path("."))
            .arg(place.path("."))
            .status();
        assert!(copied.unwrap().success());
        place
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

    // One record, carried: without the journal the old key leads to the new one, too.
    for record in ["0", "1"] {
        place.says(
            &[
                "proof",
                record,
                "--journal",
                "journal",
                "--out",
                "one.proof",
            ],
            0,
        );
        for key in ["first.pub", "keys/pgattest_ed25519.pub"] {
            let (out, _) = place.says(&["verify", "--proof", "one.proof", "--key", key], 0);
            assert!(out.contains(&format!("record {record}: proven")), "{out}");
            assert!(out.contains("  key      2 of 2, SHA256:"), "{out}");
        }
    }
    let stranger = Place::new();
    stranger.collect();
    let other = stranger.path("keys/pgattest_ed25519.pub");
    let other = other.to_str().unwrap();
    let (out, _) = place.says(&["verify", "--proof", "one.proof", "--key", other], 1);
    assert!(
        out.contains("NOT PROVEN") && out.contains("was rotated"),
        "{out}"
    );

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

#[test]
fn beside_a_collector_nothing_is_rotated_and_the_way_is_told() {
    let desk = TrailDesk::new("");
    let collector = desk.collector();
    wait("the journal", || {
        desk.desk.path("journal/checkpoint").exists()
    });
    let before = fs::read(desk.desk.path("keys/pgattest_ed25519.pub")).unwrap();
    let refused = desk.trail_ends("rotate-key", &[], 2);
    for part in [
        "systemctl stop pgattest-trail",
        "pgattest trail rotate-key --config trail.toml",
        "systemctl start pgattest-trail",
    ] {
        assert!(refused.stderr.contains(part), "{refused}");
    }
    assert!(!desk.desk.path("keys/pgattest_ed25519.next").exists());
    collector.stop();
    desk.trail_ends("rotate-key", &[], 0);
    let after = fs::read(desk.desk.path("keys/pgattest_ed25519.pub")).unwrap();
    assert_ne!(before, after);
    desk.run_once();
}

/// Not a test by itself: what the other starts in a process of its own, as `trail rotate-key` is one. Killed before the step that it is told.
#[test]
#[ignore = "is started by another test"]
fn rotate_in_a_child() {
    let dir = PathBuf::from(std::env::var_os(CHILD_DIR).expect("started by another test"));
    let die_at: usize = std::env::var(CHILD_STEP).unwrap().parse().unwrap();
    let passed = AtomicUsize::new(0);
    let hook: FaultHook = Arc::new(move |_: &DiskStep| {
        if passed.fetch_add(1, Ordering::SeqCst) == die_at {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
        Ok(())
    });
    rotation::rotate_with_faults(
        &dir.join("journal"),
        &KeyStore::new(dir.join("keys")),
        &hook,
    )
    .unwrap();
}

/// Whether the rotation was finished before it was to be killed.
fn rotate_and_kill(dir: &Path, step: usize) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "trail_keys::rotate_in_a_child", "--ignored"])
        .env(CHILD_DIR, dir)
        .env(CHILD_STEP, step.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.code().is_none(),
        "step {step}: {status}"
    );
    status.success()
}

#[test]
fn a_rotation_killed_at_any_step_leaves_a_collector_that_goes_on_and_an_auditor_who_can_follow() {
    let template = Place::new();
    template.collect();
    fs::copy(
        template.path("keys/pgattest_ed25519.pub"),
        template.path("first.pub"),
    )
    .unwrap();
    let first = fs::read(template.path("first.pub")).unwrap();
    let (mut kept, mut changed) = (0, 0);
    for step in 0.. {
        let place = template.copy();
        if rotate_and_kill(place.folder.path(), step) {
            break;
        }
        place.log(2);
        place.collect();
        let (out, _) = place.says(&VERIFY, 0);
        assert!(out.contains("2 in 2 blocks checked"), "step {step}: {out}");
        let signs = fs::read(place.path("keys/pgattest_ed25519.pub")).unwrap();
        if signs == first {
            kept += 1;
            assert!(!out.contains("  key      2 of"), "step {step}: {out}");
        } else {
            changed += 1;
            assert!(out.contains("  key      2 of 2"), "step {step}: {out}");
        }
        // And it can be rotated, or the rotation be finished, afterwards.
        place.says(&["rotate-key", "--config", "trail.toml"], 0);
        place.log(3);
        place.collect();
        let (out, _) = place.says(&VERIFY, 0);
        assert!(out.contains("3 in 3 blocks checked"), "step {step}: {out}");
        assert!(!KeyStore::new(place.path("keys")).next_key_path().exists());
    }
    assert!(
        kept > 4 && changed > 4,
        "{kept} and {changed}: both sides of the rotation were met"
    );
}
