//! Names and order of changes.

use crate::draft::Draft;
use pgattest_model::plan::{Action, Change, Closes, SettingValue, Stage};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};

/// Puts drafts in the order they are applied in, and gives each a name made of what it does. Drafts that do the same are one
/// change that closes what either closes.
pub(crate) fn arrange(drafts: Vec<(&'static str, Draft)>) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    // Where changes stand that may do the same.
    let mut alike: HashMap<(Stage, String), Vec<usize>> = HashMap::new();
    let mut names: HashSet<String> = HashSet::new();
    for (kind, draft) in drafts {
        let digest = digest(&draft.action);
        let places = alike.entry((draft.stage, digest.clone())).or_default();
        let same = places
            .iter()
            .copied()
            .find(|at| (changes.get(*at)).is_some_and(|change| change.action == draft.action));
        if let Some(same) = same.and_then(|at| changes.get_mut(at)) {
            merge(same, draft);
            continue;
        }
        places.push(changes.len());
        changes.push(Change {
            id: unused(&mut names, &format!("{kind}-{digest}")),
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
    changes.sort_by_cached_key(|change| {
        (
            change.stage.block(),
            change.action.database().map(str::to_owned),
            change.stage,
        )
    });
    changes
}

/// The name, or the name with a number where another change has it: eight hex digits do not tell ten thousand changes apart.
fn unused(names: &mut HashSet<String>, name: &str) -> String {
    let mut unused = name.to_owned();
    let mut number = 1;
    while !names.insert(unused.clone()) {
        number += 1;
        unused = format!("{name}-{number}");
    }
    unused
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

/// What a change of this kind is called, where no other has the name.
pub(crate) fn name(kind: &str, action: &Action) -> String {
    format!("{kind}-{}", digest(action))
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
