//! Names and order of changes.

use crate::draft::Draft;
use pgattest_model::plan::{Action, Change, Closes, SettingValue};
use sha2::{Digest, Sha256};

/// Puts drafts in the order they are applied in, and gives each a name made of what it does. Drafts that do the same are one
/// change that closes what either closes.
pub(crate) fn arrange(drafts: Vec<(&'static str, Draft)>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for (kind, draft) in drafts {
        if let Some(same) = changes
            .iter_mut()
            .find(|change| change.action == draft.action && change.stage == draft.stage)
        {
            merge(same, draft);
            continue;
        }
        let id = format!("{kind}-{}", digest(&draft.action));
        changes.push(Change {
            id,
            kind: kind.to_owned(),
            title: draft.title,
            stage: draft.stage,
            closes: draft.closes,
            action: draft.action,
            undo: draft.undo,
            risk: draft.risk,
            needs: draft.needs,
            impact: draft.impact,
            notes: draft.notes,
        });
    }
    for change in &mut changes {
        change.closes.sort();
        change.closes.dedup();
        change.needs.sort();
        change.needs.dedup();
    }
    // Stable: within one database and stage the order is the kinds' own.
    changes.sort_by(|a, b| {
        let key = |change: &Change| {
            (
                change.stage.block(),
                change.action.database().map(str::to_owned),
                change.stage,
            )
        };
        key(a).cmp(&key(b))
    });
    changes
}

fn merge(same: &mut Change, draft: Draft) {
    same.closes.extend(draft.closes);
    same.needs.extend(draft.needs);
    same.risk = same.risk.max(draft.risk);
    for impact in draft.impact {
        if !same.impact.contains(&impact) {
            same.impact.push(impact);
        }
    }
    for note in draft.notes {
        if !same.notes.contains(&note) {
            same.notes.push(note);
        }
    }
}

/// Eight hex digits for what an action does.
fn digest(action: &Action) -> String {
    let mut parts: Vec<&str> = Vec::new();
    match action {
        Action::Sql {
            database,
            statements,
        } => {
            parts.push(database.as_deref().unwrap_or_default());
            parts.extend(statements.iter().map(String::as_str));
        }
        Action::SqlAlone {
            database,
            statement,
            ..
        } => parts.extend([database.as_str(), statement]),
        Action::Setting { name, value } => {
            parts.push(name);
            match value {
                None => {}
                Some(SettingValue::One(value)) => parts.push(value),
                Some(SettingValue::List(values)) => {
                    parts.extend(values.iter().map(String::as_str));
                }
            }
        }
        Action::File { path, text, .. } => parts.extend([path.as_str(), text]),
        Action::Certificate {
            names, certificate, ..
        } => {
            parts.push(certificate);
            parts.extend(names.iter().map(String::as_str));
        }
        Action::Restart => parts.push("restart"),
        Action::ByHand(what) => parts.push(what),
    }
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..4])
}

/// For a draft's list: one finding.
impl crate::planning::Problem<'_> {
    /// The finding as a plan names it.
    pub fn closes(&self) -> Closes {
        Closes {
            check: self.check.to_owned(),
            subject: self.finding.subject.clone(),
            fingerprint: self.fingerprint.clone(),
        }
    }
}
