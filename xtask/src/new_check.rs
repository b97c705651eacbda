//! `new-check`: everything a new check needs, except the thinking.
//!
//! What it writes compiles and fails its own spec, so an unfinished check cannot land.

use crate::repository::root;
use anyhow::{Context, Result, bail, ensure};
use pgattest_checks::registry;
use std::path::Path;

/// Prefix of the identifier, folder, and the control area most checks of it belong to.
const AREAS: [(&str, &str, &str); 8] = [
    ("ROL", "roles", "LeastPrivilege"),
    ("GRN", "grants", "LeastPrivilege"),
    ("RLS", "rls", "TenantIsolation"),
    ("FUN", "functions", "CodeTrust"),
    ("HBA", "hba", "Boundary"),
    ("SEC", "secrets", "KeyCustody"),
    ("TLS", "transport", "Transport"),
    ("LOG", "logging", "AuditLogging"),
];

pub(crate) fn run(id: &str, name: &str, title: &str) -> Result<()> {
    let (prefix, number) = id
        .split_once('-')
        .context("an identifier looks like ROL-07")?;
    ensure!(
        number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit()),
        "an identifier looks like ROL-07"
    );
    let Some((_, folder, area)) = AREAS.iter().find(|(known, ..)| *known == prefix) else {
        bail!(
            "`{prefix}` has no folder yet; known: {}",
            AREAS.map(|(known, ..)| known).join(", ")
        );
    };
    ensure!(
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
        "a name is in kebab-case"
    );
    ensure!(!title.ends_with('.'), "a title has no period");
    for taken in [id, name] {
        ensure!(registry::find(taken).is_none(), "`{taken}` is taken");
    }

    let checks = root().join("crates/checks");
    let module = name.replace('-', "_");
    let type_name: String = name.split('-').map(capitalised).collect();
    write_new(
        &checks.join(format!("src/{folder}/{module}.rs")),
        &source(id, name, title, area, &type_name),
    )?;
    write_new(
        &checks.join(format!("specs/{folder}/{name}.md")),
        &spec(id, name),
    )?;
    insert_line(
        &checks.join(format!("src/{folder}/mod.rs")),
        |line| line.starts_with("mod "),
        &format!("mod {module};"),
    )?;
    insert_line(
        &checks.join(format!("src/{folder}/mod.rs")),
        |line| line.starts_with("pub use "),
        &format!("pub use {module}::{type_name};"),
    )?;
    insert_line(
        &checks.join("src/registry.rs"),
        |line| line.contains(&format!("&crate::{folder}::")),
        &format!("    &crate::{folder}::{type_name},"),
    )?;
    println!(
        "{id} begins in crates/checks/src/{folder}/{module}.rs and crates/checks/specs/{folder}/{name}.md"
    );
    println!("run it with: cargo nextest run -p pgattest-checks -E 'test({name})'");
    Ok(())
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    ensure!(!path.exists(), "{} exists", path.display());
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

/// Puts a line after the last line that is of its kind, or at the end.
fn insert_line(path: &Path, is_of_its_kind: impl Fn(&str) -> bool, line: &str) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let mut lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .rposition(|existing| is_of_its_kind(existing))
        .map_or(lines.len(), |last| last + 1);
    lines.insert(at, line);
    std::fs::write(path, lines.join("\n") + "\n")?;
    Ok(())
}

fn source(id: &str, name: &str, title: &str, area: &str, type_name: &str) -> String {
    format!(
        r#"//! {title}.

use crate::check::{{Check, declare_check}};
use crate::context::Context;
use pgattest_model::{{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict}};

declare_check! {{
    /// ## What it checks
    ///
    /// ## Why it matters
    ///
    /// ## How to fix it
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter
    pub {type_name} {{
        id: "{id}",
        name: "{name}",
        title: "{title}",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::{area},
        responsibility: Responsibility::Yours,
        since: "{version}",
    }}
}}

impl Check for {type_name} {{
    fn meta(&self) -> &'static Meta {{
        &Self::META
    }}

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {{
        let roles = context.facts.roles.here()?;
        Err(Missing::because(format!("{{}} roles were read and not judged", roles.len())))
    }}
}}
"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

fn spec(id: &str, name: &str) -> String {
    format!(
        "# `{name}` ({id})\n\n```toml\npostgres = \"13..=18\"\n```\n\nThe healthy case.\n\n```verdict\npass  tested 0 things\n```\n\n\
         ## A planted fault\n\n```sql\nselect 1;\n```\n\n```verdict\nfail  tested 0 things\nhigh  subject  detail\n```\n\n\
         ## A role that may not see it\n\n```sql\ncreate role app login;\n```\n\n```verdict as=app\nnot assessed  why\n```\n"
    )
}
