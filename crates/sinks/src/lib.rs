//! Where the audit trail is shipped to: one file a sink, and what delivers to all of them.
