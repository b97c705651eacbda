//! One attempt to connect, as the server sees it when it looks for a rule.

use pgattest_model::ident::{quote_ident, visible};
use std::fmt;
use std::net::IpAddr;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Connection {
    /// Unix socket.
    Socket,
    /// TCP without encryption.
    Clear,
    /// TCP with TLS.
    Tls,
    /// TCP with GSSAPI encryption.
    Gss,
}

impl Connection {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Socket, Self::Clear, Self::Tls, Self::Gss];

    /// In words, for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "Unix socket",
            Self::Clear => "TCP without encryption",
            Self::Tls => "TLS",
            Self::Gss => "GSSAPI encryption",
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is asked for.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Destination {
    /// A database, by name. Logical replication counts as this.
    Database(String),
    /// The write-ahead log of the whole cluster: physical replication, base backups.
    Replication,
}

impl fmt::Display for Destination {
    /// The name quoted where SQL would, or `replication`, which is never quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(name) if name == "replication" => f.write_str("\"replication\""),
            Self::Database(name) => f.write_str(&visible(&quote_ident(name))),
            Self::Replication => f.write_str("replication"),
        }
    }
}

/// One attempt to connect. Displays as `app to shop from 10.0.0.10 by TLS`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Attempt {
    /// How the bytes travel.
    pub connection: Connection,
    /// Where it comes from. For a Unix socket it is not looked at; for TCP, `None` is "not known".
    pub address: Option<IpAddr>,
    /// What is asked for.
    pub destination: Destination,
    /// The role's name. It need not exist.
    pub role: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to {}",
            visible(&quote_ident(&self.role)),
            self.destination
        )?;
        if let (Some(address), false) = (self.address, self.connection == Connection::Socket) {
            write!(f, " from {address}")?;
        }
        write!(f, " by {}", self.connection)
    }
}

/// Which rule decides an attempt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Match {
    /// Rules that may match before the one below: host names, `samehost`, `samenet`, regular expressions. Positions in
    /// [`super::Ruleset::rules`], in order.
    pub maybe: Vec<usize>,
    /// The first rule that certainly matches; `None` when no rule does, and the server refuses the connection.
    pub rule: Option<usize>,
}

impl Match {
    /// Whether only one rule, or the refusal, is possible.
    pub const fn is_certain(&self) -> bool {
        self.maybe.is_empty()
    }

    /// Every rule that may decide the attempt.
    pub fn candidates(&self) -> impl Iterator<Item = usize> {
        self.maybe.iter().copied().chain(self.rule)
    }
}
