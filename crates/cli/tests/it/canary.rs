//! After a plan its services are tried; before it, whom it would refuse is asked about.

use crate::changing::{passwords, told};
use crate::support::{Answer, Desk};
use pgattest_testkit::{Cluster, Login, Tls};
use serde_json::Value;
use std::fs;

const POLICY: &str = "
[[service]]
role = \"app\"
databases = [\"postgres\"]
write = [\"work.items\"]
statements = [\"insert into work.items values (1)\", \"select count(*) from work.items\"]
";

const SETUP: &str = "
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE maker LOGIN CREATEDB;
    CREATE ROLE app LOGIN PASSWORD 'app-only';
    CREATE SCHEMA work;
    CREATE TABLE work.items (id int);
    GRANT USAGE ON SCHEMA work TO app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON work.items TO app;
";

async fn with_tls(hba: &str) -> Cluster {
    let cluster = Cluster::builder(15)
        .tls(Tls::new())
        .hba(hba)
        .start()
        .await
        .unwrap();
    cluster.execute("postgres", SETUP).await.unwrap();
    cluster
}

fn apply(desk: &Desk, dsn: &str, more: &[&str]) -> Answer {
    desk.run(&[
        "plan",
        dsn,
        "--no-probe",
        "--only",
        "ROL-09",
        "--out",
        "plan.json",
    ])
    .assert_code(1);
    let mut arguments = vec!["apply", "plan.json", dsn, "--yes"];
    arguments.extend(more);
    desk.run(&arguments)
}

#[tokio::test]
async fn services_log_in_through_tls_with_their_own_passwords() {
    let cluster = with_tls(
        "local all all trust\nhostssl all all all scram-sha-256\nhost all all all reject\n",
    )
    .await;
    let dsn = cluster.dsn_tls("postgres", pgattest_testkit::SUPERUSER_PASSWORD, "postgres");
    let desk = Desk::new();
    desk.write("pgattest.toml", POLICY);
    let count = "SELECT count(*) FROM work.items";

    // Nobody told its password: it is not tried, which is said and is no failure.
    let untried = apply(&desk, &dsn, &[]);
    untried.assert_code(0);
    told(
        &untried,
        &["app in postgres was not tried: the password file has no password of app"],
    );
    desk.run(&["undo", "plan.json", &dsn, "--yes"])
        .assert_code(0);

    passwords(&desk, "*:*:*:app:app-only\n");
    let worked = apply(&desk, &dsn, &[]);
    worked.assert_code(0);
    told(
        &worked,
        &["app in postgres: logged in through TLS, its 2 declared statements worked"],
    );
    // It was tried, and nothing of it stays.
    assert_eq!(cluster.query_value("postgres", count).await.unwrap(), "0");
    desk.run(&["undo", "plan.json", &dsn, "--yes"])
        .assert_code(0);

    passwords(&desk, "*:*:*:app:not-that-one\n");
    let refused = apply(&desk, &dsn, &[]);
    refused.assert_code(1);
    told(
        &refused,
        &[
            "app in postgres cannot log in: ",
            "taking it back",
            "changes taken back",
        ],
    );
    for text in [&refused.stderr, &refused.text()] {
        assert!(!text.contains("not-that-one"), "{refused}");
    }
    let may = "SELECT rolcreatedb::text FROM pg_roles WHERE rolname = 'maker'";
    assert_eq!(cluster.query_value("postgres", may).await.unwrap(), "true");
}

#[tokio::test]
async fn whoever_would_be_refused_is_named_and_has_to_be_accepted() {
    let hba = "local all all trust\nhostssl all postgres all scram-sha-256\nhost all all 127.0.0.1/32 md5\n";
    let cluster = with_tls(hba).await;
    let dsn = cluster.dsn_tls("postgres", pgattest_testkit::SUPERUSER_PASSWORD, "postgres");
    let desk = Desk::new();
    // Its password is stored as MD5: a rule that asks for SCRAM cannot let it in.
    cluster
        .execute(
            "postgres",
            "SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'old-only'",
        )
        .await
        .unwrap();
    let clear = Login::new("old").password("old-only").tcp();
    let _session = cluster.connect(&clear).await.unwrap();
    desk.run(&["plan", &dsn, "--only", "HBA-03", "--out", "plan.json"])
        .assert_code(1);
    let plan: Value = serde_json::from_slice(&fs::read(desk.path("plan.json")).unwrap()).unwrap();
    let refused: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["impact"].as_array().unwrap())
        .filter(|impact| impact["kind"] == "login-refused")
        .map(|impact| impact["subject"].as_str().unwrap().to_owned())
        .collect();
    assert!(!refused.is_empty(), "{plan:#}");

    let unaccepted = desk.run(&["apply", "plan.json", &dsn, "--yes"]);
    unaccepted.assert_code(2);
    told(&unaccepted, &["would be refused", &refused[0], "--accept"]);
    assert_eq!(
        fs::read_to_string(cluster.data_dir().join("pg_hba.conf")).unwrap(),
        hba
    );
    cluster.connect(&clear).await.unwrap();

    let mut arguments = vec!["apply", "plan.json", &dsn, "--yes"];
    for login in &refused {
        arguments.extend(["--accept", login]);
    }
    let applied = desk.run(&arguments);
    applied.assert_code(0);
    told(&applied, &["proved: "]);
    assert!(
        cluster.connect(&clear).await.is_err(),
        "it is refused, as was said"
    );

    desk.run(&["undo", "plan.json", &dsn, "--yes"])
        .assert_code(0);
    assert_eq!(
        fs::read_to_string(cluster.data_dir().join("pg_hba.conf")).unwrap(),
        hba
    );
    cluster.connect(&clear).await.unwrap();
}
