//! TLS from the first byte, as PostgreSQL 17 and later and some proxies accept it.

use super::exchange::Target;
use super::hello::ClientHello;
use super::suites;
use super::tls_version::{Begin, offer};
use super::transport::{Kind, Seen};
use crate::options::TlsVersion;

/// Offers one version without asking first, naming the protocol `postgresql` as a server insists.
pub(super) async fn direct_tls(target: &Target, version: TlsVersion) -> Seen {
    let every: Vec<u16> = suites::of_version(version)
        .map(|suite| suite.number)
        .collect();
    let hello = ClientHello {
        version,
        suites: &every,
        name: target.name.as_deref(),
        protocol: Some(b"postgresql"),
    };
    offer(
        target,
        Kind::DirectTls,
        version.as_str(),
        &hello,
        Begin::Direct,
    )
    .await
    .seen
}
