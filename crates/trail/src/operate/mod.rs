//! Running it: what its parts are given, how they end, what they say and count.
//!
//! | module | subject |
//! |---|---|
//! | [`task`] | what runs beside the capture: sinks, archive, detection |
//! | [`stop`] | how parts are told to end |
//! | [`letters`] | what other programs of this machine hand in |
//! | [`metrics`] | numbers, for Prometheus |
//! | [`status`] | how a trail is, from its journal alone |
//! | [`tell`] | messages, for whoever operates it |

pub mod letters;
pub mod metrics;
pub mod status;
pub mod stop;
pub mod task;
pub mod tell;

pub use letters::InboxTask;
pub use metrics::{Counter, Gauge, Metrics};
pub use status::{Status, status};
pub use stop::{Phase, Stop};
pub use task::{Context, Head, Leaves, Task, TaskError};
pub use tell::{Importance, Teller, with_causes};
