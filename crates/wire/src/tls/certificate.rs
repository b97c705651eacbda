//! Reading certificates.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// Reads a certificate, whatever its version.
pub(crate) fn parse(der: &[u8]) -> Option<Certificate> {
    Certificate::from_der(der).ok()
}

/// Whether a certificate is of X.509 version 1 (or 2): without extensions.
pub(super) fn is_old_version(certificate: &Certificate) -> bool {
    certificate.tbs_certificate.version != x509_cert::Version::V3
}

/// The name of the CA that issued a certificate, for messages. Hostile text.
pub(crate) fn issuer_name(certificate: &Certificate) -> String {
    certificate.tbs_certificate.issuer.to_string()
}

/// Whether a certificate names itself as its issuer.
pub(crate) fn is_self_issued(certificate: &Certificate) -> bool {
    let tbs = &certificate.tbs_certificate;
    match (tbs.issuer.to_der(), tbs.subject.to_der()) {
        (Ok(issuer), Ok(subject)) => issuer == subject,
        _ => false,
    }
}

/// The digest of a certificate that binds a login to the TLS connection (RFC 5929,
/// `tls-server-end-point`), if its signature algorithm has one.
pub(crate) fn endpoint_digest(der: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let certificate = parse(der)?;
    let algorithm = certificate.signature_algorithm.oid.to_string();
    match algorithm.as_str() {
        // With RSA and ECDSA; MD5 and SHA-1 are replaced by SHA-256.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.1"
        | "1.2.840.10045.4.3.2" => Some(Sha256::digest(der).to_vec()),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(der).to_vec()),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(der).to_vec()),
        // Ed25519 and RSA-PSS: PostgreSQL does not bind to those either.
        _ => None,
    }
}
