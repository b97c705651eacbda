//! Settings arrive as they were given, or are refused.

use pgattest_testkit::Cluster;

const HOSTILE: &str = "it's \\ \"two\" \\' $(id) `id` # ; \t %u\n\rfsync = on -- é";

#[tokio::test]
async fn a_hostile_value_reaches_the_server_unchanged() {
    let cluster = Cluster::builder(15)
        .setting("app.current_tenant", HOSTILE)
        .setting("app.empty", "")
        .start()
        .await
        .unwrap();
    let value = cluster
        .query_value("postgres", "SHOW app.current_tenant")
        .await;
    assert_eq!(value.unwrap(), HOSTILE);
    assert_eq!(
        cluster
            .query_value("postgres", "SHOW app.empty")
            .await
            .unwrap(),
        ""
    );
    assert_eq!(
        cluster.query_value("postgres", "SHOW fsync").await.unwrap(),
        "off"
    );
}

#[tokio::test]
async fn the_last_of_two_values_wins() {
    let cluster = Cluster::builder(15)
        .setting("work_mem", "1MB")
        .setting("work_mem", "2MB")
        .start()
        .await
        .unwrap();
    assert_eq!(
        cluster
            .query_value("postgres", "SHOW work_mem")
            .await
            .unwrap(),
        "2MB"
    );
}

#[test]
fn what_cannot_be_a_setting_is_refused() {
    for (name, value, reason) in [
        ("fsync = on\nwork_mem", "1MB", "no name"),
        ("", "1MB", "no name"),
        ("app.", "x", "no name"),
        ("app.x", "\0", "NUL"),
        ("Port", "5432", "testkit decides"),
        ("unix_socket_directories", "/tmp", "testkit decides"),
    ] {
        let refused = Cluster::builder(15).setting(name, value).start_blocking();
        let error = format!("{:#}", refused.err().unwrap());
        assert!(error.contains(reason), "{name:?}: {error}");
    }
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let refused = Cluster::builder(15)
        .setting("work_mem", "plenty")
        .start_blocking();
    let error = format!("{:#}", refused.err().unwrap());
    assert!(
        error.contains("invalid value for parameter \"work_mem\": \"plenty\""),
        "{error}"
    );
}

#[test]
fn a_module_that_is_not_installed_is_named_before_the_start() {
    let refused = Cluster::builder(18).preload("pgaudit").start_blocking();
    let error = format!("{:#}", refused.err().unwrap());
    assert!(
        error.contains("pgaudit is not installed for PostgreSQL 18"),
        "{error}"
    );
}
