//! Large things.

use crate::common::look;
use pgattest_testkit::Cluster;

#[tokio::test]
async fn a_very_long_policy_is_read_whole() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let long = "x".repeat(100_000);
    let sql = format!("CREATE TABLE t (a text); CREATE POLICY p ON t USING (a = '{long}')");
    cluster.execute("postgres", &sql).await.unwrap();
    let look = look(&cluster).await;
    let policies = look.inside("postgres").policies.here().unwrap();
    assert_eq!(
        policies[0].using_expression,
        format!("(a = '{long}'::text)")
    );
}

#[tokio::test]
async fn two_thousand_tables_need_no_more_queries_than_none() {
    let cluster = Cluster::builder(15)
        .setting("max_locks_per_transaction", "1000")
        .start()
        .await
        .unwrap();
    let few = look(&cluster).await.collection.observations.len();
    let sql =
        "DO $$ BEGIN FOR i IN 1..2000 LOOP EXECUTE format('CREATE TABLE t%s (a int, b text)', i);
        EXECUTE format('GRANT SELECT ON t%s TO PUBLIC', i);
        EXECUTE format('ALTER TABLE t%s ENABLE ROW LEVEL SECURITY', i);
        EXECUTE format('CREATE POLICY p ON t%s USING (a = 1)', i); END LOOP; END $$";
    cluster.execute("postgres", sql).await.unwrap();
    let look = look(&cluster).await;
    assert_eq!(look.collection.observations.len(), few);
    let inside = look.inside("postgres");
    assert_eq!(inside.relations.here().unwrap().len(), 2_000);
    assert_eq!(inside.columns.here().unwrap().len(), 4_000);
    assert_eq!(inside.policies.here().unwrap().len(), 2_000);
    assert!(inside.acls.here().unwrap().len() >= 4_000);
}
