//! `pgattest plan`: look, judge, and plan what to change. Changes nothing.

use super::audit::judged;
use crate::args::{PlanArgs, PlanFormat, PlanFormatKind};
use crate::connection_logs;
use crate::failure::{Failure, fail};
use crate::hba_files::{self, From};
use crate::looking::{look, resolve};
use crate::output_file::write_atomically;
use crate::policy_file::{self, PolicyFile};
use crate::printer::Printer;
use pgattest_catalog::decode;
use pgattest_checks::registry;
use pgattest_model::ident::{is_invisible, quote_ident, visible};
use pgattest_model::plan::{Plan, PlanTarget};
use pgattest_model::{Audit, Facts, Policy, Status};
use pgattest_planner::{Login, Options, Origin, facts_digest};
use pgattest_report::{Screen, plan as report};
use pgattest_wire::ConnectOptions;
use std::collections::BTreeSet;

/// Roles named in a remark.
const NAMED: usize = 5;

pub(crate) fn run(arguments: &PlanArgs, printer: &Printer) -> Result<u8, Failure> {
    let policy = policy_file::load(arguments.policy.as_deref())?;
    let formats = formats(arguments)?;
    let choices = Options {
        logins: connection_logs::read(&arguments.connection_log, printer)?,
        ..choices(arguments)?
    };
    let connection = resolve(arguments.connection.as_deref(), printer)?;

    let limits = arguments.pace.limits(!arguments.no_probe);
    let audit = look(&connection, limits, &policy, printer)?.audit(&policy.policy);
    judged(&audit)?;
    let facts = decode(&audit.observations);
    let choices = Options {
        own_login: own_login(&facts),
        hba_files: hba_files(arguments, &connection, &facts, &audit, printer),
        ..choices
    };
    let plan = pgattest_planner::plan(
        &facts,
        &policy.policy,
        &audit.assessment,
        &choices,
        origin(&audit, &policy),
    );

    for format in &formats {
        write(&plan, format, printer)?;
    }
    if let Some(out) = &arguments.out {
        write_atomically(out, report::write(&plan).as_bytes())?;
    }
    for remark in policy.remarks(&audit.assessment.diagnostics, printer.verbose) {
        printer.rendered(&remark);
    }
    warn_of_the_unknown(&audit, printer);
    advise(&plan, &facts, &policy.policy, arguments, printer);
    Ok(if plan.is_empty() {
        crate::CLEAN
    } else {
        crate::FOUND
    })
}

/// The formats asked for; text when none was. Two of them in one stream would be neither.
fn formats(arguments: &PlanArgs) -> Result<Vec<PlanFormat>, Failure> {
    if arguments.formats.is_empty() {
        return Ok(vec![PlanFormat {
            kind: PlanFormatKind::Text,
            file: None,
        }]);
    }
    let to_stdout = arguments
        .formats
        .iter()
        .filter(|format| format.file.is_none());
    if to_stdout.count() > 1 {
        return Err(fail("two renderings cannot both go to standard output")
            .hint("name a file for all but one: --format html=plan.html"));
    }
    Ok(arguments.formats.clone())
}

fn choices(arguments: &PlanArgs) -> Result<Options, Failure> {
    let known = |names: &[String]| -> Result<BTreeSet<String>, Failure> {
        names
            .iter()
            .map(|name| match registry::find(name.trim()) {
                Some(check) => Ok(check.meta().id.to_owned()),
                None => Err(fail(format!("there is no check `{}`", visible(name)))
                    .hint("`pgattest explain` lists every check")),
            })
            .collect()
    };
    Ok(Options {
        only: (!arguments.only.is_empty())
            .then(|| known(&arguments.only))
            .transpose()?,
        except: known(&arguments.except)?,
        ..Options::default()
    })
}

/// How we are connected, as the server sees it: its rules are about the address that it sees.
fn own_login(facts: &Facts) -> Option<Login> {
    let own = facts.own_session.here().ok()?;
    let sessions = facts.sessions.here().ok()?;
    let session = sessions.iter().find(|session| session.own)?;
    Some(Login {
        role: own.login_role.clone(),
        database: own.database.clone(),
        address: session.client_address.parse().ok(),
        tls: session.tls,
        replication: false,
        last_seen: String::new(),
        count: 1,
    })
}

/// The files that say who may come in. Without them no plan changes them, and whoever asked is told why.
fn hba_files(
    arguments: &PlanArgs,
    connection: &ConnectOptions,
    facts: &Facts,
    audit: &Audit,
    printer: &Printer,
) -> Vec<(String, String)> {
    if !matches!(audit.target.flavour.as_str(), "self-hosted" | "unknown") {
        // A managed service has no such file that anybody could read or write.
        return Vec::new();
    }
    let from = if arguments.host {
        From::Disk
    } else {
        From::Server(connection)
    };
    hba_files::read(facts, from).unwrap_or_else(|why| {
        printer.warning(&format!(
            "pg_hba.conf is left as it is: {why}{}",
            if arguments.host {
                ""
            } else {
                "; on the server's own machine, --host reads it from the disk"
            }
        ));
        Vec::new()
    })
}

fn origin(audit: &Audit, policy: &PolicyFile) -> Origin {
    let target = &audit.target;
    Origin {
        target: PlanTarget {
            name: target.name.clone(),
            system_identifier: target.system_identifier.clone(),
            version: target
                .version
                .map(|version| version.to_string())
                .unwrap_or_default(),
            flavour: target.flavour.clone(),
        },
        facts_as_of: audit.run.started_at.clone(),
        facts: facts_digest(&audit.observations),
        policy_sha256: policy.sha256(),
        tool_version: audit.run.tool_version.clone(),
    }
}

fn write(plan: &Plan, format: &PlanFormat, printer: &Printer) -> Result<(), Failure> {
    let on_terminal = format.file.is_none();
    // Scripts are for other programs: there every byte of a name counts.
    let (text, is_script) = match format.kind {
        PlanFormatKind::Text => {
            let screen = Screen {
                width: if on_terminal { Printer::width() } else { 100 },
                colour: on_terminal && printer.stdout_has_color(),
            };
            let options = report::text::Options {
                screen,
                verbose: printer.verbose,
            };
            (report::text::render(plan, &options), false)
        }
        PlanFormatKind::Json => (report::write(plan), false),
        PlanFormatKind::Markdown => (report::markdown::render(plan), false),
        PlanFormatKind::Html => (report::html::render(plan), false),
        PlanFormatKind::Sql => (report::sql::render(plan), true),
        PlanFormatKind::UndoSql => (report::sql::undo(plan), true),
        PlanFormatKind::Aws => (report::aws::render(plan), true),
        PlanFormatKind::Terraform => (report::terraform::render(plan), false),
    };
    match &format.file {
        Some(path) => return write_atomically(path, text.as_bytes()),
        None if is_script => {
            let acts = |c: char| is_invisible(c) && !matches!(c, '\n' | '\t');
            if Printer::stdout_is_terminal() && text.contains(acts) {
                return Err(
                    fail("a name in it holds characters that would act on this terminal")
                        .hint("write it to a file: --format sql=plan.sql"),
                );
            }
            Printer::verbatim(&text)?;
        }
        None => printer.result(&text)?,
    }
    Ok(())
}

/// What nobody could judge is not planned for.
fn warn_of_the_unknown(audit: &Audit, printer: &Printer) {
    let unknown = audit.assessment.count(Status::NotAssessed);
    if unknown > 0 {
        let all = audit.assessment.checks.len();
        printer.warning(&format!(
            "{unknown} of {all} checks could not be assessed, and nothing is planned for them; `pgattest audit` says why"
        ));
    }
}

/// What was done, which is nothing, and what comes next.
fn advise(plan: &Plan, facts: &Facts, policy: &Policy, arguments: &PlanArgs, printer: &Printer) {
    if let Some(missing) = undeclared(facts, policy) {
        printer.note(&missing);
    }
    let by_hand = plan.changes.len() + plan.left.len();
    match &arguments.out {
        _ if plan.is_empty() && by_hand == 0 => {
            printer.note("nothing was changed, and there is nothing to change");
        }
        _ if plan.is_empty() => {
            printer.note(
                "nothing was changed: what is left is not for pgattest to do, the plan says why",
            );
        }
        Some(out) => printer.note(&format!(
            "nothing was changed; next: pgattest apply {}",
            visible(&out.display().to_string())
        )),
        None => printer.note(
            "nothing was changed; `--out plan.json` writes the plan for `pgattest apply plan.json`",
        ),
    }
}

/// Login roles that no `[[service]]` declares: what they need is not known, so nothing can be given to or taken from them exactly.
fn undeclared(facts: &Facts, policy: &Policy) -> Option<String> {
    let roles = facts.roles.here().ok()?;
    let approved = |name: &String| {
        let access = &policy.access;
        [
            &access.superusers,
            &access.break_glass,
            &access.replication,
            &access.administrators,
            &access.schema_owners,
        ]
        .into_iter()
        .flatten()
        .any(|names| names.contains(name))
    };
    let names: Vec<&String> = roles
        .iter()
        .filter(|role| role.can_login && !role.is_predefined())
        .filter(|role| role.oid != pgattest_model::facts::Role::BOOTSTRAP)
        .map(|role| &role.name)
        .filter(|name| {
            !approved(name) && !policy.services.iter().any(|service| &service.role == *name)
        })
        .collect();
    if names.is_empty() {
        return None;
    }
    let shown: Vec<String> = names
        .iter()
        .take(NAMED)
        .map(|name| visible(&quote_ident(name)))
        .collect();
    let more = names.len().saturating_sub(NAMED);
    let more = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Some(format!(
        "no [[service]] of the policy says what {}{more} {}: with it, the plan can give each exactly that",
        shown.join(", "),
        if names.len() == 1 { "needs" } else { "need" }
    ))
}
