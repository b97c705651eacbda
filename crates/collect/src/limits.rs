//! How much of the server a collection may take.

use std::time::Duration;

/// Limits of one collection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many databases are read at the same time; 0 is taken as 1.
    pub concurrency: usize,
    /// The longest one query may run; zero is no limit.
    pub statement_timeout: Duration,
    /// The longest one query may wait for a lock; zero is no limit.
    pub lock_timeout: Duration,
    /// The databases to look into by name, beside the one that is connected to; `None` is every database that accepts
    /// connections. The others are recorded as left out.
    pub databases: Option<Vec<String>>,
    /// Whether the handshakes are tried: TLS versions, cipher suites, the certificate.
    pub probe: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 4,
            statement_timeout: Duration::from_mins(1),
            lock_timeout: Duration::from_secs(5),
            databases: None,
            probe: true,
        }
    }
}
