//! `pgattest plan`: what it writes is a plan, the same each time, and nothing was changed.

use crate::permissive::demo;
use crate::support::{Desk, Report, repository, text};
use pgattest_model::plan::{
    Action, Change, FactsDigest, Plan, PlanTarget, Risk, SettingValue, Stage, Undo,
};
use pgattest_report::plan as report;
use pgattest_testkit::Cluster;
use serde_json::Value;

/// A database whose name is hostile to psql, to libpq and to whoever reads a script.
const DATABASE: &str = "it's \"a\"\n\\! x 表 dbname=y";

#[track_caller]
fn assert_valid(json: &[u8]) {
    let schema = std::fs::read(repository("docs/schema/plan-1.schema.json")).unwrap();
    let schema = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::draft202012::new(&schema).expect("a valid schema");
    let document = serde_json::from_slice(json).expect("the plan is JSON");
    let problems: Vec<String> = validator
        .iter_errors(&document)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert_eq!(problems, Vec::<String>::new());
}

/// The demo, with what makes at least one change certain.
async fn cluster() -> Cluster {
    let cluster = demo(15).await;
    cluster
        .execute("postgres", "CREATE ROLE \"b\n$$u\\N\" CREATEDB LOGIN")
        .await
        .unwrap();
    cluster
}

#[tokio::test]
async fn the_plan_of_the_demo_is_the_same_each_time_and_changes_nothing() {
    let cluster = cluster().await;
    let dsn = cluster.dsn("postgres");
    let desk = Desk::new();
    let before = desk.audit(&dsn);
    let plan = |name: &str| {
        let answer = desk.run(&["plan", &dsn, "--out", name, "--format", "html=plan.html"]);
        answer.assert_code(1);
        assert!(
            answer
                .stderr
                .contains(&format!("nothing was changed; next: pgattest apply {name}")),
            "{answer}"
        );
        assert!(
            answer.stderr.contains("no [[service]] of the policy"),
            "{answer}"
        );
        std::fs::read(desk.path(name)).unwrap()
    };
    let (first, second) = (plan("one.json"), plan("two.json"));
    assert_valid(&first);
    let without_time = |json: &[u8]| {
        let (mut plan, _) = report::read(std::str::from_utf8(json).unwrap()).unwrap();
        plan.facts_as_of.clear();
        report::write(&plan)
    };
    assert_eq!(without_time(&first), without_time(&second));
    assert_eq!(desk.audit(&dsn).findings(), before.findings());

    let read: Value = serde_json::from_slice(&first).unwrap();
    let closed = |check: &str| {
        let changes = read["changes"].as_array().unwrap().iter();
        changes
            .flat_map(|change| change["closes"].as_array().unwrap())
            .any(|closes| closes["check"] == check)
    };
    assert!(closed("ROL-09"), "{read}");
    // Every open finding is either closed by a change or left with a reason.
    let fingerprint = |finding: &Value| text(&finding["fingerprint"]).to_owned();
    let mut named: Vec<String> = read["changes"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|change| change["closes"].as_array().unwrap())
        .chain(
            read["left"]
                .as_array()
                .unwrap()
                .iter()
                .map(|left| &left["finding"]),
        )
        .map(fingerprint)
        .collect();
    let mut open: Vec<String> = before
        .checks()
        .iter()
        .flat_map(|check| check["findings"].as_array().unwrap())
        .map(fingerprint)
        .collect();
    named.sort();
    named.dedup();
    open.sort();
    // Each finding is claimed or left. What a plan claims besides is what its own changes would uncover.
    let lost: Vec<&String> = open.iter().filter(|one| !named.contains(one)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    let uncovered = named.iter().filter(|one| !open.contains(one)).count();
    assert!(uncovered < open.len() / 4, "{uncovered}");

    let edited = String::from_utf8(first)
        .unwrap()
        .replace("NOCREATEDB", "CREATEROLE");
    assert!(matches!(
        report::read(&edited),
        Err(report::PlanError::Edited)
    ));
}

#[tokio::test]
async fn only_what_was_asked_for_is_planned() {
    let cluster = cluster().await;
    let dsn = cluster.dsn("postgres");
    let desk = Desk::new();
    let plan = |more: &[&str]| {
        let mut arguments = vec!["plan", &dsn, "--no-probe", "--format", "json"];
        arguments.extend(more);
        desk.run(&arguments)
    };
    let answer = plan(&["--only", "rol-09"]);
    answer.assert_code(1);
    let only: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(only["left"], Value::Array(Vec::new()));
    assert!(!only["changes"].as_array().unwrap().is_empty());

    let answer = plan(&["--only", "ROL-09", "--except", "create-database-roles"]);
    answer.assert_code(0);
    let none: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(
        (&none["changes"], &none["left"]),
        (&Value::Array(vec![]), &Value::Array(vec![]))
    );
    assert!(
        answer.stderr.contains("there is nothing to change"),
        "{answer}"
    );

    let answer = plan(&["--only", "ROL-99"]);
    answer.assert_code(2);
    assert!(
        answer.stderr.contains("there is no check `ROL-99`"),
        "{answer}"
    );
    let answer = desk.run(&["plan", &dsn, "--format", "sql", "--format", "json"]);
    answer.assert_code(2);

    // What is accepted is not fixed.
    let role = "[[waiver]]\ncheck = \"ROL-09\"\nsubject = \"*\"\nreason = \"r\"\nowner = \"o\"\napprover = \"a\"\nexpires = 9999-12-31\n";
    desk.write("pgattest.toml", role);
    let answer = plan(&["--only", "ROL-09"]);
    answer.assert_code(0);
    let waived: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(waived["changes"], Value::Array(Vec::new()));
    assert!(waived["policy_sha256"].is_string());
}

#[tokio::test]
async fn psql_makes_the_changes_of_the_script_and_takes_them_back() {
    let cluster = cluster().await;
    let dsn = cluster.dsn("postgres");
    let desk = Desk::new();
    let before = desk.audit(&dsn);
    assert_eq!(before.verdict("ROL-09"), "fail");
    let answer = desk.run(&[
        "plan",
        &dsn,
        "--only",
        "ROL-09",
        "--format",
        "sql=do.sql",
        "--format",
        "undo-sql=undo.sql",
        "--format",
        "text",
    ]);
    answer.assert_code(1);
    let script = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    cluster
        .execute("postgres", &script("do.sql"))
        .await
        .unwrap();
    assert_eq!(desk.audit(&dsn).verdict("ROL-09"), "pass");
    cluster
        .execute("postgres", &script("undo.sql"))
        .await
        .unwrap();
    assert_eq!(desk.audit(&dsn).findings(), before.findings());
}

/// Every action that SQL can do, in a database with a hostile name.
fn every_action() -> Plan {
    let change = |id: &str, stage, action, undo| Change {
        id: id.to_owned(),
        kind: id.to_owned(),
        title: "a\n\\! touch x".to_owned(),
        stage,
        closes: Vec::new(),
        action,
        undo,
        risk: Risk::Safe,
        needs: Vec::new(),
        impact: Vec::new(),
        notes: Vec::new(),
    };
    let sql = |statements: &[&str]| Action::Sql {
        database: Some(DATABASE.to_owned()),
        statements: statements.iter().map(|&one| one.to_owned()).collect(),
    };
    let setting = |name: &str, value: Option<&str>| Action::Setting {
        name: name.to_owned(),
        value: value.map(|value| SettingValue::One(value.to_owned())),
    };
    let alone = |before: Option<&str>, statement: &str| Action::SqlAlone {
        database: DATABASE.to_owned(),
        before: before.map(str::to_owned),
        statement: statement.to_owned(),
    };
    Plan {
        tool_version: "0.1.0".to_owned(),
        target: PlanTarget {
            name: "here\n\\! touch x".to_owned(),
            system_identifier: String::new(),
            version: "15.0".to_owned(),
            flavour: "self-hosted".to_owned(),
        },
        facts_as_of: "2026-03-01T09:30:00Z".to_owned(),
        facts: FactsDigest::default(),
        policy_sha256: None,
        changes: vec![
            change(
                "one",
                Stage::Settings,
                setting("log_line_prefix", Some("it's \\ :x %m ")),
                Undo::By(setting("log_line_prefix", None)),
            ),
            change(
                "two",
                Stage::Indexes,
                alone(
                    Some("DROP INDEX CONCURRENTLY no_such_index;"),
                    "CREATE INDEX CONCURRENTLY made ON \"t\\!\" (id);",
                ),
                Undo::By(alone(None, "DROP INDEX CONCURRENTLY made;")),
            ),
            change(
                "three",
                Stage::Code,
                sql(&[
                    "COMMENT ON TABLE \"t\\!\" IS  E'a\\\\b\n-- c''';",
                    "CREATE TABLE \"$$\" ();",
                ]),
                Undo::By(sql(&[
                    "DROP TABLE \"$$\";",
                    "COMMENT ON TABLE \"t\\!\" IS NULL;",
                ])),
            ),
            change(
                "four",
                Stage::Restart,
                Action::Restart,
                Undo::None("a restart is not taken back".to_owned()),
            ),
            change(
                "five",
                Stage::AfterRestart,
                sql(&["CREATE TABLE after_restart ();"]),
                Undo::By(sql(&["DROP TABLE after_restart;"])),
            ),
        ],
        left: Vec::new(),
    }
}

#[tokio::test]
async fn psql_takes_every_action_and_every_name() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let quoted = pgattest_model::ident::quote_ident(DATABASE);
    cluster
        .execute("postgres", &format!("CREATE DATABASE {quoted};"))
        .await
        .unwrap();
    cluster
        .execute(DATABASE, "CREATE TABLE \"t\\!\" (id int)")
        .await
        .unwrap();
    let state = async || {
        let tables = "SELECT string_agg(relname || coalesce(obj_description(oid), ''), '|' ORDER BY relname) FROM pg_class \
                      WHERE relnamespace = 'public'::regnamespace";
        (
            cluster.query_value(DATABASE, tables).await.unwrap(),
            cluster
                .query_value("postgres", "SHOW log_line_prefix")
                .await
                .unwrap(),
        )
    };
    let before = state().await;
    let plan = every_action();
    let script = report::sql::render(&plan);
    cluster.execute("postgres", &script).await.unwrap();
    let done = state().await;
    assert_eq!(done.0, "$$|made|t\\!a\\b\n-- c'");
    assert_eq!(done.1, "it's \\ :x %m ");
    // After the restart, what was done is skipped.
    cluster
        .execute("postgres", &format!("\\set after_restart 1\n{script}"))
        .await
        .unwrap();
    assert_eq!(state().await.0, "$$|after_restart|made|t\\!a\\b\n-- c'");
    cluster
        .execute("postgres", &report::sql::undo(&plan))
        .await
        .unwrap();
    assert_eq!(state().await, before);

    // On another cluster it stops before it does anything.
    let mut elsewhere = plan;
    elsewhere.target.system_identifier = "1".to_owned();
    let refused = cluster
        .execute("postgres", &report::sql::render(&elsewhere))
        .await
        .unwrap_err();
    assert!(
        format!("{refused:?}").contains("another cluster"),
        "{refused:?}"
    );
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn what_keeps_pg_hba_conf_from_being_planned_is_said() {
    let cluster = Cluster::builder(16)
        .hba("local all all trust\nhost all all all trust\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE plain LOGIN; GRANT pg_read_all_settings TO plain;",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    let said = |dsn: &str| {
        desk.run(&["plan", dsn, "--no-probe", "--format", "json"])
            .stderr
    };
    assert!(!said(&cluster.dsn("postgres")).contains("is left as it is"));
    let refused = said(&cluster.dsn_as("plain", "postgres"));
    assert!(
        refused.contains("pg_hba.conf is left as it is") && refused.contains("permission denied"),
        "{refused}"
    );

    cluster
        .write_hba("local all all trust\nhost all all all trust\nhost all ldap all ldap ldapserver=x ldapprefix=\"cn=\" ldapbindpasswd=hunter2\n")
        .unwrap();
    let answer = desk.run(&[
        "plan",
        &cluster.dsn("postgres"),
        "--no-probe",
        "--out",
        "plan.json",
        "--format",
        "html=plan.html",
    ]);
    assert!(answer.stderr.contains("holds a secret"), "{answer}");
    let written = std::fs::read_to_string(desk.path("plan.json")).unwrap();
    assert!(!written.contains("hunter2") && !answer.stderr.contains("hunter2"));
}

#[test]
fn a_report_is_no_plan() {
    let report = Report::read(b"{\"schema\": \"pgattest.audit/1\", \"digest\": \"x\"}");
    let error = report::read(&report.0.to_string()).unwrap_err();
    assert!(
        error.to_string().starts_with("this is not a plan"),
        "{error}"
    );
    assert!(error.hint().contains("pgattest plan --out"));
}
