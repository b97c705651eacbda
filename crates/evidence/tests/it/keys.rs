//! The signing key on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pgattest_evidence::{KeyStore, KeyStoreError, SigningKey};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_is_made_once_and_kept_private() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("a/keys"));
    assert!(matches!(store.load(), Err(KeyStoreError::Absent(_))));
    let first = store.load_or_create().unwrap();
    assert!(first.created);
    let second = store.load_or_create().unwrap();
    assert!(!second.created);
    assert_eq!(first.key.public_key(), second.key.public_key());
    assert_eq!(mode(&store.dir), 0o700);
    assert_eq!(mode(&store.private_key_path()), 0o600);
    let mut files: Vec<_> = fs::read_dir(&store.dir)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    files.sort();
    assert_eq!(files, ["pgattest_ed25519", "pgattest_ed25519.pub"]);
}

#[test]
fn two_stores_have_two_keys() {
    let dir = tempfile::tempdir().unwrap();
    let key = |name| {
        let store = KeyStore::new(dir.path().join(name));
        store.load_or_create().unwrap().key.public_key()
    };
    assert_ne!(key("a"), key("b"));
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    store.load_or_create().unwrap();
    for bad in [0o640, 0o604, 0o660, 0o601, 0o644] {
        set_mode(&store.private_key_path(), bad);
        let Err(error) = store.load_or_create() else {
            panic!("mode {bad:o} was accepted");
        };
        let text = error.to_string();
        assert!(
            text.contains("chmod 600") && text.contains(&format!("{bad:04o}")),
            "{text}"
        );
    }
    set_mode(&store.private_key_path(), 0o400);
    store.load().unwrap();
    set_mode(&store.dir, 0o777);
    let Err(error) = store.load() else {
        panic!("a folder that all can write to was accepted");
    };
    assert!(error.to_string().contains("chmod 700"), "{error}");
}

#[test]
fn a_file_that_is_no_key_is_refused_without_being_shown() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    store.load_or_create().unwrap();
    let good = fs::read_to_string(store.private_key_path()).unwrap();
    for content in ["", "hunter2", &good[..good.len() / 2]] {
        fs::write(store.private_key_path(), content).unwrap();
        let Err(error) = store.load() else {
            panic!("accepted {content:?}");
        };
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("hunter2") && !text.contains("b3BlbnNzaC1"),
            "{text}"
        );
        assert_eq!(
            fs::read_to_string(store.private_key_path()).unwrap(),
            content
        );
    }
    fs::remove_file(store.private_key_path()).unwrap();
    fs::create_dir(store.private_key_path()).unwrap();
    assert!(matches!(
        store.load_or_create(),
        Err(KeyStoreError::NotAFile(_))
    ));
}

#[test]
fn keys_made_at_once_are_one_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    let barrier = std::sync::Barrier::new(8);
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let made = store.load_or_create().unwrap();
                    (made.key.public_key(), made.created)
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(made.iter().all(|(key, _)| *key == made[0].0));
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);
    assert_eq!(fs::read_dir(&store.dir).unwrap().count(), 2, "no leftovers");
}

#[test]
fn a_lost_or_wrong_public_key_file_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    let key = store.load_or_create().unwrap().key.public_key();
    let line = key.openssh_line() + "\n";
    fs::remove_file(store.public_key_path()).unwrap();
    store.load_or_create().unwrap();
    assert_eq!(fs::read_to_string(store.public_key_path()).unwrap(), line);
    let other = SigningKey::from_seed(&[1; 32]).public_key();
    fs::write(store.public_key_path(), other.openssh_line()).unwrap();
    store.load_or_create().unwrap();
    assert_eq!(fs::read_to_string(store.public_key_path()).unwrap(), line);
}

#[test]
fn openssh_reads_the_key_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    let key = store.load_or_create().unwrap().key.public_key();
    let run = |arguments: &[&str], path: &Path| {
        let output = Command::new("ssh-keygen")
            .args(arguments)
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(
        run(&["-y", "-f"], &store.private_key_path()).trim(),
        key.openssh_line()
    );
    assert!(run(&["-l", "-f"], &store.public_key_path()).contains(&key.fingerprint()));
}

#[test]
fn a_key_that_openssh_made_is_used_and_a_protected_or_other_one_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = KeyStore::new(dir.path().join("keys"));
    let make = |kind: &str, passphrase: &str| {
        let _ = fs::remove_dir_all(&store.dir);
        fs::create_dir(&store.dir).unwrap();
        set_mode(&store.dir, 0o700);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-f"])
            .arg(store.private_key_path())
            .status()
            .unwrap();
        assert!(made.success());
    };
    make("ed25519", "");
    let key = store.load().unwrap().public_key();
    let line = fs::read_to_string(store.public_key_path()).unwrap();
    let blob = key.openssh_line().split(' ').nth(1).unwrap().to_owned();
    assert!(line.contains(&blob));

    for (kind, passphrase, words) in [
        ("ed25519", "secret", "passphrase"),
        ("ecdsa", "", "not an Ed25519 private key"),
    ] {
        make(kind, passphrase);
        let Err(error) = store.load() else {
            panic!("{kind} was accepted");
        };
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(words), "{cause}");
    }
}
