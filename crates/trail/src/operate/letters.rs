//! Takes what lies in the journal's inbox into the tree.

use super::{Context, Phase, Task, TaskError};
use crate::inbox::pending;
use std::time::Duration;

/// How often the inbox is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// The part of a collector that reads the inbox: canaries of `pgattest prove logging`.
#[derive(Clone, Copy, Debug, Default)]
pub struct InboxTask;

impl Task for InboxTask {
    fn name(&self) -> String {
        "inbox".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        loop {
            let phase = context.stop.phase();
            if phase == Phase::Stopping {
                return Ok(());
            }
            let waiting = pending(context.dir())?;
            for (path, reason) in waiting.refused {
                context.teller.warn(format!(
                    "`{}` in the inbox is not taken: {reason}",
                    path.display()
                ));
            }
            for letter in waiting.leaves {
                // Durable first, removed then: a crash in between says it twice.
                context.leaves.send(letter.leaf.clone())?;
                letter.done()?;
            }
            if phase == Phase::Draining {
                return Ok(());
            }
            context.stop.wait(phase, EVERY);
        }
    }
}
