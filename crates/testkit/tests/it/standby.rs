//! A standby follows its primary.

use pgattest_testkit::{Cluster, Standby};

#[tokio::test]
async fn a_standby_of_the_oldest_the_middle_and_the_newest_major_follows() {
    for major in [13, 15, 18] {
        let primary = Cluster::builder(major).start().await.unwrap();
        primary
            .execute("postgres", "CREATE TABLE t AS SELECT 1 AS n")
            .await
            .unwrap();
        let standby = Standby::of(&primary).await.unwrap();
        assert_eq!(
            standby
                .query_value("postgres", "SELECT pg_is_in_recovery()")
                .await
                .unwrap(),
            "t"
        );

        primary
            .execute("postgres", "UPDATE t SET n = 2")
            .await
            .unwrap();
        standby.catch_up(&primary).await.unwrap();
        assert_eq!(
            standby.query_value("postgres", "TABLE t").await.unwrap(),
            "2"
        );

        let refused = standby
            .execute("postgres", "DROP TABLE t")
            .await
            .unwrap_err();
        assert!(
            refused.to_string().contains("read-only transaction"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_hardened_primary_has_a_hardened_standby() {
    let primary = Cluster::hardened(15).start().await.unwrap();
    let standby = Standby::of(&primary).await.unwrap();
    let id = "SELECT system_identifier FROM pg_control_system()";
    assert_eq!(
        standby.query_value("postgres", id).await.unwrap(),
        primary.query_value("postgres", id).await.unwrap()
    );
    assert_eq!(
        standby.query_value("postgres", "SHOW ssl").await.unwrap(),
        "on"
    );
}
