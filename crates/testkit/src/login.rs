//! Who connects, to which database, by which road.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::tls::ClientFiles;

/// A login to a cluster or a pooler: by default without a password, to the
/// database `postgres`, through the unix socket.
#[derive(Clone, Debug)]
pub struct Login {
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) database: String,
    pub(crate) road: Road,
    certificate: Option<ClientFiles>,
}

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Road {
    Socket,
    Tcp,
    Tls,
}

impl Login {
    /// A login of `user`.
    pub fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            password: None,
            database: "postgres".to_owned(),
            road: Road::Socket,
            certificate: None,
        }
    }

    /// With this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// To this database.
    #[must_use]
    pub fn database(mut self, database: &str) -> Self {
        database.clone_into(&mut self.database);
        self
    }

    /// Over the loopback in clear text.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.road = Road::Tcp;
        self
    }

    /// Over the loopback with TLS; the server's certificate and name are verified.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.road = Road::Tls;
        self
    }

    /// Over TLS with this client certificate.
    #[must_use]
    pub fn certificate(mut self, files: &ClientFiles) -> Self {
        self.certificate = Some(files.clone());
        self.tls()
    }
}

/// Where a server listens, and whom to trust about its name.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) socket: PathBuf,
    pub(crate) port: u16,
    pub(crate) ca_file: Option<PathBuf>,
}

impl Endpoint {
    /// Logs in. The connection is driven by a task of the current runtime and
    /// ends with the client.
    pub(crate) async fn connect(&self, login: &Login) -> Result<Client> {
        let mut config = Config::new();
        config
            .user(&login.user)
            .dbname(&login.database)
            .port(self.port);
        match login.road {
            Road::Socket => config.host_path(&self.socket).ssl_mode(SslMode::Disable),
            Road::Tcp => config.host("127.0.0.1").ssl_mode(SslMode::Disable),
            Road::Tls => config.host("127.0.0.1").ssl_mode(SslMode::Require),
        };
        if let Some(password) = &login.password {
            config.password(password);
        }
        let what = || {
            format!(
                "{} cannot log in to database {:?} on port {}",
                login.user, login.database, self.port
            )
        };
        if login.road == Road::Tls {
            let (client, connection) = config
                .connect(self.rustls(login)?)
                .await
                .with_context(what)?;
            tokio::spawn(connection);
            Ok(client)
        } else {
            let (client, connection) = config.connect(NoTls).await.with_context(what)?;
            tokio::spawn(connection);
            Ok(client)
        }
    }

    /// The environment with which libpq's programs make this login.
    pub(crate) fn environment(&self, login: &Login) -> Result<Vec<(&'static str, PathBuf)>> {
        let mut environment = vec![
            ("PGPORT", self.port.to_string().into()),
            ("PGUSER", login.user.clone().into()),
            ("PGDATABASE", login.database.clone().into()),
        ];
        let (host, mode) = match login.road {
            Road::Socket => (self.socket.clone(), "disable"),
            Road::Tcp => ("127.0.0.1".into(), "disable"),
            Road::Tls => ("127.0.0.1".into(), "verify-full"),
        };
        environment.push(("PGHOST", host));
        environment.push(("PGSSLMODE", mode.into()));
        if login.road == Road::Tls {
            environment.push(("PGSSLROOTCERT", self.authority()?.to_owned()));
        }
        if let Some(files) = &login.certificate {
            environment.push(("PGSSLCERT", files.certificate.clone()));
            environment.push(("PGSSLKEY", files.key.clone()));
        }
        if let Some(password) = &login.password {
            environment.push(("PGPASSWORD", password.into()));
        }
        Ok(environment)
    }

    fn rustls(&self, login: &Login) -> Result<MakeRustlsConnect> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority()?)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &login.certificate {
            Some(files) => builder.with_client_auth_cert(
                vec![CertificateDer::from_pem_file(&files.certificate)?],
                PrivateKeyDer::from_pem_file(&files.key)?,
            )?,
            None => builder.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn authority(&self) -> Result<&Path> {
        self.ca_file
            .as_deref()
            .context("this server was started without TLS: add `.tls(Tls::new())` to its builder")
    }
}

/// A libpq URL over the loopback; every part is percent-encoded.
pub(crate) fn url(
    user: &str,
    password: Option<&str>,
    port: u16,
    database: &str,
    parameters: &[(&str, &str)],
) -> String {
    let secret = password
        .map(|password| format!(":{}", percent(password)))
        .unwrap_or_default();
    let query = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect::<Vec<_>>()
        .join("&");
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "postgresql://{}{secret}@127.0.0.1:{port}/{}{mark}{query}",
        percent(user),
        percent(database)
    )
}

/// A value of a libpq keyword string, in quotes.
pub(crate) fn keyword_value(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
