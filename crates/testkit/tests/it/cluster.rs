//! Clusters start, answer, reload and restart.

use pgattest_testkit::{Binaries, Cluster, available_majors};

#[test]
fn every_supported_major_is_installed() {
    assert_eq!(
        available_majors(),
        [13, 14, 15, 16, 17, 18],
        "run script/bootstrap"
    );
    assert!(Binaries::find(15).unwrap().has_module("pgaudit"));
    assert!(Binaries::find(15).unwrap().has_module("pgcrypto"));
}

#[test]
fn a_major_that_is_not_installed_is_an_error_that_says_what_to_do() {
    let error = Cluster::builder(12).start_blocking().err().unwrap();
    assert!(
        format!("{error:#}").contains("run script/bootstrap"),
        "{error:#}"
    );
}

#[tokio::test]
async fn each_major_starts_and_answers() {
    for major in available_majors() {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let number = cluster
            .query_value("postgres", "SHOW server_version_num")
            .await
            .unwrap();
        assert_eq!(number.parse::<u32>().unwrap() / 10_000, major);
    }
}

#[tokio::test]
async fn each_major_stores_the_superuser_password_as_scram_and_keeps_the_default_for_others() {
    for (major, default) in [(13, "md5"), (14, "scram-sha-256"), (18, "scram-sha-256")] {
        let cluster = Cluster::builder(major).start().await.unwrap();
        let kind =
            "SELECT split_part(rolpassword, '$', 1) FROM pg_authid WHERE rolname = 'postgres'";
        let kind = cluster.query_value("postgres", kind).await.unwrap();
        assert_eq!(kind, "SCRAM-SHA-256", "PostgreSQL {major}");
        let setting = cluster
            .query_value("postgres", "SHOW password_encryption")
            .await
            .unwrap();
        assert_eq!(setting, default, "PostgreSQL {major}");
    }
}

#[tokio::test]
async fn two_clusters_at_once_are_two_clusters() {
    let (one, two) = tokio::join!(Cluster::builder(15).start(), Cluster::builder(15).start());
    let (one, two) = (one.unwrap(), two.unwrap());
    one.execute("postgres", "CREATE ROLE only_in_one")
        .await
        .unwrap();

    assert_ne!(one.port(), two.port());
    let count = "SELECT count(*) FROM pg_roles WHERE rolname = 'only_in_one'";
    assert_eq!(one.query_value("postgres", count).await.unwrap(), "1");
    assert_eq!(two.query_value("postgres", count).await.unwrap(), "0");
}

#[tokio::test]
async fn each_dsn_reaches_the_server_as_libpq_reads_it() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let name = "o'dd \"name\" %41&=?\\";
    let quoted = name.replace('"', "\"\"");
    cluster
        .execute(
            "postgres",
            &format!("CREATE ROLE \"{quoted}\" LOGIN; CREATE DATABASE \"{quoted}\""),
        )
        .await
        .unwrap();

    let dsns = [
        (cluster.dsn(name), "postgres"),
        (cluster.dsn_socket(name), "postgres"),
        (cluster.dsn_as(name, name), name),
    ];
    for (dsn, user) in dsns {
        let output = std::process::Command::new("psql")
            .args(["-XAtc", "SELECT current_database(), current_user", &dsn])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.trim_end(), format!("{name}|{user}"), "{dsn}");
    }
}

#[tokio::test]
async fn a_reload_is_seen_by_the_next_session() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster.append_conf("work_mem", "1234kB").unwrap();
    cluster
        .write_hba("local all postgres trust\nlocal all all reject\n")
        .unwrap();
    cluster.reload().unwrap();

    let value = cluster.query_value("postgres", "SHOW work_mem").await;
    assert_eq!(value.unwrap(), "1234kB");
    cluster
        .execute("postgres", "CREATE ROLE app LOGIN")
        .await
        .unwrap();
    let refused = cluster.client_as("app", "postgres").await.err().unwrap();
    assert!(
        format!("{refused:#}").contains("pg_hba.conf rejects"),
        "{refused:#}"
    );
}

#[tokio::test]
async fn a_restart_keeps_data_and_port_and_an_immediate_stop_recovers() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let port = cluster.port();
    let first = cluster.pid().unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)",
        )
        .await
        .unwrap();

    cluster.restart().unwrap();
    assert_ne!(cluster.pid().unwrap(), first);
    assert_eq!(cluster.port(), port);
    assert_eq!(
        cluster.query_value("postgres", "TABLE kept").await.unwrap(),
        "42"
    );

    cluster.execute("postgres", "CHECKPOINT").await.unwrap();
    cluster.stop_immediately().unwrap();
    assert_eq!(cluster.pid(), None);
    cluster.start().unwrap();
    assert_eq!(
        cluster.query_value("postgres", "TABLE kept").await.unwrap(),
        "42"
    );
    assert!(
        cluster.log().contains("not properly shut down"),
        "{}",
        cluster.log()
    );
}

#[test]
fn a_cluster_works_without_a_runtime() {
    let cluster = Cluster::builder(15).start_blocking().unwrap();
    cluster
        .execute_blocking("postgres", "CREATE TABLE t AS SELECT 1 AS n")
        .unwrap();
    let rows = cluster.query_text_blocking("postgres", "TABLE t").unwrap();
    assert_eq!(rows, [[Some("1".to_owned())]]);
}

#[tokio::test]
async fn a_sql_ascii_cluster_holds_bytes_that_are_no_text() {
    let cluster = Cluster::builder(15)
        .encoding("SQL_ASCII", "C")
        .start()
        .await
        .unwrap();
    let encoding = cluster
        .query_value("postgres", "SHOW server_encoding")
        .await;
    assert_eq!(encoding.unwrap(), "SQL_ASCII");
    cluster
        .execute(
            "postgres",
            "DO $$ BEGIN EXECUTE E'CREATE ROLE \"r\\351\"'; END $$",
        )
        .await
        .unwrap();
    let bytes = "SELECT encode(rolname::text::bytea, 'hex') FROM pg_roles WHERE rolname ~ '^r'";
    assert_eq!(
        cluster.query_value("postgres", bytes).await.unwrap(),
        "72e9"
    );
}
