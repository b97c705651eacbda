//! Where a rule lets connections come from.

use super::matching::Matching;
use super::range::AddressSet;
use ipnet::{IpNet, ip_mask_to_prefix};
use pgattest_model::facts::HbaRule;
use std::net::IpAddr;

/// The address field of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Peer {
    /// None: a Unix socket.
    Socket,
    All,
    /// One of the server's own addresses.
    SameHost,
    /// A network that the server has an address in.
    SameNet,
    Network(IpNet),
    /// A mask with holes, which the server takes too: any address that agrees where the mask has ones.
    Scattered {
        address: IpAddr,
        mask: IpAddr,
    },
    /// A host name, or the end of one after a dot: found by a reverse lookup at the time of the connection.
    HostName,
    /// Not understood.
    Unclear,
}

impl Peer {
    pub(super) fn new(rule: &HbaRule) -> Self {
        if rule.connection_type == "local" {
            return Self::Socket;
        }
        // `"all"` is a host of that name.
        if rule.quoted.as_ref().is_some_and(|quoted| quoted.address) && rule.netmask.is_empty() {
            return Self::HostName;
        }
        match (rule.address.as_str(), rule.netmask.as_str()) {
            ("all", "") => Self::All,
            ("samehost", "") => Self::SameHost,
            ("samenet", "") => Self::SameNet,
            ("", _) => Self::Unclear,
            (address, netmask) => Self::written(address, netmask),
        }
    }

    fn written(address: &str, netmask: &str) -> Self {
        // The zone of a link-local address does not take part in the comparison.
        let parse = |text: &str| {
            text.split('%')
                .next()
                .and_then(|text| text.parse::<IpAddr>().ok())
        };
        match (parse(address), parse(netmask)) {
            (None, None) if netmask.is_empty() => Self::HostName,
            (Some(address), None) if netmask.is_empty() => Self::Network(address.into()),
            (Some(address), Some(mask)) if address.is_ipv4() == mask.is_ipv4() => {
                let network = ip_mask_to_prefix(mask)
                    .ok()
                    .and_then(|prefix| IpNet::new(address, prefix).ok());
                network.map_or(Self::Scattered { address, mask }, |network| {
                    Self::Network(network.trunc())
                })
            }
            _ => Self::Unclear,
        }
    }

    /// Whether a connection from this address matches; `None` is an address that is not known.
    pub(super) fn matches(&self, from: Option<IpAddr>) -> Matching {
        match (self, from) {
            (Self::All, _) => Matching::Yes,
            (Self::Socket, _) => Matching::No,
            (Self::Network(network), Some(from)) => network.contains(&from).into(),
            (Self::Scattered { address, mask }, Some(from)) => agree(*address, *mask, from).into(),
            (Self::SameHost | Self::SameNet | Self::HostName | Self::Unclear, _)
            | (Self::Network(_) | Self::Scattered { .. }, None) => Matching::Maybe,
        }
    }

    /// Addresses that match whatever the network looks like.
    pub(super) fn sure(&self) -> AddressSet {
        match self {
            Self::All => AddressSet::all(),
            Self::Network(network) => AddressSet::network(*network),
            Self::Socket
            | Self::SameHost
            | Self::SameNet
            | Self::Scattered { .. }
            | Self::HostName
            | Self::Unclear => AddressSet::none(),
        }
    }

    /// Addresses that match in some network.
    pub(super) fn possible(&self) -> AddressSet {
        match self {
            Self::All | Self::SameHost | Self::SameNet | Self::HostName | Self::Unclear => {
                AddressSet::all()
            }
            Self::Network(network) => AddressSet::network(*network),
            Self::Scattered { address, mask } => IpNet::new(*address, leading_ones(*mask))
                .map_or(AddressSet::all(), AddressSet::network),
            Self::Socket => AddressSet::none(),
        }
    }
}

fn agree(address: IpAddr, mask: IpAddr, from: IpAddr) -> bool {
    match (address, mask, from) {
        (IpAddr::V4(address), IpAddr::V4(mask), IpAddr::V4(from)) => {
            (address.to_bits() ^ from.to_bits()) & mask.to_bits() == 0
        }
        (IpAddr::V6(address), IpAddr::V6(mask), IpAddr::V6(from)) => {
            (address.to_bits() ^ from.to_bits()) & mask.to_bits() == 0
        }
        _ => false,
    }
}

fn leading_ones(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    };
    u8::try_from(ones).unwrap_or(0)
}
