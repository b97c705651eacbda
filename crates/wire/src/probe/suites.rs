//! The cipher suites that are asked about, by number and IANA name.
//!
//! All that OpenSSL has ever had for certificates and for anonymous key exchange; none of pre-shared keys, SRP and Kerberos,
//! which PostgreSQL has no setting for.

use pgattest_model::facts::SuiteGrade;

use crate::options::TlsVersion;

/// A cipher suite.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suite {
    pub(super) number: u16,
    pub(super) name: &'static str,
}

impl Suite {
    pub(super) fn grade(self) -> SuiteGrade {
        SuiteGrade::of(self.name)
    }

    /// Whether it is one of TLS 1.3, which has suites of its own.
    const fn is_of_1_3(self) -> bool {
        self.number >> 8 == 0x13
    }
}

/// The suites that a version can be asked for.
pub(super) fn of_version(version: TlsVersion) -> impl Iterator<Item = Suite> {
    SUITES
        .iter()
        .copied()
        .filter(move |suite| suite.is_of_1_3() == (version == TlsVersion::V1_3))
}

/// A suite's name, or its number where nobody here knows it.
pub(super) fn name_of(number: u16) -> String {
    SUITES
        .iter()
        .find(|suite| suite.number == number)
        .map_or_else(|| format!("0x{number:04X}"), |suite| suite.name.to_owned())
}

const fn suite(number: u16, name: &'static str) -> Suite {
    Suite { number, name }
}

static SUITES: &[Suite] = &[
    suite(0x0001, "TLS_RSA_WITH_NULL_MD5"),
    suite(0x0002, "TLS_RSA_WITH_NULL_SHA"),
    suite(0x003b, "TLS_RSA_WITH_NULL_SHA256"),
    suite(0xc001, "TLS_ECDH_ECDSA_WITH_NULL_SHA"),
    suite(0xc006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA"),
    suite(0xc00b, "TLS_ECDH_RSA_WITH_NULL_SHA"),
    suite(0xc010, "TLS_ECDHE_RSA_WITH_NULL_SHA"),
    suite(0xc015, "TLS_ECDH_anon_WITH_NULL_SHA"),
    suite(0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5"),
    suite(0x0006, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5"),
    suite(0x0008, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    suite(0x0011, "TLS_DHE_DSS_EXPORT_WITH_DES40_CBC_SHA"),
    suite(0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA"),
    suite(0x0017, "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5"),
    suite(0x0019, "TLS_DH_anon_EXPORT_WITH_DES40_CBC_SHA"),
    suite(0x0004, "TLS_RSA_WITH_RC4_128_MD5"),
    suite(0x0005, "TLS_RSA_WITH_RC4_128_SHA"),
    suite(0x0018, "TLS_DH_anon_WITH_RC4_128_MD5"),
    suite(0xc002, "TLS_ECDH_ECDSA_WITH_RC4_128_SHA"),
    suite(0xc007, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA"),
    suite(0xc00c, "TLS_ECDH_RSA_WITH_RC4_128_SHA"),
    suite(0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA"),
    suite(0xc016, "TLS_ECDH_anon_WITH_RC4_128_SHA"),
    suite(0x0009, "TLS_RSA_WITH_DES_CBC_SHA"),
    suite(0x0012, "TLS_DHE_DSS_WITH_DES_CBC_SHA"),
    suite(0x0015, "TLS_DHE_RSA_WITH_DES_CBC_SHA"),
    suite(0x001a, "TLS_DH_anon_WITH_DES_CBC_SHA"),
    suite(0x001b, "TLS_DH_anon_WITH_3DES_EDE_CBC_SHA"),
    suite(0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA"),
    suite(0x003a, "TLS_DH_anon_WITH_AES_256_CBC_SHA"),
    suite(0x006c, "TLS_DH_anon_WITH_AES_128_CBC_SHA256"),
    suite(0x006d, "TLS_DH_anon_WITH_AES_256_CBC_SHA256"),
    suite(0x00a6, "TLS_DH_anon_WITH_AES_128_GCM_SHA256"),
    suite(0x00a7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384"),
    suite(0x0046, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA"),
    suite(0x0089, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA"),
    suite(0x00bf, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA256"),
    suite(0x00c5, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256"),
    suite(0x009b, "TLS_DH_anon_WITH_SEED_CBC_SHA"),
    suite(0xc017, "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA"),
    suite(0xc018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA"),
    suite(0xc019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA"),
    suite(0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0x0013, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA"),
    suite(0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0xc003, "TLS_ECDH_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0xc008, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0xc00d, "TLS_ECDH_RSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0xc012, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    suite(0x0007, "TLS_RSA_WITH_IDEA_CBC_SHA"),
    suite(0x0096, "TLS_RSA_WITH_SEED_CBC_SHA"),
    suite(0x0099, "TLS_DHE_DSS_WITH_SEED_CBC_SHA"),
    suite(0x009a, "TLS_DHE_RSA_WITH_SEED_CBC_SHA"),
    suite(0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA"),
    suite(0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA"),
    suite(0x003c, "TLS_RSA_WITH_AES_128_CBC_SHA256"),
    suite(0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256"),
    suite(0x009c, "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    suite(0x009d, "TLS_RSA_WITH_AES_256_GCM_SHA384"),
    suite(0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    suite(0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    suite(0x00ba, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    suite(0x00c0, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
    suite(0xc09c, "TLS_RSA_WITH_AES_128_CCM"),
    suite(0xc09d, "TLS_RSA_WITH_AES_256_CCM"),
    suite(0xc0a0, "TLS_RSA_WITH_AES_128_CCM_8"),
    suite(0xc0a1, "TLS_RSA_WITH_AES_256_CCM_8"),
    suite(0xc050, "TLS_RSA_WITH_ARIA_128_GCM_SHA256"),
    suite(0xc051, "TLS_RSA_WITH_ARIA_256_GCM_SHA384"),
    suite(0xc004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA"),
    suite(0xc005, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA"),
    suite(0xc00e, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA"),
    suite(0xc00f, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA"),
    suite(0xc025, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA256"),
    suite(0xc026, "TLS_ECDH_ECDSA_WITH_AES_256_CBC_SHA384"),
    suite(0xc029, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA256"),
    suite(0xc02a, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384"),
    suite(0xc02d, "TLS_ECDH_ECDSA_WITH_AES_128_GCM_SHA256"),
    suite(0xc02e, "TLS_ECDH_ECDSA_WITH_AES_256_GCM_SHA384"),
    suite(0xc031, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256"),
    suite(0xc032, "TLS_ECDH_RSA_WITH_AES_256_GCM_SHA384"),
    suite(0x0032, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA"),
    suite(0x0038, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA"),
    suite(0x0040, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256"),
    suite(0x006a, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256"),
    suite(0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
    suite(0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
    suite(0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
    suite(0x006b, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
    suite(0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA"),
    suite(0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA"),
    suite(0x00be, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    suite(0x00c4, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256"),
    suite(0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    suite(0xc00a, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    suite(0xc023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    suite(0xc024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    suite(0xc072, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256"),
    suite(0xc073, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384"),
    suite(0xc013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    suite(0xc014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    suite(0xc027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    suite(0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    suite(0xc076, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"),
    suite(0xc077, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384"),
    suite(0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    suite(0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    suite(0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    suite(0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM"),
    suite(0xc0ad, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM"),
    suite(0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"),
    suite(0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"),
    suite(0xc05c, "TLS_ECDHE_ECDSA_WITH_ARIA_128_GCM_SHA256"),
    suite(0xc05d, "TLS_ECDHE_ECDSA_WITH_ARIA_256_GCM_SHA384"),
    suite(0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    suite(0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    suite(0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    suite(0xc060, "TLS_ECDHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    suite(0xc061, "TLS_ECDHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    suite(0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    suite(0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
    suite(0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    suite(0xc09e, "TLS_DHE_RSA_WITH_AES_128_CCM"),
    suite(0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM"),
    suite(0xc0a2, "TLS_DHE_RSA_WITH_AES_128_CCM_8"),
    suite(0xc0a3, "TLS_DHE_RSA_WITH_AES_256_CCM_8"),
    suite(0xc052, "TLS_DHE_RSA_WITH_ARIA_128_GCM_SHA256"),
    suite(0xc053, "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384"),
    suite(0x00a2, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256"),
    suite(0x00a3, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"),
    suite(0x1301, "TLS_AES_128_GCM_SHA256"),
    suite(0x1302, "TLS_AES_256_GCM_SHA384"),
    suite(0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    suite(0x1304, "TLS_AES_128_CCM_SHA256"),
    suite(0x1305, "TLS_AES_128_CCM_8_SHA256"),
];

#[cfg(test)]
mod tests {
    use super::{SUITES, of_version};
    use crate::options::TlsVersion;
    use std::collections::BTreeSet;

    #[test]
    fn no_suite_stands_twice() {
        let numbers: BTreeSet<_> = SUITES.iter().map(|suite| suite.number).collect();
        let names: BTreeSet<_> = SUITES.iter().map(|suite| suite.name).collect();
        assert_eq!((numbers.len(), names.len()), (SUITES.len(), SUITES.len()));
        assert_eq!(of_version(TlsVersion::V1_3).count(), 5);
    }
}
