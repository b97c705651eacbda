//! TLS with every `sslmode`.

use std::path::Path;

use pgattest_testkit::{Cluster, SUPERUSER_PASSWORD, Tls};
use pgattest_wire::{
    CertificateProblem, ConnectError, ConnectOptions, TlsFileProblem, TlsVersion, Verification,
    connect,
};

use crate::support::{
    check_error, env, failure, hand_to_server, openssl, set_mode, tcp, try_connect, value,
};

/// TLS or nothing, and a password.
const TLS_ONLY: &str = "local all all trust\nhostssl all all all scram-sha-256\n";

async fn tls_only(tls: Tls) -> Cluster {
    Cluster::builder(15)
        .tls(tls)
        .hba(TLS_ONLY)
        .start()
        .await
        .unwrap()
}

fn with_password(cluster: &Cluster, rest: &str) -> String {
    format!(
        "{} password={SUPERUSER_PASSWORD} {rest}",
        tcp(cluster, "postgres")
    )
}

fn root(file: Option<std::path::PathBuf>) -> String {
    format!("sslrootcert='{}'", file.unwrap().display())
}

#[track_caller]
fn problem(error: &ConnectError) -> &CertificateProblem {
    match error {
        ConnectError::TlsCertificate { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_mode_that_uses_tls_against_a_good_server() {
    let cluster = tls_only(Tls::new()).await;
    let ca = root(cluster.ca_file());
    for (mode, verification) in [
        ("allow", Verification::None),
        ("prefer", Verification::None),
        ("require", Verification::None),
        ("verify-ca", Verification::Chain),
        ("verify-full", Verification::ChainAndName),
    ] {
        let roots = if mode.starts_with("verify") {
            ca.as_str()
        } else {
            ""
        };
        let dsn = with_password(&cluster, &format!("sslmode={mode} {roots}"));
        let connection = try_connect(&dsn).await.unwrap();
        let seen = connection.peer().tls.as_ref().unwrap();
        assert_eq!(seen.verification, verification, "{mode}");
        assert_eq!(seen.version, TlsVersion::V1_3);
        assert!(seen.cipher.starts_with("TLS13_"), "{}", seen.cipher);
        assert!(!seen.certificate.is_empty());
        let ssl = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        assert_eq!(value(&connection, ssl).await, "true", "{mode}");
    }
    // As in libpq, a root certificate is used by `require` too.
    let dsn = with_password(&cluster, &format!("sslmode=require {ca}"));
    let seen = try_connect(&dsn).await.unwrap().peer().tls.clone().unwrap();
    assert_eq!(seen.verification, Verification::Chain);

    let error = failure(&with_password(&cluster, "sslmode=disable")).await;
    assert!(
        matches!(&error, ConnectError::HbaRejected { place, .. } if !place.encrypted()),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_login_is_bound_to_the_channel() {
    let cluster = tls_only(Tls::new()).await;
    let dsn = with_password(&cluster, "sslmode=require channel_binding=require");
    try_connect(&dsn).await.unwrap();

    let clear = Cluster::builder(15)
        .hba("local all all trust\nhost all all all scram-sha-256\n")
        .start()
        .await
        .unwrap();
    let error = failure(&with_password(&clear, "channel_binding=require")).await;
    assert!(
        matches!(error, ConnectError::AuthUnsupported { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("channel_binding"));
}

#[tokio::test]
async fn versions_can_be_limited() {
    let cluster = tls_only(Tls::new()).await;
    let dsn = with_password(&cluster, "sslmode=require ssl_max_protocol_version=TLSv1.2");
    let connection = try_connect(&dsn).await.unwrap();
    assert_eq!(
        connection.peer().tls.as_ref().unwrap().version,
        TlsVersion::V1_2
    );

    cluster
        .append_conf("ssl_max_protocol_version", "TLSv1.2")
        .unwrap();
    cluster.reload().unwrap();
    let dsn = with_password(&cluster, "sslmode=require ssl_min_protocol_version=TLSv1.3");
    let error = failure(&dsn).await;
    assert!(
        matches!(error, ConnectError::TlsProtocol { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_wrong_authority() {
    let cluster = tls_only(Tls::new()).await;
    let other = root(cluster.other_ca_file());
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = failure(&with_password(&cluster, &format!("sslmode={mode} {other}"))).await;
        match problem(&error) {
            CertificateProblem::UnknownCa { issuer } => {
                assert!(
                    issuer
                        .as_deref()
                        .unwrap()
                        .contains("pgattest test authority")
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(error.hint().unwrap().contains("sslrootcert"));
    }
}

#[tokio::test]
async fn the_wrong_name() {
    let cluster = tls_only(Tls::new().names(&["db.example.com", "*.example.org"])).await;
    let ca = root(cluster.ca_file());
    let error = failure(&with_password(
        &cluster,
        &format!("sslmode=verify-full {ca}"),
    ))
    .await;
    match problem(&error) {
        CertificateProblem::HostMismatch { presented } => {
            assert_eq!(presented, &["db.example.com", "*.example.org"]);
        }
        other => panic!("{other:?}"),
    }
    try_connect(&with_password(&cluster, &format!("sslmode=verify-ca {ca}")))
        .await
        .unwrap();

    // The name decides, wherever the address leads.
    for (host, good) in [
        ("db.example.com", true),
        ("a.example.org", true),
        ("a.b.example.org", false),
        ("example.org", false),
    ] {
        let dsn = with_password(
            &cluster,
            &format!("host={host} hostaddr=127.0.0.1 sslmode=verify-full {ca}"),
        );
        let outcome = try_connect(&dsn).await;
        assert_eq!(outcome.is_ok(), good, "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_full_verification_needs_a_name() {
    let cluster = tls_only(Tls::new()).await;
    let dsn = format!(
        "hostaddr=127.0.0.1 port={} user=postgres sslmode=verify-full {}",
        cluster.port(),
        root(cluster.ca_file())
    );
    let error = failure(&dsn).await;
    assert!(matches!(
        problem(&error),
        CertificateProblem::HostMismatch { .. }
    ));
}

#[tokio::test]
async fn an_expired_certificate() {
    let cluster = tls_only(Tls::new().expired()).await;
    let ca = root(cluster.ca_file());
    let error = failure(&with_password(&cluster, &format!("sslmode=verify-ca {ca}"))).await;
    assert!(matches!(
        problem(&error),
        CertificateProblem::Expired { not_after: Some(_) }
    ));
    assert!(error.to_string().contains("it expired 2001-"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let error = failure(&with_password(&cluster, "sslmode=require")).await;
    assert!(
        matches!(error, ConnectError::TlsRefused { .. }),
        "{error:?}"
    );
    for mode in ["allow", "prefer"] {
        let connection = try_connect(&with_password(&cluster, &format!("sslmode={mode}")))
            .await
            .unwrap();
        assert_eq!(connection.peer().tls, None);
    }
}

#[tokio::test]
async fn prefer_falls_back_to_clear_text_only_when_that_may_help() {
    let cluster = Cluster::builder(15)
        .tls(Tls::new())
        .hba("local all all trust\nhostnossl all clear all trust\nhost all all all scram-sha-256\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE clear LOGIN")
        .await
        .unwrap();
    cluster.write_hba("local all all trust\nhostnossl all clear all trust\nhostssl all postgres all scram-sha-256\n").unwrap();
    cluster.reload().unwrap();

    // Refused with TLS, let in without.
    let connection = try_connect(&format!("{} sslmode=prefer", tcp(&cluster, "clear")))
        .await
        .unwrap();
    assert_eq!(connection.peer().tls, None);
    // Refused both ways: both are told.
    let error = failure(&format!("{} sslmode=prefer", tcp(&cluster, "nobody"))).await;
    assert_eq!(error.attempts().len(), 2, "{error:?}");
    // A wrong password is not repeated in clear text.
    let wrong = format!(
        "{} sslmode=prefer password=wrong",
        tcp(&cluster, "postgres")
    );
    let error = failure(&wrong).await;
    assert!(
        matches!(&error, ConnectError::PasswordWrong { place, .. } if place.encrypted()),
        "{error:?}"
    );
}

#[tokio::test]
async fn cancelling_goes_over_tls_too() {
    let cluster = tls_only(Tls::new()).await;
    let dsn = with_password(
        &cluster,
        &format!("sslmode=verify-full {}", root(cluster.ca_file())),
    );
    let connection = try_connect(&dsn).await.unwrap();
    let token = connection.cancel_token();
    let sleep = connection.client().batch_execute("SELECT pg_sleep(600)");
    let cancel = async {
        let pid = connection.announced_pid().unwrap();
        let sleeping = format!(
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} \
             AND wait_event = 'PgSleep') LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
        );
        cluster.execute("postgres", &sleeping).await.unwrap();
        token.cancel().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(sleep, cancel);
    assert_eq!(outcome.unwrap_err().code().unwrap().code(), "57014");
}

#[tokio::test]
async fn client_certificates() {
    let cluster = Cluster::builder(15)
        .tls(Tls::new().verify_clients())
        .hba("local all all trust\nhostssl all all all cert\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE auditor LOGIN")
        .await
        .unwrap();
    let files = cluster.client_certificate("auditor").unwrap();
    let ca = root(cluster.ca_file());
    let dsn = |certificate: &Path, key: &Path| {
        format!(
            "{} sslmode=verify-full {ca} sslcert='{}' sslkey='{}'",
            tcp(&cluster, "auditor"),
            certificate.display(),
            key.display()
        )
    };

    let connection = try_connect(&dsn(&files.certificate, &files.key))
        .await
        .unwrap();
    assert_eq!(
        value(&connection, "SELECT current_user::text").await,
        "auditor"
    );

    // The other forms in which a key may be stored.
    let sec1 = cluster.scratch_dir().join("sec1.key");
    openssl(
        cluster.scratch_dir(),
        &format!("ec -in {} -out sec1.key", files.key.display()),
    );
    set_mode(&sec1, 0o600);
    assert!(
        std::fs::read_to_string(&sec1)
            .unwrap()
            .contains("BEGIN EC PRIVATE KEY")
    );
    try_connect(&dsn(&files.certificate, &sec1)).await.unwrap();

    // None sent.
    let error = failure(&format!("{} sslmode=require", tcp(&cluster, "auditor"))).await;
    assert!(
        matches!(&error, ConnectError::HbaRejected { .. }),
        "{error:?}"
    );
    // Somebody else's.
    let other = cluster.client_certificate("somebody").unwrap();
    let error = failure(&dsn(&other.certificate, &other.key)).await;
    assert!(
        matches!(&error, ConnectError::AuthRejected { .. }),
        "{error:?}"
    );

    // Files that cannot be used are told before anything is sent.
    let mismatch = failure(&dsn(&files.certificate, &other.key)).await;
    assert!(
        file_problem(&mismatch, |p| matches!(p, TlsFileProblem::KeyMismatch)),
        "{mismatch:?}"
    );
    let missing = failure(&dsn(&files.certificate, Path::new("/nonexistent/key"))).await;
    assert!(
        file_problem(&missing, |p| matches!(p, TlsFileProblem::KeyMissing)),
        "{missing:?}"
    );
    let encrypted = cluster.scratch_dir().join("encrypted.key");
    let encrypt = "-out encrypted.key -aes256 -passout pass:x";
    openssl(
        cluster.scratch_dir(),
        &format!("pkey -in {} {encrypt}", files.key.display()),
    );
    set_mode(&encrypted, 0o600);
    let error = failure(&dsn(&files.certificate, &encrypted)).await;
    assert!(
        file_problem(&error, |p| matches!(p, TlsFileProblem::KeyEncrypted)),
        "{error:?}"
    );
    set_mode(&sec1, 0o644);
    let error = failure(&dsn(&files.certificate, &sec1)).await;
    assert!(
        file_problem(&error, |p| matches!(
            p,
            TlsFileProblem::KeyExposed { mode: 0o644 }
        )),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_client_certificate_of_an_authority_that_the_server_does_not_know() {
    let cluster = Cluster::builder(15)
        .tls(Tls::new().verify_clients())
        .start()
        .await
        .unwrap();
    let stranger = pgattest_testkit::Authority::new("stranger").unwrap();
    let issued = stranger.issue_client("postgres").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (
        directory.path().join("c.crt"),
        directory.path().join("c.key"),
    );
    std::fs::write(&certificate, issued.certificate).unwrap();
    std::fs::write(&key, issued.key).unwrap();
    set_mode(&key, 0o600);
    let dsn = format!(
        "{} sslmode=require sslcert='{}' sslkey='{}'",
        tcp(&cluster, "postgres"),
        certificate.display(),
        key.display()
    );
    let error = failure(&dsn).await;
    assert!(
        matches!(&error, ConnectError::ClientCertificate { alert, .. } if alert == "UnknownCA"),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_files_of_the_home_directory_are_used() {
    let cluster = tls_only(Tls::new()).await;
    let home = tempfile::tempdir().unwrap();
    let options = |mode: &str| {
        let dsn = with_password(&cluster, &format!("sslmode={mode}"));
        ConnectOptions::resolve(Some(&dsn), &env().with_home(home.path())).unwrap()
    };
    // Nothing there: `verify-ca` cannot work, `require` does not verify.
    let error = connect(&options("verify-ca")).await.unwrap_err();
    check_error(&error);
    assert!(
        file_problem(&error, |p| matches!(p, TlsFileProblem::RootMissing)),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("sslrootcert=system"));
    connect(&options("require")).await.unwrap();

    let directory = home.path().join(".postgresql");
    std::fs::create_dir(&directory).unwrap();
    std::fs::copy(cluster.ca_file().unwrap(), directory.join("root.crt")).unwrap();
    for mode in ["require", "verify-full"] {
        let seen = connect(&options(mode))
            .await
            .unwrap()
            .peer()
            .tls
            .clone()
            .unwrap();
        assert_ne!(seen.verification, Verification::None, "{mode}");
    }
    std::fs::copy(cluster.other_ca_file().unwrap(), directory.join("root.crt")).unwrap();
    let error = connect(&options("require")).await.unwrap_err();
    assert!(matches!(
        problem(&error),
        CertificateProblem::UnknownCa { .. }
    ));
}

#[tokio::test]
async fn the_roots_of_the_platform() {
    let cluster = tls_only(Tls::new()).await;
    let dsn = with_password(&cluster, "sslrootcert=system");
    let good = env()
        .with_system_root_file("/nonexistent")
        .with_system_root_file(cluster.ca_file().unwrap());
    let options = ConnectOptions::resolve(Some(&dsn), &good).unwrap();
    let seen = connect(&options).await.unwrap().peer().tls.clone().unwrap();
    assert_eq!(seen.verification, Verification::ChainAndName);

    let error = failure(&dsn).await;
    assert!(
        file_problem(&error, |p| matches!(p, TlsFileProblem::NoSystemRoots)),
        "{error:?}"
    );
}

/// The certificates that people make with OpenSSL by the recipes they find.
#[tokio::test]
async fn certificates_of_version_1_and_self_signed_ones() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    let place = cluster.scratch_dir();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let new_key = "-newkey rsa:2048 -nodes -days 9";
    openssl(
        place,
        &format!("req -x509 -subj /CN=root {new_key} -keyout ca.key -out old-ca.crt"),
    );
    openssl(
        place,
        "req -subj /CN=db.example.com -newkey rsa:2048 -nodes -keyout v1.key -out v1.csr",
    );
    openssl(place, SIGN_WITHOUT_EXTENSIONS);
    let shown = openssl(place, "x509 -in v1.crt -noout -text");
    assert!(shown.contains("Version: 1 (0x0)"), "{shown}");
    openssl(
        place,
        &format!("req -x509 -subj /CN=db.example.com {new_key} -keyout own.key -out own.crt"),
    );

    for (name, trusted) in [("v1", "old-ca.crt"), ("own", "own.crt")] {
        let (certificate, key) = (path(&format!("{name}.crt")), path(&format!("{name}.key")));
        hand_to_server(&cluster, Path::new(&key));
        cluster.append_conf("ssl_cert_file", &certificate).unwrap();
        cluster.append_conf("ssl_key_file", &key).unwrap();
        cluster.reload().unwrap();
        let dsn = |rest: &str| {
            with_password(
                &cluster,
                &format!("host=db.example.com hostaddr=127.0.0.1 {rest}"),
            )
        };
        let root = format!("sslrootcert='{}'", path(trusted));
        let other = format!("sslrootcert='{}'", cluster.ca_file().unwrap().display());

        for version in ["TLSv1.2", "TLSv1.3"] {
            let limits =
                format!("ssl_min_protocol_version={version} ssl_max_protocol_version={version}");
            for mode in [
                "sslmode=require".to_owned(),
                format!("sslmode=verify-full {root}"),
            ] {
                let outcome = try_connect(&dsn(&format!("{mode} {limits}"))).await;
                let seen =
                    outcome.unwrap_or_else(|error| panic!("{name} {mode} {version}: {error:?}"));
                assert!(seen.peer().tls.is_some());
            }
        }
        let error = failure(&dsn(&format!("sslmode=verify-ca {other}"))).await;
        match problem(&error) {
            CertificateProblem::UnknownCa { .. } => {}
            other => panic!("{name}: {other:?}"),
        }
        let wrong = format!("sslmode=verify-full {root} host=other.example.com");
        let error = failure(&dsn(&wrong)).await;
        match problem(&error) {
            CertificateProblem::HostMismatch { presented } => {
                assert_eq!(presented, &["db.example.com"]);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// A certificate of version 1 that claims a trusted issuer which never signed it.
#[tokio::test]
async fn a_forged_certificate_of_version_1() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    let place = cluster.scratch_dir();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    for name in ["old-ca", "claimed"] {
        let files = format!("-keyout {name}.key -out {name}.crt");
        openssl(
            place,
            &format!("req -x509 -subj /CN=name -newkey rsa:2048 -nodes {files}"),
        );
    }
    std::fs::copy(path("old-ca.key"), path("ca.key")).unwrap();
    openssl(
        place,
        "req -subj /CN=127.0.0.1 -newkey rsa:2048 -nodes -keyout v1.key -out v1.csr",
    );
    openssl(place, SIGN_WITHOUT_EXTENSIONS);
    hand_to_server(&cluster, Path::new(&path("v1.key")));
    cluster
        .append_conf("ssl_cert_file", &path("v1.crt"))
        .unwrap();
    cluster
        .append_conf("ssl_key_file", &path("v1.key"))
        .unwrap();
    cluster.reload().unwrap();

    let with = |root: &str| {
        with_password(
            &cluster,
            &format!("sslmode=verify-full sslrootcert='{}'", path(root)),
        )
    };
    try_connect(&with("old-ca.crt")).await.unwrap();
    let error = failure(&with("claimed.crt")).await;
    assert_eq!(problem(&error), &CertificateProblem::BadSignature);
}

fn file_problem(error: &ConnectError, is: impl Fn(&TlsFileProblem) -> bool) -> bool {
    matches!(error, ConnectError::TlsFile(file) if is(&file.problem))
}

/// What makes a certificate of version 1, in so many recipes.
const SIGN_WITHOUT_EXTENSIONS: &str =
    "x509 -req -in v1.csr -days 9 -CA old-ca.crt -CAkey ca.key -CAcreateserial -out v1.crt";

#[tokio::test]
async fn a_revoked_certificate() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    let place = cluster.scratch_dir();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let config = "[ca]\ndefault_ca=d\n[e]\nauthorityKeyIdentifier=keyid:always\n[d]\n\
                  database=index\ndefault_md=sha256\ndefault_crl_days=9\n";
    std::fs::write(path("old.conf"), config).unwrap();
    let config = format!("{config}crl_extensions=e\ncrlnumber=number\n");
    std::fs::write(path("ca.conf"), config).unwrap();
    std::fs::write(path("number"), "01\n").unwrap();
    std::fs::write(path("index"), "").unwrap();
    std::fs::write(path("extensions"), "subjectAltName=IP:127.0.0.1").unwrap();
    openssl(
        place,
        "req -x509 -subj /CN=root -newkey rsa:2048 -nodes -keyout ca.key -out root.crt",
    );
    openssl(
        place,
        "req -subj /CN=x -newkey rsa:2048 -nodes -keyout s.key -out s.csr",
    );
    let sign = "-CA root.crt -CAkey ca.key -CAcreateserial -extfile extensions";
    openssl(place, &format!("x509 -req -in s.csr {sign} -out s.crt"));
    let authority = "ca -config ca.conf -keyfile ca.key -cert root.crt";
    openssl(place, &format!("{authority} -gencrl -out before.crl"));
    let version_1 = authority.replace("ca.conf", "old.conf");
    openssl(place, &format!("{version_1} -gencrl -out old.crl"));
    openssl(place, &format!("{authority} -revoke s.crt"));
    openssl(place, &format!("{authority} -gencrl -out after.crl"));
    hand_to_server(&cluster, Path::new(&path("s.key")));
    cluster
        .append_conf("ssl_cert_file", &path("s.crt"))
        .unwrap();
    cluster.append_conf("ssl_key_file", &path("s.key")).unwrap();
    cluster.reload().unwrap();
    let with = |list: &str| {
        let files = format!("sslrootcert='{}' sslcrl='{}'", path("root.crt"), path(list));
        with_password(&cluster, &format!("sslmode=verify-full {files}"))
    };

    try_connect(&with("before.crl")).await.unwrap();
    let error = failure(&with("after.crl")).await;
    assert_eq!(problem(&error), &CertificateProblem::Revoked);
    for not_a_list in ["root.crt", "old.crl"] {
        let error = failure(&with(not_a_list)).await;
        assert!(
            file_problem(&error, |p| matches!(p, TlsFileProblem::NoRevocationList)),
            "{not_a_list}: {error:?}"
        );
    }
}

/// Every major that is installed, and TLS without asking first from 17 on.
#[tokio::test]
async fn every_major() {
    let majors = pgattest_testkit::available_majors();
    assert!(majors.contains(&15), "{majors:?}");
    for major in majors {
        let cluster = Cluster::builder(major)
            .tls(Tls::new())
            .start()
            .await
            .unwrap();
        let dsn = with_password(
            &cluster,
            &format!("sslmode=verify-full {}", root(cluster.ca_file())),
        );
        let connection = try_connect(&dsn).await.unwrap();
        let version = connection.parameter("server_version").unwrap();
        assert!(version.starts_with(&major.to_string()), "{version}");

        let direct = try_connect(&format!("{dsn} sslnegotiation=direct")).await;
        if major >= 17 {
            assert!(direct.unwrap().peer().tls.is_some());
        } else {
            let error = direct.unwrap_err();
            assert!(
                matches!(
                    error,
                    ConnectError::ClosedEarly { .. } | ConnectError::TlsProtocol { .. }
                ),
                "{error:?}"
            );
        }
    }
}
