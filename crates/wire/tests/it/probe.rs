//! Probes against real servers.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use pgattest_testkit::{Cluster, Tls};
use pgattest_wire::ConnectOptions;
use pgattest_wire::probe::{
    Admission, Asked, ClearLogin, Kind, Outcome, Seen, Target, Transport, Trust, clear_login,
    transport,
};
use rstest::rstest;

use crate::support::{hand_to_server, openssl, resolve, tcp};

const PATIENCE: Duration = Duration::from_secs(20);

fn target(cluster: &Cluster) -> Target {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, cluster.port()));
    Target::new(address, None, PATIENCE)
}

fn options(cluster: &Cluster) -> ConnectOptions {
    resolve(&tcp(cluster, "postgres"))
}

async fn try_all(cluster: &Cluster) -> Transport {
    transport(&target(cluster), &options(cluster), true).await
}

/// The answer to each version, as `TLSv1.2 accepted`.
fn versions(seen: &Transport, kind: Kind) -> Vec<String> {
    let of_kind = seen.handshakes.iter().filter(|one| one.kind == kind);
    of_kind
        .map(|one| format!("{} {}", one.asked, one.outcome.as_str()))
        .collect()
}

fn only(seen: &Transport, kind: Kind) -> &Seen {
    let mut found = seen.handshakes.iter().filter(|one| one.kind == kind);
    let one = found.next().unwrap();
    assert!(found.next().is_none(), "{kind:?} was tried twice");
    one
}

/// Suites that were accepted, with their grade.
fn accepted(seen: &Transport) -> Vec<(&str, &str)> {
    seen.handshakes
        .iter()
        .filter(|one| one.kind == Kind::CipherSuite && one.outcome == Outcome::Accepted)
        .map(|one| (one.asked.as_str(), one.suite.as_str()))
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_default_server_refuses_old_versions_and_shows_its_certificate(
    #[values(13, 14, 15, 16, 17, 18)] major: u32,
) {
    let cluster = Cluster::builder(major)
        .tls(Tls::new())
        .start()
        .await
        .unwrap();
    let seen = try_all(&cluster).await;
    assert_eq!(
        versions(&seen, Kind::TlsVersion),
        [
            "TLSv1 refused",
            "TLSv1.1 refused",
            "TLSv1.2 accepted",
            "TLSv1.3 accepted"
        ]
    );
    let direct = if major >= 17 {
        ["TLSv1.1 refused", "TLSv1.2 accepted", "TLSv1.3 accepted"]
    } else {
        ["TLSv1.1 refused", "TLSv1.2 refused", "TLSv1.3 refused"]
    };
    assert_eq!(versions(&seen, Kind::DirectTls), direct);

    let request = only(&seen, Kind::SslRequest);
    assert_eq!(request.outcome, Outcome::Accepted);
    assert_eq!(request.transcript.sent, [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
    assert_eq!(request.transcript.received, b"S");
    let old = &seen.handshakes[1];
    assert_eq!(old.said, "alert 70 protocol_version");
    assert_eq!(old.transcript.sent[..8], [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
    assert_eq!(old.transcript.sent[8..11], [22, 3, 1]);
    assert_eq!(old.transcript.received, [b'S', 21, 3, 1, 0, 2, 2, 70]);
    // Yes or no: it depends on how the server was built.
    assert!(matches!(
        only(&seen, Kind::GssRequest).transcript.received.as_slice(),
        b"G" | b"N"
    ));

    let suites = accepted(&seen);
    assert!(
        suites.contains(&("TLSv1.3 sound", "TLS_AES_256_GCM_SHA384")),
        "{suites:?}"
    );
    assert!(
        suites.contains(&("TLSv1.2 sound", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")),
        "{suites:?}"
    );
    assert!(
        suites
            .iter()
            .all(|(asked, _)| asked.ends_with("sound") || asked.ends_with("cbc")),
        "{suites:?}"
    );
    assert!(
        seen.handshakes
            .iter()
            .all(|one| one.outcome != Outcome::Unknown),
        "{:?}",
        seen.handshakes
    );

    let (certificate, _) = seen.certificate.unwrap();
    let certificate = certificate.unwrap();
    assert!(certificate.names_host && certificate.key_proven);
    assert!(
        matches!(certificate.trust, Trust::NotJudged(_)),
        "{:?}",
        certificate.trust
    );
    let own = &certificate.chain[0];
    assert_eq!(own.names, ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]);
    assert_eq!(
        (own.common_name.as_str(), own.key, own.key_bits),
        ("localhost", "ec", 256)
    );
    assert_eq!(own.signature_hash, "sha256");
    assert!(!own.self_issued && !own.ca && own.in_order);
    assert!(own.not_before < own.not_after);
}

#[rstest]
#[tokio::test]
async fn a_lax_server_is_found_out(#[values(13, 15, 18)] major: u32) {
    let cluster = Cluster::builder(major)
        .tls(Tls::new())
        .setting("ssl_min_protocol_version", "TLSv1")
        .setting("ssl_ciphers", "ALL:eNULL:aNULL:@SECLEVEL=0")
        .start()
        .await
        .unwrap();
    let seen = try_all(&cluster).await;
    assert_eq!(
        versions(&seen, Kind::TlsVersion),
        [
            "TLSv1 accepted",
            "TLSv1.1 accepted",
            "TLSv1.2 accepted",
            "TLSv1.3 accepted"
        ]
    );
    let suites = accepted(&seen);
    for expected in [
        "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
        "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
    ] {
        assert!(
            suites.contains(&("TLSv1.2 broken", expected)),
            "{expected}: {suites:?}"
        );
    }
    // Exhausted, so the last one of each list is a refusal.
    let last = seen
        .handshakes
        .iter()
        .rfind(|one| one.asked == "TLSv1.2 broken");
    assert_eq!(last.unwrap().outcome, Outcome::Refused);
}

/// With Debian's library the setting alone does not bring TLS 1.0 back: its security level does not allow SHA-1, and the
/// alert is 80.
#[tokio::test]
async fn an_old_floor_under_a_new_library_is_refused_with_an_internal_error() {
    let cluster = Cluster::hardened(15);
    let cluster = cluster
        .setting("ssl_min_protocol_version", "TLSv1")
        .start()
        .await
        .unwrap();
    let seen = try_all(&cluster).await;
    let answers: Vec<_> = seen.handshakes[1..5]
        .iter()
        .map(|one| (one.asked.as_str(), one.outcome, one.said.as_str()))
        .collect();
    assert_eq!(answers[0].1, Outcome::Refused, "{answers:?}");
    assert_eq!(answers[0].2, "alert 80 internal_error", "{answers:?}");
    assert_eq!(answers[2].1, Outcome::Accepted, "{answers:?}");
}

#[rstest]
#[tokio::test]
async fn a_server_without_tls_says_so(#[values(13, 17)] major: u32) {
    let cluster = Cluster::builder(major).start().await.unwrap();
    let seen = try_all(&cluster).await;
    let request = only(&seen, Kind::SslRequest);
    assert_eq!(
        (request.outcome, request.transcript.received.as_slice()),
        (Outcome::Refused, &b"N"[..])
    );
    assert!(seen.certificate.is_none());
    assert_eq!(versions(&seen, Kind::TlsVersion), [""; 0]);
    assert_eq!(versions(&seen, Kind::DirectTls), ["TLSv1.2 refused"]);
}

#[tokio::test]
async fn certificates_that_no_library_likes_are_read_all_the_same() {
    let cluster = Cluster::builder(17).tls(Tls::new()).start().await.unwrap();
    let files = cluster.scratch_dir().to_owned();
    openssl(
        &files,
        "req -x509 -newkey rsa:1024 -sha1 -nodes -days 10 -subj /CN=old.example.com -keyout weak.key -out weak.crt",
    );
    use_certificate(&cluster, &files);
    let (certificate, _) = try_all(&cluster).await.certificate.unwrap();
    let certificate = certificate.unwrap();
    let own = &certificate.chain[0];
    assert_eq!(
        (own.key, own.key_bits, own.signature_hash),
        ("rsa", 1024, "sha1")
    );
    assert_eq!(own.common_name, "old.example.com");
    assert!(own.self_issued);
    assert!(!certificate.names_host);
}

fn use_certificate(cluster: &Cluster, files: &Path) {
    hand_to_server(cluster, &files.join("weak.key"));
    for (setting, file) in [("ssl_cert_file", "weak.crt"), ("ssl_key_file", "weak.key")] {
        let file = files.join(file);
        cluster
            .append_conf(setting, &file.display().to_string())
            .unwrap();
    }
    cluster.restart().unwrap();
}

#[tokio::test]
async fn a_chain_is_verified_with_the_roots_of_the_connection() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    for (root, expected) in [(cluster.ca_file(), true), (cluster.other_ca_file(), false)] {
        let dsn = format!(
            "{} sslrootcert='{}'",
            tcp(&cluster, "postgres"),
            root.unwrap().display()
        );
        let seen = transport(&target(&cluster), &resolve(&dsn), false).await;
        let trust = seen.certificate.unwrap().0.unwrap().trust;
        match (expected, &trust) {
            (true, Trust::Yes) => {}
            (false, Trust::No(why)) => assert!(why.contains("UnknownIssuer"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

async fn knock(cluster: &Cluster, user: &str) -> ClearLogin {
    clear_login(&target(cluster), user, "postgres").await
}

const HBA: &str = "\
local all all trust
host all trusted,nobody,barred 127.0.0.1/32 trust
host all scram 127.0.0.1/32 scram-sha-256
host all md5 127.0.0.1/32 md5
host all plain 127.0.0.1/32 password
host all rejected 127.0.0.1/32 reject
hostssl all encrypted 127.0.0.1/32 trust
";

#[rstest]
#[tokio::test]
async fn a_clear_login_is_judged_by_its_first_answer(#[values(13, 14, 15, 16, 17, 18)] major: u32) {
    let cluster = Cluster::builder(major)
        .tls(Tls::new())
        .hba(HBA)
        .start()
        .await
        .unwrap();
    let roles = "CREATE ROLE trusted LOGIN; CREATE ROLE barred NOLOGIN; CREATE ROLE scram LOGIN PASSWORD 'x'; \
        CREATE ROLE plain LOGIN PASSWORD 'x'; CREATE ROLE rejected LOGIN; CREATE ROLE encrypted LOGIN; \
        SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'x';";
    cluster.execute("postgres", roles).await.unwrap();

    let trusted = knock(&cluster, "trusted").await;
    assert_eq!(trusted.result, Ok(Admission::LetIn));
    assert_eq!(
        trusted.transcript.received[..9],
        [b'R', 0, 0, 0, 8, 0, 0, 0, 0]
    );
    // The same code, 28000, as a refusal of pg_hba.conf; under trust these were admitted.
    for user in ["nobody", "barred"] {
        match knock(&cluster, user).await.result {
            Ok(Admission::Trusted(error)) => assert_eq!(error.sqlstate, "28000"),
            other => panic!("{user}: {other:?}"),
        }
    }
    for (user, asked) in [
        ("scram", Asked::Sasl),
        ("md5", Asked::Md5),
        ("plain", Asked::Password),
    ] {
        let login = knock(&cluster, user).await;
        assert_eq!(login.result, Ok(Admission::Asks(asked)), "{user}");
        assert_eq!(login.admitted(), Some(true));
    }
    for (user, by_rule) in [
        ("rejected", true),
        ("encrypted", false),
        ("unheard-of", false),
    ] {
        let login = knock(&cluster, user).await;
        match &login.result {
            Ok(Admission::HbaRefuses {
                by_rule: found,
                error,
            }) => {
                assert_eq!(*found, Some(by_rule), "{user}");
                assert_eq!(
                    (error.routine.as_str(), error.file.as_str()),
                    ("ClientAuthentication", "auth.c")
                );
            }
            other => panic!("{user}: {other:?}"),
        }
        assert_eq!(login.admitted(), Some(false));
    }
    assert!(!cluster.log().contains("panic"), "{}", cluster.log());
}
