//! Takes what lies in the journal's inbox: canaries into the tree, requests to be done and answered.

use super::{Context, Phase, Task, TaskError};
use crate::inbox::pending;
use crate::inbox::request::{self, Answer, ArchivedFile, Request};
use crate::journal::{JournalError, JournalReader, remove_pruned};
use crate::leaf::Leaf;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often the inbox is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// The part of a collector that reads the inbox: canaries of `pgattest prove logging`, requests of `trail hold`, `trail prune` and
/// `trail archive`.
#[derive(Clone, Copy, Debug)]
pub struct InboxTask {
    /// Days that every record is kept at least, whoever asks.
    pub floor_days: u32,
}

impl Task for InboxTask {
    fn name(&self) -> String {
        "inbox".to_owned()
    }

    fn run(&mut self, context: &Context) -> Result<(), TaskError> {
        // Made now, it is the collector's: made by who asks first, it might not be.
        crate::inbox::open(context.dir())?;
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
            for taken in request::take(context.dir())? {
                let answer = match &taken.request {
                    Ok(request) => self.done(request, context)?,
                    Err(reason) => Answer::Refused {
                        reason: reason.clone(),
                    },
                };
                if let Answer::Refused { reason } = &answer {
                    context.teller.warn(format!(
                        "the request `{}` is refused: {reason}",
                        taken.path().display()
                    ));
                }
                taken.answer(&answer)?;
            }
            if phase == Phase::Draining {
                return Ok(());
            }
            context.stop.wait(phase, EVERY);
        }
    }
}

impl InboxTask {
    /// Does what is asked. An error is one of this machine, after which the request is still there.
    fn done(self, request: &Request, context: &Context) -> Result<Answer, TaskError> {
        let done = match request {
            Request::Hold {
                name,
                active,
                reason,
            } => hold(name, *active, reason, context),
            Request::Archived { files } => archived(files, context),
            Request::Prune { days } => self.prune(*days, context),
        };
        match done {
            Ok(answer) => Ok(answer),
            Err(JournalError::Refused { what, reason }) => Ok(Answer::Refused {
                reason: format!("the journal refuses {what}: {reason}"),
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn prune(self, days: u32, context: &Context) -> Result<Answer, JournalError> {
        if days < self.floor_days {
            return Ok(Answer::Refused {
                reason: format!(
                    "the collector keeps records {} days ([archive] retention_days of its configuration, or 365), and {days} were asked for",
                    self.floor_days
                ),
            });
        }
        let reader = context.reader()?;
        let size = reader.size();
        let bound = now().saturating_sub(i64::from(days).saturating_mul(DAY));
        let (_, oldest) = reader.oldest()?;
        let Some(leaf) = reader.pruning(first_kept(&reader, oldest, bound)?, days)? else {
            return Ok(Answer::Done { pruned: None });
        };
        context.leaves.send(leaf)?;
        let pruned = remove_pruned(context.dir(), size)?;
        context.teller.info(format!(
            "what was sealed more than {days} days ago is pruned, as was asked for"
        ));
        Ok(Answer::Done { pruned })
    }
}

/// Records files of the archive; those that the tree has already are passed over.
fn archived(files: &[ArchivedFile], context: &Context) -> Result<Answer, JournalError> {
    let reader = context.reader()?;
    let end = reader.next_record()?;
    if let Some(file) = files
        .iter()
        .find(|file| file.first.saturating_add(file.count) > end)
    {
        return Ok(Answer::Refused {
            reason: format!(
                "`{}` is said to have records up to {}, and the journal ends before {end}",
                file.file.escape_debug(),
                file.first.saturating_add(file.count).saturating_sub(1)
            ),
        });
    }
    let mut known = BTreeMap::new();
    for leaf in reader.leaves(0) {
        if let (_, Leaf::Archived { file, sha256, .. }) = leaf? {
            known.insert(file, sha256);
        }
    }
    for file in files {
        if known.get(&file.file) != Some(&file.sha256) {
            context.leaves.send(file.leaf())?;
        }
    }
    Ok(Answer::Done { pruned: None })
}

/// The first block that is young enough to stay; the tree's size when none is.
fn first_kept(reader: &JournalReader, from: u64, bound: i64) -> Result<u64, JournalError> {
    for leaf in reader.leaves(from) {
        if let (index, Leaf::Block(block)) = leaf?
            && block.sealed_at >= bound
        {
            return Ok(index);
        }
    }
    Ok(reader.size())
}

fn hold(name: &str, active: bool, reason: &str, context: &Context) -> Result<Answer, JournalError> {
    if !active && !is_held(&context.reader()?, name)? {
        return Ok(Answer::Refused {
            reason: format!("no hold `{}` is in force", name.escape_debug()),
        });
    }
    context.leaves.send(Leaf::Hold {
        at: now(),
        name: name.to_owned(),
        active,
        reason: reason.to_owned(),
    })?;
    let done = if active { "set" } else { "lifted" };
    context.teller.info(format!(
        "the legal hold `{}` is {done}, as was asked for",
        name.escape_debug()
    ));
    Ok(Answer::Done { pruned: None })
}

fn is_held(reader: &JournalReader, wanted: &str) -> Result<bool, JournalError> {
    let mut held = false;
    for leaf in reader.leaves(0) {
        if let (_, Leaf::Hold { name, active, .. }) = leaf?
            && name == wanted
        {
            held = active;
        }
    }
    Ok(held)
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
