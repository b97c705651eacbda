//! Cancelling a query that runs.

use std::time::Duration;

use crate::dial::{Dial, Encryption, Limit};
use crate::error::{ConnectError, Login, Stage, login_error};
use crate::options::{HostTarget, Keepalive};
use crate::peer::Address;
use crate::stream::AlreadySecured;
use crate::tls::TlsConfig;

/// Where a connection leads, to go there once more.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) target: HostTarget,
    pub(crate) address: Address,
    /// The TLS of the connection, if it has any.
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) timeout: Option<Duration>,
}

/// The right to cancel what a connection is doing. It outlives the connection harmlessly.
#[derive(Clone)]
pub struct CancelToken {
    token: tokio_postgres::CancelToken,
    endpoint: Endpoint,
}

impl CancelToken {
    pub(crate) fn new(token: tokio_postgres::CancelToken, endpoint: Endpoint) -> Self {
        Self { token, endpoint }
    }

    /// Asks the server to cancel the query that runs, over a new connection to the same address
    /// with the same TLS.
    ///
    /// The server does not say whether there was anything to cancel.
    ///
    /// # Errors
    ///
    /// The server could not be reached.
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        let limit = Limit::start(self.endpoint.timeout);
        let dial = Dial {
            target: &self.endpoint.target,
            address: &self.endpoint.address,
            encryption: match self.endpoint.tls {
                Some(_) => Encryption::Needed,
                None => Encryption::Clear,
            },
            tls: self.endpoint.tls.as_ref(),
            keepalive: self.endpoint.keepalive,
            limit,
        };
        let dialled = dial.open().await?;
        let place = dialled.place.clone();
        let sent = limit
            .wait(self.token.cancel_query_raw(dialled.wire, AlreadySecured))
            .await
            .map_err(|limit| ConnectError::Timeout {
                place: place.clone(),
                limit,
                stage: Stage::LoggingIn,
            })?;
        let login = Login {
            place: &place,
            role: "",
            database: "",
            password: None,
        };
        sent.map_err(|error| login_error(&login, Stage::LoggingIn, error))
    }
}
