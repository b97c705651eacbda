//! From the file to the model.

use super::PlanError;
use super::document as doc;
use pgattest_model::{Fingerprint, ObservationId, Subject, plan};

pub(super) fn plan(document: doc::Document) -> Result<plan::Plan, PlanError> {
    let groups = document
        .facts
        .into_iter()
        .map(|facts| Ok((observation(&facts.observation)?, facts.sha256)))
        .collect::<Result<_, PlanError>>()?;
    Ok(plan::Plan {
        tool_version: document.tool.version,
        target: plan::PlanTarget {
            name: document.target.name,
            system_identifier: document.target.system_identifier,
            version: document.target.version,
            flavour: document.target.flavour,
        },
        facts_as_of: document.facts_as_of,
        facts: plan::FactsDigest { groups },
        policy_sha256: document.policy_sha256,
        changes: document
            .changes
            .into_iter()
            .map(change)
            .collect::<Result<_, PlanError>>()?,
        left: document
            .left
            .into_iter()
            .map(|left| plan::Left {
                finding: closes(left.finding),
                why: left.why,
            })
            .collect(),
    })
}

fn change(change: doc::Change) -> Result<plan::Change, PlanError> {
    Ok(plan::Change {
        id: change.id,
        kind: change.kind,
        title: change.title,
        stage: stage(change.stage),
        closes: change.closes.into_iter().map(closes).collect(),
        action: action(change.action),
        undo: match change.undo {
            doc::Undo::Action { action: by } => plan::Undo::By(action(by)),
            doc::Undo::Restore => plan::Undo::Restore,
            doc::Undo::Nothing { because } => plan::Undo::None(because),
        },
        risk: risk(change.risk),
        needs: change.needs.into_iter().map(need).collect(),
        impact: change
            .impact
            .into_iter()
            .map(impact)
            .collect::<Result<_, PlanError>>()?,
        notes: change.notes,
    })
}

fn closes(closes: doc::Closes) -> plan::Closes {
    plan::Closes {
        check: closes.check,
        subject: Subject {
            kind: subject_kind(closes.subject.kind),
            database: closes.subject.database,
            name: closes.subject.name,
        },
        fingerprint: Fingerprint(closes.fingerprint),
    }
}

fn action(action: doc::Action) -> plan::Action {
    match action {
        doc::Action::Sql {
            database,
            statements,
        } => plan::Action::Sql {
            database,
            statements,
        },
        doc::Action::SqlAlone {
            database,
            before,
            statement,
        } => plan::Action::SqlAlone {
            database,
            before,
            statement,
        },
        doc::Action::Setting { name, value } => plan::Action::Setting {
            name,
            value: value.map(|value| match value {
                doc::SettingValue::One(value) => plan::SettingValue::One(value),
                doc::SettingValue::List(values) => plan::SettingValue::List(values),
            }),
        },
        doc::Action::File {
            file,
            path,
            before_sha256,
            text,
        } => plan::Action::File {
            file: server_file(file),
            path,
            before_sha256,
            text,
        },
        doc::Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority,
        } => plan::Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority,
        },
        doc::Action::Restart => plan::Action::Restart,
        doc::Action::ByHand { what } => plan::Action::ByHand(what),
    }
}

fn need(need: doc::Need) -> plan::Need {
    match need {
        doc::Need::Reload => plan::Need::Reload,
        doc::Need::Restart => plan::Need::Restart,
        doc::Need::NewSessions => plan::Need::NewSessions,
        doc::Need::Lock { mode, on } => plan::Need::Lock { mode, on },
    }
}

fn impact(impact: doc::Impact) -> Result<plan::Impact, PlanError> {
    Ok(plan::Impact {
        kind: impact_kind(impact.kind),
        subject: impact.subject,
        detail: impact.detail,
        observations: impact
            .observations
            .iter()
            .map(|text| observation(text))
            .collect::<Result<_, PlanError>>()?,
    })
}

fn observation(text: &str) -> Result<ObservationId, PlanError> {
    ObservationId::parse(text).ok_or_else(|| PlanError::Value {
        what: "the name of an observation",
        value: text.to_owned(),
    })
}

const fn subject_kind(word: doc::SubjectKind) -> pgattest_model::SubjectKind {
    match word {
        doc::SubjectKind::AlertRule => pgattest_model::SubjectKind::AlertRule,
        doc::SubjectKind::Canary => pgattest_model::SubjectKind::Canary,
        doc::SubjectKind::Certificate => pgattest_model::SubjectKind::Certificate,
        doc::SubjectKind::CipherSuite => pgattest_model::SubjectKind::CipherSuite,
        doc::SubjectKind::Cluster => pgattest_model::SubjectKind::Cluster,
        doc::SubjectKind::Database => pgattest_model::SubjectKind::Database,
        doc::SubjectKind::DefaultPrivilege => pgattest_model::SubjectKind::DefaultPrivilege,
        doc::SubjectKind::Function => pgattest_model::SubjectKind::Function,
        doc::SubjectKind::Handshake => pgattest_model::SubjectKind::Handshake,
        doc::SubjectKind::HbaRule => pgattest_model::SubjectKind::HbaRule,
        doc::SubjectKind::Policy => pgattest_model::SubjectKind::Policy,
        doc::SubjectKind::Relation => pgattest_model::SubjectKind::Relation,
        doc::SubjectKind::Role => pgattest_model::SubjectKind::Role,
        doc::SubjectKind::Schema => pgattest_model::SubjectKind::Schema,
        doc::SubjectKind::Session => pgattest_model::SubjectKind::Session,
        doc::SubjectKind::Setting => pgattest_model::SubjectKind::Setting,
        doc::SubjectKind::Sink => pgattest_model::SubjectKind::Sink,
        doc::SubjectKind::Trail => pgattest_model::SubjectKind::Trail,
        doc::SubjectKind::View => pgattest_model::SubjectKind::View,
    }
}

const fn stage(word: doc::Stage) -> plan::Stage {
    match word {
        doc::Stage::Files => plan::Stage::Files,
        doc::Stage::Settings => plan::Stage::Settings,
        doc::Stage::Roles => plan::Stage::Roles,
        doc::Stage::Indexes => plan::Stage::Indexes,
        doc::Stage::Grants => plan::Stage::Grants,
        doc::Stage::Ownership => plan::Stage::Ownership,
        doc::Stage::Code => plan::Stage::Code,
        doc::Stage::Isolation => plan::Stage::Isolation,
        doc::Stage::Revokes => plan::Stage::Revokes,
        doc::Stage::Powers => plan::Stage::Powers,
        doc::Stage::Authentication => plan::Stage::Authentication,
        doc::Stage::RestartSettings => plan::Stage::RestartSettings,
        doc::Stage::Restart => plan::Stage::Restart,
        doc::Stage::SettingsAfterRestart => plan::Stage::SettingsAfterRestart,
        doc::Stage::AfterRestart => plan::Stage::AfterRestart,
    }
}

const fn impact_kind(word: doc::ImpactKind) -> plan::ImpactKind {
    match word {
        doc::ImpactKind::LoginRefused => plan::ImpactKind::LoginRefused,
        doc::ImpactKind::RightLost => plan::ImpactKind::RightLost,
        doc::ImpactKind::OwnerFiltered => plan::ImpactKind::OwnerFiltered,
        doc::ImpactKind::RowsHidden => plan::ImpactKind::RowsHidden,
        doc::ImpactKind::Slowed => plan::ImpactKind::Slowed,
        doc::ImpactKind::MoreLogged => plan::ImpactKind::MoreLogged,
        doc::ImpactKind::Unknown => plan::ImpactKind::Unknown,
    }
}

const fn risk(word: doc::Risk) -> plan::Risk {
    match word {
        doc::Risk::Safe => plan::Risk::Safe,
        doc::Risk::Approval => plan::Risk::Approval,
        doc::Risk::ByHand => plan::Risk::ByHand,
    }
}

const fn server_file(word: doc::ServerFile) -> plan::ServerFile {
    match word {
        doc::ServerFile::Hba => plan::ServerFile::Hba,
        doc::ServerFile::Ident => plan::ServerFile::Ident,
    }
}
