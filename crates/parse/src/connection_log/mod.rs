//! Logins out of the server's log: `log_connections` in CSV (13 and later), JSON (15 and later) or plain lines with any
//! `log_line_prefix`.
//!
//! Only messages in English are understood (`lc_messages`), which is also what the server writes before it has read its settings.
//! A client may call itself (`application_name`) as it likes, and plain lines and messages carry that name: CSV and JSON are read
//! by columns, which nobody can forge, but whether the connection was encrypted stands in the message alone. The server writes the
//! message before it looks whether the role and the database exist: with `trust`, a login may name a role that never was.

mod columns;
mod message;
mod plain;

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Logins of one log, each way in once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ConnectionLog {
    /// Who came in, ordered by role, database and address.
    pub logins: Vec<LoggedLogin>,
    /// Logins that were read.
    pub read: u64,
    /// Logins whose address is not known, because the log has host names (`log_hostname`) or nothing joins the line to the one
    /// that has the address. They are not among `logins`.
    pub without_address: u64,
    /// Records or lines that should have been a login and could not be understood, or were no record at all.
    pub unreadable: u64,
}

/// A way in that was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedLogin {
    /// The role.
    pub role: String,
    /// The database; empty for physical replication.
    pub database: String,
    /// The client's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// Whether it was encrypted with TLS.
    pub tls: bool,
    /// Whether it was for replication.
    pub replication: bool,
    /// When it was last seen, as the log has it; empty when the prefix has no time.
    pub last_seen: String,
    /// How often.
    pub count: u64,
}

/// Reads a log in any of the three forms; which one it is its beginning tells. Never fails: what is not understood is counted.
pub fn read(log: &[u8]) -> ConnectionLog {
    let text = String::from_utf8_lossy(log);
    let text = text.trim_start_matches('\u{feff}');
    let mut collector = Collector::default();
    if text.trim_start().starts_with('{') {
        columns::json(text, &mut collector);
    } else if columns::is_csv(text) {
        columns::csv(text, &mut collector);
    } else {
        plain::read(text, &mut collector);
    }
    collector.finish()
}

/// Where a client came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum From {
    Socket,
    Address(IpAddr),
    /// A host name, or nothing.
    Unknown,
}

impl From {
    /// From a host as the log has it: `[local]`, an address, a name.
    fn host(host: &str) -> Self {
        if host == "[local]" {
            return Self::Socket;
        }
        let bare = host.split('%').next().unwrap_or(host);
        bare.parse().map_or(Self::Unknown, Self::Address)
    }

    /// From `host:port` or `[local]`.
    fn host_and_port(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::host(host)
            }
            _ => Self::host(text),
        }
    }
}

type Way = (String, String, Option<IpAddr>, bool, bool);

/// Adds up logins.
#[derive(Default)]
struct Collector {
    ways: BTreeMap<Way, (String, u64)>,
    read: u64,
    without_address: u64,
    unreadable: u64,
}

impl Collector {
    fn login(&mut self, role: &str, database: &str, how: message::How, from: From, time: &str) {
        self.read += 1;
        let address = match from {
            From::Socket => None,
            From::Address(address) => Some(address),
            From::Unknown => {
                self.without_address += 1;
                return;
            }
        };
        let way = (
            role.to_owned(),
            database.to_owned(),
            address,
            how.tls,
            how.replication,
        );
        let (last_seen, count) = self.ways.entry(way).or_default();
        *count += 1;
        if last_seen.as_str() < time {
            time.clone_into(last_seen);
        }
    }

    fn finish(self) -> ConnectionLog {
        ConnectionLog {
            logins: self
                .ways
                .into_iter()
                .map(
                    |((role, database, address, tls, replication), (last_seen, count))| {
                        LoggedLogin {
                            role,
                            database,
                            address,
                            tls,
                            replication,
                            last_seen,
                            count,
                        }
                    },
                )
                .collect(),
            read: self.read,
            without_address: self.without_address,
            unreadable: self.unreadable,
        }
    }
}

#[cfg(test)]
mod tests;
