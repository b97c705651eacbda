//! What every rendering of a plan says, in words and in one order.

use crate::view::words;
use pgattest_model::ident::visible;
use pgattest_model::plan::{
    Action, Change, Closes, Impact, ImpactKind, Left, Need, Plan, Risk, ServerFile, Stage, Undo,
    alter_system,
};
use pgattest_model::{ServerVersion, Subject};
use pgattest_parse::hba::{self, NoFiles};
use std::collections::BTreeSet;

/// A plan in numbers, and what it asks of whoever applies it.
pub(super) struct Summary<'a> {
    pub(super) changes: usize,
    pub(super) by_risk: [(Risk, usize); 3],
    /// Findings that are gone once every change is made that pgattest makes.
    pub(super) closes: usize,
    pub(super) left: usize,
    /// One line each: restart, reload, new sessions, locks.
    pub(super) needs: Vec<String>,
    /// Whom it affects, the worst first, each once.
    pub(super) impact: Vec<(ImpactKind, Vec<&'a Impact>)>,
}

impl<'a> Summary<'a> {
    pub(super) fn of(plan: &'a Plan) -> Self {
        let count = |risk| {
            let of_risk = plan.changes.iter().filter(|change| change.risk == risk);
            (risk, of_risk.count())
        };
        let ours = || {
            plan.changes
                .iter()
                .filter(|change| change.risk != Risk::ByHand)
        };
        let closes: BTreeSet<_> = ours()
            .flat_map(|change| &change.closes)
            .map(|closes| &closes.fingerprint)
            .collect();
        Self {
            changes: plan.changes.len(),
            by_risk: [Risk::Safe, Risk::Approval, Risk::ByHand].map(count),
            closes: closes.len(),
            left: plan.left.len(),
            needs: needs(plan),
            impact: impact(plan),
        }
    }

    /// `12 changes: 7 safe, 4 approval, 1 by hand`.
    pub(super) fn headline(&self) -> String {
        if self.changes == 0 {
            return "nothing to change".to_owned();
        }
        let risks: Vec<String> = self
            .by_risk
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(risk, number)| format!("{} {}", words::thousands(*number), risk.as_str()))
            .collect();
        format!(
            "{}: {}",
            words::count(self.changes, "change"),
            risks.join(", ")
        )
    }

    /// `closes 23 findings; 5 are left`.
    pub(super) fn effect(&self) -> String {
        let closes = match self.closes {
            0 => "closes no finding".to_owned(),
            number => format!("closes {}", words::count(number, "finding")),
        };
        match self.left {
            0 => format!("{closes}; none is left"),
            1 => format!("{closes}; 1 is left"),
            number => format!("{closes}; {} are left", words::thousands(number)),
        }
    }
}

fn needs(plan: &Plan) -> Vec<String> {
    let all: BTreeSet<&Need> = plan
        .changes
        .iter()
        .flat_map(|change| &change.needs)
        .collect();
    let mut lines = Vec::new();
    let restarts = plan
        .changes
        .iter()
        .any(|change| change.action == Action::Restart);
    if restarts || all.contains(&Need::Restart) {
        lines.push("a restart of the server".to_owned());
    }
    if all.contains(&Need::Reload) {
        lines.push("a reload of the configuration".to_owned());
    }
    if all.contains(&Need::NewSessions) {
        lines.push("new sessions: open ones do not notice every change".to_owned());
    }
    lines.extend(all.iter().filter_map(|need| match need {
        Need::Lock { mode, on } => Some(format!("{mode} lock on {on}")),
        Need::Reload | Need::Restart | Need::NewSessions => None,
    }));
    lines
}

fn impact(plan: &Plan) -> Vec<(ImpactKind, Vec<&Impact>)> {
    KINDS
        .into_iter()
        .filter_map(|kind| {
            let mut seen = BTreeSet::new();
            let of_kind: Vec<&Impact> = plan
                .changes
                .iter()
                .flat_map(|change| &change.impact)
                .filter(|impact| impact.kind == kind && seen.insert(impact_text(impact)))
                .collect();
            (!of_kind.is_empty()).then_some((kind, of_kind))
        })
        .collect()
}

const KINDS: [ImpactKind; 7] = [
    ImpactKind::LoginRefused,
    ImpactKind::RightLost,
    ImpactKind::OwnerFiltered,
    ImpactKind::RowsHidden,
    ImpactKind::Slowed,
    ImpactKind::MoreLogged,
    ImpactKind::Unknown,
];

/// Changes of one stage in one database, which follow each other.
pub(super) struct Section<'a> {
    pub(super) stage: Stage,
    pub(super) database: Option<&'a str>,
    /// With their numbers, from 1.
    pub(super) changes: Vec<(usize, &'a Change)>,
}

impl Section<'_> {
    /// `Privileges taken away, in shop`.
    pub(super) fn heading(&self) -> String {
        let what = stage_words(self.stage);
        match self.database {
            None => what.to_owned(),
            Some(name) => format!("{what}, in {}", words::database(name)),
        }
    }
}

pub(super) fn sections(plan: &Plan) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (at, change) in plan.changes.iter().enumerate() {
        let database = change.action.database();
        let numbered = (at + 1, change);
        match sections.last_mut() {
            Some(last) if last.stage == change.stage && last.database == database => {
                last.changes.push(numbered);
            }
            _ => sections.push(Section {
                stage: change.stage,
                database,
                changes: vec![numbered],
            }),
        }
    }
    sections
}

const fn stage_words(stage: Stage) -> &'static str {
    match stage {
        Stage::Files => "Files that settings will name",
        Stage::Settings => "Settings that a reload puts in force",
        Stage::Roles => "Roles and memberships that give",
        Stage::Indexes => "Indexes, made while tables are written",
        Stage::Grants => "Privileges that give",
        Stage::Ownership => "Ownership",
        Stage::Code => "Views, functions and triggers",
        Stage::Isolation => "Row-level security",
        Stage::Revokes => "Privileges taken away",
        Stage::Powers => "Attributes, memberships and settings of roles and databases",
        Stage::Authentication => "Who may come in",
        Stage::RestartSettings => "Settings that a restart puts in force",
        Stage::Restart => "The restart",
        Stage::SettingsAfterRestart => "Settings of what the restart loaded",
        Stage::AfterRestart => "What needs what the restart loaded",
    }
}

pub(super) const fn impact_words(kind: ImpactKind) -> &'static str {
    match kind {
        ImpactKind::LoginRefused => "login refused",
        ImpactKind::RightLost => "right lost",
        ImpactKind::OwnerFiltered => "owner filtered",
        ImpactKind::RowsHidden => "rows hidden",
        ImpactKind::Slowed => "slowed",
        ImpactKind::MoreLogged => "more logged",
        ImpactKind::Unknown => "not known",
    }
}

/// What happens to whom. A login is named as `apply --accept` takes it. Not yet harmless.
pub(super) fn impact_text(impact: &Impact) -> String {
    match impact.kind {
        ImpactKind::LoginRefused => format!("{}: {}", impact.subject, impact.detail),
        _ => impact.detail.clone(),
    }
}

pub(super) fn need_words(need: &Need) -> String {
    match need {
        Need::Reload => "a reload".to_owned(),
        Need::Restart => "a restart".to_owned(),
        Need::NewSessions => "new sessions: open ones do not notice it".to_owned(),
        Need::Lock { mode, on } => format!("{mode} lock on {on}"),
    }
}

/// One thing that an action does, to be shown. Not yet harmless.
pub(super) enum Step {
    /// SQL.
    Statement(String),
    /// A sentence.
    Words(String),
    /// What a file will hold; secrets are stars.
    Text(String),
}

pub(super) fn steps(action: &Action) -> Vec<Step> {
    match action {
        Action::Sql { statements, .. } => statements.iter().cloned().map(Step::Statement).collect(),
        Action::SqlAlone {
            before, statement, ..
        } => before
            .iter()
            .chain([statement])
            .cloned()
            .map(Step::Statement)
            .collect(),
        Action::Setting { name, value } => {
            vec![Step::Statement(alter_system(name, value.as_ref()))]
        }
        Action::File {
            file, path, text, ..
        } => vec![
            Step::Words(format!("{path} will hold")),
            Step::Text(harmless(*file, path, text).replace('\t', "    ")),
        ],
        Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority,
        } => vec![Step::Words(format!(
            "a key ({key}), a certificate authority ({authority}) and a certificate signed by it ({certificate}) for {}, valid {}",
            names.join(", "),
            words::count(usize::try_from(*days).unwrap_or(usize::MAX), "day")
        ))],
        Action::Restart => vec![Step::Words("the server is restarted".to_owned())],
        Action::ByHand(what) => vec![Step::Words(what.clone())],
    }
}

pub(super) fn undo_steps(undo: &Undo) -> Vec<Step> {
    match undo {
        Undo::By(action) => steps(action),
        Undo::Restore => vec![Step::Words(
            "the file that was there, which `pgattest apply` keeps".to_owned(),
        )],
        Undo::None(because) => vec![Step::Words(format!("nothing: {because}"))],
    }
}

/// The text of a file without anything that may be a secret. A plan holds none; should one ever, no rendering repeats it.
pub(super) fn harmless(file: ServerFile, path: &str, text: &str) -> String {
    match file {
        ServerFile::Hba => {
            hba::parse(path, text, ServerVersion(180_000), &NoFiles).harmless_text(0)
        }
        ServerFile::Ident => text.to_owned(),
    }
}

/// SQL in lines as it is written. A line end inside quotes stays, for `visible` to write out: there it belongs to a name or a value,
/// and must not look like a line of its own.
pub(super) fn sql_lines(statement: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut quote = None;
    for c in statement.chars() {
        match quote {
            None if c == '\n' => {
                lines.push(String::new());
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            Some(open) if open == c => quote = None,
            _ => {}
        }
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
    }
    lines
}

/// `PostgreSQL 16.14, self-hosted`.
pub(super) fn server(plan: &Plan) -> String {
    let version = match plan.target.version.as_str() {
        "" => "of unknown version".to_owned(),
        version => visible(version),
    };
    let flavour = match plan.target.flavour.as_str() {
        "" => String::new(),
        flavour => format!(", {}", visible(flavour)),
    };
    format!("PostgreSQL {version}{flavour}")
}

/// The cluster and the plan, label and value. Not yet harmless.
pub(super) fn origin(plan: &Plan) -> Vec<(&'static str, String)> {
    let said = |text: &str| match text {
        "" => "not said by the server".to_owned(),
        text => text.to_owned(),
    };
    vec![
        ("system identifier", said(&plan.target.system_identifier)),
        ("facts as of", said(&plan.facts_as_of)),
        (
            "policy",
            plan.policy_sha256.as_ref().map_or_else(
                || "inferred: no policy file was given".to_owned(),
                |sha256| format!("SHA-256 {sha256}"),
            ),
        ),
        ("plan", format!("SHA-256 {}", super::digest(plan))),
        ("made by", format!("pgattest {}", plan.tool_version)),
    ]
}

/// `ROL-09 role builders`.
pub(super) fn closes(closes: &Closes) -> String {
    format!(
        "{} {}",
        visible(&closes.check),
        words::subject(&closes.subject)
    )
}

/// What is left, grouped by check and reason, in the plan's order.
pub(super) fn left(plan: &Plan) -> Vec<(&str, &str, Vec<&Subject>)> {
    let mut groups: Vec<(&str, &str, Vec<&Subject>)> = Vec::new();
    for Left { finding, why } in &plan.left {
        let same = groups
            .iter_mut()
            .find(|(check, reason, _)| *check == finding.check && *reason == why.as_str());
        match same {
            Some((_, _, subjects)) => subjects.push(&finding.subject),
            None => groups.push((&finding.check, why, vec![&finding.subject])),
        }
    }
    groups
}
