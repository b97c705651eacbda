//! The audit trail as Parquet: derived from the journal, rebuildable, readable by every engine.
