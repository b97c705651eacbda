//! The files of TLS: trusted certificates, revocation lists, the client's certificate and key.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use crate::options::{ClientCertificate, RevocationList, RootCertificates, SslMode, SslSettings};
use crate::text::printable;

/// A file of TLS that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", printable(&.path.to_string_lossy()))]
pub struct TlsFileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: TlsFileProblem,
}

/// What is wrong with a file of TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFileProblem {
    /// The mode verifies and there is nothing to verify with.
    #[error("the root certificate file does not exist")]
    RootMissing,
    /// The file of roots holds no usable certificate.
    #[error("it holds no CA certificate in PEM")]
    NoRoots,
    /// The revocation list is not one.
    #[error("it holds no valid certificate revocation list in PEM")]
    NoRevocationList,
    /// The client certificate is not one.
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    /// There is a client certificate without a key.
    #[error("the client certificate is present, but its private key file is not")]
    KeyMissing,
    /// Others can read the key.
    #[error(
        "the private key can be read by others: its mode is {mode:04o} and must be 0600 or less, \
         or 0640 or less if root owns it"
    )]
    KeyExposed {
        /// The permission bits of the file.
        mode: u32,
    },
    /// The key is protected by a passphrase.
    #[error("the private key is encrypted")]
    KeyEncrypted,
    /// The key lives in an OpenSSL engine.
    #[error("a key in an OpenSSL engine is not supported")]
    KeyInEngine,
    /// The key is not one that we can use.
    #[error("it holds no usable private key in PEM (PKCS#8, PKCS#1 or SEC1)")]
    KeyMalformed,
    /// The key is another certificate's.
    #[error("the private key does not belong to the client certificate")]
    KeyMismatch,
    /// The file exists and cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// `sslrootcert=system` and the platform has no roots that we know of.
    #[error("the platform's trusted certificates were not found")]
    NoSystemRoots,
}

impl TlsFileError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        let advice = match &self.problem {
            TlsFileProblem::RootMissing => {
                "give the CA's certificate with `sslrootcert=FILE`, use the platform's with \
                 `sslrootcert=system`, or connect without verification with `sslmode=require`"
            }
            TlsFileProblem::NoSystemRoots => {
                "install the package `ca-certificates`, or give a file with `sslrootcert=FILE`"
            }
            TlsFileProblem::NoRevocationList => {
                "have the CA issue a list of version 2 (RFC 5280), with a number and the \
                 authority's key identifier"
            }
            TlsFileProblem::KeyMissing => "give the key's file with `sslkey=FILE`",
            TlsFileProblem::KeyExposed { .. } => "run chmod 600 on the key",
            TlsFileProblem::KeyEncrypted => {
                "store the key without a passphrase, with mode 0600: openssl pkey -in KEY -out NEW"
            }
            TlsFileProblem::KeyMismatch => "check that `sslcert` and `sslkey` are a pair",
            _ => return None,
        };
        Some(advice.to_owned())
    }
}

/// What the files of TLS hold.
pub(crate) struct TlsMaterial {
    /// Trusted certificates, if the server's certificate is to be verified.
    pub(super) roots: Option<Roots>,
    /// The client's certificate and key, if there are any.
    pub(super) client: Option<Arc<CertifiedKey>>,
}

/// Trusted certificates and what they have revoked.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    /// Verifies chains to them.
    pub(super) webpki: Arc<WebPkiServerVerifier>,
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// Whether there is a revocation list.
    pub(super) revocations: bool,
}

impl TlsMaterial {
    /// Reads the files that the settings name, or the default ones that exist.
    pub(crate) fn load(
        settings: &SslSettings,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TlsFileError> {
        Ok(Self {
            roots: roots(settings, provider)?,
            client: client(&settings.client, provider)?,
        })
    }
}

fn roots(
    settings: &SslSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Roots>, TlsFileError> {
    let verifies = settings.mode >= SslMode::VerifyCa;
    let file = match &settings.roots {
        RootCertificates::System(candidates) => {
            let found = candidates.iter().find(|candidate| candidate.is_file());
            let nowhere = || candidates.first().cloned().unwrap_or_default();
            found
                .ok_or_else(|| fail(&nowhere(), TlsFileProblem::NoSystemRoots))?
                .clone()
        }
        RootCertificates::File(file) | RootCertificates::Default(Some(file)) if file.exists() => {
            file.clone()
        }
        // Like libpq, look for the file always and insist on it only when the mode verifies.
        RootCertificates::File(file) | RootCertificates::Default(Some(file)) if verifies => {
            return Err(fail(file, TlsFileProblem::RootMissing));
        }
        RootCertificates::Default(None) if verifies => {
            let file = Path::new("~/.postgresql/root.crt");
            return Err(fail(file, TlsFileProblem::RootMissing));
        }
        RootCertificates::File(_) | RootCertificates::Default(_) => return Ok(None),
    };

    let contents = read(&file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&contents)
        .filter_map(Result::ok)
        .collect();
    let mut store = RootCertStore::empty();
    // A bundle may hold a certificate that we cannot read; the others still count.
    store.add_parsable_certificates(certificates.iter().cloned());
    if store.is_empty() {
        return Err(fail(&file, TlsFileProblem::NoRoots));
    }
    let mut builder =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
    let list = revocations(&settings.revocations)?;
    if let Some((_, lists)) = &list {
        builder = builder
            .with_crls(lists.iter().cloned())
            .enforce_revocation_expiration();
    }
    let webpki = builder.build().map_err(|_| match &list {
        Some((file, _)) => fail(file, TlsFileProblem::NoRevocationList),
        None => fail(&file, TlsFileProblem::NoRoots),
    })?;
    Ok(Some(Roots {
        webpki,
        certificates,
        revocations: list.is_some(),
    }))
}

/// A file and the revocation lists in it.
type Revocations = (PathBuf, Vec<CertificateRevocationListDer<'static>>);

fn revocations(settings: &RevocationList) -> Result<Option<Revocations>, TlsFileError> {
    let file = match settings {
        RevocationList::File(file) => file,
        RevocationList::Default(Some(file)) if file.exists() => file,
        RevocationList::Default(_) => return Ok(None),
    };
    let contents = read(file)?;
    let lists: Result<Vec<_>, _> =
        CertificateRevocationListDer::pem_slice_iter(&contents).collect();
    let lists = lists
        .ok()
        .filter(|lists| !lists.is_empty())
        .ok_or_else(|| fail(file, TlsFileProblem::NoRevocationList))?;
    Ok(Some((file.clone(), lists)))
}

fn client(
    settings: &ClientCertificate,
    provider: &CryptoProvider,
) -> Result<Option<Arc<CertifiedKey>>, TlsFileError> {
    if !settings.enabled {
        return Ok(None);
    }
    let default = |name: &str| settings.directory.as_ref().map(|home| home.join(name));
    let certificate_file = match &settings.certificate {
        Some(file) => file.clone(),
        None => match default("postgresql.crt").filter(|file| file.exists()) {
            Some(file) => file,
            None => return Ok(None),
        },
    };
    let contents = read(&certificate_file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents)
        .filter_map(Result::ok)
        .collect();
    if chain.is_empty() {
        return Err(fail(&certificate_file, TlsFileProblem::NoCertificate));
    }

    let key_file = settings
        .key
        .clone()
        .or_else(|| default("postgresql.key"))
        .ok_or_else(|| fail(&certificate_file, TlsFileProblem::KeyMissing))?;
    let key = private_key(&key_file)?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| fail(&key_file, TlsFileProblem::KeyMalformed))?;
    let certified = CertifiedKey::new(chain, key);
    // Only a known mismatch counts: the key of a version 1 certificate cannot be compared.
    if let Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) =
        certified.keys_match()
    {
        return Err(fail(&key_file, TlsFileProblem::KeyMismatch));
    }
    Ok(Some(Arc::new(certified)))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // `engine:key` is how libpq names a key in a smart card.
            let in_engine = !file.is_absolute() && file.to_string_lossy().contains(':');
            return Err(fail(
                file,
                if in_engine {
                    TlsFileProblem::KeyInEngine
                } else {
                    TlsFileProblem::KeyMissing
                },
            ));
        }
        Err(error) => return Err(fail(file, TlsFileProblem::Unreadable(error))),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let forbidden = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.is_file() && mode & forbidden != 0 {
        return Err(fail(file, TlsFileProblem::KeyExposed { mode }));
    }
    let contents = zeroize::Zeroizing::new(read(file)?);
    let marker: &[u8] = b"ENCRYPTED";
    if contents
        .windows(marker.len())
        .any(|window| window == marker)
    {
        return Err(fail(file, TlsFileProblem::KeyEncrypted));
    }
    PrivateKeyDer::from_pem_slice(&contents).map_err(|_| fail(file, TlsFileProblem::KeyMalformed))
}

fn read(file: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(file).map_err(|error| fail(file, TlsFileProblem::Unreadable(error)))
}

fn fail(path: &Path, problem: TlsFileProblem) -> TlsFileError {
    TlsFileError {
        path: path.to_owned(),
        problem,
    }
}
