//! The evidence package: sealing, verifying, the signing key and the local ledger.
