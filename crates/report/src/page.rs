//! A check's page as Markdown, for `docs/checks/<ID>.md`.

use std::fmt::Write;

use pgattest_model::{Crosswalk, Meta};

use crate::explain::responsibility;

/// Renders a check's page. Ends with a newline.
pub fn render(meta: &Meta, crosswalk: &Crosswalk) -> String {
    let mut page = String::new();
    let criteria: Vec<String> = meta
        .criteria
        .iter()
        .map(|criterion| format!("{criterion} ({})", criterion.paraphrase()))
        .collect();
    // Writing to a String cannot fail.
    let _ = write!(page, "# {} · {}\n\n| | |\n|---|---|\n", meta.id, meta.title);
    for (label, value) in [
        ("Name", format!("`{}`", meta.name)),
        ("Severity", meta.severity.to_string()),
        ("SOC 2 criteria", criteria.join("; ")),
        ("Responsibility", responsibility(meta).to_owned()),
        ("Since", meta.since.to_owned()),
    ] {
        let _ = writeln!(page, "| {label} | {} |", cell(&value));
    }
    if let Some(area) = crosswalk
        .areas
        .iter()
        .find(|area| area.key == meta.area.key())
    {
        let _ = writeln!(page, "| Control area | {} |", cell(&area.title));
        for (framework, numbers) in crosswalk
            .frameworks
            .iter()
            .zip(&area.numbers)
            .filter(|(_, numbers)| !numbers.is_empty())
        {
            let _ = writeln!(page, "| {} | {} |", cell(&framework.name), cell(numbers));
        }
    }
    page.push('\n');
    // Every line of a doc comment begins with the space after the slashes.
    for line in meta.docs.trim().lines() {
        let _ = writeln!(page, "{}", line.strip_prefix(' ').unwrap_or(line));
    }
    page
}

/// Text inside a table cell: a pipe would end it, a newline the row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('*', "\\*")
        .replace(['\n', '\r'], " ")
}
