//! A whole handshake, for the certificate that it shows.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use x509_cert::Certificate;
use x509_cert::der::Encode as _;
use x509_cert::ext::pkix::BasicConstraints;

use super::exchange::{NoAnswer, Target, Transcript, converse};
use super::public_key::{key_of, signature_hash};
use super::ssl_request::SSL_REQUEST;
use crate::options::ConnectOptions;
use crate::tls::{
    TlsConfig, alternative_names, common_name, is_self_issued, names_host, parse_certificate,
};

/// How many certificates of a chain are kept.
const LONGEST_CHAIN: usize = 16;

/// What a handshake showed of the server's certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateSeen {
    /// The chain as it was sent, the server's own certificate first.
    pub chain: Vec<Presented>,
    /// Whether it leads to a CA that the connection's settings trust.
    pub trust: Trust,
    /// Whether it names the host that was connected to, by libpq's rules.
    pub names_host: bool,
    /// Whether the server proved, by a signature that could be checked, that it holds the key.
    pub key_proven: bool,
}

/// Whether a trusted CA issued a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Trust {
    /// It did.
    Yes,
    /// It did not, or the certificate is not good for it; in words.
    No(String),
    /// The settings trust no CA, so nobody asked; in words.
    NotJudged(String),
}

/// One certificate of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Presented {
    /// The certificate.
    pub der: Vec<u8>,
    /// Its subject, as RFC 4514 writes it. Hostile text, as all names here.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The last common name of the subject; empty when there is none.
    pub common_name: String,
    /// `DNS:..` and `IP:..` of its alternative names; `?` when they cannot be read.
    pub names: Vec<String>,
    /// Seconds since 1970 from which it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
    /// `rsa`, `ec`, `ed25519`, `ed448`, `dsa` or `other`.
    pub key: &'static str,
    /// Size of the key in bits; 0 when it is not known.
    pub key_bits: u32,
    /// The hash it is signed over: `sha256`; empty when the algorithm is not known.
    pub signature_hash: &'static str,
    /// Whether it names itself as its issuer.
    pub self_issued: bool,
    /// Whether it says of itself that it is a CA.
    pub ca: bool,
    /// Whether the next certificate of the chain is its issuer's; `true` for the last one.
    pub in_order: bool,
}

/// Completes a handshake whatever the certificate is, sends nothing inside it, and describes the certificate.
///
/// Uses TLS 1.2 or 1.3, which is what the library speaks.
pub(super) async fn certificate(
    target: &Target,
    options: &ConnectOptions,
) -> (Result<CertificateSeen, NoAnswer>, Transcript) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let recorder = Arc::new(Recorder {
        algorithms: provider.signature_verification_algorithms,
        seen: Mutex::default(),
    });
    let (finished, transcript) = converse(target, async |talk| {
        talk.send(&SSL_REQUEST).await?;
        let answer = talk.byte().await?;
        if answer != b'S' {
            return Err(NoAnswer::NotUnderstood(format!(
                "byte {answer:02x} where S belongs"
            )));
        }
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|error| NoAnswer::NotUnderstood(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&recorder) as Arc<_>)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        let (stream, end) = talk.stream();
        let shaking = TlsConnector::from(Arc::new(config)).connect(server_name(target), stream);
        match timeout_at(end, shaking).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(NoAnswer::NotUnderstood(format!(
                "the handshake failed: {error}"
            ))),
            Err(_) => Err(NoAnswer::Silent(target.patience)),
        }
    })
    .await;
    let seen = recorder.take();
    let described = match (seen.chain.is_empty(), finished) {
        // A handshake may fail after the certificate, for want of one of ours: what was shown was shown.
        (false, _) => describe(&seen, target, options),
        (true, Ok(())) => Err(NoAnswer::NotUnderstood(
            "a handshake without a certificate".to_owned(),
        )),
        (true, Err(why)) => Err(why),
    };
    (described, transcript)
}

fn describe(
    seen: &Shown,
    target: &Target,
    options: &ConnectOptions,
) -> Result<CertificateSeen, NoAnswer> {
    let read: Vec<(&CertificateDer<'_>, Certificate)> = seen
        .chain
        .iter()
        .take(LONGEST_CHAIN)
        .map(|der| parse_certificate(der).map(|certificate| (der, certificate)))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            NoAnswer::NotUnderstood("a certificate in the chain cannot be read".to_owned())
        })?;
    let host = target
        .name
        .clone()
        .unwrap_or_else(|| target.address.ip().to_string());
    let chain = read
        .iter()
        .enumerate()
        .map(|(at, (der, certificate))| {
            let next = read.get(at.saturating_add(1)).map(|(_, next)| next);
            present(der, certificate, next)
        })
        .collect();
    Ok(CertificateSeen {
        chain,
        trust: trust(seen, target, options),
        names_host: read
            .first()
            .is_some_and(|(_, certificate)| names_host(certificate, &host)),
        key_proven: seen.key_proven,
    })
}

fn present(der: &[u8], certificate: &Certificate, next: Option<&Certificate>) -> Presented {
    let tbs = &certificate.tbs_certificate;
    let (key, key_bits) = key_of(certificate);
    let seconds =
        |duration: std::time::Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let serial: Vec<String> = tbs
        .serial_number
        .as_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Presented {
        der: der.to_vec(),
        subject: tbs.subject.to_string(),
        issuer: tbs.issuer.to_string(),
        serial: serial.concat(),
        common_name: common_name(certificate).unwrap_or_default(),
        names: alternative_names(certificate),
        not_before: seconds(tbs.validity.not_before.to_unix_duration()),
        not_after: seconds(tbs.validity.not_after.to_unix_duration()),
        key,
        key_bits,
        signature_hash: signature_hash(&certificate.signature_algorithm),
        self_issued: is_self_issued(certificate),
        ca: matches!(tbs.get::<BasicConstraints>(), Ok(Some((_, constraints))) if constraints.ca),
        in_order: next.is_none_or(|next| {
            let issuer = tbs.issuer.to_der().ok();
            issuer.is_some() && issuer == next.tbs_certificate.subject.to_der().ok()
        }),
    }
}

/// Judged by the roots that the connection's own settings name, as `sslmode=verify-ca` would.
fn trust(seen: &Shown, target: &Target, options: &ConnectOptions) -> Trust {
    let config = match TlsConfig::load(options.ssl()) {
        Ok(config) => config,
        Err(error) => return Trust::NotJudged(error.to_string()),
    };
    match config.trusts(&seen.chain, &server_name(target)) {
        None => Trust::NotJudged("no root certificate was given".to_owned()),
        Some(Ok(())) => Trust::Yes,
        Some(Err(error)) => Trust::No(error.to_string()),
    }
}

fn server_name(target: &Target) -> ServerName<'static> {
    target
        .name
        .clone()
        .and_then(|name| ServerName::try_from(name).ok())
        .unwrap_or_else(|| ServerName::IpAddress(target.address.ip().into()))
}

/// Accepts every certificate and remembers it. No login follows, so there is nobody to be deceived.
#[derive(Debug)]
struct Recorder {
    algorithms: WebPkiSupportedAlgorithms,
    seen: Mutex<Shown>,
}

#[derive(Clone, Debug, Default)]
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key_proven: bool,
}

impl Recorder {
    fn take(&self) -> Shown {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, proven: bool) -> HandshakeSignatureValid {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .key_proven = proven;
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .chain = chain.map(|der| der.clone().into_owned()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.note(verify_tls12_signature(message, cert, dss, &self.algorithms).is_ok()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(self.note(verify_tls13_signature(message, cert, dss, &self.algorithms).is_ok()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // Also what the library cannot check: the server must get as far as showing its certificate.
        let mut schemes = self.algorithms.supported_schemes();
        for more in [
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::ECDSA_NISTP521_SHA512,
            SignatureScheme::ED448,
        ] {
            if !schemes.contains(&more) {
                schemes.push(more);
            }
        }
        schemes
    }
}
