//! `pgattest init`: the policy that it drafts is one, and what somebody wrote stays.

use crate::permissive::demo;
use crate::support::{Answer, Desk};
use pgattest_model::Policy;
use pgattest_parse::policy;
use std::collections::BTreeSet;
use std::fs;

/// Names that would end a comment, a string or a table, were they written as they are.
const HOSTILE: &str = r#"
    CREATE ROLE "evil""
[access]
superusers = [""evil""]" LOGIN SUPERUSER;
    CREATE ROLE "a'b\N é
[[waiver]]" LOGIN;
    CREATE SCHEMA odd;
    CREATE TABLE odd."x"".""y
z" (tenant_id uuid, email text);
    CREATE TABLE odd.unread (id int);
    GRANT USAGE ON SCHEMA odd TO "a'b\N é
[[waiver]]";
    GRANT SELECT ON odd."x"".""y
z" TO "a'b\N é
[[waiver]]";
"#;

fn drafted(desk: &Desk) -> String {
    fs::read_to_string(desk.path("pgattest.toml")).unwrap()
}

#[track_caller]
fn read(text: &str) -> Policy {
    policy::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn services(policy: &Policy) -> BTreeSet<&str> {
    policy.services.iter().map(|it| it.role.as_str()).collect()
}

#[track_caller]
fn assert_told(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?}\n{answer}");
    }
}

#[tokio::test]
async fn a_first_run_drafts_a_policy_that_an_audit_takes_and_a_second_adds_nothing() {
    let cluster = demo(15).await;
    let dsn = cluster.dsn("shop");
    let desk = Desk::new();
    let application = cluster.client_as("shop_worker", "shop").await.unwrap();
    let answer = desk.run(&["init", &dsn]);
    answer.assert_code(0);
    assert_told(
        &answer,
        &[
            "pgattest.toml written.",
            "(1 seen connected)",
            "next: pgattest audit",
        ],
    );
    let text = drafted(&desk);
    let policy = read(&text);

    // Programs are named; nobody is approved who only happens to be a superuser.
    assert!(services(&policy).contains("shop_worker"), "{text}");
    assert!(services(&policy).contains("shop_app"), "{text}");
    assert!(!services(&policy).contains("postgres"), "{text}");
    let worker = policy.services.iter().find(|it| it.role == "shop_worker");
    assert!(worker.unwrap().databases.contains("shop"), "{text}");
    assert_eq!(
        policy.access.superusers,
        Some(["postgres".to_owned()].into())
    );
    assert_eq!(policy.access.bypass_rls, Some(BTreeSet::new()));
    for undecided in [
        "# also superuser now, approved by nobody: shop_worker (can log in; 1 session now)",
        "# also superuser now, approved by nobody: deploy (cannot log in)",
        "# has BYPASSRLS now, approved by nobody: shop_support",
    ] {
        assert!(text.contains(undecided), "{undecided}\n{text}");
    }
    assert_eq!(
        policy.tenancy.setting.as_deref(),
        Some("app.current_tenant")
    );
    assert_eq!(policy.tenancy.column.as_deref(), Some("tenant_id"));
    let classified: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("class = "))
        .collect();
    assert!(!policy.classification.is_empty(), "{text}");
    assert!(!classified.is_empty(), "{text}");
    assert!(text.contains("shop.public.users.email"), "{text}");

    // An audit takes it, and has nothing to say against it but what the cluster does.
    let audit = desk.audit_with(&dsn, &["--policy", "pgattest.toml"]);
    assert_eq!(audit.verdict("ROL-01"), "fail");

    let again = desk.run(&["init", &dsn]);
    again.assert_code(0);
    assert_told(
        &again,
        &["says all that can be inferred; nothing was changed"],
    );
    assert_eq!(drafted(&desk), text);
    assert_eq!(again.text(), "");

    // The program left, and its role is known: nothing new.
    drop(application);
    desk.run(&["init", &dsn]).assert_code(0);
    assert_eq!(drafted(&desk), text);
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let cluster = demo(15).await;
    cluster.execute("shop", HOSTILE).await.unwrap();
    let dsn = cluster.dsn("shop");
    let desk = Desk::new();
    desk.run(&["init", &dsn]).assert_code(0);
    let text = drafted(&desk);
    let policy = read(&text);
    assert_eq!(
        policy.access.superusers,
        Some(["postgres".to_owned()].into())
    );
    assert!(policy.waivers.is_empty(), "{text}");
    let reader = "a'b\\N é\n[[waiver]]";
    assert!(services(&policy).contains(reader), "{text}");
    let service = policy.services.iter().find(|it| it.role == reader);
    let read_by: Vec<&String> = service.unwrap().read.iter().collect();
    assert!(
        read_by
            .iter()
            .any(|name| name.contains("\"x\"\".\"\"y\nz\"")),
        "{read_by:?}"
    );
    // What was written is understood: the table is found by its name, so no warning says that nothing matches it.
    let answer = desk.run(&["audit", &dsn, "--fail-on", "none"]);
    answer.assert_code(0);
    assert!(!answer.stderr.contains("x\"\"."), "{answer}");
    desk.run(&["init", &dsn]).assert_code(0);
    assert_eq!(drafted(&desk), text);
}

#[tokio::test]
async fn an_edit_stays_to_the_byte_and_news_needs_a_yes() {
    let cluster = demo(15).await;
    let dsn = cluster.dsn("shop");
    let desk = Desk::new();
    desk.run(&["init", &dsn]).assert_code(0);
    // Somebody decides: in another layout, with a remark, and with less.
    let edited = drafted(&desk).replace(
        "[tenancy]",
        "[organization]   # ours\nname='Shop, Inc.'\n\n[tenancy] # decided",
    );
    let edited = edited.replace("retention_days = 365", "retention_days=400 # two auditors");
    assert!(edited.contains("two auditors") && edited.contains("# decided"));
    desk.write("pgattest.toml", &edited);
    let unchanged = desk.run(&["init", &dsn]);
    unchanged.assert_code(0);
    assert_eq!(drafted(&desk), edited);

    cluster
        .execute(
            "shop",
            "CREATE ROLE billing LOGIN; GRANT SELECT ON public.invoices TO billing;",
        )
        .await
        .unwrap();
    let shown = desk.run(&["init", &dsn]);
    shown.assert_code(2);
    shown.assert_says("+[[service]]");
    shown.assert_says("+role = \"billing\"");
    assert!(
        !shown
            .text()
            .lines()
            .any(|line| line.starts_with('-') && !line.starts_with("---")),
        "nothing is taken away\n{shown}"
    );
    assert_told(&shown, &["pgattest.toml was not changed", "--yes"]);
    assert_eq!(drafted(&desk), edited);

    let added = desk.run(&["init", &dsn, "--yes"]);
    added.assert_code(0);
    added.assert_says("+role = \"billing\"");
    let now = drafted(&desk);
    let mut lines = now.lines();
    for kept in edited.lines() {
        assert!(
            lines.any(|line| line == kept),
            "{kept:?} is gone or moved:\n{now}"
        );
    }
    let (was, is) = (read(&edited), read(&now));
    assert_eq!(is.logging.retention_days, Some(400));
    assert_eq!(is.services.len(), was.services.len() + 1);
    assert!(services(&is).contains("billing"));
}

#[tokio::test]
async fn print_leaves_every_file_alone() {
    let cluster = demo(15).await;
    let dsn = cluster.dsn("shop");
    let desk = Desk::new();
    let printed = desk.run(&["init", &dsn, "--print"]);
    printed.assert_code(0);
    assert!(!desk.path("pgattest.toml").exists());
    read(&printed.text());

    let mine = "[organization]\nname = \"mine\"\n";
    desk.write("pgattest.toml", mine);
    let printed = desk.run(&["init", &dsn, "--print"]);
    printed.assert_code(0);
    printed.assert_says("name = \"mine\"");
    printed.assert_says("[[service]]");
    assert_eq!(drafted(&desk), mine);
    // Another file than the one in this folder.
    desk.run(&["init", &dsn, "--policy", "other.toml"])
        .assert_code(0);
    assert_eq!(drafted(&desk), mine);
    read(&fs::read_to_string(desk.path("other.toml")).unwrap());
}

#[test]
fn a_file_that_is_no_policy_is_shown_and_kept() {
    let desk = Desk::new();
    for (text, shown) in [
        ("[access]\nsuperuser = [\"postgres\"]\n", "superuser = "),
        ("[access\n", "[access"),
        ("access = 1\n", "access = 1"),
    ] {
        desk.write("pgattest.toml", text);
        // No server listens there: the file is looked at first.
        let answer = desk.run(&["init", "host=127.0.0.1 port=1 user=x", "--yes"]);
        answer.assert_code(2);
        assert_told(&answer, &["pgattest.toml:", shown, "mend it first"]);
        assert_eq!(drafted(&desk), text);
    }
}

#[tokio::test]
async fn a_connection_log_names_programs_that_are_not_connected_now() {
    let cluster = demo(15).await;
    cluster
        .execute("shop", "CREATE ROLE nightly LOGIN")
        .await
        .unwrap();
    let dsn = cluster.dsn("shop");
    let desk = Desk::new();
    let without = desk.run(&["init", &dsn, "--print"]);
    assert!(!without.text().contains("nightly"), "{without}");

    desk.write(
        "server.log",
        "2026-11-23 21:00:00.001 UTC [78] LOG:  connection received: host=10.0.0.9 port=4711\n\
         2026-11-23 21:00:00.002 UTC [78] LOG:  connection authorized: user=nightly database=shop application_name=dump\n\
         2026-11-23 21:00:01.001 UTC [79] LOG:  connection received: host=10.0.0.9 port=4712\n\
         2026-11-23 21:00:01.002 UTC [79] LOG:  connection authorized: user=gone database=shop\n",
    );
    let answer = desk.run(&["init", &dsn, "--connection-log", "server.log"]);
    answer.assert_code(0);
    let text = drafted(&desk);
    let policy = read(&text);
    assert!(services(&policy).contains("nightly"), "{text}");
    // A role that is no more needs nothing.
    assert!(!text.contains("gone"), "{text}");

    desk.write("empty-handed.log", "nothing of that kind\n");
    let answer = desk.run(&[
        "init",
        &dsn,
        "--connection-log",
        "empty-handed.log",
        "--yes",
    ]);
    answer.assert_code(2);
    assert_told(&answer, &["holds no login", "log_connections"]);
    assert_eq!(drafted(&desk), text);
}
