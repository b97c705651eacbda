//! A way to a receiver that breaks when told: a connection at a time, or for as long as it is shut. It knows no protocol.

use pgattest_testkit::Authority;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Reset before the request has gone on.
    Reset,
    /// The receiver gets the requests; its answer of this number, from 1 on, is lost with the connection.
    AnswerLost(u32),
    /// The receiver gets the requests; half of its answer of this number comes back. Under TLS this is a cut: no farewell is sent.
    HalfAnswer(u32),
    /// Nothing comes back at all.
    Silence,
}

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    struck: Arc<AtomicUsize>,
    shut: watch::Sender<bool>,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    /// To this address; with TLS when there is an authority, as `localhost`.
    pub(crate) fn start(to: SocketAddr, authority: Option<&Authority>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let tls = authority.map(|authority| {
            TlsAcceptor::from(server(&authority.issue_server(&["localhost"]).unwrap()))
        });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let faults: Arc<Mutex<VecDeque<Fault>>> = Arc::default();
        let struck: Arc<AtomicUsize> = Arc::default();
        let (shut, is_shut) = watch::channel(false);
        let (script, strikes) = (faults.clone(), struck.clone());
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut is_shut = is_shut.clone();
                if *is_shut.borrow_and_update() {
                    continue;
                }
                let fault = script.lock().unwrap().pop_front();
                let (tls, strikes) = (tls.clone(), strikes.clone());
                tokio::spawn(async move {
                    let carried = async {
                        // What is dropped with unread bytes in it is reset.
                        match tls {
                            Some(tls) => carry(tls.accept(client).await?, to, fault).await,
                            None => carry(client, to, fault).await,
                        }
                    };
                    let happened = tokio::select! {
                        carried = carried => carried.unwrap_or(false),
                        _ = is_shut.changed() => false,
                    };
                    strikes.fetch_add(usize::from(happened), Ordering::SeqCst);
                });
            }
        });
        Self {
            address,
            faults,
            struck,
            shut,
            _runtime: runtime,
        }
    }

    /// `localhost:port`, which the certificate is for.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// What happens to the next connections, one after the other.
    pub(crate) fn inject(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub(crate) fn pending(&self) -> usize {
        self.faults.lock().unwrap().len()
    }

    /// How many faults have happened.
    pub(crate) fn struck(&self) -> usize {
        self.struck.load(Ordering::SeqCst)
    }

    /// Breaks every connection and takes none, until told otherwise.
    pub(crate) fn shut(&self, shut: bool) {
        self.shut.send_replace(shut);
    }
}

/// The server side of TLS.
fn server(issued: &pgattest_testkit::Issued) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

/// Carries bytes until an end closes or the fault has happened: `true`.
async fn carry(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    fault: Option<Fault>,
) -> std::io::Result<bool> {
    let mut upstream = TcpStream::connect(to).await?;
    let (number, half) = match fault {
        None => {
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
            return Ok(false);
        }
        Some(Fault::Reset) => {
            client.read_u8().await?;
            return Ok(true);
        }
        Some(Fault::Silence) => {
            // Until the client gives up, however it does.
            let mut forgotten = tokio::io::sink();
            let _ = tokio::io::copy(&mut client, &mut forgotten).await;
            return Ok(true);
        }
        Some(Fault::AnswerLost(number)) => (number, false),
        Some(Fault::HalfAnswer(number)) => (number, true),
    };
    let mut answers = 0;
    let mut answer = vec![0; 65_536];
    let mut request = vec![0; 65_536];
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let count = read?;
                if count == 0 {
                    return Ok(false);
                }
                upstream.write_all(&request[..count]).await?;
            }
            read = upstream.read(&mut answer) => {
                let count = read?;
                answers += 1;
                if answers < number {
                    client.write_all(&answer[..count]).await?;
                    client.flush().await?;
                    continue;
                }
                if half {
                    client.write_all(&answer[..count / 2]).await?;
                    client.flush().await?;
                    // Without a farewell: under TLS this is a cut.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                return Ok(true);
            }
        }
    }
}
