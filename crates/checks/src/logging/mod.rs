//! LOG: audit logging.
