//! Second keys: a file that `openssl` made, and KMS as moto has it.

use crate::support::Place;
use pgattest_anchor::config::SecondConfig;
use pgattest_anchor::{AnchorTask, SealConfig};
use pgattest_ledger::ecdsa::EcPublicKey;
use pgattest_parse::audit_log::Format;
use pgattest_sinks::AwsOptions;
use pgattest_testkit::tools::moto;
use pgattest_trail::block::FileId;
use pgattest_trail::operate::{Context, Head, Leaves, Metrics, Phase, Stop, Task as _, Teller};
use pgattest_trail::verify::{ProblemKind, Report, Request, verify};
use pgattest_trail::{Block, Journal, JournalOptions, Leaf, Piece, PieceKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// A P-256 key pair in the folder: `second.pem` and `second.pub`.
fn make_key(folder: &Path) -> PathBuf {
    shell(
        folder,
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out second.pem && \
         chmod 600 second.pem && openssl pkey -in second.pem -pubout -out second.pub",
    );
    folder.join("second.pem")
}

fn shell(folder: &Path, script: &str) {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn public(path: &Path) -> EcPublicKey {
    EcPublicKey::parse_file(&std::fs::read(path).unwrap())
        .unwrap()
        .remove(0)
}

fn of_file(path: &Path) -> SecondConfig {
    SecondConfig {
        file: Some(path.to_owned()),
        kms_key: None,
        aws: AwsOptions::default(),
        every_seconds: 3600,
    }
}

/// What the task told, and what it counted.
struct Ran {
    told: String,
    metrics: String,
}

/// Runs the task as a collector does that ends. `send`: what becomes of its leaves.
async fn end_with(
    place: &Place,
    second: SecondConfig,
    send: impl Fn(Leaf) + Send + Sync + 'static,
) -> Ran {
    let told = Arc::new(Mutex::new(String::new()));
    let lines = Arc::clone(&told);
    let context = Context {
        journal: place.dir(),
        leaves: Leaves::new(move |leaf| {
            send(leaf);
            Ok(())
        }),
        head: Head::default(),
        stop: Stop::default(),
        metrics: Metrics::default(),
        teller: Teller::new(move |_, text| {
            lines.lock().unwrap().extend([text, "\n"]);
        }),
    };
    context.stop.advance(Phase::Draining);
    let metrics = context.metrics.clone();
    let mut task = AnchorTask::new(SealConfig {
        second: vec![second],
        ..SealConfig::default()
    });
    tokio::task::spawn_blocking(move || task.run(&context).unwrap())
        .await
        .unwrap();
    Ran {
        told: told.lock().unwrap().clone(),
        metrics: metrics.render(),
    }
}

/// The same, with a journal that takes the leaves.
async fn end(place: &Place, second: SecondConfig) -> Ran {
    let dir = place.dir();
    end_with(place, second, move |leaf| write(&dir, &leaf)).await
}

fn write(dir: &Path, leaf: &Leaf) {
    let mut journal = Journal::open(dir, crate::support::key(), JournalOptions::default()).unwrap();
    journal.note(leaf).unwrap();
    journal.commit().unwrap();
}

fn verified(place: &Place, second_keys: &[EcPublicKey]) -> Report {
    verify(
        &place.dir(),
        &Request {
            keys: &[crate::support::key().public_key()],
            second_keys,
            ..Request::default()
        },
    )
    .unwrap()
}

/// docs/trail/verify.md says how to check a second signature with openssl alone.
const RECIPE: &str = "
    sed -n '1,/^$/{/^$/!p}' journal/second/3 > text
    tail -n 1 journal/second/3 | cut -d ' ' -f 3 | base64 -d | tail -c +5 > signature
    openssl dgst -sha256 -verify second.pub -signature signature text
";

#[tokio::test]
async fn a_key_in_a_file_signs_what_openssl_verifies() {
    let place = Place::new();
    place.grow(3);
    let folder = place.folder.path();
    let file = make_key(folder);
    let ran = end(&place, of_file(&file)).await;
    assert_eq!(ran.told, "");
    assert!(
        ran.metrics.contains("anchored_leaves{by=\"second key ") && ran.metrics.contains("} 3\n"),
        "{}",
        ran.metrics
    );
    shell(folder, RECIPE);
    shell(
        folder,
        "sed -i 2s/3/4/ text; ! openssl dgst -sha256 -verify second.pub -signature signature text",
    );

    let key = public(&folder.join("second.pub"));
    let report = verified(&place, std::slice::from_ref(&key));
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.leaves, 4, "its making is a leaf");
    assert_eq!(report.second[0].key, key.fingerprint());
    assert_eq!(report.second[0].checkpoints, [3]);
    // Without the key it is said that nobody looked.
    let report = verified(&place, &[]);
    assert!(report.verified && report.second.is_empty());
    assert!(report.notes.iter().any(|it| it.contains("--second-key")));
}

#[tokio::test]
async fn a_signature_that_does_not_verify_and_a_key_that_signed_nothing_are_problems() {
    let place = Place::new();
    place.grow(3);
    let file = make_key(place.folder.path());
    end(&place, of_file(&file)).await;
    let key = public(&place.folder.path().join("second.pub"));

    let stranger = tempfile::tempdir().unwrap();
    make_key(stranger.path());
    let other = public(&stranger.path().join("second.pub"));
    let report = verified(&place, &[key.clone(), other]);
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    assert!(report.problems[0].problem.contains("signed no checkpoint"));

    // The file is lost: the leaf holds the signature, too.
    let kept = place.dir().join("second/3");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::remove_file(&kept).unwrap();
    assert!(verified(&place, std::slice::from_ref(&key)).verified);

    // Changed: the signature, and the checkpoint it is on.
    let line = text.lines().last().unwrap();
    let place_in = line.len() - 20;
    let digit = if &line[place_in..=place_in] == "A" {
        "B"
    } else {
        "A"
    };
    let changed = format!("{}{digit}{}", &line[..place_in], &line[place_in + 1..]);
    std::fs::write(&kept, text.replace(line, &changed)).unwrap();
    let report = verified(&place, std::slice::from_ref(&key));
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    assert_eq!(report.problems[0].kind, ProblemKind::SecondSignature);
    assert_eq!(report.problems[0].place, "second/3");

    // A leaf that tells of a signature which is none.
    std::fs::write(&kept, &text).unwrap();
    let leaf = Leaf::SecondSignature {
        at: 0,
        size: 2,
        key: key.fingerprint(),
        signature: "3006020101020101".to_owned(),
    };
    write(&place.dir(), &leaf);
    let report = verified(&place, std::slice::from_ref(&key));
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    assert_eq!(report.problems[0].place, "leaf 4");
}

/// A journal of one block of a record, so many heartbeats, and another record.
fn grow_with_records(place: &Place, records: u64) {
    let mut journal = Journal::open(
        &place.dir(),
        crate::support::key(),
        JournalOptions::default(),
    )
    .unwrap();
    for _ in 0..records {
        let file = FileId {
            name: "postgresql.csv".to_owned(),
            device: 1,
            inode: 1,
            fingerprint: "0".repeat(64),
            fingerprint_length: 0,
        };
        let offset = journal.sealed(&file).unwrap_or(0);
        let block = Block {
            file,
            offset,
            source_length: 2,
            format: Format::Csvlog { columns: 26 },
            bytes: b"x\n".to_vec(),
            pieces: vec![Piece {
                length: 2,
                kind: PieceKind::Record,
                original: None,
            }],
            times: None,
        };
        journal.append(&block).unwrap();
        journal.note(&Leaf::Heartbeat { at: 0 }).unwrap();
    }
    journal.commit().unwrap();
}

fn some(place: &Place, records: std::ops::Range<u64>, second_keys: &[EcPublicKey]) -> Report {
    verify(
        &place.dir(),
        &Request {
            keys: &[crate::support::key().public_key()],
            second_keys,
            records: Some(records),
            ..Request::default()
        },
    )
    .unwrap()
}

#[tokio::test]
async fn some_records_are_covered_by_a_file_or_by_a_leaf_after_them_or_not() {
    let place = Place::new();
    grow_with_records(&place, 2);
    let file = make_key(place.folder.path());
    end(&place, of_file(&file)).await;
    grow_with_records(&place, 2);
    end(&place, of_file(&file)).await;
    grow_with_records(&place, 1);
    let key = public(&place.folder.path().join("second.pub"));
    let keys = std::slice::from_ref(&key);
    // Leaves: 0 to 3, the signature of 4, 5 to 8, the signature of 9, and two more.
    assert_eq!(place.reader().size(), 12);
    for files in [true, false] {
        if !files {
            std::fs::remove_dir_all(place.dir().join("second")).unwrap();
        }
        for (records, covering) in [(0..1, 4), (1..2, 4), (2..3, 9), (0..4, 9)] {
            let report = some(&place, records.clone(), keys);
            assert!(report.verified, "{records:?}: {:#?}", report.problems);
            assert_eq!(report.second[0].checkpoints[0], covering, "{records:?}");
        }
        // The last one was sealed after the last signature.
        let report = some(&place, 3..5, keys);
        assert!(report.second.is_empty());
        assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
        assert!(
            report.problems[0].problem.contains("covers these records"),
            "{report:#?}"
        );
        assert!(
            some(&place, 3..5, &[]).verified,
            "it was the second key that was asked about"
        );
    }
    // A stranger has signed nothing, wherever it is looked.
    let stranger = tempfile::tempdir().unwrap();
    make_key(stranger.path());
    let other = public(&stranger.path().join("second.pub"));
    let report = some(&place, 0..1, &[key.clone(), other]);
    assert_eq!(
        (report.second.len(), report.problems.len()),
        (1, 1),
        "{report:#?}"
    );

    // A leaf that tells of a signature which is none is told, and passed over.
    let forged = Leaf::SecondSignature {
        at: 0,
        size: 12,
        key: key.fingerprint(),
        signature: "3006020101020101".to_owned(),
    };
    write(&place.dir(), &forged);
    let report = some(&place, 4..5, keys);
    assert!(
        report.problems.iter().any(|it| it.place == "leaf 12"),
        "{:#?}",
        report.problems
    );
    assert!(report.second.is_empty());
}

#[tokio::test]
async fn whoever_has_the_first_key_alone_cannot_write_the_past_anew() {
    let place = Place::new();
    place.grow(3);
    let file = make_key(place.folder.path());
    end(&place, of_file(&file)).await;
    let key = public(&place.folder.path().join("second.pub"));
    let kept = std::fs::read(place.dir().join("second/3")).unwrap();
    // The same key and name, another past; the old signature is put beside it.
    std::fs::remove_dir_all(place.dir()).unwrap();
    let mut journal = Journal::open(
        &place.dir(),
        crate::support::key(),
        JournalOptions::default(),
    )
    .unwrap();
    for at in 100..109 {
        journal.note(&Leaf::Heartbeat { at }).unwrap();
    }
    journal.commit().unwrap();
    drop(journal);
    std::fs::create_dir(place.dir().join("second")).unwrap();
    std::fs::write(place.dir().join("second/3"), kept).unwrap();
    let report = verified(&place, &[key]);
    let problems: Vec<_> = report.problems.iter().map(|it| &it.problem).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("not its continuation"), "{problems:?}");
    assert!(problems[1].contains("signed no checkpoint"), "{problems:?}");
}

#[tokio::test]
async fn a_signature_of_which_no_leaf_tells_is_told_at_the_next_start() {
    let place = Place::new();
    place.grow(3);
    let file = make_key(place.folder.path());
    // Killed between the file and the leaf.
    end_with(&place, of_file(&file), |_| ()).await;
    assert!(place.dir().join("second/3").exists());
    place.grow(2);
    end(&place, of_file(&file)).await;
    let sizes: Vec<u64> = place
        .reader()
        .leaves(0)
        .filter_map(|leaf| match leaf.unwrap().1 {
            Leaf::SecondSignature { size, .. } => Some(size),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [3, 5]);
    // And once only.
    end(&place, of_file(&file)).await;
    let key = public(&place.folder.path().join("second.pub"));
    let report = verified(&place, &[key]);
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.second[0].checkpoints, [3, 5, 7]);
    assert_eq!(report.leaves, 8);
}

#[tokio::test]
async fn a_file_that_others_can_read_lies_in_the_journal_or_holds_another_key_is_not_used() {
    let place = Place::new();
    place.grow(1);
    let folder = place.folder.path();
    let file = make_key(folder);
    let inside = place.dir().join("second.pem");
    std::fs::copy(&file, &inside).unwrap();
    let ran = end(&place, of_file(&inside)).await;
    assert!(ran.told.contains("inside the journal"), "{}", ran.told);
    assert!(
        ran.metrics
            .contains("anchor_failures_total{by=\"second key")
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = end(&place, of_file(&file)).await;
    assert!(ran.told.contains("chmod 600"), "{}", ran.told);
    shell(
        folder,
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.pem; chmod 600 rsa.pem",
    );
    let ran = end(&place, of_file(&folder.join("rsa.pem"))).await;
    assert!(ran.told.contains("P-256"), "{}", ran.told);
    assert!(!ran.told.contains("BEGIN"), "{}", ran.told);
    assert!(!place.dir().join("second").exists());
}

#[tokio::test]
async fn a_key_of_kms_signs_and_a_kms_that_is_away_is_told_without_a_secret() {
    let (address, program) = moto().await.unwrap();
    let url = format!("http://{address}");
    let made = reqwest_client()
        .post(&url)
        .header("x-amz-target", "TrentService.CreateKey")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=x",
        )
        .body(r#"{"KeySpec":"ECC_NIST_P256","KeyUsage":"SIGN_VERIFY"}"#)
        .send()
        .await
        .unwrap();
    let made: serde_json::Value = serde_json::from_slice(&made.bytes().await.unwrap()).unwrap();
    let arn = made["KeyMetadata"]["Arn"].as_str().unwrap();

    let place = Place::new();
    place.grow(3);
    let credentials = place.folder.path().join("credentials");
    std::fs::write(
        &credentials,
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = hidden\n",
    )
    .unwrap();
    let second = SecondConfig {
        file: None,
        kms_key: Some(arn.to_owned()),
        aws: AwsOptions {
            region: Some("us-east-1".to_owned()),
            endpoint: Some(url),
            credentials_file: Some(credentials),
            timeout_seconds: Some(30),
            ..AwsOptions::default()
        },
        every_seconds: 3600,
    };
    let ran = end(&place, second.clone()).await;
    assert_eq!(ran.told, "");
    let key = kms_key(&second).await;
    let report = verified(&place, &[key]);
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.second[0].checkpoints, [3]);

    drop(program);
    place.grow(1);
    let ran = end(&place, second).await;
    assert!(
        ran.told.contains("is asked again") && ran.told.contains(arn),
        "{}",
        ran.told
    );
    assert!(!ran.told.contains("hidden"), "{}", ran.told);
    assert!(
        ran.metrics.contains("anchor_failures_total"),
        "{}",
        ran.metrics
    );
    assert!(
        verified(&place, &[]).verified,
        "the journal does not need it"
    );
}

async fn kms_key(second: &SecondConfig) -> EcPublicKey {
    pgattest_sinks::kms::KmsKey::open(second.kms_key.as_deref().unwrap(), &second.aws)
        .await
        .unwrap()
        .public_key()
        .clone()
}

fn reqwest_client() -> reqwest::Client {
    let tls = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(rustls::RootCertStore::empty())
    .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .build()
        .unwrap()
}
