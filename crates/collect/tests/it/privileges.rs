//! A role that may see little: what it does not see is missing, not empty.

use crate::common::{look, look_as, look_through};
use pgattest_collect::Limits;
use pgattest_testkit::{Cluster, available_majors};

const ROLES: &str = r"
CREATE ROLE auditor LOGIN;
CREATE ROLE other LOGIN PASSWORD 'x';
CREATE FOREIGN DATA WRAPPER w;
CREATE SERVER s FOREIGN DATA WRAPPER w;
CREATE USER MAPPING FOR other SERVER s OPTIONS (password 'p');
";

#[tokio::test]
async fn what_a_role_may_not_see_is_missing_with_the_grant_that_opens_it() {
    for major in available_majors() {
        let cluster = Cluster::builder(major).start().await.unwrap();
        cluster.execute("postgres", ROLES).await.unwrap();
        // A session of somebody else, held open over the look.
        let _other = cluster.client_as("other", "postgres").await.unwrap();
        let before = look_as(&cluster, "auditor").await;
        let mut closed = vec!["file_settings", "verifiers", "hba_rules", "hba_files"];
        if major >= 15 {
            closed.push("ident_maps");
        }
        closed.push("subscription_secrets");
        let missing: Vec<_> = before
            .missing()
            .into_iter()
            .filter(|(_, why)| why.grant.is_some())
            .collect();
        let names: Vec<_> = missing
            .iter()
            .map(|(group, _)| group.as_str())
            .filter(|group| *group != "subscriptions")
            .collect();
        assert_eq!(names, closed, "{major}: {missing:?}");
        for (group, why) in &missing {
            assert!(
                why.why.contains("permission denied") && why.observation.is_some(),
                "{major} {group}: {why:?}"
            );
        }

        // Hidden is not the same as empty.
        let own = before.facts.own_session.here().unwrap();
        assert!(!own.superuser && !own.reads_all_settings && !own.reads_all_sessions);
        let hidden = before
            .facts
            .settings
            .here()
            .unwrap()
            .get("data_directory")
            .unwrap_err();
        assert_eq!(
            hidden.grant.as_deref(),
            Some(
                "/* run the SQL of `pgattest grants`, or: */ GRANT pg_read_all_settings TO auditor;"
            )
        );
        let mapping = &before.inside("postgres").user_mappings.here().unwrap()[0];
        assert!(!mapping.options_visible && mapping.option_keys.is_empty());
        let sessions = before.facts.sessions.here().unwrap();
        assert!(
            sessions
                .iter()
                .any(|session| session.own && session.visible)
        );
        assert!(
            sessions
                .iter()
                .any(|session| !session.visible && session.backend_type.is_empty())
        );

        // The statements that the look itself names open everything, pgattest's promise to the administrator.
        let mut grants: Vec<_> = missing
            .iter()
            .filter_map(|(_, why)| why.grant.clone())
            .collect();
        grants.push("GRANT pg_monitor TO auditor;".to_owned());
        cluster
            .execute("postgres", &grants.join("\n"))
            .await
            .unwrap();
        let after = look_as(&cluster, "auditor").await;
        let still: Vec<_> = after
            .missing()
            .into_iter()
            .filter(|(group, _)| group != "ident_maps" || major >= 15)
            .collect();
        assert_eq!(still, [], "{major}");
        assert!(after.facts.settings.here().unwrap().all_visible());
        assert!(
            after
                .facts
                .sessions
                .here()
                .unwrap()
                .iter()
                .all(|session| session.visible)
        );
        let verifiers = after.facts.verifiers.here().unwrap().len();
        assert_eq!(verifiers, after.facts.roles.here().unwrap().len());
    }
}

#[tokio::test]
async fn a_database_that_may_not_be_entered_is_missing_whole() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let sql = "CREATE ROLE auditor LOGIN; CREATE DATABASE \"Closed\"; REVOKE CONNECT ON DATABASE \"Closed\" FROM PUBLIC;
        CREATE DATABASE nobody; ALTER DATABASE nobody ALLOW_CONNECTIONS false";
    cluster.execute("postgres", sql).await.unwrap();
    let look = look_as(&cluster, "auditor").await;
    let names: Vec<_> = look
        .facts
        .inside
        .iter()
        .map(|inside| inside.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["template1", "postgres", "Closed"],
        "in the order of databases; nobody enters the others"
    );
    let why = look.inside("Closed").policies.here().unwrap_err();
    assert_eq!(
        why.grant.as_deref(),
        Some("GRANT CONNECT ON DATABASE \"Closed\" TO auditor;")
    );
    assert_eq!(
        why.why,
        "database `Closed` was not looked into: role `auditor` has no CONNECT privilege on it (SQLSTATE 42501)"
    );
    assert!(
        look.inside("postgres").policies.is_here() && look.inside("template1").policies.is_here()
    );
    assert!(
        !cluster.log().contains("permission denied for database"),
        "it was not even tried"
    );
}

#[tokio::test]
async fn databases_that_were_not_asked_for_are_left_out_and_say_so() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE DATABASE shop; CREATE DATABASE other")
        .await
        .unwrap();
    let limits = Limits {
        databases: Some(vec!["shop".to_owned()]),
        ..Limits::default()
    };
    let look = look_through(&cluster.dsn("postgres"), limits).await;
    assert!(look.inside("shop").relations.is_here() && look.inside("postgres").relations.is_here());
    let why = look.inside("other").relations.here().unwrap_err().why;
    assert_eq!(
        why,
        "database `other` was not looked into: it is not among the databases that were asked for"
    );
}

#[tokio::test]
async fn a_role_with_one_connection_still_sees_every_database() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE auditor LOGIN CONNECTION LIMIT 1; CREATE DATABASE a; CREATE DATABASE b",
        )
        .await
        .unwrap();
    let look = look_as(&cluster, "auditor").await;
    for inside in &look.facts.inside {
        assert!(
            inside.relations.is_here(),
            "{}: {:?}",
            inside.name,
            inside.relations.here().unwrap_err()
        );
    }
    assert_eq!(look.facts.inside.len(), 4);
}

#[tokio::test]
async fn nothing_is_written() {
    let cluster = Cluster::builder(15)
        .setting("autovacuum", "off")
        .setting("wal_level", "minimal")
        .setting("max_wal_senders", "0")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE TABLE t (); CREATE ROLE r;")
        .await
        .unwrap();
    for database in ["postgres", "template1"] {
        cluster.execute(database, "VACUUM (FREEZE)").await.unwrap();
    }
    // The first look may set hint bits and tidy pages, as every reader does.
    look(&cluster).await;
    cluster.execute("postgres", "CHECKPOINT").await.unwrap();
    let state = "SELECT pg_current_wal_insert_lsn()::text || ' ' || txid_snapshot_xmax(txid_current_snapshot())";
    let before = cluster.query_value("postgres", state).await.unwrap();
    look(&cluster).await;
    assert_eq!(
        cluster.query_value("postgres", state).await.unwrap(),
        before,
        "WAL position and next transaction"
    );
}
