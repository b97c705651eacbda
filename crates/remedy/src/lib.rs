//! Applying a plan to a live cluster, and taking it back.
//!
//! The plan decides everything; nothing is chosen here. [`apply`] looks whether the cluster is still what the plan was made from
//! and whether everything the plan needs is there, then makes the changes step by step. Each step is announced in a journal on
//! the disk before it is begun, so that [`resume`] and [`undo`] work after a crash at any point, and files that decide who may
//! come in are put back by the server itself unless new connections showed in time that the new ones work.

mod action;
mod back;
pub mod canary;
pub mod certificate;
mod certify;
mod engine;
mod error;
mod files;
mod guard;
mod journal;
mod local;
mod lock;
mod preflight;
mod proof;
mod request;
mod restart;
mod rights;
mod run;
mod session;
mod setting;
mod settings;
mod state;
mod steps;
mod through_server;
mod transaction;

pub use action::{Hands, perform};
pub use error::ApplyError;
pub use journal::JournalError;
pub use request::{
    Applied, Effect, Event, FaultHook, NotUndone, Observer, Point, Request, Restart, ServerFiles,
    StepInfo, Undone,
};
pub use run::{apply, resume, undo};
pub use state::{JournalState, Phase, status};
