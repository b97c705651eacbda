//! HBA: who may connect, from where, how.
