//! What a cluster shows and asks for when a client wants TLS.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::account::Account;
use crate::certificate::{Authority, Issued};
use crate::place;

/// How a cluster does TLS. [`Tls::new`] is the good case: a valid certificate
/// for `localhost`, `127.0.0.1` and `::1` from the authority that
/// [`Cluster::ca_file`](crate::Cluster::ca_file) names.
#[derive(Clone, Debug)]
pub struct Tls {
    names: Vec<String>,
    expired: bool,
    other_authority: bool,
    verify_clients: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            names: ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into(),
            expired: false,
            other_authority: false,
            verify_clients: false,
        }
    }
}

impl Tls {
    /// A valid certificate for the loopback.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names these hosts and addresses in the certificate instead.
    #[must_use]
    pub fn names(mut self, names: &[&str]) -> Self {
        self.names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// The certificate ended in 2001.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.expired = true;
        self
    }

    /// The certificate comes from an authority that `ca_file()` is not.
    #[must_use]
    pub fn from_other_authority(mut self) -> Self {
        self.other_authority = true;
        self
    }

    /// Sets `ssl_ca_file` too, so that `pg_hba.conf` may use `clientcert` and the
    /// method `cert`; see [`Cluster::client_certificate`](crate::Cluster::client_certificate).
    #[must_use]
    pub fn verify_clients(mut self) -> Self {
        self.verify_clients = true;
        self
    }
}

/// Files that a client with a certificate needs; they live as long as the cluster.
#[derive(Clone, Debug)]
pub struct ClientFiles {
    /// The certificate (`sslcert`).
    pub certificate: PathBuf,
    /// Its private key, mode 0600 (`sslkey`).
    pub key: PathBuf,
}

/// The authority of one cluster and the files made from it.
pub(crate) struct TlsFiles {
    authority: Authority,
    directory: PathBuf,
    settings: Vec<(&'static str, String)>,
    issued: AtomicU32,
}

impl TlsFiles {
    /// Makes the certificates of `tls` in the new directory `directory`.
    pub(crate) fn create(tls: &Tls, directory: PathBuf, account: &Account) -> Result<Self> {
        place::make_directory(&directory)?;
        let authority = Authority::new("pgattest test authority")?;
        let other = Authority::new("pgattest test authority that nobody trusts")?;
        let signer = if tls.other_authority {
            &other
        } else {
            &authority
        };
        let names: Vec<&str> = tls.names.iter().map(String::as_str).collect();
        let server = if tls.expired {
            signer.issue_expired_server(&names)?
        } else {
            signer.issue_server(&names)?
        };
        write(&directory.join("ca.crt"), &authority.pem(), 0o644)?;
        write(&directory.join("other-ca.crt"), &other.pem(), 0o644)?;
        let (certificate, key) = write_pair(&directory, "server", &server)?;
        account.own(&key)?;

        let mut settings = vec![
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", certificate.display().to_string()),
            ("ssl_key_file", key.display().to_string()),
        ];
        if tls.verify_clients {
            settings.push((
                "ssl_ca_file",
                directory.join("ca.crt").display().to_string(),
            ));
        }
        Ok(Self {
            authority,
            directory,
            settings,
            issued: AtomicU32::new(0),
        })
    }

    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.join("ca.crt")
    }

    pub(crate) fn other_ca_file(&self) -> PathBuf {
        self.directory.join("other-ca.crt")
    }

    pub(crate) fn settings(&self) -> &[(&'static str, String)] {
        &self.settings
    }

    pub(crate) fn client(&self, role: &str) -> Result<ClientFiles> {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let issued = self.authority.issue_client(role)?;
        let (certificate, key) = write_pair(&self.directory, &format!("client-{number}"), &issued)?;
        Ok(ClientFiles { certificate, key })
    }
}

fn write_pair(directory: &Path, name: &str, issued: &Issued) -> Result<(PathBuf, PathBuf)> {
    let certificate = directory.join(format!("{name}.crt"));
    let key = directory.join(format!("{name}.key"));
    write(&certificate, &issued.certificate, 0o644)?;
    write(&key, &issued.key, 0o600)?;
    Ok((certificate, key))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    std::fs::File::options()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
