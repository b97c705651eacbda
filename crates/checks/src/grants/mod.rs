//! GRN: grants and default privileges.
