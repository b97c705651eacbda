//! Files that decide who may come in: written, checked, loaded, proved, or put back.

use crate::engine::Engine;
use crate::error::ApplyError;
use crate::guard::{self, Guard, Guarded};
use crate::journal::Entry;
use crate::proof;
use crate::request::{Effect, Event, ServerFiles, StepInfo};
use crate::session::{column, open, reload};
use crate::steps::{Edit, Text, sha256};
use crate::{local, through_server};
use pgattest_wire::Connection;
use std::net::IpAddr;

/// One file of the step.
struct Planned {
    change: String,
    path: String,
    old: Vec<u8>,
    new: Vec<u8>,
    /// Whether it holds the new text already: an earlier process wrote it.
    written: bool,
}

impl Engine<'_, '_> {
    pub(crate) async fn files(
        &mut self,
        info: &StepInfo,
        edits: &[Edit],
    ) -> Result<Vec<Effect>, ApplyError> {
        self.hold().await?;
        let planned = self.look(edits).await?;
        let guarded: Vec<Guarded> = planned
            .iter()
            .map(|file| Guarded {
                path: file.path.clone(),
                old: file.old.clone(),
                new: file.new.clone(),
            })
            .collect();
        let effects = planned
            .iter()
            .map(|file| Effect {
                change: file.change.clone(),
                on: file.path.clone(),
                before: sha256(&file.old),
                after: sha256(&file.new),
            })
            .collect();
        self.keep(&planned).await?;

        // Before the first byte is written: from here on the old files come back whatever happens to us.
        let guard = Guard::set(
            self.request.options,
            &self.control,
            self.request.plan_digest,
            &guarded,
            self.request.prove_within,
        )
        .await?;
        for file in &planned {
            self.tell(&Event::GuardSet {
                path: &file.path,
                within: guard.within,
            });
        }
        let outcome = self.replace(info, &planned, &guard).await;
        match outcome {
            Ok(()) => self.finish(&planned, guard).await.map(|()| effects),
            Err(error) => Err(self.put_back(&planned, guard, error).await),
        }
    }

    /// What the files hold, and what they are to hold.
    async fn look(&self, edits: &[Edit]) -> Result<Vec<Planned>, ApplyError> {
        let mut planned = Vec::new();
        for edit in edits {
            let now = self.read(&edit.path).await?;
            let new = match &edit.text {
                Text::Is(text) => text.clone().into_bytes(),
                Text::Kept => self.journal.kept(&backup(&edit.change))?,
            };
            let found = sha256(&now);
            let (old, written) = if found == edit.before_sha256 {
                (now, false)
            } else if now == new || (self.reopened && new.starts_with(&now)) {
                // What an earlier process wrote, or began to write.
                let old = if self.undo {
                    self.replaced_by(&edit.change)?
                } else {
                    self.journal.kept(&backup(&edit.change))?
                };
                (old, now == new)
            } else {
                return Err(ApplyError::FileMoved {
                    path: edit.path.clone(),
                });
            };
            planned.push(Planned {
                change: edit.change.clone(),
                path: edit.path.clone(),
                old,
                new,
                written,
            });
        }
        Ok(planned)
    }

    /// The text that the plan gave a file.
    fn replaced_by(&self, change: &str) -> Result<Vec<u8>, ApplyError> {
        use pgattest_model::plan::Action;
        self.request
            .plan
            .changes
            .iter()
            .find_map(|planned| match &planned.action {
                Action::File { text, .. } if planned.id == change => {
                    Some(text.clone().into_bytes())
                }
                _ => None,
            })
            .ok_or_else(|| {
                ApplyError::NotFromHere(format!("the plan has no file change `{change}`"))
            })
    }

    /// Keeps the old texts: in the journal's folder, and beside the files.
    async fn keep(&mut self, planned: &[Planned]) -> Result<(), ApplyError> {
        if self.undo {
            return Ok(());
        }
        for file in planned {
            self.journal.keep(&backup(&file.change), &file.old)?;
            self.journal.add(Entry::Kept {
                change: file.change.clone(),
                path: file.path.clone(),
                sha256: sha256(&file.old),
            })?;
            self.point("before the backup beside", &file.path)?;
            let name = beside(&file.old);
            match self.request.files {
                ServerFiles::Local => local::keep_beside(&file.path, &name, &file.old)?,
                // Also shows that there is room on the disk before anything is written over.
                ServerFiles::ThroughServer => {
                    let path = format!("{}{name}", file.path);
                    through_server::write(&self.control, &path, &file.old).await?;
                }
            }
            self.point("after the backup beside", &file.path)?;
        }
        Ok(())
    }

    async fn replace(
        &mut self,
        info: &StepInfo,
        planned: &[Planned],
        guard: &Guard,
    ) -> Result<(), ApplyError> {
        // Ours is set: those of an earlier process are not needed any more, and would act at the wrong time.
        guard::call_off_others(&self.control, self.request.plan_digest, Some(guard)).await?;
        for file in planned {
            self.point("before writing", &file.path)?;
            if !file.written || self.read(&file.path).await? != file.new {
                self.write(&file.path, &file.new).await?;
            }
            self.point("after writing", &file.path)?;
            // Read through the server where that is possible: another machine's file may have the same path.
            if self.read(&file.path).await? != file.new
                || through_server::read(&self.control, &file.path)
                    .await
                    .is_ok_and(|seen| seen != file.new)
            {
                return Err(ApplyError::NotWritten {
                    path: file.path.clone(),
                });
            }
        }
        let (address, tls) = self.arrival().await?;
        let expected =
            proof::expect(self.request.options, &self.request.limits, address, tls).await?;
        if !expected.bad_lines.is_empty() {
            return Err(ApplyError::BadLines {
                lines: expected.bad_lines,
            });
        }
        if let Some(why) = expected.shut_out {
            return Err(not_proved(why));
        }
        self.point("before the reload", &info.title())?;
        reload(&self.control).await?;
        self.point("after the reload", &info.title())?;
        let seen = proof::prove(
            self.request.options,
            self.request.prove_within,
            expected.refused_in_clear,
        )
        .await
        .map_err(not_proved)?;
        self.tell(&Event::Proved { what: &seen });
        self.point("before confirming", &info.title())?;
        self.journal.add(Entry::Proved {
            changes: info.changes.clone(),
        })?;
        Ok(())
    }

    /// Calls the guard off; it may have acted in the last moment.
    async fn finish(&mut self, planned: &[Planned], guard: Guard) -> Result<(), ApplyError> {
        let within = guard.within;
        // Shown to work: when the guard cannot be called off it acts, and whoever goes on finds out.
        self.unclear = true;
        self.hold().await?;
        guard.call_off(&self.control).await?;
        self.point("after the guard", "")?;
        for file in planned {
            if self.read(&file.path).await? != file.new {
                let restored = self.restore(planned).await.is_ok();
                self.unclear = !restored;
                return Err(ApplyError::NotProved {
                    why: format!(
                        "the guard put {} back, because it took longer than {} seconds to show that the new rules work",
                        file.path,
                        within.as_secs()
                    ),
                    restored,
                    guard_within: within.as_secs(),
                });
            }
        }
        Ok(())
    }

    /// Puts the old files back, and gives the error that says so. The guard goes only when they are.
    async fn put_back(
        &mut self,
        planned: &[Planned],
        guard: Guard,
        error: ApplyError,
    ) -> ApplyError {
        let within = guard.within.as_secs();
        let restored = self.restore(planned).await.is_ok();
        self.unclear = !restored;
        if restored {
            // One that stays finds the old files, and does nothing but reload.
            let _ = guard.call_off(&self.control).await;
        }
        match error {
            ApplyError::NotProved { why, .. } => ApplyError::NotProved {
                why,
                restored,
                guard_within: within,
            },
            error if restored => error,
            error => ApplyError::NotProved {
                why: error.to_string(),
                restored,
                guard_within: within,
            },
        }
    }

    /// The old files in their places, and in force.
    async fn restore(&mut self, planned: &[Planned]) -> Result<(), ApplyError> {
        if self.control.client().is_closed() {
            self.control = open(self.request.options, None).await?;
        }
        for file in planned {
            if self.read(&file.path).await? != file.old {
                self.write(&file.path, &file.old).await?;
            }
            if self.read(&file.path).await? != file.old {
                return Err(ApplyError::NotWritten {
                    path: file.path.clone(),
                });
            }
        }
        reload(&self.control).await
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, ApplyError> {
        match self.request.files {
            ServerFiles::Local => local::read(path),
            ServerFiles::ThroughServer => through_server::read(&self.control, path).await,
        }
    }

    async fn write(&self, path: &str, bytes: &[u8]) -> Result<(), ApplyError> {
        match self.request.files {
            ServerFiles::Local => local::replace(path, bytes),
            ServerFiles::ThroughServer => through_server::write(&self.control, path, bytes).await,
        }
    }

    /// Where the server sees us come from, and whether encrypted.
    async fn arrival(&self) -> Result<(Option<IpAddr>, bool), ApplyError> {
        let address: Vec<Option<String>> = column(
            &self.control,
            "SELECT pg_catalog.host(pg_catalog.inet_client_addr())",
            &[],
        )
        .await?;
        let address = address.into_iter().flatten().next();
        Ok((
            address.and_then(|text| text.parse().ok()),
            is_tls(&self.control),
        ))
    }
}

/// The name of what the journal's folder keeps of a change.
pub(crate) fn backup(change: &str) -> String {
    // An identifier of a plan file that somebody made by hand must not lead out of the folder.
    let safe: String = change
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    format!("before-{safe}")
}

/// What the name of the copy beside a file ends in. Not `.conf`: `include_dir` would read it.
fn beside(old: &[u8]) -> String {
    let digest: String = sha256(old).chars().take(8).collect();
    format!(".pgattest-{digest}")
}

fn is_tls(connection: &Connection) -> bool {
    connection.peer().tls.is_some()
}

fn not_proved(why: String) -> ApplyError {
    ApplyError::NotProved {
        why,
        restored: false,
        guard_within: 0,
    }
}
