//! Taking back what is done, and telling what stays.

use crate::engine::{Engine, now};
use crate::error::ApplyError;
use crate::files::backup;
use crate::guard;
use crate::journal::Entry;
use crate::request::{Event, NotUndone, Restart, Undone};
use crate::run::begun;
use crate::session::{column, started_at};
use crate::state::{JournalState, last_run};
use crate::steps::{Step, Work, backward};
use pgattest_model::plan::Action;

impl Engine<'_, '_> {
    pub(crate) async fn take_back(&mut self) -> Result<Undone, ApplyError> {
        let found = begun(self.request, &self.journal)?;
        let reversal = backward(self.request.plan, &self.done_or_begun(&found).await?);
        let mut undone = Undone {
            taken_back: Vec::new(),
            left: Vec::new(),
            needs_restart: Vec::new(),
        };
        for (change, title, why) in reversal.left {
            self.leave(&mut undone, &change, title, why)?;
        }
        let total = reversal.steps.len();
        for (at, step) in reversal.steps.iter().enumerate() {
            let info = step.info(at + 1, total, true);
            if matches!(step.work, Work::Restart) && self.request.restart == Restart::No {
                // What comes back only then is told at the end.
                for change in &step.changes {
                    self.journal.add(Entry::NotUndone {
                        change: change.clone(),
                        why: "pgattest was not allowed to have the server restarted".to_owned(),
                    })?;
                }
                continue;
            }
            self.reopened = step
                .changes
                .iter()
                .any(|change| found.open.contains(change));
            match self.step(step, &info).await {
                Ok(_) => undone.taken_back.extend(step.changes.iter().cloned()),
                Err(error) => match self.changed_since(step, &error) {
                    Some(left) => {
                        for (change, why) in left {
                            self.leave(&mut undone, &change, info.title(), why)?;
                        }
                    }
                    None => return Err(error),
                },
            }
        }
        self.hold().await?;
        // A guard that an apply left acts on files that are no longer its business, once they are taken back; where no file
        // change is taken back there was nothing to guard.
        guard::call_off_others(&self.control, self.request.plan_digest, None).await?;
        undone.needs_restart = self.pending(&reversal.steps).await?;
        self.journal.add(Entry::Undone { at: now() })?;
        Ok(undone)
    }

    /// What is done, and what may be.
    async fn done_or_begun(&mut self, found: &JournalState) -> Result<Vec<String>, ApplyError> {
        let mut back = found.done.clone();
        let mut begun = found.open.clone();
        if let Some(restart) = self.restarted_since().await? {
            begun.push(restart);
        }
        for change in begun {
            if self.may_be_done(&change) && !back.contains(&change) {
                back.push(change);
            }
        }
        Ok(back)
    }

    /// The restart that an apply waited for, when somebody restarted the server and the apply did not go on.
    async fn restarted_since(&mut self) -> Result<Option<String>, ApplyError> {
        let waited = last_run(&self.journal.entries)
            .iter()
            .take_while(|entry| !matches!(entry, Entry::Undoing { .. }))
            .find_map(|entry| match entry {
                Entry::Restarting { change, started } => Some((change.clone(), started.clone())),
                _ => None,
            });
        let Some((change, before)) = waited else {
            return Ok(None);
        };
        self.hold().await?;
        Ok((started_at(&self.control).await? != before).then_some(change))
    }

    /// Whether a change that was begun, and is not known to be done, may have left something. What a transaction left is known.
    fn may_be_done(&self, change: &str) -> bool {
        let Some(planned) = self
            .request
            .plan
            .changes
            .iter()
            .find(|planned| planned.id == change)
        else {
            return false;
        };
        match &planned.action {
            Action::Setting { .. } | Action::SqlAlone { .. } | Action::Restart => true,
            // Its old text is kept before anything is written.
            Action::File { .. } => self.journal.kept(&backup(change)).is_ok(),
            Action::Certificate { .. } => self.written_down(change).is_some(),
            Action::Sql { .. } | Action::ByHand(_) => false,
        }
    }

    /// Why a step cannot be taken back, when that is no reason to stop: somebody else changed the file since.
    fn changed_since(&self, step: &Step, error: &ApplyError) -> Option<Vec<(String, String)>> {
        let ApplyError::Step { source, .. } = error else {
            return None;
        };
        let ApplyError::FileMoved { path } = source.as_ref() else {
            return None;
        };
        match &step.work {
            Work::Files(edits) => Some(
                edits
                    .iter()
                    .map(|edit| {
                        let kept = self.journal.folder().join(backup(&edit.change));
                        let why = format!(
                            "somebody changed {path} since; what was there before the plan is in {}",
                            kept.display()
                        );
                        (edit.change.clone(), why)
                    })
                    .collect(),
            ),
            Work::Certificate(_) => {
                let why = format!(
                    "somebody changed {path} since; it stays, and so do the other files of this certificate"
                );
                Some(
                    step.changes
                        .iter()
                        .map(|change| (change.clone(), why.clone()))
                        .collect(),
                )
            }
            _ => None,
        }
    }

    fn leave(
        &mut self,
        undone: &mut Undone,
        change: &str,
        title: String,
        why: String,
    ) -> Result<(), ApplyError> {
        self.journal.add(Entry::NotUndone {
            change: change.to_owned(),
            why: why.clone(),
        })?;
        let left = NotUndone {
            change: change.to_owned(),
            title,
            why,
        };
        self.tell(&Event::NotUndone(&left));
        undone.left.push(left);
        Ok(())
    }

    /// Which parameters of this plan get their old value only with a restart, those that an earlier process took back among them.
    async fn pending(&self, steps: &[Step]) -> Result<Vec<String>, ApplyError> {
        let mut names: Vec<String> = self
            .set_for_restart()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for step in steps {
            if let Work::Settings(assignments) = &step.work {
                names.extend(assignments.iter().map(|assignment| assignment.name.clone()));
            }
        }
        column(
            &self.control,
            "SELECT s.name FROM pg_catalog.pg_settings AS s
             WHERE s.pending_restart
                 AND pg_catalog.lower(s.name) IN (SELECT pg_catalog.lower(n) FROM pg_catalog.unnest($1::text[]) AS n)
             ORDER BY s.name",
            &[&names],
        )
        .await
    }
}
