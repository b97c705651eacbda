//! A plan as one self-contained HTML file: no script, no network, no font from elsewhere.

use super::view::{self, Section, Step, Summary};
use crate::html::harmless;
use crate::view::words;
use askama::Template;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Change, Plan, Risk};

/// Subjects shown of what is left for one reason; the rest is counted and folded.
const SHOWN: usize = 50;

/// Renders a plan as HTML. Names are escaped for HTML, and invisible characters are written out.
pub fn render(plan: &Plan) -> String {
    let summary = Summary::of(plan);
    let page = PlanPage {
        target: visible(&plan.target.name),
        server: view::server(plan),
        headline: summary.headline(),
        effect: summary.effect(),
        origin: view::origin(plan)
            .into_iter()
            .map(|(label, value)| (label, visible(&value)))
            .collect(),
        needs: summary.needs.iter().map(|need| visible(need)).collect(),
        affected: summary
            .impact
            .iter()
            .flat_map(|(kind, all)| {
                all.iter().map(|impact| {
                    (
                        view::impact_words(*kind),
                        visible(&view::impact_text(impact)),
                    )
                })
            })
            .collect(),
        sections: view::sections(plan).iter().map(section).collect(),
        left: view::left(plan)
            .into_iter()
            .map(|(check, why, subjects)| LeftLine {
                check: visible(check),
                why: visible(why),
                more: subjects.len().saturating_sub(SHOWN),
                subjects: subjects
                    .into_iter()
                    .take(SHOWN)
                    .map(words::subject)
                    .collect(),
            })
            .collect(),
        left_findings: words::count(plan.left.len(), "finding"),
        tool_version: visible(&plan.tool_version),
    };
    // Writing to a String cannot fail; should it ever, the reader must not take an empty page for an empty plan.
    page.render().map_or_else(
        |_| "<!doctype html><title>The plan could not be written</title>".to_owned(),
        |html| harmless(&html),
    )
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    target: String,
    server: String,
    headline: String,
    effect: String,
    origin: Vec<(&'static str, String)>,
    needs: Vec<String>,
    affected: Vec<(&'static str, String)>,
    sections: Vec<SectionLine>,
    left: Vec<LeftLine>,
    left_findings: String,
    tool_version: String,
}

struct SectionLine {
    heading: String,
    changes: Vec<ChangeLine>,
}

struct ChangeLine {
    number: usize,
    id: String,
    risk: &'static str,
    class: &'static str,
    title: String,
    closes: Vec<String>,
    does: Shown,
    undo: Shown,
    needs: Vec<String>,
    impact: Vec<(&'static str, String)>,
    notes: Vec<String>,
}

/// Sentences, and below them text to be read line by line.
struct Shown {
    words: Vec<String>,
    text: String,
}

struct LeftLine {
    check: String,
    why: String,
    subjects: Vec<String>,
    more: usize,
}

fn section(section: &Section<'_>) -> SectionLine {
    SectionLine {
        heading: visible(&section.heading()),
        changes: section
            .changes
            .iter()
            .map(|(number, change)| line(*number, change))
            .collect(),
    }
}

fn line(number: usize, change: &Change) -> ChangeLine {
    ChangeLine {
        number,
        id: visible(&change.id),
        risk: change.risk.as_str(),
        class: match change.risk {
            Risk::Safe => "pass",
            Risk::Approval => "unknown",
            Risk::ByHand => "waived",
        },
        title: visible(&change.title),
        closes: change.closes.iter().map(view::closes).collect(),
        does: shown(&view::steps(&change.action)),
        undo: shown(&view::undo_steps(&change.undo)),
        needs: change
            .needs
            .iter()
            .map(|need| visible(&view::need_words(need)))
            .collect(),
        impact: change
            .impact
            .iter()
            .map(|impact| {
                (
                    view::impact_words(impact.kind),
                    visible(&view::impact_text(impact)),
                )
            })
            .collect(),
        notes: change.notes.iter().map(|note| visible(note)).collect(),
    }
}

fn shown(steps: &[Step]) -> Shown {
    let mut words = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for step in steps {
        match step {
            Step::Words(sentence) => words.push(visible(sentence)),
            Step::Statement(sql) => {
                lines.extend(view::sql_lines(sql).iter().map(|line| visible(line)));
            }
            Step::Text(text) => lines.extend(text.lines().map(visible)),
        }
    }
    Shown {
        words,
        text: lines.join("\n"),
    }
}
