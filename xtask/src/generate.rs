//! `gen`: files made from code. They are checked in, so that a reader needs no build, and checked to be fresh.

use crate::repository::root;
use anyhow::{Context, Result, bail, ensure};
use pgattest_checks::{CHECKS, crosswalk};
use pgattest_parse::policy;
use pgattest_report::{access, json, page, plan};
use pgattest_trail::canary::proof;
use pgattest_trail::completeness;
use pgattest_trail::detect::alert;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn run(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    let wanted = all()?;
    for (path, text) in &wanted {
        let file = root().join(path);
        if std::fs::read_to_string(&file).is_ok_and(|present| present == *text) {
            continue;
        }
        stale.push(path.display().to_string());
        if !check {
            std::fs::create_dir_all(file.parent().context("a generated file has a folder")?)?;
            std::fs::write(&file, text)?;
        }
    }
    for path in leftovers(&wanted)? {
        stale.push(path.display().to_string());
        if !check {
            std::fs::remove_file(root().join(&path))?;
        }
    }
    if check && !stale.is_empty() {
        bail!(
            "not as they would be generated: {}\nrun: cargo xtask gen",
            stale.join(", ")
        );
    }
    if !check {
        println!("{} generated files, {} written", wanted.len(), stale.len());
    }
    Ok(())
}

fn all() -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    for check in CHECKS {
        let meta = check.meta();
        files.insert(
            PathBuf::from(format!("docs/checks/{}.md", meta.id)),
            page::render(meta, crosswalk::crosswalk()),
        );
    }
    files.insert(PathBuf::from("docs/checks/README.md"), index());
    files.insert(
        PathBuf::from("docs/schema/audit-1.schema.json"),
        json::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/access-1.schema.json"),
        access::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/plan-1.schema.json"),
        plan::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/completeness-1.schema.json"),
        completeness::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/prove-logging-1.schema.json"),
        proof::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/alert-1.schema.json"),
        alert::schema(),
    );
    files.insert(
        PathBuf::from("docs/schema/pgattest.toml.schema.json"),
        policy::schema(
            CHECKS
                .iter()
                .map(|check| (check.meta().id, check.meta().name)),
        ),
    );
    files.insert(
        PathBuf::from("docs/schema/trail.toml.schema.json"),
        said_by_program(&["trail", "run", "--schema"])?,
    );
    files.insert(PathBuf::from("docs/cli.md"), command_reference()?);
    Ok(files)
}

/// Pages of checks that no longer exist.
fn leftovers(wanted: &BTreeMap<PathBuf, String>) -> Result<Vec<PathBuf>> {
    let mut leftovers = Vec::new();
    let Ok(folder) = std::fs::read_dir(root().join("docs/checks")) else {
        return Ok(leftovers);
    };
    for entry in folder {
        let path = Path::new("docs/checks").join(entry?.file_name());
        if !wanted.contains_key(&path) {
            leftovers.push(path);
        }
    }
    Ok(leftovers)
}

fn index() -> String {
    let mut text = String::from(
        "# Checks\n\nGenerated from the checks' own doc comments by `cargo xtask gen`. `pgattest explain ID` shows the same page.\n\n\
         | id | what is compliant | severity | criteria |\n|---|---|---|---|\n",
    );
    for check in CHECKS {
        let meta = check.meta();
        let criteria: Vec<&str> = meta
            .criteria
            .iter()
            .map(|criterion| criterion.id())
            .collect();
        let _ = writeln!(
            text,
            "| [{0}]({0}.md) | {1} | {2} | {3} |",
            meta.id,
            meta.title,
            meta.severity,
            criteria.join(" ")
        );
    }
    text
}

/// Every help text, as the program prints it.
fn command_reference() -> Result<String> {
    let mut text = String::from(
        "# Command line\n\nGenerated from the program's own help by `cargo xtask gen`.\n",
    );
    for command in [
        "",
        "audit",
        "plan",
        "access",
        "grants",
        "hba",
        "prove",
        "prove transport",
        "prove logging",
        "trail",
        "trail run",
        "trail status",
        "trail verify",
        "trail rotate-key",
        "trail proof",
        "trail completeness",
        "trail query",
        "trail archive",
        "trail prune",
        "trail hold",
        "trail sinks",
        "trail detect",
        "verify",
        "explain",
        "key",
        "ledger",
        "completions",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = said_by_program(&arguments)?;
        let name = format!("pgattest {command}");
        let _ = write!(text, "\n## {}\n\n```text\n{}```\n", name.trim_end(), help);
    }
    Ok(text)
}

/// What the program prints: the one that `PGATTEST` names, or else one that is built for it.
fn said_by_program(arguments: &[&str]) -> Result<String> {
    let mut program = if let Some(built) = std::env::var_os("PGATTEST") {
        // Building one package alone chooses other features of its dependencies than building the workspace, which takes minutes.
        Command::new(built)
    } else {
        let mut cargo = Command::new("cargo");
        cargo.args(["run", "--quiet", "--locked", "--package", "pgattest", "--"]);
        cargo
    };
    let output = program
        .args(arguments)
        .current_dir(root())
        .env("COLUMNS", "100")
        .env_remove("PGATTEST_HOME")
        .output()?;
    ensure!(
        output.status.success(),
        "pgattest {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?)
}
