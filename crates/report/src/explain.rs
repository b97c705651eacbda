//! A check's page for the terminal.

use pgattest_model::{Crosswalk, Meta};

use crate::markdown;
use crate::paint::{BOLD, DIM, Lead, PLAIN, Page, Screen, severity_style};

/// Columns for a label such as `responsibility`.
const LABEL: usize = 16;
/// Lines longer than this are hard to read, however wide the terminal.
const MEASURE: usize = 100;

/// Renders a check's page: what is fixed about it, where it stands in other frameworks, and its documentation.
pub fn render(meta: &Meta, crosswalk: &Crosswalk, screen: Screen) -> String {
    let mut page = Page::new(Screen {
        width: screen.width.min(MEASURE),
        ..screen
    });
    page.entry(&Lead::default().cell(BOLD, meta.id, 0), BOLD, meta.title);
    page.blank();
    let label = |label: &str| Lead::indent(2).cell(DIM, label, LABEL);
    page.entry(&label("name"), PLAIN, meta.name);
    page.entry(
        &label("severity"),
        severity_style(meta.severity),
        meta.severity.as_str(),
    );
    for (index, criterion) in meta.criteria.iter().enumerate() {
        let name = if index == 0 { "criteria" } else { "" };
        page.entry(
            &label(name),
            PLAIN,
            &format!("{criterion:<6} {}", criterion.paraphrase()),
        );
    }
    page.entry(&label("responsibility"), PLAIN, responsibility(meta));
    page.entry(&label("since"), PLAIN, meta.since);
    if let Some(area) = crosswalk
        .areas
        .iter()
        .find(|area| area.key == meta.area.key())
    {
        page.entry(&label("area"), PLAIN, &area.title);
        for (framework, numbers) in crosswalk
            .frameworks
            .iter()
            .zip(&area.numbers)
            .filter(|(_, numbers)| !numbers.is_empty())
        {
            page.entry(&label(""), DIM, &format!("{}: {numbers}", framework.name));
        }
    }
    markdown::to_page(&mut page, &markdown::blocks(meta.docs), 0);
    page.finish()
}

/// Who can act on it when a provider runs the server.
pub(crate) const fn responsibility(meta: &Meta) -> &'static str {
    match meta.responsibility {
        pgattest_model::Responsibility::Yours => "yours, also on a managed service",
        pgattest_model::Responsibility::Shared => {
            "shared: a provider offers the setting, the customer chooses it"
        }
        pgattest_model::Responsibility::Provider => "the provider's on a managed service",
    }
}
