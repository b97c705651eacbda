//! What all steps work with: the request, the journal, and the session that holds the lock.

use crate::error::ApplyError;
use crate::journal::{Entry, Journal};
use crate::request::{Effect, Event, Observer, Point, Request, StepInfo};
use crate::steps::Step;
use crate::{lock, preflight};
use pgattest_wire::Connection;

pub(crate) struct Engine<'a, 'o> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) observer: &'o mut dyn Observer,
    pub(crate) journal: Journal,
    /// Holds the advisory lock; settings and files go through it.
    pub(crate) control: Connection,
    /// Whether what is done now takes back.
    pub(crate) undo: bool,
    /// Whether an earlier process may have begun this step.
    pub(crate) reopened: bool,
    /// Whether it is not known what is left of the step that failed: then it stays open in the journal.
    pub(crate) unclear: bool,
}

impl<'a, 'o> Engine<'a, 'o> {
    /// Takes the lock on the cluster, and refuses one that is not the plan's.
    pub(crate) async fn open(
        request: &'a Request<'a>,
        observer: &'o mut dyn Observer,
        journal: Journal,
        undo: bool,
    ) -> Result<Self, ApplyError> {
        let control = lock::take(request.options).await?;
        preflight::target(request, &control).await?;
        Ok(Self {
            request,
            observer,
            journal,
            control,
            undo,
            reopened: false,
            unclear: false,
        })
    }
}

impl Engine<'_, '_> {
    /// A point at which a test may stop everything.
    pub(crate) fn point(&self, name: &'static str, of: &str) -> Result<(), ApplyError> {
        let Some(hook) = &self.request.faults else {
            return Ok(());
        };
        let point = Point {
            name,
            of: of.to_owned(),
        };
        hook(&point).map_err(|source| ApplyError::Fault {
            point: point.to_string(),
            source,
        })
    }

    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        self.observer.event(event);
    }

    pub(crate) fn started(&mut self, info: &StepInfo) -> Result<(), ApplyError> {
        self.journal.add(Entry::Started {
            changes: info.changes.clone(),
            undo: self.undo,
            at: now(),
        })?;
        self.tell(&Event::StepStarted(info));
        Ok(())
    }

    pub(crate) fn done(&mut self, info: &StepInfo, effects: &[Effect]) -> Result<(), ApplyError> {
        self.journal.add(Entry::Done {
            changes: info.changes.clone(),
            undo: self.undo,
            at: now(),
        })?;
        self.tell(&Event::StepDone {
            step: info,
            effects,
        });
        Ok(())
    }

    /// Nothing of the step is left.
    pub(crate) fn rolled_back(&mut self, info: &StepInfo, why: &str) -> Result<(), ApplyError> {
        self.journal.add(Entry::Failed {
            changes: info.changes.clone(),
            undo: self.undo,
            why: why.to_owned(),
            at: now(),
        })?;
        self.tell(&Event::RolledBack { step: info, why });
        Ok(())
    }

    /// The session that holds the lock, a new one when the old one is gone.
    pub(crate) async fn hold(&mut self) -> Result<(), ApplyError> {
        if self.control.client().is_closed() {
            self.control = lock::take(self.request.options).await?;
        }
        Ok(())
    }
}

impl Step {
    pub(crate) fn info(&self, index: usize, total: usize, undo: bool) -> StepInfo {
        StepInfo {
            index,
            total,
            changes: self.changes.clone(),
            titles: self.titles.clone(),
            undo,
        }
    }
}

/// RFC 3339, UTC.
pub(crate) fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
