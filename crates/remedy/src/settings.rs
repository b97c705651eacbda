//! A step of settings: written one by one, loaded together, and looked at afterwards.

use crate::engine::Engine;
use crate::error::ApplyError;
use crate::journal::Entry;
use crate::request::{Effect, StepInfo};
use crate::session::{open, reload, run};
use crate::setting::{InForce, alter_system, in_auto_conf, in_force, set};
use crate::steps::{Assignment, Back};

impl Engine<'_, '_> {
    pub(crate) async fn settings(
        &mut self,
        info: &StepInfo,
        assignments: &[Assignment],
    ) -> Result<Vec<Effect>, ApplyError> {
        self.hold().await?;
        let mut befores = Vec::new();
        for assignment in assignments {
            let before = in_auto_conf(&self.control, &assignment.name).await?;
            self.journal.add(Entry::Setting {
                change: assignment.change.clone(),
                name: assignment.name.clone(),
                before: before.clone(),
            })?;
            befores.push(before);
        }
        match self.set_and_look(info, assignments).await {
            Ok(()) => Ok(assignments
                .iter()
                .zip(befores)
                .map(|(assignment, before)| Effect {
                    change: assignment.change.clone(),
                    on: assignment.name.clone(),
                    before: before.unwrap_or_default(),
                    after: alter_system(&assignment.name, assignment.value.as_ref()),
                })
                .collect()),
            Err(error) => {
                // When it cannot be taken back either, whoever goes on does the step again.
                self.unclear = self.unset(assignments, &befores).await.is_err();
                Err(error)
            }
        }
    }

    async fn set_and_look(
        &mut self,
        info: &StepInfo,
        assignments: &[Assignment],
    ) -> Result<(), ApplyError> {
        for assignment in assignments {
            self.point("before ALTER SYSTEM", &assignment.name)?;
            set(&self.control, &assignment.name, assignment.value.as_ref()).await?;
            self.point("after ALTER SYSTEM", &assignment.name)?;
        }
        self.point("before the reload", &info.title())?;
        reload(&self.control).await?;
        self.point("after the reload", &info.title())?;
        // A new session: some parameters never change in one that is open.
        let fresh = open(self.request.options, None).await?;
        for assignment in assignments {
            let is_set = assignment.value.is_some();
            if let InForce::No(why) = in_force(&fresh, &assignment.name, is_set).await? {
                return Err(ApplyError::NotInForce {
                    name: assignment.name.clone(),
                    why,
                });
            }
        }
        Ok(())
    }

    /// Back to what was, the last first.
    async fn unset(
        &mut self,
        assignments: &[Assignment],
        befores: &[Option<String>],
    ) -> Result<(), ApplyError> {
        if self.undo {
            // What is being taken back was the plan's; the old values are what is wanted.
            return Err(ApplyError::NotFromHere(
                "settings that are taken back stay as they are".to_owned(),
            ));
        }
        self.hold().await?;
        for (assignment, before) in assignments.iter().zip(befores).rev() {
            match (&assignment.back, before) {
                (Back::To(value), _) => {
                    set(&self.control, &assignment.name, value.as_ref()).await?;
                }
                (Back::AsItWas, None) => {
                    run(&self.control, &alter_system(&assignment.name, None)).await?;
                }
                // A list and a value with a comma look alike there: only the plan knows which it was.
                (Back::AsItWas, Some(_)) => {
                    return Err(ApplyError::NotFromHere(format!(
                        "the plan does not say what {} was",
                        assignment.name
                    )));
                }
            }
        }
        reload(&self.control).await
    }
}
