//! How wide the address of a rule is.

use super::peer::Peer;
use super::range::AddressSet;
use ipnet::IpNet;

/// How wide the address of one rule is, before any other rule is considered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is one thing that policies ask"
)]
pub struct Extent {
    /// Length of the network's prefix; `None` for everything that is not written as one network.
    pub prefix_length: Option<u8>,
    /// Only `127.0.0.0/8` or `::1`; or a Unix socket.
    pub is_loopback: bool,
    /// Only addresses that are not routed on the internet (RFC 1918, RFC 6598, link-local, `fc00::/7`), or the loopback.
    pub is_private: bool,
    /// Every address of at least one family: `all`, `0.0.0.0/0`, `::/0`.
    pub is_everything: bool,
    /// `samenet`: whatever networks the server happens to have an address in.
    pub is_same_net: bool,
    /// Not decided by the file alone: `samehost`, `samenet`, a host name, a mask with holes, or not understood.
    pub is_approximate: bool,
}

impl Extent {
    /// Whether the rule itself puts no bound on where connections come from: everything, or `samenet`.
    pub const fn is_unbounded(&self) -> bool {
        self.is_everything || self.is_same_net
    }

    pub(super) fn of(peer: &Peer) -> Self {
        let mut extent = Self {
            prefix_length: None,
            is_loopback: false,
            is_private: false,
            is_everything: false,
            is_same_net: false,
            is_approximate: false,
        };
        match peer {
            Peer::Socket => (extent.is_loopback, extent.is_private) = (true, true),
            Peer::All => extent.is_everything = true,
            Peer::SameNet => (extent.is_same_net, extent.is_approximate) = (true, true),
            Peer::Network(network) => {
                let addresses = AddressSet::network(*network);
                extent.prefix_length = Some(network.prefix_len());
                extent.is_loopback = addresses.difference(&AddressSet::loopback()).is_empty();
                extent.is_private = addresses.difference(&private()).is_empty();
                extent.is_everything = network.prefix_len() == 0;
            }
            Peer::SameHost | Peer::Scattered { .. } | Peer::HostName | Peer::Unclear => {
                extent.is_approximate = true;
            }
        }
        extent
    }
}

fn private() -> AddressSet {
    const NETWORKS: [&str; 7] = [
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    ];
    let networks = NETWORKS
        .iter()
        .filter_map(|network| network.parse::<IpNet>().ok());
    networks.fold(AddressSet::loopback(), |all, network| {
        all.union(&AddressSet::network(network))
    })
}
