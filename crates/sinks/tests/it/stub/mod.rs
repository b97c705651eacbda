//! Datadog's intake and Splunk's collector as their documentation says they are, stricter than they are in life, and a way there that
//! breaks when told.

pub(crate) mod datadog;
pub(crate) mod front;
pub(crate) mod splunk;

use axum::body::Bytes;
use axum::http::HeaderMap;
use flate2::read::GzDecoder;
use std::io::Read;
use std::net::SocketAddr;

/// Runs a server until the guard is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub(crate) fn start(app: axum::Router) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.layer(axum::extract::DefaultBodyLimit::disable());
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            _runtime: runtime,
        }
    }
}

/// The body as it was before compression; the error is what a server says to it.
fn inflated(headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>, &'static str> {
    let mut out = Vec::new();
    match headers
        .get("content-encoding")
        .map(|value| value.to_str().unwrap_or_default())
    {
        None | Some("identity") => out.extend_from_slice(body),
        Some("gzip") => {
            GzDecoder::new(&body[..])
                .read_to_end(&mut out)
                .map_err(|_| "not gzip")?;
        }
        // What Python's client calls deflate is zlib.
        Some("deflate") => {
            flate2::read::ZlibDecoder::new(&body[..])
                .read_to_end(&mut out)
                .map_err(|_| "not deflate")?;
        }
        Some(_) => return Err("unknown content-encoding"),
    }
    Ok(out)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
