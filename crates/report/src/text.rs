//! The report for a terminal: the eight points first, then findings by cause, the worst first, then what was not visible.

use pgattest_model::ident::visible;
use pgattest_model::{Audit, Finding, Severity, Status, WaiverState};

use crate::paint::{
    BOLD, Column, DIM, HINT, Lead, PLAIN, Page, Screen, severity_style, status_style, waiver_style,
};
use crate::view::{self, Counts, Gap, Group, words};

/// How to render.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Where it will be shown.
    pub screen: Screen,
    /// Every subject of every finding with its fix, and every pass with what it tested.
    pub verbose: bool,
}

/// Subjects shown of a finding that has many.
const FEW: usize = 3;
/// From this width on, a point and its reason stand side by side.
const WIDE: usize = 140;
/// Columns for a label such as `system identifier`.
const LABEL: usize = 19;
/// Columns for a check's identifier.
const ID: usize = 8;

/// Renders an audit for a terminal. Ends with a newline.
pub fn render(audit: &Audit, options: &Options) -> String {
    let mut page = Page::new(options.screen);
    let counts = Counts::of(audit);
    let groups = view::groups(audit);
    let gaps = view::gaps(audit);
    target(&mut page, audit);
    checklist(&mut page, audit, &counts);
    findings(&mut page, &groups, &counts, options.verbose);
    waivers(&mut page, audit, options.verbose);
    not_visible(&mut page, &gaps, options.verbose);
    if options.verbose {
        passes(&mut page, audit);
        not_applicable(&mut page, audit);
    }
    summary(&mut page, &counts, &gaps);
    hints(&mut page, &groups, &gaps, &counts, options.verbose);
    page.finish()
}

fn target(page: &mut Page, audit: &Audit) {
    let target = &audit.target;
    page.entry(
        &Lead::default().cell(BOLD, &target.name, 0),
        PLAIN,
        &words::server(target),
    );
    let said = |text: &str| {
        if text.is_empty() {
            "not said by the server".to_owned()
        } else {
            text.to_owned()
        }
    };
    let label = |label: &str| Lead::indent(2).cell(DIM, label, LABEL);
    page.entry(
        &label("system identifier"),
        PLAIN,
        &said(&target.system_identifier),
    );
    page.entry(&label("role"), PLAIN, &said(&target.role));
    page.entry(
        &label("databases"),
        PLAIN,
        &words::databases(&target.databases),
    );
    page.entry(&label("audited"), PLAIN, &words::period(&audit.run));
    page.entry(&label("policy"), PLAIN, words::policy(&audit.run));
}

fn checklist(page: &mut Page, audit: &Audit, counts: &Counts) {
    page.heading("Checklist", &statuses(counts.controls.each()));
    for row in view::control_rows(audit) {
        let status = row.result.status;
        let lead = Lead::indent(2)
            .cell(BOLD, &row.result.control.number.to_string(), 3)
            .cell(
                status_style(status),
                &format!("{} {}", words::mark(status), status.words()),
                18,
            );
        let mut reason = row.result.reason.clone();
        let tested = row.tested();
        if status == Status::Pass && !tested.is_empty() {
            reason = format!("{reason}: {}", tested.join(", "));
        }
        let statement = row.result.control.statement.trim_end_matches('.');
        if page.width() >= WIDE {
            let columns = [
                Column {
                    style: PLAIN,
                    text: statement,
                    width: Some((page.width() - 23) * 2 / 5),
                },
                Column {
                    style: DIM,
                    text: &reason,
                    width: None,
                },
            ];
            page.row(&lead, &columns);
        } else {
            page.entry(&lead, PLAIN, statement);
            page.entry(&Lead::indent(23), DIM, &reason);
        }
    }
}

fn findings(page: &mut Page, groups: &[Group<'_>], counts: &Counts, verbose: bool) {
    let waived = match counts.waived_findings {
        0 => String::new(),
        more => format!("; {} more accepted by waiver", words::thousands(more)),
    };
    if groups.is_empty() {
        page.heading("Findings", &format!("none{}", waived.replace(" more", "")));
        return;
    }
    let (found, causes) = (
        words::thousands(counts.all_findings()),
        words::count(groups.len(), "cause"),
    );
    page.heading("Findings", &format!("{found} from {causes}{waived}"));
    for severity in Severity::WORST_FIRST {
        let mut of_severity = groups
            .iter()
            .filter(|group| group.severity == severity)
            .peekable();
        if of_severity.peek().is_some() {
            page.blank();
            page.entry(
                &Lead::indent(2),
                severity_style(severity),
                severity.as_str(),
            );
        }
        for group in of_severity {
            cause(page, group, verbose);
        }
    }
}

/// One group: the cause, whom it concerns, and what to do.
fn cause(page: &mut Page, group: &Group<'_>, verbose: bool) {
    page.entry(
        &Lead::indent(2).cell(severity_style(group.severity), group.meta.id, ID),
        PLAIN,
        group.cause,
    );
    let under = || Lead::indent(2 + ID);
    if group.members.len() <= FEW || verbose {
        for member in &group.members {
            page.entry(&under(), PLAIN, &alone(member.finding));
        }
    } else {
        page.entry(&under(), PLAIN, &listed(group));
    }
    let fix = |page: &mut Page, text: &str| {
        if !text.is_empty() {
            page.statement(&under().cell(DIM, "fix", 5), text);
        }
    };
    // One fix said once: whole where all share it, with the name left out where many differ in nothing else.
    if let Some(shared) = group.shared(|finding| finding.remediation.as_str()) {
        fix(page, shared);
    } else if let Some(pattern) = group
        .pattern(|finding| &finding.remediation)
        .filter(|_| group.members.len() > FEW)
    {
        fix(page, &pattern);
    } else {
        let shown = if verbose { group.members.len() } else { FEW };
        for member in group.members.iter().take(shown) {
            fix(page, &member.finding.remediation);
        }
    }
}

/// `role app is superuser and can log in`: the subject with its detail, its name once.
fn alone(finding: &Finding) -> String {
    let Finding {
        subject,
        detail,
        cause,
        ..
    } = finding;
    let shown = words::subject(subject);
    if detail.is_empty() || detail == cause {
        return shown;
    }
    let Some((lead, rest)) = around_name(detail, &subject.name) else {
        return format!("{shown}: {detail}");
    };
    let place = subject
        .database
        .as_ref()
        .map_or_else(String::new, |database| {
            format!(" in {}", words::database(database))
        });
    let kind = if lead.is_empty() {
        format!("{} ", subject.kind.as_str())
    } else {
        lead.to_owned()
    };
    format!("{kind}{}{place}{rest}", visible(&subject.name))
}

/// The detail before and after the subject's name, when it begins with the name or with plain words and the name: `table ` and
/// ` has no policy` of `table public.a has no policy`.
fn around_name<'a>(detail: &'a str, name: &str) -> Option<(&'a str, &'a str)> {
    let quoted = format!("`{name}`");
    [quoted.as_str(), name].into_iter().find_map(|name| {
        let (start, _) = detail.match_indices(name).find(|(start, found)| {
            let before = detail.get(..*start).unwrap_or_default();
            let after = detail.get(start + found.len()..).unwrap_or_default();
            let is_lead = before.is_empty() || before.ends_with(' ');
            is_lead
                && before.chars().all(|c| c.is_ascii_alphabetic() || c == ' ')
                && before.split_whitespace().count() <= 3
                && after.starts_with(' ')
        })?;
        Some((detail.get(..start)?, detail.get(start + name.len()..)?))
    })
}

/// `1,000 relations in shop: public.a, public.b, public.c and 997 more`.
fn listed(group: &Group<'_>) -> String {
    let subjects = || group.members.iter().map(|member| &member.finding.subject);
    let database = group.shared(|finding| &finding.subject.database);
    let names: Vec<String> = subjects()
        .take(FEW)
        .map(|subject| match (&subject.database, database) {
            (Some(name), None) => format!("{} ({})", visible(&subject.name), words::database(name)),
            _ => visible(&subject.name),
        })
        .collect();
    let place = database
        .and_then(Option::as_deref)
        .map_or_else(String::new, |name| format!(" in {}", words::database(name)));
    let more = words::thousands(group.members.len().saturating_sub(FEW));
    format!(
        "{}{place}: {} and {more} more",
        words::subjects(subjects()),
        names.join(", ")
    )
}

/// Every waiver whatever its state: an accepted risk is shown to whoever reads what failed.
fn waivers(page: &mut Page, audit: &Audit, verbose: bool) {
    let rows = view::waiver_rows(audit);
    if rows.is_empty() {
        return;
    }
    let each: Vec<String> = view::waiver_states(audit)
        .into_iter()
        .map(|(state, number)| format!("{} {}", words::thousands(number), state.as_str()))
        .collect();
    let judged = audit
        .assessment
        .waivers_as_of
        .map_or_else(String::new, |day| format!("; judged on {day}"));
    page.heading("Waivers", &format!("{}{judged}", each.join(", ")));
    for row in rows {
        page.blank();
        let state = row.result.state;
        page.entry(
            &Lead::indent(2)
                .cell(waiver_style(state), state.as_str(), 9)
                .cell(BOLD, &row.check, ID),
            PLAIN,
            &row.covers,
        );
        page.entry(&Lead::indent(11), PLAIN, &row.result.why);
        let covered = &row.result.covered;
        let shown = if verbose { covered.len() } else { FEW };
        for one in covered.iter().take(shown) {
            let accepts = if state == WaiverState::Used {
                "waived"
            } else {
                "not accepted"
            };
            page.entry(
                &Lead::indent(11).cell(DIM, accepts, 21),
                PLAIN,
                &format!(
                    "{} {}: {}",
                    one.severity,
                    words::subject(&one.subject),
                    one.cause
                ),
            );
        }
        if covered.len() > shown {
            page.entry(
                &Lead::indent(11).cell(DIM, "", 21),
                PLAIN,
                &format!("and {} more", words::thousands(covered.len() - shown)),
            );
        }
        for (label, value) in &row.facts {
            page.entry(&Lead::indent(11).cell(DIM, label, 21), PLAIN, value);
        }
    }
}

fn not_visible(page: &mut Page, gaps: &[Gap<'_>], verbose: bool) {
    if gaps.is_empty() {
        return;
    }
    page.heading(
        "Not visible",
        &format!(
            "{}; what was not seen is never passed",
            words::count(gaps.len(), "gap")
        ),
    );
    for gap in gaps {
        page.blank();
        let shown = if verbose { gap.whys.len() } else { FEW };
        for why in gap.whys.iter().take(shown) {
            page.entry(&Lead::indent(2), PLAIN, why);
        }
        if gap.whys.len() > shown {
            page.entry(
                &Lead::indent(2),
                PLAIN,
                &format!(
                    "and {} more like it",
                    words::thousands(gap.whys.len() - shown)
                ),
            );
        }
        let wanted = if gap.wanted_by.is_empty() {
            "no check yet".to_owned()
        } else {
            gap.wanted_by.join(", ")
        };
        page.entry(&Lead::indent(4).cell(DIM, "wanted by", 11), PLAIN, &wanted);
        if let Some(grant) = gap.grant {
            page.entry(&Lead::indent(4).cell(DIM, "opened by", 11), BOLD, grant);
        }
    }
}

fn passes(page: &mut Page, audit: &Audit) {
    let passed: Vec<_> = audit
        .assessment
        .checks
        .iter()
        .filter(|check| check.status() == Status::Pass)
        .collect();
    page.heading("Passed", &words::count(passed.len(), "check"));
    for check in passed {
        let tested = view::population(check).map_or_else(String::new, words::tested);
        page.entry(
            &Lead::indent(2).cell(status_style(Status::Pass), check.meta.id, ID),
            PLAIN,
            check.meta.title,
        );
        page.entry(&Lead::indent(2 + ID), DIM, &tested);
    }
}

fn not_applicable(page: &mut Page, audit: &Audit) {
    let rows: Vec<_> = audit
        .assessment
        .checks
        .iter()
        .filter(|check| check.status() == Status::NotApplicable)
        .collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Not applicable", &words::count(rows.len(), "check"));
    for check in rows {
        page.entry(
            &Lead::indent(2).cell(DIM, check.meta.id, ID),
            PLAIN,
            check.meta.title,
        );
        page.entry(
            &Lead::indent(2 + ID),
            DIM,
            &view::reason(check).unwrap_or_default(),
        );
    }
}

fn summary(page: &mut Page, counts: &Counts, gaps: &[Gap<'_>]) {
    page.heading("Summary", "");
    let label = |label: &str| Lead::indent(2).cell(DIM, label, LABEL);
    page.entry(&label("controls"), PLAIN, &statuses(counts.controls.each()));
    page.entry(&label("checks"), PLAIN, &statuses(counts.checks.each()));
    let found = match counts.all_findings() {
        0 => "none".to_owned(),
        _ => words::severities(counts.by_severity()),
    };
    let waived = match counts.waived_findings {
        0 => String::new(),
        number => format!("; {} accepted by waiver", words::thousands(number)),
    };
    page.entry(&label("findings"), PLAIN, &format!("{found}{waived}"));
    page.entry(
        &label("not visible"),
        PLAIN,
        &if gaps.is_empty() {
            "nothing".to_owned()
        } else {
            words::count(gaps.len(), "gap")
        },
    );
}

fn hints(page: &mut Page, groups: &[Group<'_>], gaps: &[Gap<'_>], counts: &Counts, verbose: bool) {
    let mut hints = Vec::new();
    if let Some(worst) = groups.first() {
        hints.push(format!(
            "`pgattest explain {}` says why it matters and how to fix it",
            worst.meta.id
        ));
    }
    if gaps.iter().any(|gap| gap.grant.is_some()) {
        hints.push("run the statements above as an administrator to open what was not visible, then audit again".to_owned());
    }
    if !verbose && (counts.checks.pass > 0 || groups.iter().any(|group| group.members.len() > FEW))
    {
        hints.push("`--verbose` lists every subject, and what each passed check tested".to_owned());
    }
    if !hints.is_empty() {
        page.blank();
    }
    for hint in hints {
        page.entry(&Lead::default().cell(HINT, "hint:", 6), PLAIN, &hint);
    }
}

/// `2 fail, 3 not assessed, 12 pass`, without what there is none of.
fn statuses(each: [(Status, usize); 5]) -> String {
    let some: Vec<String> = each
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(status, number)| format!("{} {}", words::thousands(number), status.words()))
        .collect();
    if some.is_empty() {
        "none".to_owned()
    } else {
        some.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::around_name;

    #[test]
    fn the_name_is_found_as_a_word_behind_plain_words_only() {
        assert_eq!(
            around_name("table public.a has no policy", "public.a"),
            Some(("table ", " has no policy"))
        );
        assert_eq!(around_name("`app` logs in", "app"), Some(("", " logs in")));
        assert_eq!(around_name("a table a is", "a"), Some(("", " table a is")));
        assert_eq!(around_name("in 3 databases app logs in", "app"), None);
        assert_eq!(around_name("table shapes is", "shape"), None);
    }
}
