//! A way to a stub that breaks when told: a connection at a time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What happens to a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Reset before the request has gone on.
    Reset,
    /// The stub gets the request; its answer is lost.
    AnswerLost,
    /// The stub gets the request; half of its answer comes back.
    HalfAnswer,
    /// Nothing comes back at all.
    Silence,
}

pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    faults: Arc<Mutex<VecDeque<Fault>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    /// To this address; with TLS when there is a configuration.
    pub(crate) fn start(to: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let faults: Arc<Mutex<VecDeque<Fault>>> = Arc::default();
        let script = faults.clone();
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = script.lock().unwrap().pop_front();
                let tls = tls.clone();
                tokio::spawn(async move {
                    // What is dropped with unread bytes in it is reset.
                    if let Some(tls) = tls {
                        let accepted = TlsAcceptor::from(tls).accept(client).await;
                        if let Ok(client) = accepted {
                            let _ = carry(client, to, fault).await;
                        }
                    } else {
                        let _ = carry(client, to, fault).await;
                    }
                });
            }
        });
        Self {
            address,
            faults,
            _runtime: runtime,
        }
    }

    /// What happens to the next connections, one after the other.
    pub(crate) fn inject(&self, faults: &[Fault]) {
        self.faults.lock().unwrap().extend(faults);
    }

    pub(crate) fn pending(&self) -> usize {
        self.faults.lock().unwrap().len()
    }
}

async fn carry(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    to: SocketAddr,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let mut upstream = TcpStream::connect(to).await?;
    match fault {
        None => {
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await?;
        }
        Some(Fault::Reset) => {
            client.read_u8().await?;
        }
        Some(Fault::Silence) => {
            let mut forgotten = tokio::io::sink();
            tokio::io::copy(&mut client, &mut forgotten).await?;
        }
        Some(Fault::AnswerLost | Fault::HalfAnswer) => {
            let mut answer = vec![0; 65_536];
            let mut request = vec![0; 65_536];
            loop {
                tokio::select! {
                    read = client.read(&mut request) => {
                        let count = read?;
                        if count == 0 {
                            return Ok(());
                        }
                        upstream.write_all(&request[..count]).await?;
                    }
                    read = upstream.read(&mut answer) => {
                        let count = read?;
                        if matches!(fault, Some(Fault::HalfAnswer)) {
                            client.write_all(&answer[..count / 2]).await?;
                            client.flush().await?;
                            // Without a farewell: under TLS this is a cut.
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}
