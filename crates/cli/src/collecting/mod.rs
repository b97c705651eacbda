//! What `trail run` needs besides the collector: keys, rules, signals, a port to be watched at, a progress bar.

pub(crate) mod detecting;
pub(crate) mod keys;
pub(crate) mod serve;
pub(crate) mod watch;
