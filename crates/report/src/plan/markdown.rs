//! A plan as GitHub-flavoured Markdown, for the pull request that approves it.
//!
//! A comment has a limit (65,536 characters where most are written): long lists are cut and the rest is counted, and once the page
//! is full the remaining changes are named without their details. Nothing is left out unsaid; the plan file has everything.

use super::view::{self, Section, Step, Summary};
use crate::pull_request::{code, html, text};
use crate::view::words;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Change, Plan, Risk};
use std::fmt::Write as _;

/// Entries listed of a long list.
const SHOWN: usize = 10;
/// Lines shown of the statements or the file of one change.
const LINES: usize = 60;
/// From this many bytes on, changes are named only.
const FULL: usize = 48_000;
/// From this many bytes on, changes are counted only.
const OVERFULL: usize = 58_000;

/// Renders a plan as Markdown.
pub fn render(plan: &Plan) -> String {
    let mut page = String::new();
    let summary = Summary::of(plan);
    let _ = writeln!(
        page,
        "## pgattest plan: {}\n\n{}, {}. It {}.\n",
        summary.headline(),
        code(&plan.target.name),
        text(&view::server(plan)),
        summary.effect()
    );
    for (label, value) in view::origin(plan) {
        let _ = writeln!(page, "- {label}: {}", code(&value));
    }
    page.push('\n');
    asked(&mut page, &summary);
    for section in view::sections(plan) {
        self::section(&mut page, &section);
    }
    left(&mut page, plan);
    page
}

fn asked(page: &mut String, summary: &Summary<'_>) {
    if !summary.needs.is_empty() {
        page.push_str("**Needs**\n\n");
        for need in summary.needs.iter().take(SHOWN) {
            let _ = writeln!(page, "- {}", code(need));
        }
        more(page, summary.needs.len(), SHOWN);
        page.push('\n');
    }
    if !summary.impact.is_empty() {
        page.push_str("**Affects**\n\n");
        for (kind, all) in &summary.impact {
            for impact in all.iter().take(SHOWN) {
                let _ = writeln!(
                    page,
                    "- **{}**: {}",
                    view::impact_words(*kind),
                    code(&view::impact_text(impact))
                );
            }
            more(page, all.len(), SHOWN);
        }
        page.push('\n');
    }
}

fn section(page: &mut String, section: &Section<'_>) {
    if page.len() < OVERFULL {
        let _ = writeln!(page, "### {}\n", text(&section.heading()));
    }
    let mut uncounted = 0;
    for (number, change) in &section.changes {
        if page.len() < FULL {
            self::change(page, *number, change);
        } else if page.len() < OVERFULL {
            let _ = writeln!(
                page,
                "{number}. **{}** {} (details: the plan file)",
                change.risk.as_str(),
                code(&change.title)
            );
        } else {
            uncounted += 1;
        }
    }
    if uncounted > 0 {
        let _ = writeln!(
            page,
            "\n{} not listed here; the plan file has everything.\n",
            words::count(uncounted, "more change")
        );
    }
}

fn change(page: &mut String, number: usize, change: &Change) {
    // What somebody has to decide is open.
    let open = if change.risk == Risk::Approval {
        " open"
    } else {
        ""
    };
    let _ = writeln!(
        page,
        "<details{open}><summary>{number}. <b>{}</b> {}</summary>\n",
        change.risk.as_str(),
        html(&change.title)
    );
    for closes in change.closes.iter().take(SHOWN) {
        let _ = writeln!(page, "- closes {}", code(&view::closes(closes)));
    }
    more(page, change.closes.len(), SHOWN);
    for need in change.needs.iter().take(SHOWN) {
        let _ = writeln!(page, "- needs {}", code(&view::need_words(need)));
    }
    more(page, change.needs.len(), SHOWN);
    for impact in change.impact.iter().take(SHOWN) {
        let _ = writeln!(
            page,
            "- **{}**: {}",
            view::impact_words(impact.kind),
            code(&view::impact_text(impact))
        );
    }
    more(page, change.impact.len(), SHOWN);
    for note in &change.notes {
        let _ = writeln!(page, "- note: {}", code(note));
    }
    steps(page, "Do", &view::steps(&change.action));
    steps(page, "Undo", &view::undo_steps(&change.undo));
    page.push_str("\n</details>\n\n");
}

fn steps(page: &mut String, label: &str, steps: &[Step]) {
    let mut lines: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Statement(sql) => lines.extend(view::sql_lines(sql)),
            Step::Words(words) => lines.push(format!("-- {}", visible(words))),
            Step::Text(text) => lines.extend(text.lines().map(str::to_owned)),
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| visible(line)).collect();
    let longest = lines
        .iter()
        .flat_map(|line| line.split(|c| c != '`'))
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat((longest + 1).max(3));
    let _ = writeln!(page, "\n{label}:\n\n{fence}sql");
    for line in lines.iter().take(LINES) {
        let _ = writeln!(page, "{line}");
    }
    let rest = lines.len().saturating_sub(LINES);
    if rest > 0 {
        let _ = writeln!(page, "-- and {}", words::count(rest, "more line"));
    }
    let _ = writeln!(page, "{fence}");
}

fn left(page: &mut String, plan: &Plan) {
    if plan.left.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<details><summary><b>Left</b>: {} that no change closes</summary>\n",
        words::count(plan.left.len(), "finding")
    );
    let groups = view::left(plan);
    let mut listed = 0;
    for (check, why, subjects) in &groups {
        if page.len() >= OVERFULL {
            break;
        }
        listed += 1;
        let names: Vec<String> = subjects
            .iter()
            .take(SHOWN)
            .map(|subject| code(&words::subject(subject)))
            .collect();
        let more = subjects.len().saturating_sub(SHOWN);
        let more = if more == 0 {
            String::new()
        } else {
            format!(" and {} more", words::thousands(more))
        };
        let _ = writeln!(
            page,
            "- {} {}{more}\n  - {}",
            text(check),
            names.join(", "),
            code(why)
        );
    }
    let rest = groups.len() - listed;
    if rest > 0 {
        let _ = writeln!(page, "- and {}", words::count(rest, "more reason"));
    }
    page.push_str("\n</details>\n");
}

fn more(page: &mut String, all: usize, shown: usize) {
    let rest = all.saturating_sub(shown);
    if rest > 0 {
        let _ = writeln!(page, "- and {} more", words::thousands(rest));
    }
}
