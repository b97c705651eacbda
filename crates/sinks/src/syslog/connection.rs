//! A connection to a receiver of syslog or RELP.

use super::queue::unacknowledged;
use crate::http::chain;
use crate::sink::{Answer, OpenError};
use crate::tls::TlsOptions;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(30);
/// In TLS 1.3 a client is done before the server has looked at the client's certificate. A refusal comes within this time, or later than
/// we can wait.
const REFUSAL: Duration = Duration::from_millis(300);
/// How often the send queue is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Where to connect to, and how.
pub(crate) struct Target {
    pub(crate) address: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Both directions, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    ends: Option<(SocketAddr, SocketAddr)>,
}

impl Target {
    /// To `host:port`; with TLS unless that is `None`.
    pub(crate) fn new(address: &str, tls: Option<&TlsOptions>) -> Result<Self, OpenError> {
        let wrong = || OpenError::Setting {
            setting: "address",
            problem: "is no `host:port`, such as logs.example:6514".into(),
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        port.parse::<u16>().map_err(|_| wrong())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let tls = match tls {
            None => None,
            Some(options) => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
                Some((TlsConnector::from(Arc::new(options.client()?)), name))
            }
        };
        Ok(Self {
            address: address.to_owned(),
            tls,
        })
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Connection, Answer> {
        match tokio::time::timeout(CONNECT, self.connected()).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(self.lost(&error)),
            Err(_) => Err(Answer::again(format!(
                "{} did not answer within {} s",
                self.address,
                CONNECT.as_secs()
            ))),
        }
    }

    async fn connected(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let ends = tcp.local_addr().ok().zip(tcp.peer_addr().ok());
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), tcp).await?),
        };
        let mut connection = Connection { stream, ends };
        if self.tls.is_some() {
            connection.refusal(REFUSAL).await?;
        }
        Ok(connection)
    }

    /// What a broken connection means: a certificate that is not accepted is a matter of configuration, all else passes.
    pub(crate) fn lost(&self, error: &io::Error) -> Answer {
        let text = format!("{}: {}", self.address, chain(error));
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(_)) => Answer::misconfigured(format!(
                "{text}: its certificate is not trusted; look at `ca_file` and the name in `address`"
            )),
            Some(rustls::Error::AlertReceived(alert)) => {
                use rustls::AlertDescription as Alert;
                match alert {
                    Alert::BadCertificate
                    | Alert::UnsupportedCertificate
                    | Alert::CertificateRevoked
                    | Alert::CertificateExpired
                    | Alert::CertificateUnknown
                    | Alert::CertificateRequired
                    | Alert::UnknownCA
                    | Alert::AccessDenied => Answer::misconfigured(format!(
                        "{text}: it does not accept our certificate; look at `certificate_file` and `key_file`"
                    )),
                    _ => Answer::again(text),
                }
            }
            _ => Answer::again(text),
        }
    }
}

impl Connection {
    /// Whether the peer has not closed it. A peer of plain syslog says nothing else.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.refusal(Duration::ZERO).await.is_ok()
    }

    /// Waits for the end of the connection or an alert, at most this long. What the peer says else is of no meaning.
    async fn refusal(&mut self, longest: Duration) -> io::Result<()> {
        let mut said = [0; 256];
        let until = tokio::time::Instant::now() + longest;
        loop {
            match tokio::time::timeout_at(until, self.stream.read(&mut said)).await {
                Err(_) => return Ok(()),
                Ok(Ok(0)) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the receiver has closed the connection",
                    ));
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
            }
        }
    }

    /// Waits until the peer's TCP has taken everything, and looks once more whether the peer has closed.
    pub(crate) async fn taken(&mut self, target: &Target, stalled: Duration) -> Result<(), Answer> {
        let mut last = (u64::MAX, Instant::now());
        if let Some((local, peer)) = self.ends {
            loop {
                self.refusal(LOOK)
                    .await
                    .map_err(|error| target.lost(&error))?;
                match unacknowledged(local, peer) {
                    Some(0) => break,
                    Some(left) if left < last.0 => last = (left, Instant::now()),
                    Some(left) if last.1.elapsed() > stalled => {
                        return Err(Answer::again(format!(
                            "{} has not taken {left} bytes for {} s",
                            target.address,
                            stalled.as_secs()
                        )));
                    }
                    Some(_) => {}
                    None if cfg!(target_os = "linux") => {
                        return Err(Answer::again(format!(
                            "{}: the connection is gone",
                            target.address
                        )));
                    }
                    // No way to know: the kernel has it.
                    None => break,
                }
            }
        }
        self.refusal(Duration::ZERO)
            .await
            .map_err(|error| target.lost(&error))
    }
}
