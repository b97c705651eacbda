//! A time stamping authority: `openssl ts` behind HTTP.

use crate::support::{Place, client};
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use pgattest_anchor::config::TimestampConfig;
use pgattest_anchor::{AnchorFailure, AnchorTask, SealConfig};
use pgattest_trail::operate::{Context, Head, Leaves, Metrics, Phase, Stop, Task as _, Teller};
use pgattest_trail::seal::AnchorError;
use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIGURATION: &str = "[tsa]\ndefault_tsa = tsa1\n[tsa1]\nserial = serial\nsigner_cert = ca.pem\n\
    signer_key = ca.key\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\ndigests = sha256\n\
    ess_cert_id_chain = no\n[req]\ndistinguished_name = dn\nx509_extensions = ext\nprompt = no\n[dn]\nCN = time\n\
    [ext]\nextendedKeyUsage = critical,timeStamping\nkeyUsage = critical,digitalSignature\nbasicConstraints = CA:FALSE\n";

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn answer(folder: &Path, query: &[u8]) -> Vec<u8> {
    std::fs::write(folder.join("query.tsq"), query).unwrap();
    openssl(
        folder,
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
    std::fs::read(folder.join("answer.tsr")).unwrap()
}

/// Where it is asked: `/` answers, `/old` answers what it answered first, `/down` does not.
async fn authority(folder: PathBuf) -> reqwest::Url {
    std::fs::write(folder.join("tsa.cnf"), CONFIGURATION).unwrap();
    std::fs::write(folder.join("serial"), "01\n").unwrap();
    openssl(
        &folder,
        &[
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
            "-days", "2", "-config", "tsa.cnf",
        ],
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let kept = folder.join("answer.tsr");
    let routes = axum::Router::new()
        .route(
            "/",
            post(move |query: Bytes| async move { answer(&folder, &query) }),
        )
        .route(
            "/old",
            post(move || async move { std::fs::read(kept).unwrap() }),
        )
        .route(
            "/down",
            post(|| async { (StatusCode::SERVICE_UNAVAILABLE, "later\n\u{1b}[1m") }),
        );
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}/").parse().unwrap()
}

#[tokio::test]
async fn a_checkpoint_is_stamped_and_another_answer_is_not_taken() {
    let place = Place::new();
    place.grow(3);
    let url = authority(place.folder.path().to_owned()).await;
    let client = client();
    let token = client.stamp(&url, &place.reader()).await.unwrap();
    assert!(token.time > 1_700_000_000);
    let report = place.verify(&[]);
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.stamped[0].size, 3);

    place.grow(1);
    let old = url.join("old").unwrap();
    let error = client.stamp(&old, &place.reader()).await.unwrap_err();
    assert!(
        matches!(error, AnchorFailure::Anchor(AnchorError::Timestamp { .. })),
        "{error}"
    );
    let down = url.join("down").unwrap();
    let error = client.stamp(&down, &place.reader()).await.unwrap_err();
    assert!(matches!(error, AnchorFailure::Refused { status: 503, .. }));
    assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
    assert!(!place.dir().join("timestamps/4.tsr").exists());
}

#[tokio::test]
async fn a_collector_that_ends_has_its_end_stamped_by_those_who_answer() {
    let place = Place::new();
    place.grow(3);
    let url = authority(place.folder.path().to_owned()).await;
    let timestamp = |url: &reqwest::Url| TimestampConfig {
        url: url.to_string(),
        every_seconds: 3600,
    };
    let mut task = AnchorTask::new(SealConfig {
        timestamp: vec![timestamp(&url.join("down").unwrap()), timestamp(&url)],
        ..SealConfig::default()
    });
    let context = Context {
        journal: place.dir(),
        leaves: Leaves::new(|_| Ok(())),
        head: Head::default(),
        stop: Stop::default(),
        metrics: Metrics::default(),
        teller: Teller::silent(),
    };
    context.stop.advance(Phase::Draining);
    let metrics = context.metrics.clone();
    tokio::task::spawn_blocking(move || task.run(&context).unwrap())
        .await
        .unwrap();
    let report = place.verify(&[]);
    assert!(report.verified, "{:#?}", report.problems);
    assert_eq!(report.stamped[0].size, 3);
    let text = metrics.render();
    assert!(
        text.contains("anchor_failures_total{by=\"authority 127.0.0.1\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("anchored_leaves{by=\"authority 127.0.0.1\"} 3\n"),
        "{text}"
    );
}
