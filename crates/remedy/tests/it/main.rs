//! Applying, going on and taking back on real servers; killed, cut off and refused at every point.

mod cuts;
mod files;
mod kills;
mod refusals;
mod restarts;
mod support;
mod whole;
