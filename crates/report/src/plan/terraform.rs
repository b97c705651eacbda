//! A plan for Amazon RDS: the parameters of an `aws_db_parameter_group`, for review.
//!
//! What is no parameter stands in comments; the SQL is that of `--format sql`.

use super::managed::{Managed, Parameter, managed};
use super::view;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Plan, Risk};
use std::fmt::Write as _;

/// Renders a plan as Terraform.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    comment(
        &mut text,
        &format!(
            "pgattest {}: a plan for {}, {}, as parameters for Amazon RDS",
            plan.tool_version,
            plan.target.name,
            view::server(plan)
        ),
    );
    for (label, value) in view::origin(plan) {
        comment(&mut text, &format!("  {label}: {value}"));
    }
    let mut parameters: Vec<(Parameter, String)> = Vec::new();
    let mut rest: Vec<String> = Vec::new();
    for change in &plan.changes {
        let title = format!("{} ({}): {}", change.id, change.risk.as_str(), change.title);
        match managed(change) {
            Managed::Parameter(parameter) => {
                // One block a parameter: what comes later in the plan is what is meant to stay.
                parameters.retain(|(other, _)| other.name != parameter.name);
                parameters.push((parameter, title));
            }
            Managed::Not(_) if change.risk == Risk::ByHand => rest.push(title),
            Managed::Not(why) => rest.push(format!("{title}; not from here: {why}")),
            Managed::Sql => rest.push(format!("{title}; SQL: see --format sql")),
            Managed::Reboot => rest.push(format!("{title}; reboot the instance")),
        }
    }
    let _ = writeln!(
        text,
        "\nresource \"aws_db_parameter_group\" \"pgattest\" {{\n  name_prefix = \"pgattest-\"\n  family      = {}",
        quoted(&family(plan))
    );
    for (parameter, title) in &parameters {
        block(&mut text, parameter, title);
    }
    text.push_str("\n  lifecycle {\n    create_before_destroy = true\n  }\n}\n");
    if !rest.is_empty() {
        text.push('\n');
        comment(&mut text, "No parameters, in the order of the plan:");
        for line in rest {
            comment(&mut text, &format!("  {line}"));
        }
    }
    text
}

fn block(text: &mut String, parameter: &Parameter, title: &str) {
    let _ = write!(text, "\n  ");
    comment(text, title);
    if !parameter.remark.is_empty() {
        let _ = write!(text, "  ");
        comment(text, &parameter.remark);
    }
    match &parameter.value {
        None => {
            let _ = write!(text, "  ");
            comment(
                text,
                &format!(
                    "no block for {}: it goes back to its default",
                    parameter.name
                ),
            );
        }
        Some(value) => {
            let method = if parameter.reboot {
                "pending-reboot"
            } else {
                "immediate"
            };
            let _ = writeln!(
                text,
                "  parameter {{\n    name         = {}\n    value        = {}\n    apply_method = \"{method}\"\n  }}",
                quoted(&parameter.name),
                quoted(value)
            );
        }
    }
}

/// `postgres16`.
fn family(plan: &Plan) -> String {
    let major: String = plan
        .target
        .version
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    format!("postgres{major}")
}

fn comment(text: &mut String, line: &str) {
    let _ = writeln!(text, "# {}", visible(line));
}

/// A string of HCL in which nothing is a template.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => quoted.extend([c, c]),
            c if visible(c.encode_utf8(&mut [0; 4])).starts_with("\\u") => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_string_is_no_template_and_ends_where_it_should() {
        assert_eq!(quoted("on"), "\"on\"");
        assert_eq!(
            quoted("%m ${file(\"x\")} %{if} \\ \n\u{1b}$${a}"),
            "\"%m $${file(\\\"x\\\")} %%{if} \\\\ \\n\\U0000001b$$${a}\""
        );
    }
}
