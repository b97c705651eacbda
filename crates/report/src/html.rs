//! One self-contained HTML file that an auditor can read and print: no script, no network, no font from elsewhere.

mod appendix;
mod findings;
mod overview;
mod waivers;

use askama::Template;
use pgattest_model::ident::visible;
use pgattest_model::{Audit, Crosswalk, ObservationId, Severity, Status};

use crate::package::Package;
use crate::view::{self, Counts, words};

/// How to render.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options<'a> {
    /// Whose database it is, for the title.
    pub organization: Option<&'a str>,
    /// The evidence package that the report is part of; `None` for a report on its own.
    pub package: Option<Package<'a>>,
}

/// Renders an audit as HTML. Names are escaped for HTML, and invisible characters are written out.
pub fn render(audit: &Audit, crosswalk: &Crosswalk, options: &Options<'_>) -> String {
    let counts = Counts::of(audit);
    let anchors = Anchors::of(audit);
    let report = Report {
        organization: options.organization.map(visible),
        target: visible(&audit.target.name),
        scope: overview::scope(audit),
        headline: overview::headline(&counts),
        controls: overview::controls(audit),
        tallies: overview::tallies(&counts),
        severities: counts
            .by_severity()
            .map(|(severity, number)| (Rank::of(severity), words::thousands(number)))
            .collect(),
        all_findings: words::count(counts.all_findings(), "finding"),
        criteria: overview::criteria(audit),
        frameworks: crosswalk
            .frameworks
            .iter()
            .map(|framework| visible(&framework.name))
            .collect(),
        areas: overview::areas(audit, crosswalk),
        causes: findings::causes(audit, &anchors),
        waived_findings: counts.waived_findings,
        waivers: waivers::lines(audit),
        waivers_as_of: audit
            .assessment
            .waivers_as_of
            .map(|day| day.to_string())
            .unwrap_or_default(),
        remarks: waivers::remarks(audit),
        passes: appendix::checks(audit, |status| status == Status::Pass),
        open: appendix::checks(audit, |status| {
            matches!(status, Status::NotAssessed | Status::NotApplicable)
        }),
        checks: appendix::checks(audit, |_| true),
        gaps: appendix::gaps(audit, &anchors),
        observations: appendix::observations(audit),
        pages: appendix::pages(audit),
        openssh: options
            .package
            .map(|package| package.openssh().map(|line| visible(&line)).join("\n")),
        key_fingerprint: options
            .package
            .and_then(|package| package.key_fingerprint)
            .map(visible),
        verify: Package::VERIFY,
        independent: Package::INDEPENDENT,
        packaged: options.package.is_some(),
        tool_version: visible(&audit.run.tool_version),
    };
    // Writing to a String cannot fail; should it ever, the reader must not take an empty page for an empty report.
    report.render().map_or_else(
        |_| "<!doctype html><title>The report could not be written</title>".to_owned(),
        |html| harmless(&html),
    )
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report {
    organization: Option<String>,
    target: String,
    scope: Vec<(&'static str, String)>,
    headline: String,
    controls: Vec<overview::ControlLine>,
    tallies: Vec<overview::Tally>,
    severities: Vec<(Rank, String)>,
    all_findings: String,
    criteria: Vec<overview::CriterionLine>,
    frameworks: Vec<String>,
    areas: Vec<overview::AreaLine>,
    causes: Vec<findings::Cause>,
    waived_findings: usize,
    waivers: Vec<waivers::WaiverLine>,
    waivers_as_of: String,
    remarks: Vec<waivers::Remark>,
    passes: Vec<appendix::CheckLine>,
    open: Vec<appendix::CheckLine>,
    checks: Vec<appendix::CheckLine>,
    gaps: Vec<appendix::GapLine>,
    observations: Vec<appendix::ObservationLine>,
    pages: Vec<appendix::CheckPage>,
    openssh: Option<String>,
    key_fingerprint: Option<String>,
    verify: &'static str,
    independent: &'static str,
    packaged: bool,
    tool_version: String,
}

/// A status as the template shows it: a class for the colour, a mark and the word.
#[derive(Clone, Copy)]
struct Badge {
    class: &'static str,
    mark: &'static str,
    words: &'static str,
}

impl From<Status> for Badge {
    fn from(status: Status) -> Self {
        let class = match status {
            Status::Fail => "fail",
            Status::NotAssessed => "unknown",
            Status::Waived => "waived",
            Status::Pass => "pass",
            Status::NotApplicable => "none",
        };
        Self {
            class,
            mark: words::mark(status),
            words: status.words(),
        }
    }
}

/// A severity as the template shows it.
#[derive(Clone, Copy)]
struct Rank {
    class: &'static str,
    word: &'static str,
}

impl Rank {
    const fn of(severity: Severity) -> Self {
        Self {
            class: severity.as_str(),
            word: severity.as_str(),
        }
    }
}

/// A reference to an observation: a link where the report has it.
struct Evidence {
    id: String,
    anchor: Option<String>,
}

/// The observations that the report has, by identifier.
struct Anchors<'a>(std::collections::BTreeSet<&'a ObservationId>);

impl<'a> Anchors<'a> {
    fn of(audit: &'a Audit) -> Self {
        Self(
            audit
                .observations
                .iter()
                .map(|observation| &observation.id)
                .collect(),
        )
    }

    fn evidence(&self, id: &ObservationId) -> Evidence {
        Evidence {
            id: id.to_string(),
            anchor: self.0.contains(id).then(|| anchor(id)),
        }
    }
}

/// `obs-cluster-roles`, `obs-db-16384-relations`: unique, because a scope holds no group's letters after its digits.
fn anchor(id: &ObservationId) -> String {
    format!("obs-{}", id.as_str().replace('/', "-"))
}

/// The last line of defence: whatever went round the escaping of names, no control character or bidirectional override
/// reaches the reader. Newlines stay: they are the template's own and those of queries.
pub(crate) fn harmless(html: &str) -> String {
    let lines: Vec<String> = html.split('\n').map(visible).collect();
    lines.join("\n")
}

/// Text of several lines, such as a query of ours, each line harmless.
fn lines(text: &str) -> String {
    harmless(text)
}

fn tested(result: &pgattest_model::CheckResult) -> String {
    view::population(result).map_or_else(String::new, words::tested)
}
