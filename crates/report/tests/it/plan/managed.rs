use super::fixture;
use pgattest_report::plan::{aws, terraform};
use std::io::Write as _;
use std::process::{Command, Stdio};

#[test]
fn as_aws_commands() {
    insta::assert_snapshot!(shown(&aws::render(&fixture::plan())));
}

#[test]
fn as_terraform() {
    let text = terraform::render(&fixture::plan());
    super::assert_visible(&text);
    insta::assert_snapshot!(text);
}

/// A snapshot with what a terminal would act on written out.
fn shown(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(pgattest_model::ident::visible)
        .collect();
    lines.join("\n")
}

/// Runs the script in bash, where `aws` and `psql` say what they were given.
fn run(script: &str, restart: &str) -> (Option<i32>, String) {
    let mut bash = Command::new("bash")
        .args(["-s"])
        .env("PARAMETER_GROUP", "the group")
        .env("DB_INSTANCE", "the instance")
        .env("CONNECTION", "host=x")
        .env("ALLOW_RESTART", restart)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash");
    let stubs =
        "aws() { printf 'aws'; printf ' <%s>' \"$@\"; echo; }\npsql() { echo psql; cat; }\n";
    bash.stdin
        .take()
        .expect("a pipe")
        .write_all(format!("{stubs}{script}").as_bytes())
        .expect("bash reads");
    let output = bash.wait_with_output().expect("bash ends");
    (
        output.status.code(),
        String::from_utf8(output.stdout).expect("text"),
    )
}

#[test]
fn bash_hands_every_value_on_as_it_is_and_runs_nothing_else() {
    let script = aws::render(&fixture::plan());
    let (code, said) = run(&script, "yes");
    assert_eq!(code, Some(0), "{said}");
    let prefix: Vec<serde_json::Value> = said
        .lines()
        .filter_map(|line| line.split_once("<--parameters> <"))
        .map(|(_, list)| serde_json::from_str(list.trim_end_matches('>')).expect("JSON"))
        .collect();
    assert_eq!(prefix[0][0]["ParameterName"], "log_line_prefix");
    assert_eq!(prefix[0][0]["ParameterValue"], "%m [%p] it's \\ ${x} %{y} ");
    assert_eq!(prefix[0][1]["ApplyMethod"], "immediate");
    let all = serde_json::Value::Array(prefix).to_string();
    assert!(all.contains("\"ParameterName\":\"rds.force_ssl\",\"ParameterValue\":\"1\""));
    assert!(all.contains("pg_stat_statements,pgaudit\",\"ApplyMethod\":\"pending-reboot"));
    assert!(all.contains("\"pgaudit.role\",\"ParameterValue\":\"rds_pgaudit\""));
    // What psql is given is what the plan has, hostile names too.
    assert!(said.contains(&format!("ALTER ROLE {} NOCREATEDB;", fixture::ROLE)));
    assert!(said.contains("<reboot-db-instance>"));

    let (code, said) = run(&script, "no");
    assert_eq!(code, Some(1));
    assert!(!said.contains("reboot-db-instance") && !said.contains("CREATE EXTENSION"));
}
