//! `pgattest audit`: connect, collect, assess, report, seal.

use crate::args::{AuditArgs, Format, FormatKind};
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::home::Home;
use crate::looking::{look, resolve};
use crate::output_file::write_atomically;
use crate::policy_file::{self, PolicyFile};
use crate::printer::Printer;
use crate::sealing;
use crate::{trail_account, trusted_keys};
use pgattest_checks::crosswalk::crosswalk;
use pgattest_model::{Audit, Observation, Status};
use pgattest_report::{Screen, csv, html, json, junit, pull_request, sarif, text};
use std::path::Path;

pub(crate) fn run(arguments: &AuditArgs, printer: &Printer) -> Result<u8, Failure> {
    let policy = policy_file::load(arguments.policy.as_deref())?;
    let formats = formats(arguments)?;
    let options = resolve(arguments.connection.as_deref(), printer)?;
    // What cannot be written is found before the server is asked anything.
    let home = arguments
        .out
        .as_deref()
        .map(|out| prepare(out, arguments))
        .transpose()?;

    let limits = arguments.pace.limits(!arguments.no_probe);
    let mut seen = look(&options, limits, &policy, printer)?;
    if let Some(journal) = &arguments.trail.journal {
        let keys = trusted_keys::named_or_own(&arguments.trail.keys, &arguments.home)?;
        let changes = changes(arguments, &seen.observations)?;
        let wanted = trail_account::Wanted {
            journal,
            keys: &keys,
            days: arguments.trail.days,
            changes: changes.as_ref(),
        };
        seen.observations
            .extend(trail_account::observations(&wanted, &policy.policy)?);
    }
    let audit = seen.audit(&policy.policy);

    for format in formats {
        write(&audit, &policy, &format, printer)?;
    }
    if let (Some(home), Some(out)) = (home, arguments.out.as_deref()) {
        sealing::seal(&audit, &policy, None, &home, out, printer)?;
    }
    let code = conclude(&audit, arguments)?;
    for remark in policy.remarks(&audit.assessment.diagnostics, printer.verbose) {
        printer.rendered(&remark);
    }
    warn_of_the_unknown(&audit, printer);
    Ok(code)
}

/// What changed since the earlier audit that was named.
fn changes(
    arguments: &AuditArgs,
    now: &[Observation],
) -> Result<Option<trail_account::Changes>, Failure> {
    let Some(package) = &arguments.trail.since else {
        return Ok(None);
    };
    let keys = trusted_keys::named_or_own(&arguments.trail.since_keys, &arguments.home)?;
    trail_account::Changes::since(package, &keys, now).map(Some)
}

/// The exit code is about findings: whoever reads nothing else is told that some checks could not have found any.
fn warn_of_the_unknown(audit: &Audit, printer: &Printer) {
    let unknown = audit.assessment.count(Status::NotAssessed);
    if unknown > 0 {
        let all = audit.assessment.checks.len();
        printer.warning(&format!(
            "{unknown} of {all} checks could not be assessed; the report says why, and what would open them"
        ));
    }
}

fn prepare(out: &Path, arguments: &AuditArgs) -> Result<Home, Failure> {
    std::fs::create_dir_all(out)
        .doing(|| format!("the directory {} could not be made", out.display()))
        .or_hint("--out takes a directory that you may write to")?;
    Home::at(&arguments.home)
}

/// The formats asked for; the text report when none was. Two reports in one stream would be neither.
fn formats(arguments: &AuditArgs) -> Result<Vec<Format>, Failure> {
    if arguments.formats.is_empty() {
        return Ok(vec![Format {
            kind: FormatKind::Text,
            file: None,
        }]);
    }
    let mut to_stdout = arguments
        .formats
        .iter()
        .filter(|format| format.file.is_none());
    if to_stdout.next().is_some() && to_stdout.next().is_some() {
        return Err(fail("two reports cannot both go to standard output")
            .hint("name a file for all but one: --format json=audit.json"));
    }
    Ok(arguments.formats.clone())
}

fn write(
    audit: &Audit,
    policy: &PolicyFile,
    format: &Format,
    printer: &Printer,
) -> Result<(), Failure> {
    let on_terminal = format.file.is_none();
    let report = match format.kind {
        FormatKind::Text => {
            let screen = Screen {
                width: if on_terminal { Printer::width() } else { 100 },
                colour: on_terminal && printer.stdout_has_color(),
            };
            text::render(
                audit,
                &text::Options {
                    screen,
                    verbose: printer.verbose,
                },
            )
        }
        FormatKind::Json => json::render(audit),
        FormatKind::Sarif => sarif::render(audit),
        FormatKind::Junit => junit::render(audit),
        FormatKind::Csv => csv::render(audit),
        FormatKind::Markdown => pull_request::render(audit),
        FormatKind::Html => {
            let organization = policy.policy.organization.as_deref();
            html::render(
                audit,
                crosswalk(),
                &html::Options {
                    organization,
                    package: None,
                },
            )
        }
    };
    match &format.file {
        None => printer.result(&report)?,
        Some(path) => write_atomically(path, report.as_bytes())?,
    }
    Ok(())
}

/// The exit code, or a failure when nothing could be judged at all.
fn conclude(audit: &Audit, arguments: &AuditArgs) -> Result<u8, Failure> {
    judged(audit)?;
    let worst = audit
        .assessment
        .checks
        .iter()
        .flat_map(pgattest_model::CheckResult::open)
        .map(|finding| finding.severity)
        .max();
    let found = arguments
        .fail_on
        .threshold()
        .is_some_and(|threshold| worst.is_some_and(|worst| worst >= threshold));
    let unknown = arguments.fail_on_unknown && audit.assessment.count(Status::NotAssessed) > 0;
    Ok(if found || unknown {
        crate::FOUND
    } else {
        crate::CLEAN
    })
}

/// A failure when nothing could be judged at all.
pub(super) fn judged(audit: &Audit) -> Result<(), Failure> {
    let judged: usize = [Status::Pass, Status::Fail, Status::Waived]
        .into_iter()
        .map(|status| audit.assessment.count(status))
        .sum();
    if judged > 0 {
        return Ok(());
    }
    let why = audit
        .not_visible
        .first()
        .map_or_else(String::new, |first| format!(": {}", first.missing.why));
    Err(fail(format!("no check could be judged{why}"))
        .hint("the report says for each what was missing; the SQL of `pgattest grants` opens what is missing"))
}
