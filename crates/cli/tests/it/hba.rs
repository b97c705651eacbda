//! `pgattest hba`, from a file and from a server.

use crate::support::Desk;
use pgattest_testkit::Cluster;

const FILE: &str = "local all postgres peer
hostssl shop,\"all\" app,+staff 10.0.0.0/8 scram-sha-256
hostssl shop app 10.1.0.0/16 reject
host all all samenet ldap ldapserver=h ldapbasedn=x ldapbindpasswd=hunter2
";

#[test]
fn a_file_is_shown_as_a_table_without_a_server() {
    let desk = Desk::new();
    desk.write("pg_hba.conf", FILE);
    let answer = desk.run(&["hba", "pg_hba.conf"]);
    answer.assert_code(0);
    answer.assert_says("WHO");
    answer.assert_says("app, +staff  shop, \"all\"  10.0.0.0/8");
    answer.assert_says("pg_hba.conf:3  reject: decided before by pg_hba.conf:2");
    assert!(!answer.text().contains("hunter2"), "{answer}");
}

#[test]
fn one_attempt_is_answered_with_the_line_that_decides() {
    let desk = Desk::new();
    desk.write("pg_hba.conf", FILE);
    let ask = |more: &[&str]| {
        let mut arguments = vec!["hba", "pg_hba.conf", "--user", "app", "--database", "shop"];
        arguments.extend(more);
        let answer = desk.run(&arguments);
        answer.assert_code(0);
        answer.text()
    };
    let tls = ask(&["--from", "10.1.2.3", "--tls"]);
    assert!(tls.contains("scram-sha-256 by pg_hba.conf:2"), "{tls}");
    let clear = ask(&["--from", "10.1.2.3"]);
    assert!(
        clear.contains("may be decided by pg_hba.conf:4  ldap") && clear.contains("refused"),
        "{clear}"
    );
    assert!(ask(&["--local"]).contains("refused"));
    let nowhere = desk.run(&["hba", "pg_hba.conf", "--user", "a", "--database", "b"]);
    nowhere.assert_code(2);
}

#[test]
fn an_error_is_shown_in_its_line_without_the_secret() {
    let desk = Desk::new();
    desk.write(
        "pg_hba.conf",
        "host all all 10.0.0.0/33 trust\nhost all all all ldap ldapbasedn=x ldapbindpasswd=hunter 2\n",
    );
    let answer = desk.run(&["hba", "pg_hba.conf", "--format", "json"]);
    answer.assert_code(1);
    assert!(answer.stderr.contains("invalid CIDR mask") && answer.stderr.contains("10.0.0.0/33"));
    assert!(
        !answer.stderr.contains("hunter") && !answer.text().contains("hunter"),
        "{answer}"
    );
    let json: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(json["schema"], "pgattest.hba/1");
    assert_eq!(json["errors"].as_array().unwrap().len(), 2);
    assert_eq!(json["errors"][0]["line"], "pg_hba.conf:1");
    desk.run(&["hba", "none.conf"]).assert_code(2);
}

#[test]
fn a_map_that_lets_anybody_in_is_named() {
    let desk = Desk::new();
    desk.write("pg_hba.conf", "hostssl all all all cert map=m\n");
    desk.write("pg_ident.conf", "m ann ann\nm /^.*$ postgres\n");
    let answer = desk.run(&["hba", "pg_hba.conf", "--ident", "pg_ident.conf"]);
    answer.assert_says("pg_ident.conf:2: map m lets any name be postgres");
}

#[tokio::test]
async fn a_server_answers_with_its_real_logins() {
    let cluster = Cluster::builder(15)
        .hba("local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all +staff 127.0.0.0/8 reject\nhost all ann 127.0.0.1/32 trust\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE staff; CREATE ROLE ann LOGIN IN ROLE staff",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    let answer = desk.run(&["hba", "--connection", &connection]);
    answer.assert_code(0);
    answer.assert_says("ann");
    answer.assert_says("pg_hba.conf:4  trust: decided before by pg_hba.conf:3");
    let one = desk.run(&[
        "hba",
        "--connection",
        &connection,
        "--user",
        "ann",
        "--database",
        "postgres",
        "--from",
        "127.0.0.1",
    ]);
    one.assert_says("rejected by pg_hba.conf:3");
}
