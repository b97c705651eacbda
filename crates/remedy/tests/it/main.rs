//! Applying, going on and taking back on real servers; killed, cut off and refused at every point.

#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml allows it in tests, but does not see that helpers are tests"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "the tests start themselves, to be killed"
)]

mod certificates;
mod cuts;
mod files;
mod kills;
mod load;
mod refusals;
mod restarts;
mod support;
mod whole;
