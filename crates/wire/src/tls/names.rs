//! Whether a certificate names the host, by libpq's rules.

use std::net::IpAddr;

use pgattest_model::facts::certificate_name_matches;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The names in a certificate that a client may check, for messages. Hostile text.
pub(crate) fn presented_names(certificate: &Certificate) -> Vec<String> {
    let names = Names::of(certificate);
    let addresses = names.addresses.iter().map(ToString::to_string);
    let common = names
        .common
        .filter(|_| !names.replaces_common.for_dns && !names.replaces_common.for_address);
    names
        .dns
        .into_iter()
        .chain(addresses)
        .chain(common)
        .collect()
}

/// The subject's alternative names as `DNS:name` and `IP:address`, for the record; one `?` when they cannot be read.
pub(crate) fn alternative_names(certificate: &Certificate) -> Vec<String> {
    match certificate.tbs_certificate.get::<SubjectAltName>() {
        Ok(Some((_, alternatives))) => alternatives
            .0
            .iter()
            .filter_map(|name| match name {
                GeneralName::DnsName(name) => Some(format!("DNS:{}", name.as_str())),
                GeneralName::IpAddress(bytes) => {
                    address(bytes.as_bytes()).map(|address| format!("IP:{address}"))
                }
                _ => None,
            })
            .collect(),
        Ok(None) => Vec::new(),
        Err(_) => vec!["?".to_owned()],
    }
}

/// Whether a certificate names the host.
///
/// As libpq does: DNS names among the subject's alternative names, with `*.` for one label; IP
/// addresses among them; the common name only if there is no alternative name of the host's own
/// kind (a DNS name for a name, an IP address for an address).
pub(crate) fn names_host(certificate: &Certificate, host: &str) -> bool {
    let names = Names::of(certificate);
    let host = host.strip_suffix('.').unwrap_or(host);
    let address = host.parse::<IpAddr>().ok();
    if address.is_some_and(|address| names.addresses.contains(&address)) {
        return true;
    }
    if names
        .dns
        .iter()
        .any(|pattern| certificate_name_matches(pattern, host))
    {
        return true;
    }
    let replaced = match address {
        Some(_) => names.replaces_common.for_address,
        None => names.replaces_common.for_dns,
    };
    !replaced
        && names
            .common
            .is_some_and(|pattern| certificate_name_matches(&pattern, host))
}

#[derive(Default)]
struct Names {
    dns: Vec<String>,
    addresses: Vec<IpAddr>,
    common: Option<String>,
    replaces_common: Replaced,
}

/// For which kinds of host the alternative names replace the common name.
#[derive(Default)]
struct Replaced {
    for_dns: bool,
    for_address: bool,
}

impl Names {
    fn of(certificate: &Certificate) -> Self {
        let tbs = &certificate.tbs_certificate;
        let mut names = Self {
            common: common_name(certificate),
            ..Self::default()
        };
        let alternatives = match tbs.get::<SubjectAltName>() {
            Ok(Some((_, alternatives))) => alternatives.0,
            Ok(None) => return names,
            Err(_) => {
                // Unreadable: there may be names, so the common name must not count.
                names.replaces_common = Replaced {
                    for_dns: true,
                    for_address: true,
                };
                return names;
            }
        };
        for name in alternatives {
            match name {
                GeneralName::DnsName(name) => {
                    names.replaces_common.for_dns = true;
                    names.dns.push(name.as_str().to_owned());
                }
                GeneralName::IpAddress(bytes) => {
                    names.replaces_common.for_address = true;
                    names.addresses.extend(address(bytes.as_bytes()));
                }
                _ => {}
            }
        }
        names
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// The last common name of the subject, the most specific one.
pub(crate) fn common_name(certificate: &Certificate) -> Option<String> {
    let subject = &certificate.tbs_certificate.subject;
    let value = subject
        .0
        .iter()
        .flat_map(|set| set.0.iter())
        .rfind(|attribute| attribute.oid.to_string() == "2.5.4.3")?
        .value
        .clone();
    let text = Utf8StringRef::try_from(&value)
        .map(|text| text.as_str().to_owned())
        .or_else(|_| PrintableStringRef::try_from(&value).map(|text| text.as_str().to_owned()))
        .or_else(|_| Ia5StringRef::try_from(&value).map(|text| text.as_str().to_owned()))
        .or_else(|_| TeletexStringRef::try_from(&value).map(|text| text.as_str().to_owned()));
    text.ok()
}
