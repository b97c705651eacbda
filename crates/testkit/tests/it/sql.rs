//! Scripts and queries.

use pgattest_testkit::Cluster;

#[tokio::test]
async fn a_script_may_do_what_no_transaction_may() {
    let cluster = Cluster::builder(18).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE DATABASE shop;
             ALTER SYSTEM SET work_mem = '3MB';
             \\connect shop
             CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;
             CREATE TABLE here (n int);",
        )
        .await
        .unwrap();
    let found = "SELECT to_regclass('here') IS NOT NULL";
    assert_eq!(cluster.query_value("shop", found).await.unwrap(), "t");
    assert_eq!(cluster.query_value("postgres", found).await.unwrap(), "f");
}

#[tokio::test]
async fn a_script_error_shows_the_line_and_the_statement() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let script =
        "CREATE TABLE a (n int);\n\nCREATE TABLE b (n nonsense);\nCREATE TABLE c (n int);\n";
    let error = cluster
        .execute("postgres", script)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(":3: ERROR:  type \"nonsense\" does not exist"),
        "{error}"
    );
    assert!(error.contains("CREATE TABLE b (n nonsense);"), "{error}");

    let after = cluster
        .query_value("postgres", "SELECT to_regclass('c') IS NULL")
        .await;
    assert_eq!(after.unwrap(), "t", "the script went on after its error");
}

#[tokio::test]
async fn a_script_longer_than_a_pipe_runs_whole() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let padding = "x".repeat(40);
    let inserts: String = (0..5_000)
        .flat_map(|n| {
            [
                format!("INSERT INTO t VALUES ({n}); --"),
                format!("{padding}\n"),
            ]
        })
        .collect();
    cluster
        .execute(
            "postgres",
            &format!("BEGIN; CREATE TABLE t (n int); {inserts} COMMIT;"),
        )
        .await
        .unwrap();
    let count = cluster
        .query_value("postgres", "SELECT count(*) FROM t")
        .await;
    assert_eq!(count.unwrap(), "5000");
}

#[tokio::test]
async fn rows_tell_null_from_nothing() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let rows = cluster
        .query_text("postgres", "VALUES (NULL, ''), ('a', '\\N'); SELECT true")
        .await
        .unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows,
        [
            vec![None, some("")],
            vec![some("a"), some("\\N")],
            vec![some("t")]
        ]
    );
}

#[tokio::test]
async fn a_query_error_names_the_code_and_the_query() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let error = cluster
        .query_text("postgres", "SELECT 1/0")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "ERROR 22012: division by zero while running: SELECT 1/0"
    );
}

#[tokio::test]
async fn one_value_is_one_value() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    for query in [
        "SELECT 1, 2",
        "SELECT NULL",
        "VALUES (1), (2)",
        "SELECT 1 WHERE false",
    ] {
        let error = cluster.query_value("postgres", query).await.unwrap_err();
        assert!(error.to_string().contains("not one"), "{query}: {error}");
    }
}
