//! Names and expressions that would like to be something else, in every place that a user can fill.

use crate::permissive::assert_valid;
use crate::support::{Desk, Report, subject, text};
use crate::validators;
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_testkit::Cluster;
use std::fmt::Write as _;
use std::fs;

/// Not in `DATABASES`, as a database costs a while.
const NAMES: [&str; 22] = [
    "\\N",
    "a\nb",
    "a\r\n\tb",
    "say \"hi\"",
    "it's; drop table x; --",
    "\u{1b}[31mred\u{1b}[2J",
    "\u{9b}31m\u{7}\u{7f}\u{8}",
    "<script>alert(1)</script>",
    "</td><IMG src=x onerror=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "&lt;script&gt;&#0;",
    "=cmd()",
    "+SUM(A1:A9),\"x\"",
    "a,b;c|d",
    "`backticks` *stars* [link](javascript:alert(1))",
    "{{template}} {% raw %} ${x} %s {}",
    "trailing  ",
    " ",
    "\u{202e}txet\u{2066}\u{200b}",
    "naïve 表 🐘",
    "a_name_that_is_exactly_as_long_as_postgresql_lets_a_name_be_63b",
    "public",
];

const DATABASES: [&str; 4] = [
    "db \"q\"\n<script>",
    "=cmd()|\u{1b}]0;x\u{7}",
    "host=evil port=1 dbname=x",
    "postgresql://evil/x?y=z",
];

/// A cluster in which every name breaks as many rules as it can.
async fn hostile(major: u32, touch: &str) -> Cluster {
    let cluster = Cluster::builder(major).start().await.unwrap();
    let mut sql = String::new();
    for name in NAMES.iter().copied().chain([touch]) {
        let own = match name {
            // There is one already.
            "public" => String::new(),
            _ => format!(
                "CREATE ROLE {} LOGIN BYPASSRLS; CREATE SCHEMA {0};",
                quote_ident(name)
            ),
        };
        let role = if own.is_empty() { "hostile" } else { name };
        let (role, n) = (quote_ident(role), quote_ident(name));
        let value = quote_literal(name);
        sql.push_str(&own);
        let _ = write!(
            sql,
            "GRANT CREATE, USAGE ON SCHEMA {n} TO PUBLIC;
             CREATE TABLE {n}.{n} (tenant_id text, {n} text); GRANT SELECT, INSERT ON {n}.{n} TO PUBLIC;
             CREATE POLICY {n} ON {n}.{n} USING (true);
             CREATE TABLE {n}.t2 (tenant_id text, {n} text); ALTER TABLE {n}.t2 OWNER TO {role}; ALTER TABLE {n}.t2 ENABLE ROW LEVEL SECURITY;
             CREATE POLICY {n} ON {n}.t2 TO {role} USING ({n} = {value} AND tenant_id = current_setting('app.tenant'));
             CREATE VIEW {n}.v AS SELECT {n} FROM {n}.t2; GRANT SELECT ON {n}.v TO PUBLIC;
             CREATE FUNCTION {n}.{n}({n} int) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
             ALTER DEFAULT PRIVILEGES FOR ROLE {role} IN SCHEMA {n} GRANT SELECT ON TABLES TO PUBLIC;
             ALTER ROLE {role} SET app.secret_key = {value};
             ",
        );
    }
    cluster
        .execute("postgres", &format!("CREATE ROLE hostile LOGIN; {sql}"))
        .await
        .unwrap();
    for database in DATABASES {
        let sql = format!("CREATE DATABASE {}", quote_ident(database));
        cluster.execute("postgres", &sql).await.unwrap();
    }
    cluster
}

/// Characters that a terminal or a reader's eye would act on.
fn acts(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[track_caller]
fn assert_harmless_text(what: &str, text: &str) {
    let found: Vec<String> = text
        .lines()
        .filter(|line| line.contains(acts))
        .map(|line| format!("{line:?}"))
        .collect();
    assert_eq!(found, Vec::<String>::new(), "{what}");
}

#[track_caller]
fn assert_harmless_html(html: &str) {
    let lower = html.to_lowercase();
    for raw in [
        "<script",
        "<img",
        "onerror=alert(1)>",
        "\" onmouseover=",
        "href=\"javascript:",
        "</td><img",
    ] {
        assert!(!lower.contains(raw), "{raw} is in the page as it is");
    }
    assert_harmless_text("report.html", html);
}

#[tokio::test]
async fn hostile_names_are_only_names() {
    for major in [13, 15, 18] {
        let desk = Desk::new();
        let witness = desk.path("touched");
        let touch = format!("$(touch {0})`touch {0}`", witness.display());
        let touch: String = touch.chars().take(63).collect();
        let cluster = hostile(major, &touch).await;
        let answer = desk.run(&[
            "audit",
            &cluster.dsn(DATABASES[0]),
            "--verbose",
            "--format",
            "text",
            "--format",
            "json=audit.json",
            "--format",
            "html=report.html",
            "--format",
            "sarif=audit.sarif",
            "--format",
            "junit=audit.xml",
            "--format",
            "csv=audit.csv",
            "--format",
            "markdown=audit.md",
            "--out",
            "out",
        ]);
        answer.assert_code(1);
        assert_harmless_text("standard output", &answer.text());
        assert_harmless_text("standard error", &answer.stderr);
        assert_harmless_html(&fs::read_to_string(desk.path("report.html")).unwrap());
        for file in ["audit.sarif", "audit.xml", "audit.csv", "audit.md"] {
            let text = fs::read_to_string(desk.path(file)).unwrap();
            assert_harmless_text(file, &text.replace("\r\n", "\n"));
        }
        validators::accept(&desk);

        let json = fs::read(desk.path("audit.json")).unwrap();
        assert_valid(&json);
        let report = Report::read(&json);
        // Each name was met, whole, as the subject of a finding.
        for name in NAMES.iter().copied().filter(|name| *name != "public") {
            let quoted = quote_ident(name);
            assert!(report.find("ROL-06", &quoted).is_some(), "{name:?}");
            for (check, wanted) in [
                ("GRN-02", format!("postgres:{quoted}")),
                ("GRN-04", format!("postgres:{quoted}.{quoted}")),
                ("RLS-03", format!("postgres:{quoted}.{quoted}")),
                ("RLS-05", format!("postgres:{quoted} ON {quoted}.{quoted}")),
                ("RLS-02", format!("postgres:{quoted}.t2")),
                ("RLS-15", format!("postgres:{quoted}.v")),
                (
                    "FUN-01",
                    format!("postgres:{quoted}.{quoted}({quoted} integer)"),
                ),
            ] {
                assert!(
                    report.find(check, &wanted).is_some(),
                    "{major}: {check} {wanted:?}"
                );
            }
        }
        let package = crate::support::packages(&desk.path("out")).remove(0);
        let package = package.to_str().unwrap();
        let verified = desk.run(&["verify", package]);
        verified.assert_code(0);
        let ledger = desk.run(&["ledger", "--packages", "out"]);
        assert_harmless_text("ledger", &ledger.text());
        assert!(!witness.exists(), "a name was run by a shell");
    }
}

/// What the report says would help is a statement that does help, whatever the name.
#[tokio::test]
async fn remediations_of_hostile_names_do_what_they_say() {
    let cluster = hostile(15, "plain").await;
    let desk = Desk::new();
    let connection = cluster.dsn("postgres");
    let before = desk.audit(&connection);
    let checks = [
        "ROL-06", "GRN-02", "GRN-04", "GRN-05", "RLS-02", "FUN-01", "SEC-08",
    ];
    let mut applied = 0;
    for id in checks {
        let findings = before.check(id)["findings"].as_array().unwrap();
        assert!(findings.len() >= NAMES.len(), "{id}: {}", findings.len());
        for finding in findings {
            let sql = text(&finding["remediation"]);
            let database = finding["subject"]["database"]
                .as_str()
                .unwrap_or("postgres");
            cluster
                .execute(database, sql)
                .await
                .unwrap_or_else(|error| panic!("{id} {}: {sql}\n{error:#}", subject(finding)));
            applied += 1;
        }
    }
    assert!(applied > 100);
    let after = desk.audit(&connection);
    let left: Vec<String> = after
        .findings()
        .into_iter()
        .filter(|line| checks.iter().any(|id| line.starts_with(id)))
        .collect();
    assert_eq!(left, Vec::<String>::new());
    // Nothing else was broken on the way: the tables and roles are all there.
    for name in NAMES {
        let quoted = quote_ident(name);
        cluster
            .execute("postgres", &format!("TABLE {quoted}.{quoted}"))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_shown_as_such() {
    let cluster = Cluster::builder(15)
        .encoding("SQL_ASCII", "C")
        .start()
        .await
        .unwrap();
    let sql = r#"
        DO $$ BEGIN
            EXECUTE format(E'CREATE ROLE "r\xe9\xff" LOGIN BYPASSRLS');
            EXECUTE format(E'CREATE TABLE "t\xe9" (tenant_id int, "c\x80" int)');
            EXECUTE format(E'GRANT SELECT ON "t\xe9" TO PUBLIC');
            EXECUTE format(E'CREATE POLICY "p\xc3" ON "t\xe9" USING (''\xe9\x1b[31m'' = ''x'' OR true)');
        END $$;
    "#;
    cluster.execute("postgres", sql).await.unwrap();
    let desk = Desk::new();
    let answer = desk.run(&[
        "audit",
        &cluster.dsn("postgres"),
        "--format",
        "text",
        "--format",
        "json=audit.json",
        "--format",
        "html=report.html",
        "--out",
        "out",
    ]);
    answer.assert_code(1);
    assert_harmless_text("standard output", &answer.text());
    assert_harmless_html(&fs::read_to_string(desk.path("report.html")).unwrap());
    let report = Report::read(&fs::read(desk.path("audit.json")).unwrap());
    assert!(report.find("ROL-06", "\"r\u{fffd}\u{fffd}\"").is_some());
    assert!(
        report
            .find("GRN-04", "postgres:public.\"t\u{fffd}\"")
            .is_some()
    );
    let package = crate::support::packages(&desk.path("out")).remove(0);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
}

#[tokio::test]
async fn expressions_may_be_huge_and_deep() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let wide = (0..8000)
        .map(|number| format!("a = {number}"))
        .collect::<Vec<_>>()
        .join(" OR ");
    let deep = format!("{}a{} > 0", "(".repeat(2500), " + 1)".repeat(2500));
    let nots = format!("{}a = 1{}", "NOT (".repeat(2500), ")".repeat(2500));
    let literal = format!("a = length('{}')", "x'')) OR (".repeat(20_000));
    let mut sql = String::from(
        "SET max_stack_depth = '6MB'; CREATE TABLE t (tenant_id int, a int); ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;",
    );
    for (name, expression) in [
        ("wide", format!("({wide})")),
        ("deep", deep),
        ("nots", nots),
        ("literal", literal),
        (
            "tenants",
            "tenant_id = current_setting('app.tenant')::int".to_owned(),
        ),
    ] {
        let _ = write!(sql, "CREATE POLICY {name} ON t USING ({expression});");
    }
    cluster.execute("postgres", &sql).await.unwrap();
    let longest = cluster
        .query_value(
            "postgres",
            "SELECT max(length(pg_get_expr(polqual, polrelid))) FROM pg_policy",
        )
        .await
        .unwrap();
    assert!(longest.parse::<usize>().unwrap() > 100_000, "{longest}");
    let desk = Desk::new();
    let answer = desk.run(&[
        "audit",
        &cluster.dsn("postgres"),
        "--format",
        "text",
        "--format",
        "json=audit.json",
        "--format",
        "html=report.html",
        "--out",
        "out",
        "--fail-on",
        "none",
    ]);
    answer.assert_code(0);
    let report = Report::read(&fs::read(desk.path("audit.json")).unwrap());
    assert_ne!(
        report.verdict("RLS-05"),
        "not_assessed",
        "{}",
        report.check("RLS-05")
    );
    assert_ne!(
        report.verdict("RLS-01"),
        "not_assessed",
        "{}",
        report.check("RLS-01")
    );
    // Nobody reads a report with a page of parentheses in it.
    assert!(
        answer.stdout.len() < 100_000,
        "{} bytes",
        answer.stdout.len()
    );
    let package = crate::support::packages(&desk.path("out")).remove(0);
    desk.run(&["verify", package.to_str().unwrap()])
        .assert_code(0);
}
