//! From log files to the journal: which bytes are new, whatever rotation, truncation and deletion do.
