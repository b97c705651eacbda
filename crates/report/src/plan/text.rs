//! A plan for a terminal: what it comes to and whom it hurts first, then every change in its order, then what is left.

use super::view::{self, Step, Summary};
use crate::paint::{BOLD, DIM, HINT, Lead, PLAIN, Page, Screen};
use crate::view::words;
use anstyle::{AnsiColor, Style};
use pgattest_model::plan::{Action, Change, ImpactKind, Plan, Risk, Undo};

/// How to render.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Options {
    /// Where it will be shown.
    pub screen: Screen,
    /// Every statement, finding, line of a file and affected one; otherwise long lists are cut, with a count.
    pub verbose: bool,
}

/// Columns for a label of the plan.
const LABEL: usize = 19;
/// Columns for a label of a change.
const WORD: usize = 9;
/// Columns before a change's title.
const UNDER: usize = 17;
/// Entries shown of a long list.
const FEW: usize = 4;
/// Lines shown of a file's text.
const LINES: usize = 12;

/// Renders a plan for a terminal. Ends with a newline.
pub fn render(plan: &Plan, options: &Options) -> String {
    let mut page = Page::new(options.screen);
    let cut = Cut {
        verbose: options.verbose,
    };
    let summary = Summary::of(plan);
    page.entry(
        &Lead::default().cell(BOLD, &plan.target.name, 0),
        PLAIN,
        &view::server(plan),
    );
    for (label, value) in view::origin(plan) {
        page.entry(&Lead::indent(2).cell(DIM, label, LABEL), PLAIN, &value);
    }
    summarize(&mut page, &summary, cut);
    changes(&mut page, plan, cut);
    left(&mut page, plan, cut);
    if !options.verbose && cut.cuts(plan) {
        page.blank();
        page.entry(
            &Lead::default().cell(HINT, "hint:", 6),
            PLAIN,
            "`--verbose` shows every statement, line and finding",
        );
    }
    page.finish()
}

/// Whether long lists are cut.
#[derive(Clone, Copy)]
struct Cut {
    verbose: bool,
}

impl Cut {
    const fn of(self, limit: usize) -> usize {
        if self.verbose { usize::MAX } else { limit }
    }

    /// Whether anything of this plan is cut.
    fn cuts(self, plan: &Plan) -> bool {
        let long = |length: usize| length > self.of(FEW);
        plan.changes.iter().any(|change| {
            let undo = match &change.undo {
                Undo::By(action) => is_long(action),
                Undo::Restore | Undo::None(_) => false,
            };
            is_long(&change.action)
                || undo
                || [change.closes.len(), change.needs.len(), change.impact.len()]
                    .into_iter()
                    .any(long)
        }) || view::left(plan)
            .iter()
            .any(|(_, _, subjects)| long(subjects.len()))
    }
}

fn is_long(action: &Action) -> bool {
    match action {
        Action::Sql { statements, .. } => statements.len() > FEW,
        Action::File { text, .. } => text.lines().count() > LINES,
        _ => false,
    }
}

fn summarize(page: &mut Page, summary: &Summary<'_>, cut: Cut) {
    page.heading("Summary", &summary.headline());
    page.entry(
        &Lead::indent(2).cell(DIM, "effect", LABEL),
        PLAIN,
        &summary.effect(),
    );
    for (at, need) in summary.needs.iter().take(cut.of(FEW + 2)).enumerate() {
        let label = if at == 0 { "needs" } else { "" };
        page.entry(&Lead::indent(2).cell(DIM, label, LABEL), PLAIN, need);
    }
    more(page, 2 + LABEL, summary.needs.len(), cut.of(FEW + 2));
    for (kind, all) in &summary.impact {
        for (at, impact) in all.iter().take(cut.of(FEW)).enumerate() {
            let label = if at == 0 {
                view::impact_words(*kind)
            } else {
                ""
            };
            page.entry(
                &Lead::indent(2).cell(impact_style(*kind), label, LABEL),
                PLAIN,
                &view::impact_text(impact),
            );
        }
        more(page, 2 + LABEL, all.len(), cut.of(FEW));
    }
}

fn changes(page: &mut Page, plan: &Plan, cut: Cut) {
    if plan.changes.is_empty() {
        return;
    }
    page.heading("Changes", "in the order they are made");
    for section in view::sections(plan) {
        page.blank();
        page.entry(&Lead::indent(2), BOLD, &section.heading());
        for (number, change) in section.changes {
            self::change(page, number, change, cut);
        }
    }
}

fn change(page: &mut Page, number: usize, change: &Change, cut: Cut) {
    page.blank();
    let lead = Lead::indent(2).cell(BOLD, &number.to_string(), 4).cell(
        risk_style(change.risk),
        change.risk.as_str(),
        UNDER - 6,
    );
    page.entry(&lead, BOLD, &change.title);
    let under = |label: &str| Lead::indent(UNDER).cell(DIM, label, WORD);
    let closes: Vec<String> = change.closes.iter().map(view::closes).collect();
    list(page, "closes", DIM, &closes, cut);
    steps(page, "do", &view::steps(&change.action), cut);
    steps(page, "undo", &view::undo_steps(&change.undo), cut);
    let needs: Vec<String> = change.needs.iter().map(view::need_words).collect();
    list(page, "needs", DIM, &needs, cut);
    for (at, impact) in change.impact.iter().take(cut.of(FEW)).enumerate() {
        let label = if at == 0 { "affects" } else { "" };
        page.entry(
            &under(label),
            PLAIN,
            &format!(
                "{}: {}",
                view::impact_words(impact.kind),
                view::impact_text(impact)
            ),
        );
    }
    more(page, UNDER + WORD, change.impact.len(), cut.of(FEW));
    for note in &change.notes {
        page.entry(&Lead::indent(UNDER).cell(HINT, "note", WORD), PLAIN, note);
    }
}

fn steps(page: &mut Page, label: &str, steps: &[Step], cut: Cut) {
    let mut label = label;
    let limit = cut.of(FEW);
    let mut under = || Lead::indent(UNDER).cell(DIM, std::mem::take(&mut label), WORD);
    for step in steps.iter().take(limit) {
        match step {
            Step::Statement(sql) => {
                for line in view::sql_lines(sql) {
                    page.statement(&under(), &line);
                }
            }
            Step::Words(words) => page.entry(&under(), PLAIN, words),
            Step::Text(text) => {
                for line in text.lines().take(cut.of(LINES)) {
                    page.verbatim(UNDER + WORD + 2, PLAIN, line);
                }
                let lines = text.lines().count();
                if lines > cut.of(LINES) {
                    let rest = words::count(lines - LINES, "more line");
                    page.entry(&Lead::indent(UNDER + WORD + 2), DIM, &format!("and {rest}"));
                }
            }
        }
    }
    more(page, UNDER + WORD, steps.len(), limit);
}

fn list(page: &mut Page, label: &str, style: Style, entries: &[String], cut: Cut) {
    for (at, entry) in entries.iter().take(cut.of(FEW)).enumerate() {
        let label = if at == 0 { label } else { "" };
        page.entry(&Lead::indent(UNDER).cell(style, label, WORD), PLAIN, entry);
    }
    more(page, UNDER + WORD, entries.len(), cut.of(FEW));
}

fn left(page: &mut Page, plan: &Plan, cut: Cut) {
    let groups = view::left(plan);
    if groups.is_empty() {
        return;
    }
    page.heading(
        "Left",
        &format!(
            "{} that no change closes",
            words::count(plan.left.len(), "finding")
        ),
    );
    for (check, why, subjects) in groups {
        page.blank();
        for (at, subject) in subjects.iter().take(cut.of(FEW)).enumerate() {
            let label = if at == 0 { check } else { "" };
            page.entry(
                &Lead::indent(2).cell(BOLD, label, 8),
                PLAIN,
                &words::subject(subject),
            );
        }
        more(page, 10, subjects.len(), cut.of(FEW));
        page.statement(&Lead::indent(10).cell(DIM, "why", 5), why);
    }
}

fn more(page: &mut Page, indent: usize, all: usize, shown: usize) {
    let rest = all.saturating_sub(shown);
    if rest > 0 {
        page.entry(
            &Lead::indent(indent),
            DIM,
            &format!("and {} more", words::thousands(rest)),
        );
    }
}

const fn risk_style(risk: Risk) -> Style {
    match risk {
        Risk::Safe => AnsiColor::Green.on_default().bold(),
        Risk::Approval => AnsiColor::Yellow.on_default().bold(),
        Risk::ByHand => AnsiColor::Magenta.on_default().bold(),
    }
}

const fn impact_style(kind: ImpactKind) -> Style {
    match kind {
        ImpactKind::LoginRefused => AnsiColor::Red.on_default().bold(),
        ImpactKind::RightLost | ImpactKind::OwnerFiltered | ImpactKind::RowsHidden => {
            AnsiColor::Yellow.on_default().bold()
        }
        ImpactKind::Slowed | ImpactKind::MoreLogged | ImpactKind::Unknown => DIM,
    }
}
