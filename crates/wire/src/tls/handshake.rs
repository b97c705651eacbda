//! The TLS handshake, and what it showed.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ProtocolVersion, SignatureScheme, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::material::{TlsFileError, TlsMaterial};
use super::verify::{Verifier, verify_chain};
use crate::options::{HostTarget, SslMode, SslNegotiation, SslSettings, TlsVersion};

/// What a TLS handshake showed.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct TlsSeen {
    /// The version agreed on.
    pub version: TlsVersion,
    /// The name of the cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// The server's certificate in DER.
    pub certificate: Vec<u8>,
    /// The other certificates that the server sent, in DER and in its order.
    pub intermediates: Vec<Vec<u8>>,
    /// What was checked about the certificate.
    pub verification: Verification,
}

/// What was checked about a server's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verification {
    /// Nothing, only that the server holds its key.
    None,
    /// That a trusted CA issued it.
    Chain,
    /// That a trusted CA issued it for this host.
    ChainAndName,
}

/// The TLS of one target, ready for any number of handshakes.
#[derive(Clone)]
pub(crate) struct TlsConfig {
    provider: Arc<CryptoProvider>,
    material: Arc<TlsMaterial>,
    settings: SslSettings,
}

/// A handshake that failed, and the certificate that the server showed before.
pub(crate) struct HandshakeFailure {
    pub(crate) error: std::io::Error,
    pub(crate) certificate: Option<CertificateDer<'static>>,
}

impl TlsConfig {
    /// Reads the files that the settings name.
    pub(crate) fn load(settings: &SslSettings) -> Result<Self, TlsFileError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(Self {
            material: Arc::new(TlsMaterial::load(settings, &provider)?),
            provider,
            settings: settings.clone(),
        })
    }

    /// Whether a trusted CA issued the first certificate of a chain; `None` when the settings trust none.
    pub(crate) fn trusts(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
    ) -> Option<Result<(), rustls::Error>> {
        let roots = self.material.roots.as_ref()?;
        Some(verify_chain(roots, chain, name, &self.provider))
    }

    pub(crate) fn negotiation(&self) -> SslNegotiation {
        self.settings.negotiation
    }

    fn client_config(&self, verifier: &Arc<Verifier>) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&self.versions())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(verifier) as Arc<_>)
            .with_client_cert_resolver(Arc::new(ClientKey(self.material.client.clone())));
        config.enable_sni = self.settings.server_name_indication;
        // Every connection is evidence of a handshake of its own.
        config.resumption = Resumption::disabled();
        if self.settings.negotiation == SslNegotiation::Direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(config)
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        let newest = self.settings.newest.unwrap_or(TlsVersion::V1_3);
        [
            (TlsVersion::V1_2, &rustls::version::TLS12),
            (TlsVersion::V1_3, &rustls::version::TLS13),
        ]
        .into_iter()
        .filter(|(version, _)| *version >= self.settings.oldest && *version <= newest)
        .map(|(_, supported)| supported)
        .collect()
    }
}

/// Performs the handshake with one host, whose connection has this address.
pub(crate) async fn shake_hands(
    stream: TcpStream,
    target: &HostTarget,
    address: IpAddr,
    tls: &TlsConfig,
) -> Result<(TlsStream<TcpStream>, TlsSeen), Box<HandshakeFailure>> {
    let plain = |error| {
        Box::new(HandshakeFailure {
            error,
            certificate: None,
        })
    };
    let name = target.certificate_name();
    let required = (tls.settings.mode == SslMode::VerifyFull).then_some(name);
    let required = match required {
        Some(Some(name)) => Some(name.to_owned()),
        // `verify-full` with nothing to verify must fail, whatever the certificate says.
        Some(None) => Some(String::new()),
        None => None,
    };
    let verification = match (&tls.material.roots, &required) {
        (None, _) => Verification::None,
        (Some(_), None) => Verification::Chain,
        (Some(_), Some(_)) => Verification::ChainAndName,
    };
    let verifier = Verifier::new(tls.material.roots.as_ref(), required, &tls.provider);
    let verifier = Arc::new(verifier);
    let config = tls
        .client_config(&verifier)
        .map_err(|error| plain(std::io::Error::other(error)))?;

    // A name that cannot be a DNS name cannot be sent as SNI; the verifier has it anyway.
    let server_name = name
        .and_then(|name| ServerName::try_from(name.to_owned()).ok())
        .unwrap_or(ServerName::IpAddress(address.into()));
    let stream = TlsConnector::from(Arc::new(config))
        .connect(server_name, stream)
        .await
        .map_err(|error| {
            Box::new(HandshakeFailure {
                error,
                certificate: verifier.seen(),
            })
        })?;

    let (_, session) = stream.get_ref();
    let mut chain = session.peer_certificates().unwrap_or_default().iter();
    let seen = TlsSeen {
        version: match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            // The configuration allows nothing else.
            _ => TlsVersion::V1_2,
        },
        cipher: session
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        certificate: chain.next().map(|der| der.to_vec()).unwrap_or_default(),
        intermediates: chain.map(|der| der.to_vec()).collect(),
        verification,
    };
    Ok((stream, seen))
}

/// Sends the client's certificate whenever the server asks, as libpq does: a server's list of
/// acceptable CAs is often incomplete.
#[derive(Debug)]
struct ClientKey(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for ClientKey {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
