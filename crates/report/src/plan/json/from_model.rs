//! From the model to the file.

use super::SCHEMA;
use super::document as doc;
use pgattest_model::plan;

pub(super) fn document(plan: &plan::Plan) -> doc::Document {
    doc::Document {
        schema: SCHEMA.to_owned(),
        digest: String::new(),
        tool: doc::Tool {
            name: "pgattest".to_owned(),
            version: plan.tool_version.clone(),
        },
        target: doc::Target {
            name: plan.target.name.clone(),
            system_identifier: plan.target.system_identifier.clone(),
            version: plan.target.version.clone(),
            flavour: plan.target.flavour.clone(),
        },
        facts_as_of: plan.facts_as_of.clone(),
        facts: plan
            .facts
            .groups
            .iter()
            .map(|(observation, sha256)| doc::Facts {
                observation: observation.to_string(),
                sha256: sha256.clone(),
            })
            .collect(),
        policy_sha256: plan.policy_sha256.clone(),
        changes: plan.changes.iter().map(change).collect(),
        left: plan
            .left
            .iter()
            .map(|left| doc::Left {
                finding: closes(&left.finding),
                why: left.why.clone(),
            })
            .collect(),
    }
}

fn change(change: &plan::Change) -> doc::Change {
    doc::Change {
        id: change.id.clone(),
        kind: change.kind.clone(),
        title: change.title.clone(),
        stage: stage(change.stage),
        closes: change.closes.iter().map(closes).collect(),
        action: action(&change.action),
        undo: undo(&change.undo),
        risk: risk(change.risk),
        needs: change.needs.iter().map(need).collect(),
        impact: change.impact.iter().map(impact).collect(),
        notes: change.notes.clone(),
    }
}

fn closes(closes: &plan::Closes) -> doc::Closes {
    doc::Closes {
        check: closes.check.clone(),
        subject: doc::Subject {
            kind: subject_kind(closes.subject.kind),
            database: closes.subject.database.clone(),
            name: closes.subject.name.clone(),
        },
        fingerprint: closes.fingerprint.0.clone(),
    }
}

fn action(action: &plan::Action) -> doc::Action {
    match action.clone() {
        plan::Action::Sql {
            database,
            statements,
        } => doc::Action::Sql {
            database,
            statements,
        },
        plan::Action::SqlAlone {
            database,
            before,
            statement,
        } => doc::Action::SqlAlone {
            database,
            before,
            statement,
        },
        plan::Action::Setting { name, value } => doc::Action::Setting {
            name,
            value: value.map(|value| match value {
                plan::SettingValue::One(value) => doc::SettingValue::One(value),
                plan::SettingValue::List(values) => doc::SettingValue::List(values),
            }),
        },
        plan::Action::File {
            file,
            path,
            before_sha256,
            text,
        } => doc::Action::File {
            file: server_file(file),
            path,
            before_sha256,
            text,
        },
        plan::Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority,
        } => doc::Action::Certificate {
            names,
            days,
            certificate,
            key,
            authority,
        },
        plan::Action::Restart => doc::Action::Restart,
        plan::Action::ByHand(what) => doc::Action::ByHand { what },
    }
}

fn undo(undo: &plan::Undo) -> doc::Undo {
    match undo {
        plan::Undo::By(by) => doc::Undo::Action { action: action(by) },
        plan::Undo::Restore => doc::Undo::Restore,
        plan::Undo::None(because) => doc::Undo::Nothing {
            because: because.clone(),
        },
    }
}

fn need(need: &plan::Need) -> doc::Need {
    match need.clone() {
        plan::Need::Reload => doc::Need::Reload,
        plan::Need::Restart => doc::Need::Restart,
        plan::Need::NewSessions => doc::Need::NewSessions,
        plan::Need::Lock { mode, on } => doc::Need::Lock { mode, on },
    }
}

fn impact(impact: &plan::Impact) -> doc::Impact {
    doc::Impact {
        kind: impact_kind(impact.kind),
        subject: impact.subject.clone(),
        detail: impact.detail.clone(),
        observations: impact
            .observations
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

const fn subject_kind(word: pgattest_model::SubjectKind) -> doc::SubjectKind {
    match word {
        pgattest_model::SubjectKind::AlertRule => doc::SubjectKind::AlertRule,
        pgattest_model::SubjectKind::Canary => doc::SubjectKind::Canary,
        pgattest_model::SubjectKind::Certificate => doc::SubjectKind::Certificate,
        pgattest_model::SubjectKind::CipherSuite => doc::SubjectKind::CipherSuite,
        pgattest_model::SubjectKind::Cluster => doc::SubjectKind::Cluster,
        pgattest_model::SubjectKind::Database => doc::SubjectKind::Database,
        pgattest_model::SubjectKind::DefaultPrivilege => doc::SubjectKind::DefaultPrivilege,
        pgattest_model::SubjectKind::Function => doc::SubjectKind::Function,
        pgattest_model::SubjectKind::Handshake => doc::SubjectKind::Handshake,
        pgattest_model::SubjectKind::HbaRule => doc::SubjectKind::HbaRule,
        pgattest_model::SubjectKind::Policy => doc::SubjectKind::Policy,
        pgattest_model::SubjectKind::Relation => doc::SubjectKind::Relation,
        pgattest_model::SubjectKind::Role => doc::SubjectKind::Role,
        pgattest_model::SubjectKind::Schema => doc::SubjectKind::Schema,
        pgattest_model::SubjectKind::Session => doc::SubjectKind::Session,
        pgattest_model::SubjectKind::Setting => doc::SubjectKind::Setting,
        pgattest_model::SubjectKind::Sink => doc::SubjectKind::Sink,
        pgattest_model::SubjectKind::Trail => doc::SubjectKind::Trail,
        pgattest_model::SubjectKind::View => doc::SubjectKind::View,
    }
}

const fn stage(word: plan::Stage) -> doc::Stage {
    match word {
        plan::Stage::Files => doc::Stage::Files,
        plan::Stage::Settings => doc::Stage::Settings,
        plan::Stage::Roles => doc::Stage::Roles,
        plan::Stage::Indexes => doc::Stage::Indexes,
        plan::Stage::Grants => doc::Stage::Grants,
        plan::Stage::Ownership => doc::Stage::Ownership,
        plan::Stage::Code => doc::Stage::Code,
        plan::Stage::Isolation => doc::Stage::Isolation,
        plan::Stage::Revokes => doc::Stage::Revokes,
        plan::Stage::Powers => doc::Stage::Powers,
        plan::Stage::Authentication => doc::Stage::Authentication,
        plan::Stage::RestartSettings => doc::Stage::RestartSettings,
        plan::Stage::Restart => doc::Stage::Restart,
        plan::Stage::SettingsAfterRestart => doc::Stage::SettingsAfterRestart,
        plan::Stage::AfterRestart => doc::Stage::AfterRestart,
    }
}

const fn impact_kind(word: plan::ImpactKind) -> doc::ImpactKind {
    match word {
        plan::ImpactKind::LoginRefused => doc::ImpactKind::LoginRefused,
        plan::ImpactKind::RightLost => doc::ImpactKind::RightLost,
        plan::ImpactKind::OwnerFiltered => doc::ImpactKind::OwnerFiltered,
        plan::ImpactKind::RowsHidden => doc::ImpactKind::RowsHidden,
        plan::ImpactKind::Slowed => doc::ImpactKind::Slowed,
        plan::ImpactKind::MoreLogged => doc::ImpactKind::MoreLogged,
        plan::ImpactKind::Unknown => doc::ImpactKind::Unknown,
    }
}

const fn risk(word: plan::Risk) -> doc::Risk {
    match word {
        plan::Risk::Safe => doc::Risk::Safe,
        plan::Risk::Approval => doc::Risk::Approval,
        plan::Risk::ByHand => doc::Risk::ByHand,
    }
}

const fn server_file(word: plan::ServerFile) -> doc::ServerFile {
    match word {
        plan::ServerFile::Hba => doc::ServerFile::Hba,
        plan::ServerFile::Ident => doc::ServerFile::Ident,
    }
}
