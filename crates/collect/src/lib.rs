//! Running the catalog queries against a live server.
//!
//! I/O only, and nothing decided: [`collect`] asks every group of `pgattest_catalog::GROUPS` and records what came back, byte
//! for byte, or why nothing did. Each database is read in one `REPEATABLE READ, READ ONLY` transaction, with timeouts, that
//! ends without having written anything; two databases are two snapshots. The number of queries does not depend on what is in
//! the cluster.
//!
//! Works on a standby and through a session pooler. Through a transaction pooler it works because everything happens inside
//! one transaction, on one server connection; the statements carry names, so a pooler that loses named statements even within
//! a transaction stands in the way.

mod canceller;
mod clock;
mod collect;
mod failure;
mod limits;
mod probe;
mod run;
mod server_files;
mod sitting;
mod survey;

pub use collect::{CollectError, Collection, Event, collect, collect_until};
pub use limits::Limits;
pub use probe::{Asker, probe, probe_address, probe_target};
pub use server_files::{ServerFileError, ServerFiles};
pub use survey::{Survey, survey};
