//! Applying, going on, taking back.

use crate::engine::{Engine, now};
use crate::error::ApplyError;
use crate::journal::{Entry, Journal, SCHEMA};
use crate::preflight;
use crate::request::{Applied, Effect, Observer, Request, StepInfo, Undone};
use crate::state::{JournalState, Phase, state, undecided};
use crate::steps::{Step, Work, backward, forward, ours};
use pgattest_model::plan::{Action, Risk, Stage, Undo};

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
    let steps = forward(request.plan, &[]);
    preflight::at_hand(request, &steps)?;
    let mut engine = Engine::open(request, observer, journal, false).await?;
    preflight::everything(request, &engine.control, &steps, engine.observer).await?;
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
    preflight::at_hand(request, &forward(request.plan, &found.done))?;
    let mut engine = Engine::open(request, observer, journal, false).await?;
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
    let begun = [found.done, found.open].concat();
    preflight::at_hand(request, &backward(request.plan, &begun).steps)?;
    let mut engine = Engine::open(request, observer, journal, true).await?;
    engine.journal.add(Entry::Undoing { at: now() })?;
    engine.decide().await?;
    engine.take_back().await
}

/// What the journal says of this plan.
pub(crate) fn begun(request: &Request<'_>, journal: &Journal) -> Result<JournalState, ApplyError> {
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

    /// One step with its lines in the journal. `false`: it waits for a restart.
    pub(crate) async fn step(&mut self, step: &Step, info: &StepInfo) -> Result<bool, ApplyError> {
        let named = |source: ApplyError| ApplyError::Step {
            index: info.index,
            total: info.total,
            title: info.title(),
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
            Work::Certificate(action) => self.certificate(step, action).await,
            // Done by whoever called.
            Work::Restart => Ok(Vec::new()),
        }
    }

    /// Parameters that only a restart puts in force, which the plan sets or takes back, and whether they are then set.
    pub(crate) fn set_for_restart(&self) -> Vec<(String, bool)> {
        ours(self.request.plan)
            .filter(|change| change.stage == Stage::RestartSettings)
            .filter_map(|change| match (&change.action, &change.undo) {
                (_, Undo::By(Action::Setting { name, value })) if self.undo => {
                    Some((name.clone(), value.is_some()))
                }
                (Action::Setting { name, value }, _) if !self.undo => {
                    Some((name.clone(), value.is_some()))
                }
                _ => None,
            })
            .collect()
    }
}
