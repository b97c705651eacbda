//! TLS: encryption in transit.
