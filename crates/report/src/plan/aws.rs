//! A plan for Amazon RDS: a shell script of `aws rds` commands and psql, for review.
//!
//! Nothing in it runs by itself: it names what it needs in variables, and reboots only when it is told that it may.

use super::managed::{Managed, Parameter, managed};
use super::{sql, view};
use pgattest_model::ident::visible;
use pgattest_model::plan::{Change, Plan};
use serde_json::json;
use std::fmt::Write as _;

/// Parameters that one command takes.
const AT_ONCE: usize = 20;

/// Renders a plan as a script for bash.
pub fn render(plan: &Plan) -> String {
    let mut script = "#!/usr/bin/env bash\n".to_owned();
    header(&mut script, plan);
    let mut rest: &[Change] = &plan.changes;
    while let Some(first) = rest.first() {
        let same = |change: &Change| {
            std::mem::discriminant(&managed(change)) == std::mem::discriminant(&managed(first))
        };
        let end = rest
            .iter()
            .position(|change| !same(change))
            .unwrap_or(rest.len());
        let (run, others) = rest.split_at(end);
        rest = others;
        self::run(&mut script, plan, run);
    }
    script
}

fn header(script: &mut String, plan: &Plan) {
    let mut say = |text: &str| comment(script, text);
    say(&format!(
        "pgattest {}: a plan for {}, {}, as commands for Amazon RDS",
        plan.tool_version,
        plan.target.name,
        view::server(plan)
    ));
    for (label, value) in view::origin(plan) {
        say(&format!("  {label}: {value}"));
    }
    say("Read it before it is run. It takes:");
    say(
        "  PARAMETER_GROUP  the name of the instance's own parameter group (a default group cannot be changed)",
    );
    say("  DB_INSTANCE      the instance's identifier");
    say("  CONNECTION       a connection string for psql");
    say("  ALLOW_RESTART    yes, if the instance may be rebooted");
    script.push_str(
        "set -euo pipefail\n: \"${PARAMETER_GROUP:?the name of the parameter group}\" \"${DB_INSTANCE:?the identifier of the instance}\" \
         \"${CONNECTION:?a connection string for psql}\"\n",
    );
}

/// Changes that follow each other and are made by the same means.
fn run(script: &mut String, plan: &Plan, changes: &[Change]) {
    script.push('\n');
    let mut parameters: Vec<Parameter> = Vec::new();
    for change in changes {
        let is_sql = matches!(managed(change), Managed::Sql);
        if !is_sql {
            comment(
                script,
                &format!("{} ({}): {}", change.id, change.risk.as_str(), change.title),
            );
        }
        match managed(change) {
            Managed::Parameter(parameter) => {
                if !parameter.remark.is_empty() {
                    comment(script, &format!("  {}", parameter.remark));
                }
                // Two values of one parameter in one command would leave it to chance.
                parameters.retain(|other| other.name != parameter.name);
                parameters.push(parameter);
            }
            Managed::Not(why) => comment(script, &format!("  not from here: {why}")),
            Managed::Reboot => reboot(script),
            Managed::Sql => {}
        }
    }
    group(script, &parameters);
    if changes
        .iter()
        .any(|change| matches!(managed(change), Managed::Sql))
    {
        let part = sql::part(plan, changes);
        let end = delimiter(&part);
        let _ = writeln!(
            script,
            "psql -X -d \"$CONNECTION\" -f - <<'{end}'\n{part}{end}"
        );
    }
}

fn group(script: &mut String, parameters: &[Parameter]) {
    for (command, is_set) in [("modify", true), ("reset", false)] {
        let of_command: Vec<&Parameter> = parameters
            .iter()
            .filter(|parameter| parameter.value.is_some() == is_set)
            .collect();
        for some in of_command.chunks(AT_ONCE) {
            let list: Vec<_> = some.iter().map(|parameter| argument(parameter)).collect();
            let list = json!(list).to_string();
            let _ = writeln!(
                script,
                "aws rds {command}-db-parameter-group --db-parameter-group-name \"$PARAMETER_GROUP\" --parameters {}",
                shell_quoted(&list)
            );
        }
    }
    if !parameters.is_empty() {
        script.push_str(
            "aws rds wait db-instance-available --db-instance-identifier \"$DB_INSTANCE\"\n",
        );
    }
}

fn argument(parameter: &Parameter) -> serde_json::Value {
    let method = if parameter.reboot {
        "pending-reboot"
    } else {
        "immediate"
    };
    let mut argument = json!({ "ParameterName": parameter.name });
    if let Some(value) = &parameter.value {
        argument["ParameterValue"] = json!(value);
    }
    argument["ApplyMethod"] = json!(method);
    argument
}

fn reboot(script: &mut String) {
    script.push_str(
        "if [ \"${ALLOW_RESTART:-no}\" != yes ]; then\n  \
         echo 'The instance has to be rebooted: run this again with ALLOW_RESTART=yes when it may be' >&2\n  exit 1\nfi\n\
         aws rds reboot-db-instance --db-instance-identifier \"$DB_INSTANCE\"\n\
         aws rds wait db-instance-available --db-instance-identifier \"$DB_INSTANCE\"\n",
    );
}

fn comment(script: &mut String, text: &str) {
    let _ = writeln!(script, "# {}", visible(text));
}

/// A word of a shell's, whatever is in it.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What no line of the text is.
fn delimiter(text: &str) -> String {
    let mut end = "PGATTEST_SQL".to_owned();
    let mut number = 0;
    while text.lines().any(|line| line == end) {
        number += 1;
        end = format!("PGATTEST_SQL_{number}");
    }
    end
}

#[cfg(test)]
mod tests {
    use super::{delimiter, shell_quoted};

    #[test]
    fn no_text_ends_its_own_quotes() {
        assert_eq!(shell_quoted("it's $(reboot)"), r"'it'\''s $(reboot)'");
        assert_eq!(delimiter("SELECT 1;\n"), "PGATTEST_SQL");
        assert_eq!(
            delimiter("\"a\nPGATTEST_SQL\nPGATTEST_SQL_1\n\""),
            "PGATTEST_SQL_2"
        );
    }
}
