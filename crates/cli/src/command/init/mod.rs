//! `pgattest init`: looks at a live cluster and drafts the policy file.

mod document;

use crate::args::InitArgs;
use crate::connection_logs;
use crate::failure::{Doing, Failure, OrHint, fail};
use crate::looking::{collect, resolve};
use crate::output_file::write_atomically;
use crate::policy_file;
use crate::printer::Printer;
use pgattest_catalog::decode;
use pgattest_collect::Limits;
use pgattest_model::ident::visible;
use pgattest_planner::inference::{Inferred, infer};
use similar::TextDiff;
use std::path::{Path, PathBuf};

pub(crate) fn run(arguments: &InitArgs, printer: &Printer) -> Result<u8, Failure> {
    let path = arguments
        .policy
        .clone()
        .unwrap_or_else(|| PathBuf::from("pgattest.toml"));
    let existing = existing(&path)?;
    let logins = connection_logs::read(&arguments.connection_log, printer)?;
    let options = resolve(arguments.connection.as_deref(), printer)?;
    let limits = Limits {
        probe: false,
        ..Limits::default()
    };
    let collection = collect(&options, limits, printer)?;
    let facts = decode(&collection.observations);
    let inferred = infer(&facts, &logins);
    let drafted = document::merge(existing.as_deref().unwrap_or_default(), &inferred)
        .doing(|| format!("{} could not be edited", path.display()))?;
    // What this program writes it has to be able to read.
    pgattest_parse::policy::parse(&drafted)
        .doing(|| "the policy that was drafted is not right: a defect of pgattest".to_owned())?;
    for missing in &inferred.not_seen {
        printer.warning(&format!("not looked at: {}", visible(missing)));
    }

    if arguments.print {
        printer.result(&drafted)?;
        return Ok(crate::CLEAN);
    }
    match existing {
        None => {
            write_atomically(&path, drafted.as_bytes())?;
            printer.note(&format!("{} written.", path.display()));
            printer.note(&found(&inferred));
            printer.note(
                "Read it: what is marked `inferred` is what the cluster looks like, not what anybody decided.\n\
                 next: pgattest audit, then pgattest plan",
            );
            Ok(crate::CLEAN)
        }
        Some(existing) if existing == drafted => {
            printer.note(&format!(
                "{} says all that can be inferred; nothing was changed.",
                path.display()
            ));
            Ok(crate::CLEAN)
        }
        Some(existing) => {
            printer.result(&diff(&path, &existing, &drafted))?;
            if !arguments.yes {
                return Err(fail(format!("{} was not changed", path.display())).hint(
                    "these lines would be added, nothing of yours would be touched: run it again with --yes",
                ));
            }
            write_atomically(&path, drafted.as_bytes())?;
            printer.note(&format!("{} written.", path.display()));
            Ok(crate::CLEAN)
        }
    }
}

/// The text of the file that is there, which has to be a policy: what cannot be read cannot be kept.
fn existing(path: &Path) -> Result<Option<String>, Failure> {
    if !path
        .try_exists()
        .doing(|| format!("{} could not be looked for", path.display()))?
    {
        return Ok(None);
    }
    let file = policy_file::load(Some(path))
        .or_hint("mend it first, or move it away to begin anew: init keeps what it says")?;
    Ok(file.text)
}

fn diff(path: &Path, existing: &str, drafted: &str) -> String {
    let name = path.display().to_string();
    let diff = TextDiff::from_lines(existing, drafted)
        .unified_diff()
        .context_radius(2)
        .header(&name, &format!("{name} (with what was inferred)"))
        .to_string();
    // Names in the file are somebody else's; its lines stay lines.
    diff.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => visible(line) + "\n",
            None => visible(line),
        })
        .collect()
}

/// What was found, in a few lines.
fn found(inferred: &Inferred) -> String {
    let mut lines = Vec::new();
    let count = |n: usize, one: &str, many: &str| match n {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    lines.push(format!(
        "  {} ({} seen connected), {} that nobody was seen to use",
        count(inferred.services.len(), "service", "services"),
        inferred
            .services
            .iter()
            .filter(|service| service.seen)
            .count(),
        count(inferred.idle_logins.len(), "login", "logins"),
    ));
    if !inferred.undecided_superusers.is_empty() {
        lines.push(format!(
            "  {} besides the bootstrap superuser: decide about each",
            count(
                inferred.undecided_superusers.len(),
                "superuser",
                "superusers"
            )
        ));
    }
    lines.push(match &inferred.tenant_column {
        Some(column) => format!(
            "  {} with tenant column {}",
            count(inferred.tenant_tables.len(), "table", "tables"),
            visible(column)
        ),
        None if inferred.tenant_tables.is_empty() => {
            "  no tenant column: declare [tenancy] yourself".to_owned()
        }
        None => "  several tenant columns: they go on being inferred one by one".to_owned(),
    });
    let classified: usize = inferred.classification.values().map(Vec::len).sum();
    lines.push(format!(
        "  {} whose name says personal or secret data",
        count(classified, "column", "columns")
    ));
    lines.join("\n")
}
