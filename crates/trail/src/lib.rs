//! The audit trail: the server's log, captured, sealed, and checked for holes.
//!
//! ```text
//! log files ─capture─▶ pieces ─redact─▶ blocks ─journal─▶ segments + tree ─┬─▶ sinks (crate `sinks`)
//!                                                                          ├─▶ archive (crate `archive`)
//!                                                                          └─▶ completeness, detect
//! ```
//!
//! The journal is the evidence; everything to the right of it can be made again from it.

pub mod block;
pub mod canary;
pub mod capture;
pub mod completeness;
pub mod detect;
pub mod inbox;
pub mod journal;
pub mod leaf;
pub mod operate;
pub mod proof;
pub mod seal;
pub mod verify;

pub use block::{Block, Piece, PieceKind};
pub use journal::{Journal, JournalError, JournalOptions, JournalReader, LeafSender};
pub use leaf::Leaf;
