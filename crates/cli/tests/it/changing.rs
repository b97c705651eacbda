//! `pgattest plan`, `apply` and `undo` as their user sees them: exit codes, what is refused and why, what the ledger has of it.

use crate::support::{Answer, Desk, Report};
use pgattest_testkit::Cluster;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

/// Two things to change: a power in the cluster, of a role whose name is hostile to whoever prints or quotes it, and a schema
/// that is open to everybody in a database.
const SETUP: &str = "
    CREATE ROLE \"b\n$$u\\N\"\"é\" LOGIN CREATEDB;
    CREATE ROLE app LOGIN;
    CREATE SCHEMA work;
    CREATE TABLE work.items (id int);
    ALTER TABLE work.items OWNER TO app;
    GRANT USAGE ON SCHEMA work TO app, PUBLIC;
";

/// The checks whose findings are closed.
const CHECKS: [&str; 2] = ["ROL-09", "GRN-03"];

/// A cluster, a desk, and the connection of who changes.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    pub(crate) desk: Desk,
    pub(crate) dsn: String,
}

impl Site {
    pub(crate) async fn new(major: u32) -> Self {
        let cluster = Cluster::builder(major).start().await.unwrap();
        cluster.execute("postgres", SETUP).await.unwrap();
        Self {
            dsn: cluster.dsn("postgres"),
            desk: Desk::new(),
            cluster,
        }
    }

    /// Plans into `plan.json`.
    #[track_caller]
    pub(crate) fn plan(&self) -> Answer {
        let answer = self.desk.run(&[
            "plan",
            &self.dsn,
            "--no-probe",
            "--only",
            &CHECKS.join(","),
            "--out",
            "plan.json",
        ]);
        answer.assert_code(1);
        answer
    }

    #[track_caller]
    pub(crate) fn apply(&self, more: &[&str]) -> Answer {
        let mut arguments = vec!["apply", "plan.json", &self.dsn];
        arguments.extend(more);
        self.desk.run(&arguments)
    }

    #[track_caller]
    pub(crate) fn undo(&self, more: &[&str]) -> Answer {
        let mut arguments = vec!["undo", "plan.json", &self.dsn];
        arguments.extend(more);
        self.desk.run(&arguments)
    }

    #[track_caller]
    pub(crate) fn audit(&self) -> Report {
        self.desk.audit_with(&self.dsn, &["--no-probe"])
    }

    /// Both checks, in a word each.
    #[track_caller]
    fn verdicts(&self) -> [String; 2] {
        let audit = self.audit();
        CHECKS.map(|check| audit.verdict(check).to_owned())
    }

    /// Nothing was begun: no journal, and the cluster is as it was.
    #[track_caller]
    fn assert_untouched(&self, answer: &Answer) {
        answer.assert_code(2);
        assert_eq!(self.verdicts(), ["fail", "fail"], "{answer}");
        assert_eq!(self.ledger(), Vec::<String>::new(), "{answer}");
    }

    /// The ledger's lines about changes, `apply` or `undo`.
    #[track_caller]
    fn ledger(&self) -> Vec<String> {
        let answer = self.desk.run(&["ledger"]);
        answer.assert_code(0);
        let text = answer.text();
        text.lines()
            .filter_map(|line| {
                let (act, rest) = line.split_once(" of plan ")?;
                let act = act.split_whitespace().last()?;
                Some(format!("{act} {}", rest.split_once(": ")?.1))
            })
            .collect()
    }
}

#[track_caller]
pub(crate) fn told(answer: &Answer, words: &[&str]) {
    for word in words {
        assert!(answer.stderr.contains(word), "no {word:?}\n{answer}");
    }
}

#[tokio::test]
async fn a_plan_is_applied_held_and_taken_back_on_13() {
    there_and_back(13).await;
}

#[tokio::test]
async fn a_plan_is_applied_held_and_taken_back_on_15() {
    there_and_back(15).await;
}

#[tokio::test]
async fn a_plan_is_applied_held_and_taken_back_on_18() {
    there_and_back(18).await;
}

async fn there_and_back(major: u32) {
    let site = Site::new(major).await;
    let before = site.audit();
    let planned = site.plan();
    planned.assert_says("ALTER ROLE");

    let applied = site.apply(&["--yes"]);
    applied.assert_code(0);
    applied.assert_says("findings closed; ");
    told(&applied, &["  1/", "b\\u{a}$$u\\N", "Auditing again"]);
    assert!(!applied.stderr.contains("warning:"), "{applied}");
    assert_eq!(site.verdicts(), ["pass", "pass"]);
    // One entry a step, in the order of the steps.
    let plan: Value =
        serde_json::from_slice(&fs::read(site.desk.path("plan.json")).unwrap()).unwrap();
    let ids: Vec<String> = plan["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["risk"] != "by-hand")
        .map(|change| change["id"].as_str().unwrap().to_owned())
        .collect();
    let recorded = site.ledger();
    assert_eq!(recorded.len(), steps(&applied), "{applied}");
    let named: Vec<&str> = recorded
        .iter()
        .flat_map(|line| line.trim_start_matches("apply ").split(", "))
        .collect();
    assert_eq!(named, ids);

    let twice = site.apply(&["--yes"]);
    twice.assert_code(2);
    told(
        &twice,
        &["this plan is applied already", "pgattest undo plan.json"],
    );
    // An earlier run may have ended before it held the plan to its claims: nothing is left to do but that.
    let resumed = site.apply(&["--yes", "--resume"]);
    resumed.assert_code(0);
    told(&resumed, &["Auditing again"]);
    assert_eq!(site.ledger(), recorded);

    let undone = site.undo(&["--yes"]);
    undone.assert_code(0);
    told(&undone, &["taking back", "changes taken back"]);
    assert_eq!(site.audit().findings(), before.findings());
    assert!(
        site.ledger()[recorded.len()..]
            .iter()
            .all(|line| line.starts_with("undo ")),
    );
    assert_eq!(site.ledger().len(), recorded.len() * 2);

    let twice = site.undo(&["--yes"]);
    twice.assert_code(0);
    told(&twice, &["taken back already; nothing was changed"]);
    let resumed = site.apply(&["--yes", "--resume"]);
    resumed.assert_code(2);
    told(&resumed, &["this plan was taken back"]);

    // The cluster is again what the plan was made from: it can be applied once more.
    site.apply(&["--yes", "--quiet"]).assert_code(0);
    assert_eq!(site.verdicts(), ["pass", "pass"]);
}

/// How many steps the program said that it took.
fn steps(answer: &Answer) -> usize {
    let total = answer.stderr.lines().find_map(|line| {
        let (index, rest) = line.trim_start().split_once('/')?;
        index.parse::<usize>().ok()?;
        rest.split_whitespace().next()?.parse().ok()
    });
    total.unwrap_or_else(|| panic!("no step in {answer}"))
}

#[tokio::test]
async fn what_was_not_agreed_to_is_not_begun() {
    let site = Site::new(15).await;
    site.plan();

    let unasked = site.apply(&[]);
    site.assert_untouched(&unasked);
    told(&unasked, &["there is no terminal to ask at", "--yes"]);

    let resumed = site.apply(&["--resume", "--yes"]);
    site.assert_untouched(&resumed);
    told(
        &resumed,
        &["this plan was never begun", "pgattest apply plan.json"],
    );

    let undone = site.undo(&["--yes"]);
    site.assert_untouched(&undone);
    told(
        &undone,
        &["nothing of this plan was applied from here", "--home"],
    );

    let missing = site
        .desk
        .run(&["apply", "no-plan.json", &site.dsn, "--yes"]);
    site.assert_untouched(&missing);
    told(&missing, &["no-plan.json", "pgattest plan --out FILE"]);

    // A policy that was not there when the plan was made.
    site.desk.write("pgattest.toml", "[access]\n");
    let other = site.apply(&["--yes"]);
    fs::remove_file(site.desk.path("pgattest.toml")).unwrap();
    site.assert_untouched(&other);
    told(
        &other,
        &[
            "made without a policy file, and there is one now",
            "--policy",
        ],
    );

    // Somebody makes a role in between.
    site.cluster
        .execute("postgres", "CREATE ROLE late")
        .await
        .unwrap();
    let stale = site.apply(&["--yes"]);
    site.assert_untouched(&stale);
    told(
        &stale,
        &["not what the plan was made from any more", "roles"],
    );
    // And takes it away again.
    site.cluster
        .execute("postgres", "DROP ROLE late")
        .await
        .unwrap();
    site.apply(&["--yes"]).assert_code(0);
}

#[tokio::test]
async fn a_plan_by_another_policy_than_the_one_here_is_refused() {
    let site = Site::new(15).await;
    site.desk
        .write("pgattest.toml", "[access]\nbypass_rls = []\n");
    site.plan();
    for (text, words) in [
        (
            Some("[access]\nbypass_rls = []\n\n"),
            "is not the one that the plan was made by",
        ),
        (None, "there is none here"),
    ] {
        match text {
            Some(text) => drop(site.desk.write("pgattest.toml", text)),
            None => fs::remove_file(site.desk.path("pgattest.toml")).unwrap(),
        }
        let answer = site.apply(&["--yes"]);
        site.assert_untouched(&answer);
        told(&answer, &[words]);
    }
}

#[tokio::test]
async fn a_plan_that_was_edited_or_is_of_another_cluster_is_refused() {
    let site = Site::new(15).await;
    site.plan();
    let text = fs::read_to_string(site.desk.path("plan.json")).unwrap();
    for (from, to) in [
        ("NOCREATEDB", "SUPERUSER"),
        ("\"safe\"", "\"approval\""),
        ("ROL-09", "ROL-08"),
    ] {
        assert!(text.contains(from), "{text}");
        site.desk.write("plan.json", text.replacen(from, to, 1));
        let edited = site.apply(&["--yes"]);
        site.assert_untouched(&edited);
        told(
            &edited,
            &["plan.json cannot be used", "make another: pgattest plan"],
        );
        let undone = site.undo(&["--yes"]);
        undone.assert_code(2);
    }
    site.desk.write("plan.json", "{}");
    site.assert_untouched(&site.apply(&["--yes"]));
    site.desk.write("plan.json", &text);

    // A cluster is another although it holds the same. Test servers are copies of one template, so its facts tell it apart.
    let other = Cluster::builder(15).start().await.unwrap();
    let answer = site
        .desk
        .run(&["apply", "plan.json", &other.dsn("postgres"), "--yes"]);
    site.assert_untouched(&answer);
    assert!(
        ["is for the cluster", "not what the plan was made from"]
            .iter()
            .any(|words| answer.stderr.contains(words)),
        "{answer}"
    );
}

#[tokio::test]
async fn a_role_without_the_rights_is_told_what_is_missing_before_anything_begins() {
    let site = Site::new(15).await;
    site.cluster
        .execute(
            "postgres",
            "CREATE ROLE auditor LOGIN; GRANT pg_monitor TO auditor; \
             GRANT SELECT ON pg_authid TO auditor; GRANT EXECUTE ON FUNCTION pg_control_system() TO auditor",
        )
        .await
        .unwrap();
    let dsn = site.cluster.dsn_as("auditor", "postgres");
    site.desk
        .run(&[
            "plan",
            &dsn,
            "--no-probe",
            "--only",
            "ROL-09",
            "--out",
            "plan.json",
        ])
        .assert_code(1);
    let answer = site.desk.run(&["apply", "plan.json", &dsn, "--yes"]);
    site.assert_untouched(&answer);
    told(
        &answer,
        &["auditor lacks what the plan needs", "nothing was begun"],
    );
}

#[tokio::test]
async fn interrupting_a_wait_for_a_lock_leaves_what_can_be_gone_on_with() {
    let site = Site::new(15).await;
    let before = site.audit();
    site.plan();
    // Somebody changes the schema, and has not decided yet.
    let other = site.cluster.client("postgres").await.unwrap();
    other
        .batch_execute("BEGIN; GRANT CREATE ON SCHEMA work TO app")
        .await
        .unwrap();
    let mut child = site
        .desk
        .command(&[
            "apply",
            "plan.json",
            &site.dsn,
            "--yes",
            "--lock-timeout",
            "100",
            "--attempts",
            "1000",
        ])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    while !said.contains("attempt 2 of 1000") {
        assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{said}");
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
    assert!(
        said.contains("interrupted") && said.contains("pgattest apply --resume plan.json"),
        "{said}"
    );
    assert!(!said.contains("panicked"), "{said}");

    let again = site.apply(&["--yes"]);
    again.assert_code(2);
    told(
        &again,
        &[
            "this plan is begun and not finished",
            "pgattest apply --resume plan.json",
        ],
    );

    other.batch_execute("ROLLBACK").await.unwrap();
    let resumed = site.apply(&["--resume", "--yes"]);
    resumed.assert_code(0);
    assert_eq!(site.verdicts(), ["pass", "pass"]);
    site.undo(&["--yes"]).assert_code(0);
    assert_eq!(site.audit().findings(), before.findings());
}

#[tokio::test]
async fn a_plan_that_does_not_hold_is_taken_back() {
    let site = Site::new(15).await;
    // Whoever closes a schema finds it open again.
    site.cluster
        .execute(
            "postgres",
            "CREATE FUNCTION reopen() RETURNS event_trigger LANGUAGE plpgsql AS
                 'BEGIN GRANT USAGE ON SCHEMA work TO PUBLIC; END';
             CREATE EVENT TRIGGER reopen ON ddl_command_end WHEN TAG IN ('REVOKE') EXECUTE FUNCTION reopen()",
        )
        .await
        .unwrap();
    let before = site.audit();
    site.plan();
    let answer = site.apply(&["--yes", "--out", "evidence"]);
    answer.assert_code(1);
    told(
        &answer,
        &[
            "still open: GRN-03 ",
            "the plan did not do what it promised; taking it back",
            "changes taken back",
        ],
    );
    assert_eq!(site.audit().findings(), before.findings());
    assert!(crate::support::packages(&site.desk.path("evidence")).is_empty());

    // Unless whoever applies wants to see for themselves.
    let kept = site.apply(&["--yes", "--keep"]);
    kept.assert_code(1);
    told(&kept, &["still open: GRN-03 "]);
    assert_eq!(site.verdicts(), ["pass", "fail"]);
    site.undo(&["--yes"]).assert_code(0);
    assert_eq!(site.audit().findings(), before.findings());
}

#[tokio::test]
async fn a_service_that_fails_takes_the_plan_back() {
    let site = Site::new(15).await;
    site.desk.write(
        "pgattest.toml",
        "[[service]]\nrole = \"app\"\ndatabases = [\"postgres\"]\nwrite = [\"work.items\"]\n\
         statements = [\"select 1\", \"select * from work.no_such_table\"]\n",
    );
    passwords(&site.desk, "*:*:*:app:any\n");
    let before = site.audit();
    site.plan();
    // The test's server does not speak TLS, and over TCP a service has to.
    let clear = site.apply(&["--yes"]);
    clear.assert_code(1);
    told(
        &clear,
        &["app in postgres cannot log in: ", "taking it back"],
    );
    assert_eq!(site.audit().findings(), before.findings());

    // Taking back leaves an access list where there was none, which means the same and is another fact: a new plan.
    site.plan();
    let socket = format!(
        "host={} port={}",
        site.cluster.socket_dir().display(),
        site.cluster.port()
    );
    let failed = site.apply(&["--yes", "--services-at", &socket]);
    failed.assert_code(1);
    told(
        &failed,
        &[
            "app in postgres: `select * from work.no_such_table` fails: ",
            "taking it back",
        ],
    );
    assert_eq!(site.audit().findings(), before.findings());
}

/// The password file of the desk.
pub(crate) fn passwords(desk: &Desk, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let path = desk.write(".pgpass", text);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
