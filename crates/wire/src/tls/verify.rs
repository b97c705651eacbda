//! Deciding whether a server's certificate is good enough.

use std::sync::{Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_cert::Certificate;

use super::certificate::{is_old_version, is_self_issued, parse};
use super::legacy;
use super::material::Roots;
use super::names::{names_host, presented_names};

/// Checks a server's certificate as far as the settings ask, and remembers it.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Option<Roots>,
    /// The host that the certificate must name.
    host: Option<String>,
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Option<CertificateDer<'static>>>,
}

impl Verifier {
    pub(super) fn new(
        roots: Option<&Roots>,
        host: Option<String>,
        provider: &CryptoProvider,
    ) -> Self {
        Self {
            roots: roots.cloned(),
            host,
            algorithms: provider.signature_verification_algorithms,
            seen: Mutex::new(None),
        }
    }

    /// The certificate that the server presented, even if it was refused.
    pub(super) fn seen(&self) -> Option<CertificateDer<'static>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(end_entity.clone().into_owned());
        let certificate = parse(end_entity).ok_or(CertificateError::BadEncoding)?;
        if let Some(roots) = &self.roots {
            let presented = Presented {
                der: end_entity,
                certificate: &certificate,
                intermediates,
            };
            roots.verify(
                &presented,
                server_name,
                ocsp_response,
                now,
                &self.algorithms,
            )?;
        }
        if let Some(host) = &self.host
            && !names_host(&certificate, host)
        {
            return Err(CertificateError::NotValidForNameContext {
                expected: server_name.to_owned(),
                presented: presented_names(&certificate),
            }
            .into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match parse(cert).filter(is_old_version) {
            Some(old) => legacy::verify_tls12_signature(message, &old, dss, &self.algorithms)
                .map(|()| HandshakeSignatureValid::assertion()),
            None => verify_tls12_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match parse(cert).filter(is_old_version) {
            Some(old) => {
                let key = legacy::public_key_info(&old).ok_or(CertificateError::BadEncoding)?;
                verify_tls13_signature_with_raw_key(message, &key, dss, &self.algorithms)
            }
            None => verify_tls13_signature(message, cert, dss, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether one of these roots issued the first certificate of a chain, as of now.
pub(super) fn verify_chain(
    roots: &Roots,
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    provider: &CryptoProvider,
) -> Result<(), Error> {
    let (der, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
    let certificate = parse(der).ok_or(CertificateError::BadEncoding)?;
    let presented = Presented {
        der,
        certificate: &certificate,
        intermediates,
    };
    let algorithms = &provider.signature_verification_algorithms;
    roots.verify(&presented, name, &[], UnixTime::now(), algorithms)
}

struct Presented<'a> {
    der: &'a CertificateDer<'a>,
    certificate: &'a Certificate,
    intermediates: &'a [CertificateDer<'a>],
}

impl Roots {
    fn verify(
        &self,
        presented: &Presented<'_>,
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        // A self-signed certificate must be trusted itself, as Debian's default one can be.
        if is_self_issued(presented.certificate) {
            if self.certificates.iter().any(|root| root == presented.der) {
                return legacy::check_dates(presented.certificate, now);
            }
            return Err(CertificateError::UnknownIssuer.into());
        }
        if is_old_version(presented.certificate) {
            if self.revocations {
                // Nothing here looks such a certificate up in a revocation list.
                return Err(CertificateError::UnknownRevocationStatus.into());
            }
            return legacy::verify_directly_signed(
                presented.der,
                presented.certificate,
                &self.certificates,
                now,
                algorithms,
            );
        }
        let outcome = self.webpki.verify_server_cert(
            presented.der,
            presented.intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match outcome {
            // It checks the name last and by other rules than libpq; ours come after this.
            Ok(_)
            | Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
