//! Connecting: hosts in order, addresses in order, with and without TLS.

use std::net::SocketAddr;

use tokio_postgres::config::{
    ChannelBinding as PgChannelBinding, SslMode as PgSslMode, SslNegotiation as PgSslNegotiation,
};

use crate::cancel::Endpoint;
use crate::connection::{Connection, Parts};
use crate::dial::{Dial, Encryption, Limit};
use crate::error::{ConnectError, Login, Stage, login_error};
use crate::options::{
    ChannelBinding, ConnectOptions, Host, HostTarget, SslMode, TargetSessionAttrs,
};
use crate::peer::{Address, Peer, Place};
use crate::session_attrs;
use crate::stream::AlreadySecured;
use crate::tls::TlsConfig;

/// Connects to the first host that lets us in and is of the kind that is asked for.
///
/// Needs a Tokio runtime with I/O and time; a task that drives the connection is spawned on it.
///
/// # Errors
///
/// Says for each host why it did not work, see [`ConnectError`].
pub async fn connect(options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let tls = match options.ssl_mode() {
        SslMode::Disable => None,
        // Reading the files is pointless, and failing on one wrong, when every host is a socket.
        _ if options.hosts().iter().all(|host| host.socket().is_some()) => None,
        _ => Some(TlsConfig::load(options.ssl())?),
    };
    let attempt = Attempt {
        options,
        tls: tls.as_ref(),
    };
    match options.target_session_attrs() {
        TargetSessionAttrs::PreferStandby => {
            match attempt.hosts(TargetSessionAttrs::Standby).await {
                Err(error) if error.is_worth_another_host() => {
                    attempt.hosts(TargetSessionAttrs::Any).await
                }
                outcome => outcome,
            }
        }
        wanted => attempt.hosts(wanted).await,
    }
}

struct Attempt<'a> {
    options: &'a ConnectOptions,
    tls: Option<&'a TlsConfig>,
}

/// How trying one address ended, if it did not fail.
enum Found {
    Wanted(Box<Connection>),
    OtherKind(Place, &'static str),
}

impl Attempt<'_> {
    async fn hosts(&self, wanted: TargetSessionAttrs) -> Result<Connection, ConnectError> {
        let mut failed = Vec::new();
        let mut saw = Vec::new();
        for target in self.options.hosts() {
            let mut here = Vec::new();
            let addresses = match self.addresses(target).await {
                Ok(addresses) => addresses,
                Err(error) => {
                    failed.push(error);
                    continue;
                }
            };
            for address in &addresses {
                match self.address(target, address, wanted).await {
                    Ok(Found::Wanted(connection)) => return Ok(*connection),
                    Ok(Found::OtherKind(place, kind)) => {
                        // The other addresses of a name may be other servers.
                        saw.push((place, kind));
                    }
                    Err(error) if error.is_worth_another_host() => here.push(error),
                    Err(error) => {
                        failed.append(&mut here);
                        failed.push(error);
                        return Err(only(failed, saw, wanted));
                    }
                }
            }
            failed.append(&mut merge_refusals(here));
        }
        Err(only(failed, saw, wanted))
    }

    async fn addresses(&self, target: &HostTarget) -> Result<Vec<Address>, ConnectError> {
        if let Some(path) = target.socket() {
            return Ok(vec![Address::Unix(path)]);
        }
        if let Some(ip) = target.hostaddr {
            return Ok(vec![Address::Tcp(SocketAddr::new(ip, target.port))]);
        }
        let Host::Name(name) = &target.host else {
            // Neither a name nor an address: resolving the settings never gives this.
            return Ok(Vec::new());
        };
        let limit = Limit::start(self.options.connect_timeout());
        let found = limit
            .wait(tokio::net::lookup_host((name.as_str(), target.port)))
            .await
            .map_err(|limit| ConnectError::DnsTimeout {
                host: name.clone(),
                limit,
            })?;
        let dns = |source| ConnectError::Dns {
            host: name.clone(),
            source,
        };
        let addresses: Vec<_> = found.map_err(dns)?.map(Address::Tcp).collect();
        if addresses.is_empty() {
            return Err(dns(std::io::ErrorKind::NotFound.into()));
        }
        Ok(addresses)
    }

    /// Tries one address with the encryptions that `sslmode` allows, in its order.
    async fn address(
        &self,
        target: &HostTarget,
        address: &Address,
        wanted: TargetSessionAttrs,
    ) -> Result<Found, ConnectError> {
        let (first, second) = match (self.tls, self.options.ssl_mode()) {
            (None, _) | (_, SslMode::Disable) => (Encryption::Clear, None),
            (Some(_), _) if matches!(address, Address::Unix(_)) => (Encryption::Clear, None),
            (Some(_), SslMode::Allow) => (Encryption::Clear, Some(Encryption::Needed)),
            (Some(_), SslMode::Prefer) => (Encryption::IfOffered, Some(Encryption::Clear)),
            (Some(_), _) => (Encryption::Needed, None),
        };
        let error = match self.once(target, address, first, wanted).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        // libpq repeats a login with a wrong password in clear text, too. That cannot help, and it
        // shows the exchange to anybody who listens.
        let Some(second) =
            second.filter(|_| error.may_depend_on_encryption() || error.is_about_tls())
        else {
            return Err(error);
        };
        if second == Encryption::Clear && !was_encrypted(&error) {
            // The server has no TLS, so that this was the attempt in clear text already.
            return Err(error);
        }
        match self.once(target, address, second, wanted).await {
            Ok(found) => Ok(found),
            Err(other) => Err(ConnectError::Several {
                attempts: vec![error, other],
            }),
        }
    }

    async fn once(
        &self,
        target: &HostTarget,
        address: &Address,
        encryption: Encryption,
        wanted: TargetSessionAttrs,
    ) -> Result<Found, ConnectError> {
        let limit = Limit::start(self.options.connect_timeout());
        let dial = Dial {
            target,
            address,
            encryption,
            tls: self.tls,
            keepalive: self.options.keepalive(),
            limit,
        };
        let mut dialled = dial.open().await?;
        if self.options.replicates() {
            dialled
                .wire
                .add_startup_parameter("replication", "database");
        }
        let place = dialled.place.clone();
        let password = self.options.password_for(target);
        let login = Login {
            place: &place,
            role: self.options.user(),
            database: self.options.database(),
            password: password.as_ref().map(|(_, source)| source.clone()),
        };
        let timeout = |stage| {
            let place = place.clone();
            move |limit| ConnectError::Timeout {
                place,
                limit,
                stage,
            }
        };

        let encrypted = dialled.tls.is_some();
        let mut config = self.startup(encrypted);
        if let Some((password, _)) = &password {
            config.password(password.expose());
        }
        let announced_pid = dialled.wire.announced_pid();
        let left = dialled.wire.left();
        let (client, driver) = limit
            .wait(config.connect_raw(dialled.wire, AlreadySecured))
            .await
            .map_err(timeout(Stage::LoggingIn))?
            .map_err(|error| login_error(&login, Stage::LoggingIn, error))?;

        let connection = Connection::start(Parts {
            client,
            driver,
            peer: Peer::new(target, address, dialled.tls),
            announced_pid,
            left,
            endpoint: Endpoint {
                target: target.clone(),
                address: address.clone(),
                tls: self.tls.filter(|_| encrypted).cloned(),
                keepalive: self.options.keepalive(),
                timeout: self.options.connect_timeout(),
            },
        });
        let other_kind = limit
            .wait(session_attrs::mismatch(connection.client(), wanted))
            .await
            .map_err(timeout(Stage::AskingKind))?
            .map_err(|error| login_error(&login, Stage::AskingKind, error))?;
        Ok(match other_kind {
            Some(kind) => Found::OtherKind(place.clone(), kind),
            None => Found::Wanted(Box::new(connection)),
        })
    }

    /// The settings of the login itself. A pooler takes few parameters, so nothing is sent but
    /// `application_name`, `client_encoding`, and `options` when somebody asked for it.
    fn startup(&self, encrypted: bool) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .user(self.options.user())
            .dbname(self.options.database())
            .channel_binding(match self.options.channel_binding() {
                ChannelBinding::Disable => PgChannelBinding::Disable,
                ChannelBinding::Prefer => PgChannelBinding::Prefer,
                ChannelBinding::Require => PgChannelBinding::Require,
            });
        if encrypted {
            // TLS is done: `Direct` makes the library take the stream as it is.
            config
                .ssl_mode(PgSslMode::Require)
                .ssl_negotiation(PgSslNegotiation::Direct);
        } else {
            config.ssl_mode(PgSslMode::Disable);
        }
        if let Some(name) = self.options.application_name() {
            config.application_name(name);
        }
        if let Some(options) = self.options.startup_options() {
            config.options(options);
        }
        config
    }
}

fn was_encrypted(error: &ConnectError) -> bool {
    match error {
        ConnectError::HbaRejected { place, .. }
        | ConnectError::AuthRejected { place, .. }
        | ConnectError::RoleMissing { place, .. }
        | ConnectError::RoleCannotLogIn { place, .. }
        | ConnectError::Server { place, .. } => place.encrypted(),
        other => other.is_about_tls(),
    }
}

/// Makes one refusal of the refusals of all addresses of a host.
fn merge_refusals(errors: Vec<ConnectError>) -> Vec<ConnectError> {
    let mut merged: Vec<ConnectError> = Vec::new();
    for error in errors {
        match (merged.last_mut(), error) {
            (
                Some(ConnectError::Refused { addresses, .. }),
                ConnectError::Refused {
                    addresses: more, ..
                },
            ) => addresses.extend(more),
            (_, error) => merged.push(error),
        }
    }
    merged
}

/// The one error of all that was tried.
fn only(
    failed: Vec<ConnectError>,
    saw: Vec<(Place, &'static str)>,
    wanted: TargetSessionAttrs,
) -> ConnectError {
    if !saw.is_empty() {
        return ConnectError::SessionAttrs {
            wanted,
            saw,
            failed,
        };
    }
    ConnectError::from_attempts(failed).unwrap_or_else(|| ConnectError::Dns {
        host: String::new(),
        source: std::io::ErrorKind::NotFound.into(),
    })
}
