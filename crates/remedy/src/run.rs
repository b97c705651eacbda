//! Applying, going on, taking back.

use crate::engine::{Engine, now};
use crate::error::ApplyError;
use crate::files::backup;
use crate::journal::{Entry, Journal, SCHEMA};
use crate::request::{Applied, Effect, Event, NotUndone, Observer, Request, StepInfo, Undone};
use crate::state::{JournalState, Phase, state, undecided};
use crate::steps::{Step, Work, backward, forward, ours};
use crate::{guard, lock, preflight};
use pgattest_model::ident::visible;
use pgattest_model::plan::{Action, Risk, Stage};

/// Applies a plan from its beginning.
///
/// # Errors
///
/// Nothing was begun, or, with [`ApplyError::Step`], a step was not done; then the journal says what is.
pub async fn apply(
    request: &Request<'_>,
    observer: &mut dyn Observer,
) -> Result<Applied, ApplyError> {
    let journal = Journal::open(request.folder, request.faults.clone())?;
    match state(&journal.entries) {
        None
        | Some(JournalState {
            phase: Phase::Undone,
            ..
        }) => {}
        Some(state) => {
            return Err(ApplyError::WrongState {
                why: format!("this plan is {}", state.phase.as_str()),
                hint: "`pgattest apply --resume` goes on, `pgattest undo` takes back",
            });
        }
    }
    preflight::accepted(request)?;
    let control = lock::take(request.options).await?;
    preflight::target(request, &control).await?;
    let steps = forward(request.plan, &[]);
    preflight::everything(request, &control, &steps, observer).await?;
    let mut engine = Engine {
        request,
        observer,
        journal,
        control,
        undo: false,
        reopened: false,
        unclear: false,
    };
    engine.journal.add(Entry::Begun {
        schema: SCHEMA.to_owned(),
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        plan: request.plan_digest.to_owned(),
        system_identifier: request.plan.target.system_identifier.clone(),
        at: now(),
    })?;
    engine.go(&steps, &[], &[]).await
}

/// Goes on where an apply stopped: killed, cut off, refused, or waiting for a restart.
///
/// # Errors
///
/// As [`apply`].
pub async fn resume(
    request: &Request<'_>,
    observer: &mut dyn Observer,
) -> Result<Applied, ApplyError> {
    let journal = Journal::open(request.folder, request.faults.clone())?;
    let found = begun(request, &journal)?;
    match found.phase {
        Phase::Applied => {
            return Ok(Applied {
                done: in_order(request, &found.done),
                by_hand: by_hand(request),
                waits_for_restart: false,
            });
        }
        Phase::Undoing | Phase::Undone => {
            return Err(ApplyError::WrongState {
                why: format!("this plan is {}", found.phase.as_str()),
                hint: if found.phase == Phase::Undone {
                    "`pgattest apply` applies it anew"
                } else {
                    "`pgattest undo` goes on taking it back"
                },
            });
        }
        Phase::Applying | Phase::WaitingForRestart => {}
    }
    let control = lock::take(request.options).await?;
    preflight::target(request, &control).await?;
    let mut engine = Engine {
        request,
        observer,
        journal,
        control,
        undo: false,
        reopened: false,
        unclear: false,
    };
    engine.journal.add(Entry::Resumed { at: now() })?;
    engine.decide().await?;
    let found = begun(request, &engine.journal)?;
    let steps = forward(request.plan, &found.done);
    engine.go(&steps, &found.done, &found.open).await
}

/// Takes back what is done of a plan, the last first. What cannot be taken back is told and left; taking back what is taken back
/// already does nothing.
///
/// # Errors
///
/// As [`apply`]; calling it again goes on.
pub async fn undo(
    request: &Request<'_>,
    observer: &mut dyn Observer,
) -> Result<Undone, ApplyError> {
    let journal = Journal::open(request.folder, request.faults.clone())?;
    let found = begun(request, &journal)?;
    if found.phase == Phase::Undone {
        return Ok(Undone {
            taken_back: Vec::new(),
            left: Vec::new(),
            needs_restart: Vec::new(),
        });
    }
    let control = lock::take(request.options).await?;
    preflight::target(request, &control).await?;
    let mut engine = Engine {
        request,
        observer,
        journal,
        control,
        undo: true,
        reopened: false,
        unclear: false,
    };
    engine.journal.add(Entry::Undoing { at: now() })?;
    engine.decide().await?;
    engine.take_back().await
}

/// What the journal says of this plan.
fn begun(request: &Request<'_>, journal: &Journal) -> Result<JournalState, ApplyError> {
    let Some(found) = state(&journal.entries) else {
        return Err(ApplyError::WrongState {
            why: "nothing of this plan was begun".to_owned(),
            hint: "`pgattest apply` applies it",
        });
    };
    if found.plan != request.plan_digest {
        return Err(ApplyError::OtherPlan {
            folder: journal.folder().to_owned(),
        });
    }
    Ok(found)
}

fn in_order(request: &Request<'_>, done: &[String]) -> Vec<String> {
    ours(request.plan)
        .map(|change| change.id.clone())
        .filter(|id| done.contains(id))
        .collect()
}

fn by_hand(request: &Request<'_>) -> Vec<String> {
    request
        .plan
        .changes
        .iter()
        .filter(|change| change.risk == Risk::ByHand)
        .map(|change| change.id.clone())
        .collect()
}

impl Engine<'_, '_> {
    /// Asks the server what became of the transactions that the journal does not know the end of.
    async fn decide(&mut self) -> Result<(), ApplyError> {
        for (xid, changes, undo) in undecided(&self.journal.entries) {
            let committed = self.outcome(&xid).await?;
            self.journal.add(if committed {
                Entry::Done {
                    changes,
                    undo,
                    at: now(),
                }
            } else {
                Entry::Failed {
                    changes,
                    undo,
                    why: "the transaction was not committed".to_owned(),
                    at: now(),
                }
            })?;
        }
        Ok(())
    }

    /// Does the steps that are left.
    async fn go(
        &mut self,
        steps: &[Step],
        done: &[String],
        open: &[String],
    ) -> Result<Applied, ApplyError> {
        let mut done = done.to_vec();
        for (at, step) in steps.iter().enumerate() {
            let info = step.info(at + 1, steps.len(), false);
            self.reopened = step.changes.iter().any(|change| open.contains(change));
            if !self.step(step, &info).await? {
                return Ok(Applied {
                    done: in_order(self.request, &done),
                    by_hand: by_hand(self.request),
                    waits_for_restart: true,
                });
            }
            done.extend(step.changes.iter().cloned());
        }
        self.journal.add(Entry::Applied { at: now() })?;
        Ok(Applied {
            done: in_order(self.request, &done),
            by_hand: by_hand(self.request),
            waits_for_restart: false,
        })
    }

    async fn take_back(&mut self) -> Result<Undone, ApplyError> {
        let found = begun(self.request, &self.journal)?;
        // A guard that an apply left acts on files that are no longer its business, once they are taken back; where no file
        // change is taken back there was nothing to guard.
        let mut back: Vec<String> = found.done.clone();
        for change in &found.open {
            if self.may_be_done(change) && !back.contains(change) {
                back.push(change.clone());
            }
        }
        let reversal = backward(self.request.plan, &back);
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
            self.reopened = step
                .changes
                .iter()
                .any(|change| found.open.contains(change));
            match self.step(step, &info).await {
                Ok(_) => {
                    undone.taken_back.extend(step.changes.iter().cloned());
                    self.pending(step, &mut undone).await?;
                }
                Err(error) => match self.changed_since(step, &error) {
                    Some(left) => {
                        for (change, why) in left {
                            self.leave(&mut undone, &change, info.title.clone(), why)?;
                        }
                    }
                    None => return Err(error),
                },
            }
        }
        self.hold().await?;
        guard::call_off_others(&self.control, self.request.plan_digest, None).await?;
        self.journal.add(Entry::Undone { at: now() })?;
        Ok(undone)
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
            Action::Setting { .. } | Action::SqlAlone { .. } => true,
            // Its old text is kept before anything is written.
            Action::File { .. } => self.journal.kept(&backup(change)).is_ok(),
            Action::Sql { .. }
            | Action::Certificate { .. }
            | Action::Restart
            | Action::ByHand(_) => false,
        }
    }

    /// Why a step cannot be taken back, when that is no reason to stop: somebody else changed the file since.
    fn changed_since(&self, step: &Step, error: &ApplyError) -> Option<Vec<(String, String)>> {
        let ApplyError::Step { source, .. } = error else {
            return None;
        };
        let (ApplyError::FileMoved { path }, Work::Files(edits)) = (source.as_ref(), &step.work)
        else {
            return None;
        };
        Some(
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
        )
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

    /// Which parameters of a step get their old value only with a restart.
    async fn pending(&mut self, step: &Step, undone: &mut Undone) -> Result<(), ApplyError> {
        let Work::Settings(assignments) = &step.work else {
            return Ok(());
        };
        for assignment in assignments {
            let pending: Vec<String> = crate::session::column(
                &self.control,
                "SELECT s.name FROM pg_catalog.pg_settings AS s
                 WHERE s.pending_restart AND pg_catalog.lower(s.name) = pg_catalog.lower($1::text)",
                &[&assignment.name],
            )
            .await?;
            undone.needs_restart.extend(pending);
        }
        Ok(())
    }

    /// One step with its lines in the journal. `false`: it waits for a restart.
    async fn step(&mut self, step: &Step, info: &StepInfo) -> Result<bool, ApplyError> {
        let named = |source: ApplyError| ApplyError::Step {
            index: info.index,
            total: info.total,
            title: info.title.clone(),
            source: Box::new(source),
        };
        if let Work::Restart = step.work {
            return self.restart(step, info).await.map_err(named);
        }
        self.unclear = false;
        self.started(info).map_err(named)?;
        match self.work(step, info).await {
            Ok(effects) => {
                self.done(info, &effects).map_err(named)?;
                Ok(true)
            }
            Err(error) => {
                if !self.unclear {
                    // A journal that cannot be written leaves the step open; whoever goes on finds out.
                    let _ = self.rolled_back(info, &error.to_string());
                }
                Err(named(error))
            }
        }
    }

    async fn work(&mut self, step: &Step, info: &StepInfo) -> Result<Vec<Effect>, ApplyError> {
        match &step.work {
            Work::Transaction {
                database,
                statements,
            } => {
                self.transaction(info, database.as_deref(), statements)
                    .await?;
                let on = database
                    .as_deref()
                    .unwrap_or_else(|| self.request.options.database());
                Ok(step
                    .changes
                    .iter()
                    .map(|change| Effect {
                        change: change.clone(),
                        on: on.to_owned(),
                        before: String::new(),
                        after: statements
                            .iter()
                            .filter(|(of, _)| of == change)
                            .map(|(_, statement)| statement.as_str())
                            .collect::<Vec<_>>()
                            .join("\n"),
                    })
                    .collect())
            }
            Work::Alone {
                database,
                before,
                statement,
            } => {
                self.unclear = true;
                let before = before.as_deref();
                self.alone(info, database, before, statement).await?;
                Ok(vec![Effect {
                    change: step.changes.first().cloned().unwrap_or_default(),
                    on: database.clone(),
                    before: String::new(),
                    after: statement.clone(),
                }])
            }
            Work::Settings(assignments) => self.settings(info, assignments).await,
            Work::Files(edits) => self.files(info, edits).await,
            Work::Certificate(action) => certificate(action),
            // Done by whoever called.
            Work::Restart => Ok(Vec::new()),
        }
    }

    /// Parameters that only a restart puts in force, and which the plan sets.
    pub(crate) fn set_for_restart(&self) -> Vec<(String, bool)> {
        ours(self.request.plan)
            .filter(|change| change.stage == Stage::RestartSettings)
            .filter_map(|change| match &change.action {
                Action::Setting { name, value } => Some((name.clone(), value.is_some())),
                _ => None,
            })
            .collect()
    }
}

/// The one place where a certificate is made.
fn certificate(action: &Action) -> Result<Vec<Effect>, ApplyError> {
    let names = match action {
        Action::Certificate { names, .. } => names.join(", "),
        _ => String::new(),
    };
    Err(ApplyError::NotFromHere(format!(
        "a certificate for {} can be made only where the server's files are",
        visible(&names)
    )))
}
