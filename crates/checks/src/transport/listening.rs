//! Where the server listens.

use crate::context::Context;
use std::net::{IpAddr, Ipv6Addr};

/// Who can reach the server over TCP, as far as `listen_addresses` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Listening {
    /// Nobody: Unix sockets only.
    Nowhere,
    /// Processes of the same machine only.
    Loopback,
    /// Other machines, or nobody knows.
    Network,
}

impl Listening {
    /// What the setting in force says. Where it cannot be read, other machines are taken to reach the server.
    pub fn of(context: &Context<'_>) -> Self {
        match context.setting("listen_addresses") {
            Ok((setting, _)) if !setting.withheld => Self::parse(&setting.value),
            Ok(_) | Err(_) => Self::Network,
        }
    }

    fn parse(value: &str) -> Self {
        let mut addresses = value
            .split(',')
            .map(|item| item.trim().trim_matches('"'))
            .filter(|item| !item.is_empty())
            .peekable();
        if addresses.peek().is_none() {
            Self::Nowhere
        } else if addresses.all(is_loopback) {
            Self::Loopback
        } else {
            Self::Network
        }
    }
}

/// Whether an address, as settings and the server's views write it, is the machine's own loopback.
pub fn is_loopback(address: &str) -> bool {
    address.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
        || address
            .split_once('%')
            .and_then(|(address, _)| address.parse::<Ipv6Addr>().ok())
            .is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::Listening;

    #[test]
    fn only_loopback_addresses_stay_on_the_machine() {
        for (value, expected) in [
            ("", Listening::Nowhere),
            (" , ", Listening::Nowhere),
            ("localhost", Listening::Loopback),
            ("127.0.0.1, ::1", Listening::Loopback),
            (
                "127.0.0.1,\"LOCALHOST\",::ffff:127.0.0.1",
                Listening::Loopback,
            ),
            ("*", Listening::Network),
            ("0.0.0.0", Listening::Network),
            ("::", Listening::Network),
            ("localhost, 10.0.0.5", Listening::Network),
            ("localhost.example.com", Listening::Network),
            ("fe80::1%eth0", Listening::Network),
        ] {
            assert_eq!(Listening::parse(value), expected, "{value}");
        }
    }
}
