//! The table for a person.

use super::{Answer, View};
use std::fmt::Write as _;

/// Names shown before the rest is only counted.
const NAMES: usize = 6;

pub(super) fn render(view: &View) -> String {
    let mut out = String::new();
    if let Some(answer) = &view.answer {
        render_answer(answer, &mut out);
    } else {
        table(view, &mut out);
        let idle: Vec<_> = view
            .rules
            .iter()
            .filter_map(|rule| Some((&rule.place, &rule.how, rule.unreachable.as_ref()?)))
            .collect();
        if !idle.is_empty() {
            out.push_str("\nNever reached\n");
            for (place, how, why) in idle {
                let _ = writeln!(out, "  {place}  {how}: {why}");
            }
        }
        if !view.open_maps.is_empty() {
            out.push_str("\nOpen maps\n");
            for line in &view.open_maps {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    if !view.errors.is_empty() {
        let lines = if view.errors.len() == 1 {
            "line has an error"
        } else {
            "lines have errors"
        };
        let _ = writeln!(
            out,
            "\n{} {lines}: the server does not load the file, and goes on with the rules it had",
            view.errors.len()
        );
        for (place, message) in &view.errors {
            let _ = writeln!(out, "  {place}  {message}");
        }
    }
    out
}

fn render_answer(answer: &Answer, out: &mut String) {
    let _ = writeln!(out, "{}", answer.attempt);
    for (place, method) in &answer.may {
        let _ = writeln!(out, "  may be decided by {place}  {method}");
    }
    match &answer.decides {
        Some((place, method)) if method == "reject" => {
            let _ = writeln!(out, "  rejected by {place}");
        }
        Some((place, method)) => {
            let _ = writeln!(out, "  {method} by {place}");
        }
        None => out.push_str("  refused: no line matches\n"),
    }
}

fn table(view: &View, out: &mut String) {
    let head = ["WHO", "TO WHAT", "FROM WHERE", "OVER WHAT", "HOW", "LINE"].map(str::to_owned);
    let reached = view.rules.iter().filter(|rule| rule.unreachable.is_none());
    let rows = reached.map(|rule| {
        [
            list(&rule.who),
            list(&rule.to),
            rule.from.clone(),
            rule.over.clone(),
            rule.how.clone(),
            rule.place.clone(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

fn list(names: &[String]) -> String {
    match names.get(NAMES..) {
        Some(more) if !more.is_empty() => {
            let shown = names.get(..NAMES).unwrap_or_default();
            format!("{} and {} more", shown.join(", "), more.len())
        }
        _ => names.join(", "),
    }
}
