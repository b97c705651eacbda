//! TLS to a sink: whom to trust, and who we are.

use crate::sink::OpenError;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// TLS. The server's certificate is always verified, name and chain.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsOptions {
    /// Certificates (PEM) of the authorities to trust, in place of the operating system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate with its chain (PEM), for mutual TLS.
    pub certificate_file: Option<PathBuf>,
    /// Its key (PEM).
    pub key_file: Option<PathBuf>,
}

impl TlsOptions {
    /// The client side, with the process's default provider of cryptography, or ring when none is installed.
    pub(crate) fn client(&self) -> Result<ClientConfig, OpenError> {
        let provider = rustls::crypto::CryptoProvider::get_default()
            .cloned()
            .unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Other(format!("TLS cannot be set up: {error}")))?
            .with_root_certificates(self.roots()?);
        match (&self.certificate_file, &self.key_file) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let key_der =
                    PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
                builder
                    .with_client_auth_cert(chain, key_der)
                    .map_err(|error| OpenError::Setting {
                        setting: "certificate_file",
                        problem: format!("and `key_file` cannot be used together: {error}"),
                    })
            }
            (Some(_), None) => Err(OpenError::Setting {
                setting: "key_file",
                problem: "is missing: a certificate needs its key".into(),
            }),
            (None, Some(_)) => Err(OpenError::Setting {
                setting: "certificate_file",
                problem: "is missing: a key needs its certificate".into(),
            }),
        }
    }

    fn roots(&self) -> Result<RootCertStore, OpenError> {
        let mut roots = RootCertStore::empty();
        let Some(path) = &self.ca_file else {
            let (_, _) =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(roots);
        };
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| OpenError::Setting {
                setting: "ca_file",
                problem: format!("holds a certificate that cannot be trusted: {error}"),
            })?;
        }
        Ok(roots)
    }
}

pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unreadable(path, error))?;
    if found.is_empty() {
        return Err(OpenError::Other(format!(
            "`{}` holds no certificate in PEM form",
            path.display()
        )));
    }
    Ok(found)
}

fn unreadable(path: &Path, error: rustls::pki_types::pem::Error) -> OpenError {
    match error {
        rustls::pki_types::pem::Error::Io(source) => OpenError::File {
            path: path.to_owned(),
            source,
        },
        // The other errors may quote the file's content; a key's is none for a log.
        _ => OpenError::Other(format!(
            "`{}` is no PEM file with what is wanted in it",
            path.display()
        )),
    }
}
