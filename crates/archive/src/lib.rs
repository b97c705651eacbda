//! The audit trail as Parquet: derived from the journal, rebuildable, readable by every engine.
//!
//! ```text
//! journal ─source─▶ blocks ─columns─▶ batches of columns ─part─▶ one Parquet file a day ─make─▶ DIR/instance=NAME/dt=DAY/
//!                                                                                                    │
//!                                       answers ◀─query─ scan ◀── footers, statistics, Bloom filters ┘
//! ```
//!
//! The archive proves nothing: each row names the record that does (`record_number`, `block_seq`, `record_idx`, `leaf_index`).

pub mod archive;
pub mod columns;
pub mod compact;
pub mod error;
pub mod hold;
pub mod location;
pub mod make;
pub mod name;
pub mod part;
pub mod query;
pub mod record_list;
pub mod retain;
pub mod schema;
pub mod source;
pub mod store;
pub mod task;
pub mod verify;

pub use archive::Archive;
pub use error::ArchiveError;
pub use location::{Location, Place};
pub use name::PartName;
pub use source::{Sealed, Source};
pub use store::Store;
