//! The server's version.

use std::fmt;

/// `server_version_num`: major * 10,000 + minor (130023 is 13.23).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServerVersion(pub u32);

impl ServerVersion {
    /// The majors whose catalogs the queries and checks were written for and tested on.
    pub const SUPPORTED: std::ops::RangeInclusive<u32> = 13..=18;

    /// 15 for 15.18.
    pub const fn major(self) -> u32 {
        self.0 / 10_000
    }

    /// 18 for 15.18.
    pub const fn minor(self) -> u32 {
        self.0 % 10_000
    }

    /// Whether verdicts may be given for this major at all.
    pub fn is_supported(self) -> bool {
        Self::SUPPORTED.contains(&self.major())
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major(), self.minor())
    }
}
