//! Who is at the other end.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use crate::options::{Host, HostTarget};
use crate::text::printable;
use crate::tls::TlsSeen;

/// The server (or pooler) that a connection leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Peer {
    /// The host as it was given.
    pub host: Host,
    /// The IP address, if the connection is over TCP.
    pub hostaddr: Option<IpAddr>,
    /// The port, or the number at the end of the socket's name.
    pub port: u16,
    /// Whether the connection is over a unix socket.
    pub unix: bool,
    /// What the TLS handshake showed, if the connection has TLS.
    pub tls: Option<TlsSeen>,
}

impl Peer {
    pub(crate) fn new(target: &HostTarget, address: &Address, tls: Option<TlsSeen>) -> Self {
        Self {
            host: target.host.clone(),
            hostaddr: match address {
                Address::Tcp(address) => Some(address.ip()),
                Address::Unix(_) => None,
            },
            port: target.port,
            unix: matches!(address, Address::Unix(_)),
            tls,
        }
    }
}

/// An address that can be connected to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a unix socket.
    Unix(PathBuf),
}

/// Where something failed, for messages: cheap to clone, safe for terminals.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place(Arc<Inner>);

#[derive(Debug, Eq, PartialEq)]
struct Inner {
    target: HostTarget,
    address: Address,
    encrypted: bool,
}

impl Place {
    pub(crate) fn new(target: &HostTarget, address: &Address, encrypted: bool) -> Self {
        Self(Arc::new(Inner {
            target: target.clone(),
            address: address.clone(),
            encrypted,
        }))
    }

    /// The host that was asked for.
    pub fn target(&self) -> &HostTarget {
        &self.0.target
    }

    /// The address that was tried.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Whether TLS was in use or being set up.
    pub fn encrypted(&self) -> bool {
        self.0.encrypted
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.address {
            Address::Unix(path) => f.write_str(&printable(&path.to_string_lossy())),
            Address::Tcp(address) => {
                write!(f, "{}", self.0.target)?;
                let ip = address.ip();
                let named =
                    matches!(&self.0.target.host, Host::Name(name) if *name != ip.to_string());
                if named {
                    write!(f, " ({ip})")?;
                }
                f.write_str(if self.0.encrypted {
                    " with TLS"
                } else {
                    " without TLS"
                })
            }
        }
    }
}
