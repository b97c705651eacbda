//! The result for a person.

use super::result::{Completeness, Finding, Population, Weight};
use pgattest_model::ident::visible;
use std::fmt::Write as _;

/// How many findings of a weight are listed; JSON has all of them.
const LISTED: usize = 200;

pub(super) fn render(result: &Completeness) -> String {
    let mut text = String::new();
    for (form, population) in &result.populations {
        population_text(&mut text, form, population);
    }
    coverage_text(&mut text, result);
    for (weight, title) in [
        (Weight::Loss, "Missing or not recorded"),
        (Weight::Suspicion, "May be missing"),
        (Weight::Note, "Worth knowing"),
    ] {
        let findings: Vec<&Finding> = result
            .findings
            .iter()
            .filter(|finding| finding.weight == weight)
            .collect();
        if findings.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title} ({})", findings.len());
        for finding in findings.iter().take(LISTED) {
            finding_text(&mut text, finding);
        }
        if findings.len() > LISTED {
            let _ = writeln!(
                text,
                "  .. and {} more; `--format json` has all of them",
                findings.len() - LISTED
            );
        }
    }
    if !result.tables.is_empty() {
        let _ = writeln!(text, "\nRows changed against rows audited");
        for table in &result.tables {
            let _ = writeln!(
                text,
                "  {} in {}: {}",
                visible(&table.table),
                visible(&table.database),
                visible(&table.detail)
            );
        }
    }
    if !result.events.is_empty() {
        let _ = writeln!(text, "\nTime line ({})", result.events.len());
        for event in result.events.iter().take(LISTED) {
            let _ = writeln!(text, "  {}  {}", moment(event.at), visible(&event.detail));
        }
    }
    if !result.not_assessed.is_empty() {
        let _ = writeln!(text, "\nNot assessed");
        for why in &result.not_assessed {
            let _ = writeln!(text, "  {}", visible(why));
        }
    }
    let verdict = match result.worst() {
        Some(Weight::Loss) => "records are missing or were not made",
        Some(Weight::Suspicion) => "records may be missing",
        _ if result
            .populations
            .values()
            .all(|population| population.records == 0) =>
        {
            "there are no records: nothing was shown"
        }
        _ => "no record is missing, as far as line numbers and offsets can show",
    };
    let _ = writeln!(text, "\n{verdict}");
    text
}

fn population_text(text: &mut String, form: &str, population: &Population) {
    let _ = writeln!(
        text,
        "{form}: {} records, {} of them of pgaudit, from {} to {}",
        population.records,
        population.audited,
        moment(population.first),
        moment(population.last)
    );
    let _ = writeln!(
        text,
        "  sessions     {} ({} gapless, {} began before this log), {} lines missing",
        population.sessions, population.gapless, population.began_before, population.missing_lines
    );
    let _ = writeln!(
        text,
        "  their ends   {} disconnected, {} refused, {} of the server itself, {} unfinished, {} open",
        population.disconnected,
        population.refused,
        population.internal,
        population.unfinished,
        population.open
    );
    let _ = writeln!(
        text,
        "  connections  {} received: {} let in, {} refused, {} without an outcome, {} undecided",
        population.received,
        population.authorized,
        population.connections_refused,
        population.no_outcome,
        population.undecided
    );
    if !population.fatal.is_empty() {
        let fatal: Vec<String> = population
            .fatal
            .iter()
            .map(|(state, count)| format!("{} {count}", visible(state)))
            .collect();
        let _ = writeln!(text, "  fatal        {}", fatal.join(", "));
    }
    if population.torn > 0 {
        let _ = writeln!(text, "  torn         {}", population.torn);
    }
}

fn coverage_text(text: &mut String, result: &Completeness) {
    let coverage = &result.coverage;
    let (Some(from), Some(to)) = (coverage.from, coverage.to) else {
        return;
    };
    let _ = writeln!(
        text,
        "collector: alive {}.{:02} % of the time from {} to {}",
        coverage.alive_basis_points / 100,
        coverage.alive_basis_points % 100,
        moment(Some(from)),
        moment(Some(to))
    );
    if let Some(oldest) = coverage.oldest_record {
        let _ = writeln!(
            text,
            "oldest record: number {oldest}, {}",
            moment(coverage.oldest_time)
        );
    }
}

fn finding_text(text: &mut String, finding: &Finding) {
    let _ = write!(
        text,
        "  {}  {}",
        moment(finding.from.or(finding.to)),
        visible(&finding.detail)
    );
    if !finding.leaves.is_empty() {
        let leaves: Vec<String> = finding.leaves.iter().map(u64::to_string).collect();
        let _ = write!(text, " [leaves {}]", leaves.join(", "));
    }
    text.push('\n');
}

/// Milliseconds since 1970 as UTC.
pub(crate) fn moment(at: Option<i64>) -> String {
    at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
        .map_or_else(|| "(no time)".to_owned(), |at| at.to_string())
}
