//! Markdown for a comment on a pull request: the eight points, the findings by cause, what was not seen.
//!
//! Comments have a limit (65,536 characters where most are written), so at most [`SHOWN`] subjects a cause are listed and the
//! rest are counted: nothing is left out unsaid. Names stand in code spans, where Markdown, mentions and links mean nothing.

use askama::filters::{Escaper, Html};
use pgattest_model::ident::visible;
use pgattest_model::{Audit, Status};
use std::fmt::Write as _;

use crate::view::{self, Counts, Group, words};

/// Subjects listed for one cause.
const SHOWN: usize = 10;
/// Causes listed; the rest are counted.
const CAUSES: usize = 100;
/// The longest name or statement shown whole, in characters.
const LONGEST: usize = 300;

/// Renders an audit as GitHub-flavoured Markdown.
pub fn render(audit: &Audit) -> String {
    let mut page = String::new();
    let counts = Counts::of(audit);
    let severities = words::severities(counts.by_severity());
    let headline = if severities.is_empty() {
        "no findings".to_owned()
    } else {
        severities
    };
    let _ = writeln!(
        page,
        "## pgattest: {headline}\n\n{}, {}; policy {}.\n",
        code(&audit.target.name),
        words::server(&audit.target),
        words::policy(&audit.run)
    );
    controls(&mut page, audit);
    let groups = view::groups(audit);
    findings(&mut page, &groups);
    waivers(&mut page, audit);
    unseen(&mut page, audit);
    page
}

fn controls(page: &mut String, audit: &Audit) {
    page.push_str("| | Control | Verdict | Why |\n|--:|---|---|---|\n");
    for row in view::control_rows(audit) {
        let _ = writeln!(
            page,
            "| {} | {} | {} {} | {} |",
            row.result.control.number,
            text(row.result.control.statement),
            words::mark(row.result.status),
            row.result.status.words(),
            text(&row.result.reason)
        );
    }
    page.push('\n');
}

fn findings(page: &mut String, groups: &[Group<'_>]) {
    for group in groups.iter().take(CAUSES) {
        let _ = writeln!(
            page,
            "<details><summary><b>{}</b> {} {} ({})</summary>\n",
            group.severity,
            group.meta.id,
            html(group.cause),
            words::count(group.members.len(), "finding")
        );
        for member in group.members.iter().take(SHOWN) {
            let finding = member.finding;
            let place = finding
                .subject
                .database
                .as_deref()
                .map_or_else(String::new, |database| format!(" in {}", code(database)));
            let _ = writeln!(
                page,
                "- {} {}{place}\n  - {}\n  - fix: {}",
                finding.subject.kind.as_str(),
                code(&finding.subject.name),
                code(&finding.detail),
                code(&finding.remediation)
            );
        }
        let more = group.members.len().saturating_sub(SHOWN);
        if more > 0 {
            let _ = writeln!(
                page,
                "- and {} more, not listed here; the full report has them",
                words::thousands(more)
            );
        }
        page.push_str("\n</details>\n\n");
    }
    let more = groups.len().saturating_sub(CAUSES);
    if more > 0 {
        let _ = writeln!(
            page,
            "{} more causes are not listed here; the full report has them.\n",
            words::thousands(more)
        );
    }
}

fn waivers(page: &mut String, audit: &Audit) {
    let states: Vec<String> = view::waiver_states(audit)
        .into_iter()
        .map(|(state, number)| format!("{} {}", words::thousands(number), state.as_str()))
        .collect();
    if states.is_empty() {
        return;
    }
    let _ = writeln!(page, "**Waivers**: {}.\n", states.join(", "));
    for row in view::waiver_rows(audit).into_iter().take(SHOWN) {
        let waiver = &row.result.waiver;
        let _ = writeln!(
            page,
            "- {} ({}): {} until {}: {}",
            code(&row.check),
            row.result.state.as_str(),
            code(&row.covers),
            waiver.expires,
            code(&waiver.reason)
        );
    }
    page.push('\n');
}

fn unseen(page: &mut String, audit: &Audit) {
    let checks: Vec<&str> = audit
        .assessment
        .checks
        .iter()
        .filter(|check| check.status() == Status::NotAssessed)
        .map(|check| check.meta.id)
        .collect();
    if checks.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "**Not assessed** ({} of {} checks; unknown is not a pass): {}.\n",
        checks.len(),
        audit.assessment.checks.len(),
        checks.join(", ")
    );
    for gap in view::gaps(audit).into_iter().take(SHOWN) {
        if let (Some(grant), Some(why)) = (gap.grant, gap.whys.first()) {
            let _ = writeln!(page, "- {}; opened by {}", code(why), code(grant));
        }
    }
}

/// A code span that no backtick inside can end, on one line.
pub(crate) fn code(name: &str) -> String {
    let shown = shortened(&visible(name));
    let longest = shown
        .split(|c| c != '`')
        .map(str::len)
        .max()
        .unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    if longest > 0 || shown.is_empty() {
        format!("{fence} {shown} {fence}")
    } else {
        format!("{fence}{shown}{fence}")
    }
}

/// Our own words between names: everything that Markdown or HTML could take for markup is escaped.
pub(crate) fn text(words: &str) -> String {
    let mut escaped = String::new();
    for c in visible(words).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(c);
            }
            // A mention would call somebody.
            '@' => escaped.push_str("&#64;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// The same between HTML tags, where Markdown is not read.
pub(crate) fn html(words: &str) -> String {
    let mut escaped = String::new();
    // Writing to a String cannot fail.
    let _ = Html.write_escaped_str(&mut escaped, &visible(words));
    escaped.replace('@', "&#64;")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((at, _)) => format!("{}… (cut)", text.get(..at).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, text};

    #[test]
    fn no_name_leaves_its_code_span() {
        assert_eq!(code("orders"), "`orders`");
        assert_eq!(code("a``b"), "``` a``b ```");
        assert!(!code("x\ny").contains('\n'));
    }

    #[test]
    fn words_are_no_markup() {
        assert_eq!(
            text("<b>@all *x* [y](z)"),
            "&lt;b&gt;&#64;all \\*x\\* \\[y\\](z)"
        );
    }
}
