//! PgBouncer in front of a cluster.

use pgattest_testkit::{Cluster, Login, PgBouncer, PoolMode, PoolerAuth};

#[tokio::test]
async fn a_trusting_pooler_answers_for_any_role() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute("postgres", "CREATE ROLE app LOGIN")
        .await
        .unwrap();
    let pooler = PgBouncer::start(&cluster, PoolMode::Transaction)
        .await
        .unwrap();
    assert_ne!(pooler.port(), cluster.port());

    let client = pooler.connect(&Login::new("app").tcp()).await.unwrap();
    let messages = client.simple_query("SELECT session_user").await.unwrap();
    let user = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    assert_eq!(user, Some("app"));

    let pools = pooler.admin("SHOW POOLS").await.unwrap();
    let pool = pools
        .iter()
        .find(|row| row[1].as_deref() == Some("app"))
        .unwrap();
    assert!(pool.contains(&Some("transaction".to_owned())), "{pool:?}");
}

#[tokio::test]
async fn a_scram_pooler_wants_the_password_of_the_cluster() {
    let cluster = Cluster::builder(15)
        .hba("local all all scram-sha-256\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE app LOGIN PASSWORD 'right'")
        .await
        .unwrap();
    let pooler = PgBouncer::builder(&cluster)
        .auth(PoolerAuth::Scram)
        .start()
        .await
        .unwrap();

    let right = pooler
        .connect(&Login::new("app").password("right").tcp())
        .await
        .unwrap();
    right.simple_query("SELECT 1").await.unwrap();
    let wrong = pooler
        .connect(&Login::new("app").password("wrong").tcp())
        .await;
    assert!(format!("{:#}", wrong.err().unwrap()).contains("SASL authentication failed"));
}

#[tokio::test]
async fn a_pooler_that_does_not_start_says_why() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let refused = PgBouncer::builder(&cluster)
        .setting("pool_mode", "puddle")
        .start()
        .await;
    let error = format!("{:#}", refused.err().unwrap());
    assert!(error.contains("pool_mode"), "{error}");

    let refused = PgBouncer::builder(&cluster)
        .setting("a\nb", "c")
        .start()
        .await;
    let error = format!("{:#}", refused.err().unwrap());
    assert!(error.contains("line break"), "{error}");
}
