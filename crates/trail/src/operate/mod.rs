//! Running it: metrics, health, status.
