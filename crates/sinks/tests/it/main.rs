//! Delivery from a real journal: to sinks that follow a script, to strict stubs of what cannot be had, to real receivers.

mod engine;
mod kill;
mod support;
