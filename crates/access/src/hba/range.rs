//! Sets of IP addresses, exact to the single address.

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses from `first` to `last`, both of one family and both included.
///
/// Displays as a network where it is one (`10.0.0.0/8`), else as `10.0.0.0-10.0.2.7`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// The lowest address.
    pub const fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub const fn last(&self) -> IpAddr {
        self.last
    }

    /// The networks that together are this range, lowest first; at most 254.
    pub fn networks(&self) -> Vec<IpNet> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Ipv4Subnets::new(first, last, 0).map(IpNet::V4).collect()
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Ipv6Subnets::new(first, last, 0).map(IpNet::V6).collect()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Vec::new(),
        }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.networks().as_slice() {
            [network] => network.fmt(f),
            _ => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// A set of IPv4 and IPv6 addresses.
///
/// Displays as `all addresses`, `all IPv4`, or its ranges with commas; `none` when empty.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AddressSet {
    v4: Ranges,
    v6: Ranges,
}

impl AddressSet {
    /// The set without addresses.
    pub fn none() -> Self {
        Self::default()
    }

    /// Every address of both families.
    pub fn all() -> Self {
        Self {
            v4: Ranges(vec![ALL_V4]),
            v6: Ranges(vec![ALL_V6]),
        }
    }

    /// `127.0.0.0/8` and `::1`.
    pub fn loopback() -> Self {
        Self {
            v4: Ranges(vec![LOOPBACK_V4]),
            v6: Ranges(vec![LOOPBACK_V6]),
        }
    }

    /// The addresses of one network.
    pub fn network(network: IpNet) -> Self {
        let (first, last) = (number(network.network()), number(network.broadcast()));
        match network {
            IpNet::V4(_) => Self {
                v4: Ranges(vec![(first, last)]),
                v6: Ranges::default(),
            },
            IpNet::V6(_) => Self {
                v4: Ranges::default(),
                v6: Ranges(vec![(first, last)]),
            },
        }
    }

    /// Whether it has no address.
    pub fn is_empty(&self) -> bool {
        self.v4.0.is_empty() && self.v6.0.is_empty()
    }

    /// Whether it has every address of both families.
    pub fn is_all(&self) -> bool {
        *self == Self::all()
    }

    /// Whether the address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.v4.contains(number(address)),
            IpAddr::V6(_) => self.v6.contains(number(address)),
        }
    }

    /// Addresses in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.intersection(&other.v4),
            v6: self.v6.intersection(&other.v6),
        }
    }

    /// Addresses of this set that are not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.difference(&other.v4),
            v6: self.v6.difference(&other.v6),
        }
    }

    /// Addresses in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            v4: self.v4.union(&other.v4),
            v6: self.v6.union(&other.v6),
        }
    }

    /// Its ranges, IPv4 first, each as wide as possible, lowest first.
    pub fn ranges(&self) -> impl Iterator<Item = IpRange> {
        let v4 = self.v4.0.iter().map(|&(first, last)| IpRange {
            first: v4(first),
            last: v4(last),
        });
        let v6 = self.v6.0.iter().map(|&(first, last)| IpRange {
            first: v6(first),
            last: v6(last),
        });
        v4.chain(v6)
    }
}

impl fmt::Display for AddressSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        if self.is_all() {
            return f.write_str("all addresses");
        }
        let family = |ranges: &Ranges, all: (u128, u128), word: &str, of: fn(u128) -> IpAddr| {
            if ranges.0 == [all] {
                return vec![word.to_owned()];
            }
            let ranges = ranges.0.iter().map(|&(first, last)| IpRange {
                first: of(first),
                last: of(last),
            });
            ranges.map(|range| range.to_string()).collect()
        };
        let mut parts = family(&self.v4, ALL_V4, "all IPv4", v4);
        parts.extend(family(&self.v6, ALL_V6, "all IPv6", v6));
        f.write_str(&parts.join(", "))
    }
}

const ALL_V4: (u128, u128) = (0, u32::MAX as u128);
const ALL_V6: (u128, u128) = (0, u128::MAX);
const LOOPBACK_V4: (u128, u128) = (0x7f00_0000, 0x7fff_ffff);
const LOOPBACK_V6: (u128, u128) = (1, 1);

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn v4(number: u128) -> IpAddr {
    Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX)).into()
}

fn v6(number: u128) -> IpAddr {
    Ipv6Addr::from_bits(number).into()
}

/// Inclusive ranges in order, with at least one number between each and the next.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    fn contains(&self, number: u128) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= number);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|&(_, last)| number <= last)
    }

    fn intersection(&self, other: &Self) -> Self {
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(&&(a, b)), Some(&&(c, d))) = (mine.peek(), theirs.peek()) {
            if a.max(c) <= b.min(d) {
                common.push((a.max(c), b.min(d)));
            }
            if b < d {
                mine.next()
            } else {
                theirs.next()
            };
        }
        Self(common)
    }

    fn difference(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for &(first, last) in &self.0 {
            let mut from = Some(first);
            while let (Some(start), Some(&&(hole, end))) = (from, holes.peek()) {
                if end < start {
                    holes.next();
                    continue;
                }
                if hole > last {
                    break;
                }
                if start < hole {
                    left.push((start, hole - 1));
                }
                // A hole that reaches past this range is kept: it may reach into the next one too.
                from = end.checked_add(1).filter(|&next| next <= last);
                if from.is_some() {
                    holes.next();
                }
            }
            left.extend(from.map(|start| (start, last)));
        }
        Self(left)
    }

    fn union(&self, other: &Self) -> Self {
        let mut all: Vec<_> = self.0.iter().chain(&other.0).copied().collect();
        all.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match joined.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressSet, Ranges};
    use proptest::prelude::*;

    fn set(networks: &[&str]) -> AddressSet {
        networks.iter().fold(AddressSet::none(), |set, network| {
            set.union(&AddressSet::network(network.parse().unwrap()))
        })
    }

    #[test]
    fn shows_networks_where_they_are_networks() {
        assert_eq!(AddressSet::all().to_string(), "all addresses");
        assert_eq!(set(&["0.0.0.0/0"]).to_string(), "all IPv4");
        assert_eq!(
            set(&["10.0.0.0/9", "10.128.0.0/9", "::1/128"]).to_string(),
            "10.0.0.0/8, ::1/128"
        );
        assert_eq!(
            set(&["10.0.0.0/31", "10.0.0.2/32"]).to_string(),
            "10.0.0.0-10.0.0.2"
        );
        assert_eq!(AddressSet::none().to_string(), "none");
    }

    #[test]
    fn the_rest_of_everything_is_exact_at_both_ends() {
        let rest = AddressSet::all().difference(&set(&["0.0.0.0/1", "8000::/1"]));
        assert_eq!(rest.to_string(), "128.0.0.0/1, ::/1");
        assert!(AddressSet::all().difference(&AddressSet::all()).is_empty());
        assert!(
            !rest.contains("127.255.255.255".parse().unwrap())
                && rest.contains("128.0.0.0".parse().unwrap())
        );
    }

    /// Numbers near both ends of the scale, so that overflow would show.
    fn ranges() -> impl Strategy<Value = Ranges> {
        let end = prop_oneof![0_u128..24, (u128::MAX - 23)..=u128::MAX];
        prop::collection::vec((end.clone(), end), 0..6).prop_map(|pairs| {
            pairs.into_iter().fold(Ranges::default(), |set, (a, b)| {
                set.union(&Ranges(vec![(a.min(b), a.max(b))]))
            })
        })
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_membership(a in ranges(), b in ranges()) {
            for number in (0..26).chain(u128::MAX - 25..=u128::MAX) {
                let (in_a, in_b) = (a.contains(number), b.contains(number));
                prop_assert_eq!(a.intersection(&b).contains(number), in_a && in_b);
                prop_assert_eq!(a.difference(&b).contains(number), in_a && !in_b);
                prop_assert_eq!(a.union(&b).contains(number), in_a || in_b);
            }
            for result in [a.intersection(&b), a.difference(&b), a.union(&b)] {
                prop_assert!(result.0.iter().all(|(first, last)| first <= last));
                prop_assert!(result.0.windows(2).all(|pair| pair[0].1 < pair[1].0));
            }
        }
    }
}
