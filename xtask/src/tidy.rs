//! `tidy`: the rules of this repository that no compiler knows.

use crate::repository::{files, root, text};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Crates that have no clock, environment, filesystem or network.
const PURE: [&str; 8] = [
    "access", "catalog", "checks", "ledger", "model", "parse", "planner", "report",
];

/// What a pure crate may depend on: values in, values out.
const PURE_DEPENDENCIES: [&str; 33] = [
    "aho-corasick",
    "anstyle",
    "askama",
    "base64",
    "base64ct",
    "csv",
    "ct-merkle",
    "ed25519-dalek",
    "fixedbitset",
    "hex",
    "ipnet",
    "memchr",
    "pgattest-access",
    "pgattest-catalog",
    "pgattest-checks",
    "p256",
    "pgattest-ledger",
    "pgattest-model",
    "pgattest-parse",
    "pulldown-cmark",
    "regex",
    "schemars",
    "serde",
    "serde_json",
    "serde_json_canonicalizer",
    "sha2",
    "ssh-key",
    "strsim",
    "textwrap",
    "thiserror",
    "toml",
    "unicode-width",
    "zeroize",
];

/// Longer files are asked: what are the two things in here?
const LINES: usize = 700;

pub(crate) fn run() -> Result<()> {
    let files = files()?;
    let mut faults = Vec::new();
    faults.extend(long_files(&files));
    faults.extend(impure_crates()?);
    faults.extend(unnamed_crates()?);
    faults.extend(dead_links(&files));
    faults.extend(marks(&files));
    if faults.is_empty() {
        println!("tidy: {} files", files.len());
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

fn long_files(files: &[PathBuf]) -> Vec<String> {
    files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .filter_map(|path| Some((path, text(path)?.lines().count())))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(path, lines)| {
            format!(
                "{}: {lines} lines: what are the two things in here?",
                path.display()
            )
        })
        .collect()
}

/// A pure crate depends on pure things only and carries the bans that keep its own code pure.
fn impure_crates() -> Result<Vec<String>> {
    let bans = std::fs::read_to_string(root().join("xtask/pure.clippy.toml"))?;
    let mut faults = Vec::new();
    for name in PURE {
        let folder = root().join("crates").join(name);
        let manifest: toml::Table = std::fs::read_to_string(folder.join("Cargo.toml"))?.parse()?;
        let dependencies = manifest
            .get("dependencies")
            .and_then(toml::Value::as_table)
            .context("no dependencies")?;
        for dependency in dependencies
            .keys()
            .filter(|name| !PURE_DEPENDENCIES.contains(&name.as_str()))
        {
            faults.push(format!("crates/{name}: `{dependency}` is not known to be pure (xtask/src/tidy.rs has the list)"));
        }
        if std::fs::read_to_string(folder.join("clippy.toml"))
            .ok()
            .as_deref()
            != Some(&bans)
        {
            faults.push(format!(
                "crates/{name}/clippy.toml is not a copy of xtask/pure.clippy.toml"
            ));
        }
    }
    Ok(faults)
}

/// ARCHITECTURE.md's code map has every crate.
fn unnamed_crates() -> Result<Vec<String>> {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let mut faults = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !map.contains(&format!("`crates/{name}`")) {
            faults.push(format!(
                "ARCHITECTURE.md does not say what `crates/{name}` is"
            ));
        }
    }
    Ok(faults)
}

/// Links between our own documents lead somewhere.
fn dead_links(files: &[PathBuf]) -> Vec<String> {
    let mut faults = Vec::new();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
    {
        let Some(text) = text(path) else { continue };
        for target in links(&text) {
            let file = target.split('#').next().unwrap_or_default();
            let is_ours = !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:");
            let folder = path.parent().unwrap_or(Path::new(""));
            if is_ours && !root().join(folder).join(file).exists() {
                faults.push(format!(
                    "{}: the link to `{target}` leads nowhere",
                    path.display()
                ));
            }
        }
    }
    faults
}

fn links(text: &str) -> BTreeSet<&str> {
    let mut in_code = false;
    text.lines()
        .filter(|line| {
            if line.starts_with("```") {
                in_code = !in_code;
            }
            !in_code
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

/// What must not be in a tracked file: unfinished work, and tests that never run without a reason (a test that another test
/// starts as a process of its own has one).
fn marks(files: &[PathBuf]) -> Vec<String> {
    // Written in two halves, so that this file passes its own rule.
    let marks = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("FIX", "ME"),
        concat!("#[ign", "ore]"),
    ];
    let mut faults = Vec::new();
    for path in files.iter().filter(|path| {
        path.extension()
            .is_some_and(|ending| ending == "rs" || ending == "py")
    }) {
        let Some(text) = text(path) else { continue };
        for (number, line) in text.lines().enumerate() {
            for mark in marks.iter().filter(|mark| line.contains(**mark)) {
                faults.push(format!(
                    "{}:{}: `{mark}` is unfinished work",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn links_are_found_outside_code() {
        let text = "see [a](x.md#y) and [b](z/)\n```\n[c](no.md)\n```\n";
        assert_eq!(
            links(text).into_iter().collect::<Vec<_>>(),
            ["x.md#y", "z/"]
        );
    }
}
