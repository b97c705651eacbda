//! Certificates of X.509 version 1, which the certificate library does not read.
//!
//! `openssl x509 -req` makes them when it gets no extensions, and recipes for PostgreSQL do just
//! that. OpenSSL, and so libpq, accepts them as a server's certificate. We accept one that a
//! trusted certificate signed directly; a version 1 certificate never counts as a CA, unless it is
//! a trusted one itself.

use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode as _, Encode as _, Reader as _, SliceReader};
use x509_cert::spki::AlgorithmIdentifierOwned;

use super::certificate::parse;

/// Checks that a trusted certificate signed this one, and the dates of both.
pub(super) fn verify_directly_signed(
    der: &CertificateDer<'_>,
    certificate: &Certificate,
    roots: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    check_dates(certificate, now)?;
    let issuer = certificate.tbs_certificate.issuer.to_der().ok();
    let candidates = roots.iter().filter_map(|root| parse(root)).filter(|root| {
        let subject = root.tbs_certificate.subject.to_der().ok();
        subject.is_some() && subject == issuer
    });
    let signed = signed_part(der).ok_or(CertificateError::BadEncoding)?;
    let mut problem = CertificateError::UnknownIssuer;
    for root in candidates {
        if let Err(Error::InvalidCertificate(dates)) = check_dates(&root, now) {
            problem = dates;
            continue;
        }
        if is_signed_by(certificate, signed, &root, algorithms) {
            return Ok(());
        }
        problem = CertificateError::BadSignature;
    }
    Err(problem.into())
}

/// Checks that a certificate is valid now.
pub(super) fn check_dates(certificate: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &certificate.tbs_certificate.validity;
    let not_before = validity.not_before.to_unix_duration();
    let not_after = validity.not_after.to_unix_duration();
    let time = Duration::from_secs(now.as_secs());
    if time < not_before {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before: UnixTime::since_unix_epoch(not_before),
        }
        .into());
    }
    if time > not_after {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after: UnixTime::since_unix_epoch(not_after),
        }
        .into());
    }
    Ok(())
}

/// Checks the signature of a TLS 1.2 handshake with the certificate's key.
pub(super) fn verify_tls12_signature(
    message: &[u8],
    certificate: &Certificate,
    dss: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let key = PublicKey::of(certificate).ok_or(CertificateError::BadEncoding)?;
    let fits = algorithms
        .mapping
        .iter()
        .filter(|(scheme, _)| *scheme == dss.scheme)
        .flat_map(|(_, candidates)| candidates.iter())
        .filter(|candidate| candidate.public_key_alg_id().as_ref() == key.algorithm)
        .any(|candidate| {
            candidate
                .verify_signature(&key.bits, message, dss.signature())
                .is_ok()
        });
    if fits {
        Ok(())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// The public key of a certificate in the form that TLS 1.3 can check a signature with.
pub(super) fn public_key_info(
    certificate: &Certificate,
) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let der = certificate
        .tbs_certificate
        .subject_public_key_info
        .to_der()
        .ok()?;
    Some(SubjectPublicKeyInfoDer::from(der))
}

fn is_signed_by(
    certificate: &Certificate,
    signed: &[u8],
    root: &Certificate,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let Some(key) = PublicKey::of(root) else {
        return false;
    };
    let (Some(algorithm), Some(signature)) = (
        identifier(&certificate.signature_algorithm),
        certificate.signature.as_bytes(),
    ) else {
        return false;
    };
    // The algorithm stands inside the signed part too, where nobody can change it.
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return false;
    }
    algorithms
        .all
        .iter()
        .filter(|candidate| candidate.signature_alg_id().as_ref() == algorithm)
        .filter(|candidate| candidate.public_key_alg_id().as_ref() == key.algorithm)
        .any(|candidate| {
            candidate
                .verify_signature(&key.bits, signed, signature)
                .is_ok()
        })
}

struct PublicKey {
    /// The inside of its `AlgorithmIdentifier`.
    algorithm: Vec<u8>,
    bits: Vec<u8>,
}

impl PublicKey {
    fn of(certificate: &Certificate) -> Option<Self> {
        let info = &certificate.tbs_certificate.subject_public_key_info;
        Some(Self {
            algorithm: identifier(&info.algorithm)?,
            bits: info.subject_public_key.as_bytes()?.to_vec(),
        })
    }
}

/// The inside of an `AlgorithmIdentifier`, without its tag and length.
fn identifier(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    Some(AnyRef::from_der(&der).ok()?.value().to_vec())
}

/// The bytes of a certificate that are signed, as they came.
fn signed_part<'a>(der: &'a CertificateDer<'_>) -> Option<&'a [u8]> {
    let whole = AnyRef::from_der(der).ok()?;
    SliceReader::new(whole.value()).ok()?.tlv_bytes().ok()
}
