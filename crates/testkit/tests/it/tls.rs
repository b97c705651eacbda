//! TLS as a client sees it, and the hardened preset.

use std::process::{Command, Stdio};

use pgattest_testkit::{Cluster, Login, SUPERUSER_PASSWORD, Tls};

const IN_TLS: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn superuser() -> Login {
    Login::new("postgres").password(SUPERUSER_PASSWORD)
}

#[tokio::test]
async fn a_client_that_trusts_our_authority_gets_in_with_tls() {
    for major in [13, 15, 18] {
        let cluster = Cluster::builder(major)
            .tls(Tls::new())
            .start()
            .await
            .unwrap();
        let rows = cluster
            .query_text_as(&superuser().tls(), IN_TLS)
            .await
            .unwrap();
        assert_eq!(rows, [[Some("t".to_owned())]], "PostgreSQL {major}");

        // libpq agrees, for a name and for an address.
        let dsn = cluster.dsn_tls("postgres", SUPERUSER_PASSWORD, "postgres");
        for dsn in [dsn.replace("127.0.0.1", "localhost"), dsn] {
            let output = Command::new("psql")
                .args(["-XAtc", IN_TLS, &dsn])
                .output()
                .unwrap();
            assert_eq!(
                String::from_utf8_lossy(&output.stdout).trim(),
                "t",
                "{output:?}"
            );
        }
    }
}

#[tokio::test]
async fn openssl_verifies_the_certificate_and_only_from_our_authority() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    for (ca_file, verified) in [(cluster.ca_file(), true), (cluster.other_ca_file(), false)] {
        let output = Command::new("openssl")
            .args(["s_client", "-starttls", "postgres", "-verify_return_error"])
            .args(["-verify_hostname", "localhost", "-connect"])
            .arg(format!("127.0.0.1:{}", cluster.port()))
            .arg("-CAfile")
            .arg(ca_file.unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            printed.contains("Verify return code: 0 (ok)"),
            verified,
            "{printed}"
        );
    }
}

#[tokio::test]
async fn a_bad_certificate_is_refused_for_its_own_reason() {
    for (tls, reason) in [
        (Tls::new().expired(), "expired"),
        (Tls::new().from_other_authority(), "UnknownIssuer"),
        (Tls::new().names(&["db.example"]), "not valid for name"),
    ] {
        let cluster = Cluster::builder(15).tls(tls).start().await.unwrap();
        let refused = cluster.connect(&superuser().tls()).await.err().unwrap();
        assert!(format!("{refused:#}").contains(reason), "{refused:#}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_a_login_of_its_role_only() {
    let cluster = Cluster::builder(15)
        .tls(Tls::new().verify_clients())
        .hba("local all postgres trust\nhostssl all all 127.0.0.1/32 cert\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN")
        .await
        .unwrap();
    let files = cluster.client_certificate("app").unwrap();

    let app = Login::new("app").certificate(&files);
    assert_eq!(
        cluster
            .query_text_as(&app, "SELECT session_user")
            .await
            .unwrap(),
        [[Some("app".to_owned())]]
    );
    let other = Login::new("other").certificate(&files);
    let refused = format!("{:#}", cluster.connect(&other).await.err().unwrap());
    assert!(
        refused.contains("certificate authentication failed"),
        "{refused}"
    );
}

#[tokio::test]
async fn tls_without_tls_is_an_error_that_says_what_to_add() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let refused = cluster.connect(&superuser().tls()).await.err().unwrap();
    assert!(
        format!("{refused:#}").contains(".tls(Tls::new())"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn a_hardened_cluster_refuses_clear_text_and_missing_passwords() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'secret'")
        .await
        .unwrap();
    let app = Login::new("app").password("secret");

    cluster.connect(&app.clone().tls()).await.unwrap();
    for (login, reason) in [
        (app.clone().tcp(), "no encryption"),
        (app.clone(), "no pg_hba.conf entry"),
        (
            app.password("wrong").tls(),
            "password authentication failed",
        ),
        (Login::new("postgres"), "password missing"),
    ] {
        let refused = cluster.connect(&login).await.err().unwrap();
        assert!(
            format!("{refused:#}").contains(reason),
            "{login:?}: {refused:#}"
        );
    }
}

#[tokio::test]
async fn a_hardened_cluster_audits_ddl_into_the_csv_log() {
    let cluster = Cluster::hardened(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE TABLE audited_canary (n int)")
        .await
        .unwrap();
    // The collector writes on its own time; an orderly stop flushes it.
    cluster.stop().unwrap();
    let log = cluster.csv_log();
    assert!(
        log.contains("connection authorized: user=postgres"),
        "{log}"
    );
    assert!(
        log.contains("AUDIT: SESSION") && log.contains("public.audited_canary"),
        "{log}"
    );
}
