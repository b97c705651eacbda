//! Rules over records, and the alerts that they raise.
//!
//! Time is the records' own: the same records give the same alerts, whenever they are read. What a rule remembers is saved with the
//! alerts that are still to be delivered, so that a restart neither forgets nor repeats one.
//!
//! | module | subject |
//! |---|---|
//! | [`rule`] | rules as data: TOML, read and checked |
//! | [`fields`] | what a rule can ask of a record |
//! | [`condition`] | the condition language |
//! | [`engine`] | thresholds, first sights, baselines |
//! | [`alert`] | an alert |
//! | [`shipped`] | the rules that come with pgattest |
//! | [`deliver`] | where alerts go: standard output and files here, webhooks in the crate `sinks` |
//! | [`outbox`] | alerts that are not delivered everywhere yet |
//! | [`watch`] | over a journal, as a task of the collector |
//! | [`replay`] | over records that are already there |

pub mod alert;
pub mod condition;
pub mod deliver;
pub mod engine;
mod example;
pub mod fields;
pub mod outbox;
pub mod replay;
pub mod rule;
pub mod shipped;
pub mod watch;

pub use alert::{Alert, Severity};
pub use deliver::Place;
pub use engine::{Engine, Input};
pub use rule::{Rule, RuleError};
