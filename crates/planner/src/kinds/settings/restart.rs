//! The restart that settings and libraries wait for.

use super::measured::Measured;
use crate::draft::Draft;
use crate::planning::Planning;
use pgattest_model::Collected;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Action, Need, Stage, Undo};

/// One restart, whoever needs it: equal drafts become one change.
pub(super) fn restart(planning: &Planning<'_>) -> Draft {
    let draft = Draft::new(
        "restart the server",
        Stage::Restart,
        Action::Restart,
        Undo::By(Action::Restart),
    )
    .approval()
    .needing(Need::Restart)
    .affecting([Measured::of(planning).restarted()])
    .note("taking the plan back restarts the server once more, after its settings were taken back");
    match waiting(planning) {
        Some(names) => draft.note(format!(
            "settings that somebody changed before and that wait for a restart come into force with it: {names}"
        )),
        None => draft,
    }
}

/// Settings whose value in the files waits for a restart.
fn waiting(planning: &Planning<'_>) -> Option<String> {
    let Collected::Here { value, .. } = &planning.context.facts.settings else {
        return None;
    };
    let names: Vec<&str> = value
        .iter()
        .filter(|setting| setting.pending_restart)
        .map(|setting| setting.name.as_str())
        .collect();
    (!names.is_empty()).then(|| visible(&names.join(", ")))
}
