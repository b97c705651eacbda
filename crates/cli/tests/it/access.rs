//! `pgattest access`: who can do what, told as the server would decide it, with every name hostile.

use crate::support::{Answer, Desk, text};
use pgattest_model::ident::quote_ident;
use pgattest_testkit::Cluster;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// A role, a schema and a table whose names would like to be something else.
const EVIL: &str = "e\"v\u{1b}[31m\u{202e}\nPUBLIC";

fn setup() -> String {
    let evil = quote_ident(EVIL);
    format!(
        "
        CREATE ROLE owner NOLOGIN;
        CREATE ROLE reader NOLOGIN;
        CREATE ROLE app LOGIN IN ROLE reader;
        CREATE ROLE batch LOGIN NOINHERIT IN ROLE reader;
        CREATE ROLE boss LOGIN SUPERUSER;
        CREATE ROLE deploy LOGIN NOINHERIT IN ROLE boss;
        CREATE ROLE loader LOGIN IN ROLE pg_read_server_files;
        CREATE ROLE {evil} LOGIN IN ROLE reader;
        REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
        GRANT CONNECT ON DATABASE postgres TO reader;
        CREATE SCHEMA shop AUTHORIZATION owner;
        CREATE SCHEMA closed AUTHORIZATION owner;
        CREATE SCHEMA {evil};
        GRANT USAGE ON SCHEMA shop TO reader;
        SET ROLE owner;
        CREATE TABLE shop.orders (id int, email text);
        CREATE TABLE shop.items (id int);
        CREATE TABLE closed.secret (id int);
        CREATE SEQUENCE shop.numbers;
        GRANT SELECT ON shop.orders, shop.items, closed.secret TO reader;
        GRANT UPDATE (email) ON shop.orders TO app WITH GRANT OPTION;
        GRANT SELECT ON shop.items TO PUBLIC;
        RESET ROLE;
        CREATE TABLE {evil}.{evil} ({evil} int);
        GRANT INSERT ON {evil}.{evil} TO {evil};
        "
    )
}

async fn cluster(major: u32) -> Cluster {
    let cluster = Cluster::builder(major).start().await.unwrap();
    cluster.execute("postgres", &setup()).await.unwrap();
    cluster
}

#[track_caller]
fn ask(desk: &Desk, cluster: &Cluster, arguments: &[&str]) -> Answer {
    let connection = cluster.dsn_socket("postgres");
    let mut all = vec!["access", &connection];
    all.extend(arguments);
    let answer = desk.run(&all);
    answer.assert_code(0);
    answer
}

/// The JSON answer, which is as its schema says.
#[track_caller]
fn read(desk: &Desk, cluster: &Cluster, arguments: &[&str]) -> Value {
    let answer = ask(desk, cluster, &[arguments, &["--format", "json"]].concat());
    let document: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let schema: Value = serde_json::from_str(&pgattest_report::access::schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(document["schema"], "pgattest.access/1");
    document
}

fn words(list: &Value) -> String {
    let words: Vec<&str> = list.as_array().unwrap().iter().map(text).collect();
    words.join(", ")
}

/// `SELECT, UPDATE* <- sentence; sentence [obstacle]`
fn holding(holding: &Value) -> String {
    let because: Vec<&str> = holding["because"]
        .as_array()
        .unwrap()
        .iter()
        .map(|because| text(&because["sentence"]))
        .collect();
    let blocked = words(&holding["blocked"]);
    let option = words(&holding["may_grant"]);
    format!(
        "{}{} <- {}{}",
        words(&holding["rights"]),
        if option.is_empty() {
            String::new()
        } else {
            format!(" (option {option})")
        },
        because.join(" | "),
        if blocked.is_empty() {
            String::new()
        } else {
            format!(" [{blocked}]")
        }
    )
}

/// Each object of an answer to `--on`, then PUBLIC, then its holders.
fn objects(document: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for object in document["answer"]["objects"].as_array().unwrap() {
        lines.push(format!(
            "{} {} of {}",
            text(&object["kind"]),
            text(&object["name"]),
            text(&object["owner"])
        ));
        if !object["public"].is_null() {
            lines.push(format!("  PUBLIC {}", holding(&object["public"])));
        }
        for holder in object["holders"].as_array().unwrap() {
            lines.push(format!(
                "  {}{} {}",
                text(&holder["role"]),
                if holder["login"] == true {
                    ""
                } else {
                    " (no login)"
                },
                holding(&holder["holding"])
            ));
        }
    }
    lines
}

#[tokio::test]
async fn an_object_is_told_with_everybody_who_can_use_it() {
    for major in [13, 18] {
        let cluster = cluster(major).await;
        let desk = Desk::new();
        let document = read(
            &desk,
            &cluster,
            &["--on", "shop.orders", "--privilege", "select"],
        );
        let evil = format!(
            "  {} SELECT <- {} -> reader (inherits); SELECT granted to reader by owner",
            quote_ident(EVIL),
            pgattest_model::ident::visible(&quote_ident(EVIL))
        );
        assert_eq!(
            objects(&document)
                .into_iter()
                .filter(|line| !line.contains("pg_read_all_data"))
                .collect::<Vec<_>>(),
            [
                "table shop.orders of owner",
                "  app SELECT <- app -> reader (inherits); SELECT granted to reader by owner",
                "  batch SELECT <- batch -> reader (SET ROLE); SELECT granted to reader by owner",
                "  deploy SELECT (option SELECT) <- deploy -> boss (SET ROLE); boss is a superuser",
                &evil,
                // Nobody but reader may connect, and the owner is not a reader.
                "  owner (no login) SELECT (option SELECT) <- it is the owner [out of reach without CONNECT on database postgres]",
                "  reader (no login) SELECT <- SELECT granted to reader by owner",
                // Its one column with a grant of its own has nothing to say of SELECT.
                "column shop.orders.email of owner",
            ],
            "{major}"
        );
        assert_eq!(
            words(&document["answer"]["objects"][0]["superusers"]),
            "boss, postgres"
        );
    }
}

#[tokio::test]
async fn what_is_told_is_what_the_server_decides() {
    for major in [13, 18] {
        let cluster = cluster(major).await;
        let desk = Desk::new();
        for table in ["shop.orders", "shop.items", "closed.secret"] {
            let document = read(
                &desk,
                &cluster,
                &["--on", table, "--privilege", "SELECT", "--view", "in-force"],
            );
            let object = &document["answer"]["objects"][0];
            let told = |role: &str| {
                let quoted = quote_ident(role);
                let holders = object["holders"].as_array().unwrap();
                !object["public"].is_null()
                    || holders.iter().any(|holder| text(&holder["role"]) == quoted)
                    || words(&object["superusers"])
                        .split(", ")
                        .any(|name| name == quoted)
            };
            let rows = cluster
                .query_text(
                    "postgres",
                    &format!("SELECT rolname, has_table_privilege(oid, '{table}', 'SELECT')::text FROM pg_roles ORDER BY 1"),
                )
                .await
                .unwrap();
            assert!(rows.len() > 8);
            for row in rows {
                let (role, says) = (row[0].clone().unwrap(), row[1].clone().unwrap());
                assert_eq!(
                    told(&role).to_string(),
                    says,
                    "{major}: {role:?} on {table}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_column_granted_alone_is_told_beside_its_table() {
    let cluster = cluster(18).await;
    let desk = Desk::new();
    let document = read(
        &desk,
        &cluster,
        &["--on", "orders", "--role", "app", "--view", "in-force"],
    );
    assert_eq!(
        objects(&document),
        [
            "table shop.orders of owner",
            "  app SELECT <- app -> reader (inherits); SELECT granted to reader by owner",
            "column shop.orders.email of owner",
            "  app UPDATE (option UPDATE) <- UPDATE* granted to app by owner on the column",
        ]
    );
    // Asked for by itself, it has what its table gives as well; and so has a column on which nobody granted.
    let document = read(
        &desk,
        &cluster,
        &["--on", "column shop.orders.id", "--role", "app"],
    );
    assert_eq!(
        objects(&document),
        [
            "column shop.orders.id of owner",
            "  app SELECT <- app -> reader (inherits); SELECT granted to reader by owner",
        ]
    );
}

#[tokio::test]
async fn a_role_is_told_in_groups_with_what_is_in_the_way() {
    for major in [13, 18] {
        let cluster = cluster(major).await;
        let desk = Desk::new();
        let document = read(
            &desk,
            &cluster,
            &["--role", "batch", "--privilege", "select"],
        );
        let answer = &document["answer"];
        assert_eq!(words(&answer["attributes"]), "LOGIN, NOINHERIT");
        assert!(answer["everything"].is_null());
        let mut lines = Vec::new();
        for place in answer["places"].as_array().unwrap() {
            for group in place["groups"].as_array().unwrap() {
                let database = place["database"].as_str().unwrap_or("shared");
                lines.push(format!(
                    "{database} {} {}: {}",
                    text(&group["kind"]),
                    words(&group["objects"]),
                    holding(&group["holding"])
                ));
            }
        }
        let by_reader = "SELECT <- batch -> reader (SET ROLE); SELECT granted to reader by owner";
        assert_eq!(
            lines,
            [
                format!(
                    "postgres table closed.secret: {by_reader} [out of reach without USAGE on schema closed]"
                ),
                format!(
                    "postgres table shop.items: {}",
                    "SELECT <- SELECT granted to PUBLIC by owner | batch -> reader (SET ROLE); SELECT granted to reader by owner"
                ),
                format!("postgres table shop.orders: {by_reader}"),
            ],
            "{major}"
        );
    }
}

/// What gave it counts as much as what is given: the same privilege from another grantor is another group.
#[tokio::test]
async fn objects_that_are_alike_are_told_once() {
    let cluster = cluster(18).await;
    cluster
        .execute(
            "postgres",
            "DO $$ BEGIN FOR n IN 1..400 LOOP
                 EXECUTE format('CREATE TABLE shop.t%s (id int)', n);
                 EXECUTE format('ALTER TABLE shop.t%s OWNER TO owner', n);
                 EXECUTE format('GRANT SELECT ON shop.t%s TO loader', n);
             END LOOP; END $$;
             REVOKE SELECT ON shop.t7 FROM loader;
             GRANT SELECT ON shop.t7 TO app WITH GRANT OPTION;
             SET ROLE app; GRANT SELECT ON shop.t7 TO loader; RESET ROLE;
             GRANT USAGE ON SCHEMA shop TO loader",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    let document = read(
        &desk,
        &cluster,
        &["--role", "loader", "--privilege", "select"],
    );
    let place = &document["answer"]["places"][0];
    let groups: Vec<String> = place["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            format!(
                "{} {}",
                group["objects"].as_array().unwrap().len(),
                holding(&group["holding"])
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            "399 SELECT <- SELECT granted to loader by owner",
            "1 SELECT <- SELECT granted to loader by app",
            "1 SELECT <- SELECT granted to PUBLIC by owner",
        ]
    );
    let answer = ask(
        &desk,
        &cluster,
        &["--role", "loader", "--privilege", "select"],
    );
    answer.assert_says(
        "on 399 tables: shop.t1, shop.t10, shop.t100, shop.t101, shop.t102 and 394 more",
    );
    // The databases' CONNECT is reader's: nothing of this is in reach.
    answer.assert_says("out of reach without CONNECT on database postgres");
}

#[tokio::test]
async fn a_sequence_a_language_and_a_parameter_have_what_they_can_have() {
    let cluster = cluster(18).await;
    cluster
        .execute(
            "postgres",
            "GRANT ALL ON shop.numbers TO app; GRANT SET ON PARAMETER work_mem TO app",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    for (object, expected) in [
        ("sequence shop.numbers", "SELECT, UPDATE, USAGE"),
        ("parameter work_mem", "SET"),
    ] {
        let document = read(&desk, &cluster, &["--on", object, "--role", "app"]);
        let holder = &document["answer"]["objects"][0]["holders"][0];
        assert_eq!(words(&holder["holding"]["rights"]), expected, "{object}");
    }
    // Nobody granted it: superusers set it.
    let document = read(&desk, &cluster, &["--on", "parameter shared_buffers"]);
    let object = &document["answer"]["objects"][0];
    assert_eq!(words(&object["superusers"]), "boss, postgres");
    let holders = object["holders"].as_array().unwrap();
    let names: Vec<&str> = holders.iter().map(|holder| text(&holder["role"])).collect();
    assert_eq!(names, ["deploy"]);
    let document = read(&desk, &cluster, &["--on", "language c", "--role", "app"]);
    let public = &document["answer"]["objects"][0]["public"];
    assert_eq!(
        words(&public["blocked"]),
        "of no use: only superusers write functions in a language that is not trusted"
    );
}

#[tokio::test]
async fn every_way_up_is_a_sentence_with_its_grade() {
    for major in [13, 18] {
        let cluster = cluster(major).await;
        let desk = Desk::new();
        let document = read(&desk, &cluster, &["--to-superuser"]);
        let answer = &document["answer"];
        let lines: Vec<String> = answer["roles"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|role| role["ways"].as_array().unwrap())
            .map(|way| format!("{}: {}", text(&way["grade"]), text(&way["sentence"])))
            .collect();
        assert!(
            lines.contains(&"superuser: deploy -> boss (SET ROLE): is a superuser".to_owned()),
            "{lines:?}"
        );
        assert!(
            lines.contains(
                &"reads everything: loader -> pg_read_server_files (inherits): COPY .. FROM reads any file on the server"
                    .to_owned()
            ),
            "{lines:?}"
        );
        assert_eq!(words(&answer["superusers"]), "boss, postgres");
        // Without SET ROLE deploy is nobody.
        let document = read(
            &desk,
            &cluster,
            &["--to-superuser", "--view", "in-force", "--role", "deploy"],
        );
        assert_eq!(document["answer"]["roles"], Value::Array(Vec::new()));
        ask(&desk, &cluster, &["--to-superuser"])
            .assert_says("superuser: deploy -> boss (SET ROLE): is a superuser");
    }
}

#[tokio::test]
async fn the_overview_counts_what_each_login_holds_beyond_everyone() {
    for major in [13, 18] {
        let cluster = cluster(major).await;
        let desk = Desk::new();
        let document = read(&desk, &cluster, &[]);
        let logins = document["answer"]["logins"].as_array().unwrap();
        let app = logins.iter().find(|login| login["role"] == "app").unwrap();
        let counts: Vec<String> = app["beyond_public"]
            .as_array()
            .unwrap()
            .iter()
            .map(|count| {
                format!(
                    "{} {} {}",
                    text(&count["kind"]),
                    count["objects"],
                    count["rights"]
                )
            })
            .collect();
        // closed.secret and shop.orders, as everybody reads shop.items; the column; the schema; the database.
        assert_eq!(
            counts,
            ["table 2 2", "column 1 1", "schema 1 1", "database 1 1"],
            "{major}"
        );
        assert_eq!(app["ways"], 0);
        let deploy = logins
            .iter()
            .find(|login| login["role"] == "deploy")
            .unwrap();
        assert_eq!(
            deploy["everything"],
            "deploy -> boss (SET ROLE); boss is a superuser"
        );
    }
}

#[tokio::test]
async fn text_fits_the_screen_and_no_name_acts_on_it() {
    let cluster = cluster(18).await;
    let desk = Desk::new().with("COLUMNS", "80");
    let table = format!("{0}.{0}", quote_ident(EVIL));
    for arguments in [
        &[][..],
        &["--role", EVIL],
        &["--role", "app", "--verbose"],
        &["--on", &table],
        &["--on", "database postgres"],
        &["--to-superuser"],
    ] {
        let answer = ask(&desk, &cluster, arguments);
        let shown = answer.text();
        for line in shown.lines() {
            assert!(line.width() <= 80, "{arguments:?}: {line:?}");
            assert!(
                !line.contains(pgattest_model::ident::is_invisible),
                "{line:?}"
            );
        }
        assert!(shown.contains("Left out"), "{shown}");
    }
    ask(&desk, &cluster, &["--on", &table]).assert_says("INSERT");
}

#[tokio::test]
async fn what_was_not_seen_is_said() {
    let cluster = cluster(18).await;
    cluster
        .execute(
            "postgres",
            "CREATE DATABASE other; REVOKE CONNECT ON DATABASE other FROM PUBLIC",
        )
        .await
        .unwrap();
    let desk = Desk::new();
    let connection = cluster.dsn_as("app", "postgres");
    for arguments in [&["--role", "app"][..], &["--to-superuser"], &[]] {
        let answer = desk.run(&[&["access", &connection], arguments].concat());
        answer.assert_code(0);
        answer.assert_says("Not seen");
        answer.assert_says("other");
    }
}

#[tokio::test]
async fn what_is_not_there_is_an_error_with_a_hint() {
    let cluster = cluster(18).await;
    let desk = Desk::new();
    let connection = cluster.dsn_socket("postgres");
    for (arguments, says) in [
        (&["--role", "nobody"][..], "there is no role `nobody`"),
        (&["--on", "shop.nothing"], "no object `shop.nothing`"),
        (&["--on", "a..b"], "is not a name as SQL has it"),
        (
            &["--on", "shop.orders", "--privilege", "READ"],
            "it is none of SELECT",
        ),
        (&["--privilege", "SELECT"], "were not provided"),
        (
            &["--on", "shop.orders", "--to-superuser"],
            "cannot be used with",
        ),
    ] {
        let answer = desk.run(&[&["access", &connection], arguments].concat());
        answer.assert_code(2);
        assert!(answer.stderr.contains(says), "{answer}");
        assert!(answer.stdout.is_empty());
    }
}
