//! The restart, by whoever may.

use crate::engine::{Engine, now};
use crate::error::ApplyError;
use crate::journal::Entry;
use crate::lock;
use crate::request::{Event, Restart, StepInfo};
use crate::session::started_at;
use crate::setting::{InForce, in_force};
use crate::state::last_run;
use crate::steps::Step;
use pgattest_wire::connect;
use std::time::Duration;

/// How long a server may take to come back after the user's command has ended.
const BACK: Duration = Duration::from_mins(5);

impl Engine<'_, '_> {
    /// `false`: nobody is to restart it now.
    pub(crate) async fn restart(
        &mut self,
        step: &Step,
        info: &StepInfo,
    ) -> Result<bool, ApplyError> {
        let change = step.changes.first().cloned().unwrap_or_default();
        self.hold().await?;
        let run = last_run(&self.journal.entries);
        let from = if self.undo {
            // The restart of the apply was another one.
            let undoing = |entry: &Entry| matches!(entry, Entry::Undoing { .. });
            run.iter().position(undoing).unwrap_or_default()
        } else {
            0
        };
        let known =
            run.get(from..)
                .unwrap_or_default()
                .iter()
                .rev()
                .find_map(|entry| match entry {
                    Entry::Restarting {
                        change: of,
                        started,
                    } if *of == change => Some(started.clone()),
                    _ => None,
                });
        let before = if let Some(started) = known {
            started
        } else {
            let started = started_at(&self.control).await?;
            self.tell(&Event::StepStarted(info));
            self.journal.add(Entry::Restarting {
                change,
                started: started.clone(),
            })?;
            started
        };
        if started_at(&self.control).await? == before {
            let restart = self.request.restart.clone();
            match restart {
                Restart::No => return Ok(false),
                Restart::Wait { limit } => {
                    self.tell(&Event::Waiting {
                        what: "somebody to restart the server",
                    });
                    self.back(&before, limit).await?;
                }
                Restart::Command(command) => {
                    self.point("before the restart", "")?;
                    self.tell(&Event::Waiting {
                        what: "the command that restarts the server",
                    });
                    shell(command).await?;
                    self.point("after the restart", "")?;
                    self.back(&before, BACK).await?;
                }
            }
        }
        self.hold().await?;
        for (name, is_set) in self.set_for_restart() {
            match in_force(&self.control, &name, is_set).await? {
                InForce::Yes => {}
                InForce::AfterRestart => {
                    return Err(ApplyError::NotInForce {
                        name,
                        why: "it still waits for a restart".to_owned(),
                    });
                }
                InForce::No(why) => return Err(ApplyError::NotInForce { name, why }),
            }
        }
        self.journal.add(Entry::Done {
            changes: info.changes.clone(),
            undo: self.undo,
            at: now(),
        })?;
        self.tell(&Event::StepDone {
            step: info,
            effects: &[],
        });
        Ok(true)
    }

    /// Waits until another server process answers, and takes the lock there.
    async fn back(&mut self, before: &str, limit: Duration) -> Result<(), ApplyError> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            // A server that is starting or stopping refuses; that is what is waited out.
            if let Ok(connection) = connect(self.request.options).await
                && let Ok(started) = started_at(&connection).await
                && started != before
            {
                let _ = connection.close().await;
                self.control = lock::take(self.request.options).await?;
                return Ok(());
            }
            if tokio::time::Instant::now() > deadline {
                return Err(ApplyError::NotRestarted {
                    why: format!(
                        "the server was not seen to be restarted within {} seconds",
                        limit.as_secs()
                    ),
                });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Runs the user's own words. Nothing from a catalog is in them.
async fn shell(command: String) -> Result<(), ApplyError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one program that is started: the user wrote the command for it, and no name from a catalog is in it"
    )]
    let run = move || {
        std::process::Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .status()
    };
    let failed = |why: String| ApplyError::NotRestarted { why };
    let status = tokio::task::spawn_blocking(run)
        .await
        .map_err(|error| {
            failed(format!(
                "the command that restarts the server was not run: {error}"
            ))
        })?
        .map_err(|error| {
            failed(format!(
                "the command that restarts the server could not be run: {error}"
            ))
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(failed(format!(
            "the command that restarts the server failed: {status}"
        )))
    }
}
