//! What a journal says: which changes are done, and which may be.

use crate::journal::{self, Entry, JournalError};
use std::collections::BTreeMap;
use std::path::Path;

/// What the journal of a plan says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JournalState {
    /// SHA-256 of the plan file, hex.
    pub plan: String,
    /// The cluster.
    pub system_identifier: String,
    /// How far it is.
    pub phase: Phase,
    /// Identifiers of the changes that are done and not taken back, in the order in which they were done.
    pub done: Vec<String>,
    /// Identifiers of changes that were begun, and may be done in part: whoever goes on finds out.
    pub open: Vec<String>,
}

/// How far a plan is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Applying was begun and is not finished.
    Applying,
    /// Everything before a restart is done; somebody has to restart the server.
    WaitingForRestart,
    /// Everything is done.
    Applied,
    /// Taking back was begun and is not finished.
    Undoing,
    /// Everything that can be is taken back.
    Undone,
}

impl Phase {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applying => "begun and not finished",
            Self::WaitingForRestart => "waiting for a restart of the server",
            Self::Applied => "applied",
            Self::Undoing => "being taken back",
            Self::Undone => "taken back",
        }
    }
}

/// What the journal in a folder says; `None` when nothing was begun.
pub fn status(folder: &Path) -> Result<Option<JournalState>, JournalError> {
    Ok(journal::read(folder)?.and_then(|entries| state(&entries)))
}

/// What the entries say; `None` when nothing was begun.
pub(crate) fn state(entries: &[Entry]) -> Option<JournalState> {
    let entries = last_run(entries);
    let Some(Entry::Begun {
        plan,
        system_identifier,
        ..
    }) = entries.first()
    else {
        return None;
    };
    let mut state = JournalState {
        plan: plan.clone(),
        system_identifier: system_identifier.clone(),
        phase: Phase::Applying,
        done: Vec::new(),
        open: Vec::new(),
    };
    for entry in entries {
        match entry {
            Entry::Started { changes, .. } => {
                state.phase = match state.phase {
                    Phase::WaitingForRestart => Phase::Applying,
                    other => other,
                };
                for change in changes {
                    if !state.open.contains(change) {
                        state.open.push(change.clone());
                    }
                }
            }
            Entry::Done { changes, undo, .. } => {
                state.open.retain(|change| !changes.contains(change));
                state.done.retain(|change| !changes.contains(change));
                if !undo {
                    state.done.extend(changes.iter().cloned());
                }
                if state.phase == Phase::WaitingForRestart {
                    state.phase = Phase::Applying;
                }
            }
            Entry::Failed { changes, .. } => {
                state.open.retain(|change| !changes.contains(change));
            }
            Entry::NotUndone { change, .. } => {
                state.open.retain(|open| open != change);
            }
            // A restart while taking back is gone on from with undo.
            Entry::Restarting { .. } if state.phase != Phase::Undoing => {
                state.phase = Phase::WaitingForRestart;
            }
            Entry::Resumed { .. } if state.phase != Phase::WaitingForRestart => {
                state.phase = Phase::Applying;
            }
            Entry::Undoing { .. } => state.phase = Phase::Undoing,
            Entry::Applied { .. } => state.phase = Phase::Applied,
            Entry::Undone { .. } => {
                state.phase = Phase::Undone;
                state.open.clear();
            }
            _ => {}
        }
    }
    Some(state)
}

/// What is between the begin of the last apply and now.
pub(crate) fn last_run(entries: &[Entry]) -> &[Entry] {
    let begin = entries
        .iter()
        .rposition(|entry| matches!(entry, Entry::Begun { .. }));
    begin
        .and_then(|begin| entries.get(begin..))
        .unwrap_or_default()
}

/// Transactions of which the journal does not know what became of them, by identifier, with their changes and whether they take
/// back.
pub(crate) fn undecided(entries: &[Entry]) -> Vec<(String, Vec<String>, bool)> {
    let mut open: BTreeMap<Vec<String>, (Option<String>, bool)> = BTreeMap::new();
    for entry in last_run(entries) {
        match entry {
            Entry::Started { changes, undo, .. } => {
                open.insert(changes.clone(), (None, *undo));
            }
            Entry::Committing { changes, xid } => {
                if let Some((known, _)) = open.get_mut(changes) {
                    *known = Some(xid.clone());
                }
            }
            Entry::Done { changes, .. } | Entry::Failed { changes, .. } => {
                open.remove(changes);
            }
            _ => {}
        }
    }
    open.into_iter()
        .filter_map(|(changes, (xid, undo))| Some((xid?, changes, undo)))
        .collect()
}
