//! How wide a set of addresses is.

use ipnet::{Ipv4Net, Ipv6Net};
use pgattest_access::hba::AddressSet;
use std::net::IpAddr;

/// What somebody must hold to have an address in it. IPv4 and IPv6 are comparable: a customer of a network is given about a
/// `/24` or a `/64`, an organisation a `/16` or a `/48`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Width {
    /// Nothing, hosts, or one subnet: up to an IPv4 `/24` or an IPv6 `/64`.
    Subnet,
    /// A site: up to an IPv4 `/16` or an IPv6 `/48`.
    Site,
    /// More than a site.
    Wide,
    /// Half of a family's addresses or more.
    Everything,
}

impl Width {
    /// By the number of addresses, in the family that has the wider part.
    pub(super) fn of(addresses: &AddressSet) -> Self {
        let (v4, v6) = addresses
            .ranges()
            .fold((0_u128, 0_u128), |(v4, v6), range| {
                match (range.first(), range.last()) {
                    (IpAddr::V4(first), IpAddr::V4(last)) => {
                        (v4 + size(first.to_bits().into(), last.to_bits().into()), v6)
                    }
                    (first, last) => (v4, v6.saturating_add(size(bits(first), bits(last)))),
                }
            });
        Self::of_family(v4, 32, [16, 24]).max(Self::of_family(v6, 128, [48, 64]))
    }

    /// By the number of addresses of a family with addresses of `bits`, whose sites and subnets have prefixes of these lengths.
    fn of_family(addresses: u128, bits: u32, [site, subnet]: [u32; 2]) -> Self {
        if addresses >= 1 << (bits - 1) {
            Self::Everything
        } else if addresses > 1 << (bits - site) {
            Self::Wide
        } else if addresses > 1 << (bits - subnet) {
            Self::Site
        } else {
            Self::Subnet
        }
    }
}

fn size(first: u128, last: u128) -> u128 {
    last.saturating_sub(first).saturating_add(1)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The IPv4 part.
pub(super) fn v4(addresses: &AddressSet) -> AddressSet {
    addresses.intersection(&AddressSet::network(Ipv4Net::default().into()))
}

/// The IPv6 part.
pub(super) fn v6(addresses: &AddressSet) -> AddressSet {
    addresses.intersection(&AddressSet::network(Ipv6Net::default().into()))
}

/// Addresses that other machines on the internet cannot come from: RFC 1918, RFC 6598, `fc00::/7`.
pub(super) fn private() -> AddressSet {
    networks([
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
    ])
}

/// Addresses that never come from behind a router, however many there are: loopback and link-local.
pub(super) fn next_door() -> AddressSet {
    networks(["169.254.0.0/16", "fe80::/10"]).union(&AddressSet::loopback())
}

/// The addresses of networks in CIDR form. What is not in that form is left out: it then covers nothing.
pub(super) fn networks<'a>(all: impl IntoIterator<Item = &'a str>) -> AddressSet {
    all.into_iter()
        .filter_map(|network| network.parse().ok())
        .fold(AddressSet::none(), |set, network| {
            set.union(&AddressSet::network(network))
        })
}

#[cfg(test)]
mod tests {
    use super::{Width, networks, next_door, private};
    use pgattest_access::hba::AddressSet;

    #[test]
    fn addresses_are_counted() {
        for (set, expected) in [
            (networks([]), Width::Subnet),
            (networks(["10.0.0.7/32", "fd00::/64"]), Width::Subnet),
            (networks(["10.1.0.0/23"]), Width::Site),
            (networks(["10.1.0.0/16", "2001:db8:1::/48"]), Width::Site),
            (networks(["10.0.0.0/15"]), Width::Wide),
            (networks(["2001:db8::/47"]), Width::Wide),
            // In two parts.
            (networks(["10.0.0.0/16", "10.7.0.0/16"]), Width::Wide),
            (networks(["10.0.0.0/2"]), Width::Wide),
            (networks(["0.0.0.0/0"]), Width::Everything),
            (networks(["0.0.0.0/1", "128.0.0.0/1"]), Width::Everything),
            (
                AddressSet::all().difference(&next_door()),
                Width::Everything,
            ),
            (AddressSet::all().difference(&private()), Width::Everything),
        ] {
            assert_eq!(Width::of(&set), expected, "{set}");
        }
    }
}
