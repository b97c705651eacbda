//! Rules over records, and alerts with proofs.
