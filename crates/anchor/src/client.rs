//! Asking.

use crate::AnchorFailure;
use pgattest_ledger::cosigned::WitnessKey;
use pgattest_trail::JournalReader;
use pgattest_trail::seal::timestamp::{self, Token};
use pgattest_trail::seal::{Anchors, witness};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Url};
use std::sync::Arc;
use std::time::Duration;

/// The longest answer that is read, in bytes: a time stamp with its certificates has a few thousand.
const LONGEST: usize = 256 * 1024;

/// Asks witnesses and time stamping authorities.
#[derive(Clone, Debug)]
pub struct AnchorClient {
    http: Client,
}

impl AnchorClient {
    /// A client that trusts the certificate authorities of this machine and gives up after `timeout`.
    pub fn new(timeout: Duration) -> Result<Self, AnchorFailure> {
        let failed = |reason: String| AnchorFailure::Client(reason);
        let mut roots = rustls::RootCertStore::empty();
        // What cannot be read of them is not trusted; without any, no TLS connection is made.
        for certificate in rustls_native_certs::load_native_certs().certs {
            let _ = roots.add(certificate);
        }
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(timeout)
            .user_agent(concat!("pgattest/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { http })
    }

    /// Has the journal's present checkpoint signed by a witness at `url` (the prefix of its `add-checkpoint`) and keeps the signature
    /// in the journal's folder. When it was signed, in seconds since 1970, by the witness's clock.
    ///
    /// What the witness has seen last it says itself; the journal proves that it continues that.
    pub async fn witness(
        &self,
        url: &Url,
        key: &WitnessKey,
        reader: &JournalReader,
    ) -> Result<u64, AnchorFailure> {
        let signed = reader.checkpoint();
        let size = reader.size();
        let anchors = Anchors::of(reader.dir());
        let mut old = last_signed(&anchors, key, size)?;
        let endpoint = below(url, "add-checkpoint");
        // The second time the witness has said what it knows; a third time it is asking too much of it.
        for last in [false, true] {
            let body = witness::request(old, &reader.prove_consistency(old)?, signed);
            let (status, answer) = self
                .send(&endpoint, self.http.post(endpoint.clone()).body(body))
                .await?;
            match status {
                200 => {
                    let (line, time) =
                        witness::cosignature(&answer, signed, key).map_err(|source| {
                            AnchorFailure::BadCosignature {
                                witness: key.name.clone(),
                                source,
                            }
                        })?;
                    anchors.add_cosignature(signed, line)?;
                    return Ok(time);
                }
                409 if !last => match witness::known_size(&answer) {
                    Some(seen) if seen > size => {
                        return Err(AnchorFailure::SetBack {
                            witness: key.name.clone(),
                            seen,
                            size,
                        });
                    }
                    Some(seen) => old = seen,
                    None => return Err(refused(&endpoint, status, &answer)),
                },
                _ => return Err(refused(&endpoint, status, &answer)),
            }
        }
        Err(refused(&endpoint, 409, b""))
    }

    /// Has the journal's present checkpoint stamped by a time stamping authority (RFC 3161) and keeps the token.
    pub async fn stamp(&self, url: &Url, reader: &JournalReader) -> Result<Token, AnchorFailure> {
        let signed = reader.checkpoint();
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).map_err(|error| AnchorFailure::Client(error.to_string()))?;
        let request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/timestamp-query")
            .body(timestamp::request(signed.to_text().as_bytes(), nonce));
        let (status, answer) = self.send(url, request).await?;
        if status != 200 {
            return Err(refused(url, status, &answer));
        }
        Ok(Anchors::of(reader.dir()).add_timestamp(signed, &answer, nonce)?)
    }

    async fn send(
        &self,
        url: &Url,
        request: RequestBuilder,
    ) -> Result<(u16, Vec<u8>), AnchorFailure> {
        let lost = |error: reqwest::Error| AnchorFailure::Unreachable {
            url: shown(url),
            reason: chain(&error.without_url()),
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            answer.extend(chunk);
            if answer.len() > LONGEST {
                return Err(AnchorFailure::Refused {
                    url: shown(url),
                    status,
                    text: "the answer is far too long".to_owned(),
                });
            }
        }
        Ok((status, answer))
    }
}

/// The largest size, of those not beyond the journal, that this witness has signed as far as is known here.
fn last_signed(anchors: &Anchors, key: &WitnessKey, size: u64) -> Result<u64, AnchorFailure> {
    for known in anchors.cosigned_sizes()?.into_iter().rev() {
        let note = anchors.read_cosigned(known)?;
        if known <= size && note.is_some_and(|note| note.others.iter().any(|line| key.is_of(line)))
        {
            return Ok(known);
        }
    }
    Ok(0)
}

fn below(url: &Url, name: &str) -> Url {
    let mut url = url.clone();
    let path = format!("{}/{name}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn refused(url: &Url, status: u16, answer: &[u8]) -> AnchorFailure {
    let text: String = String::from_utf8_lossy(answer)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    AnchorFailure::Refused {
        url: shown(url),
        status,
        text: text.trim().to_owned(),
    }
}

/// A URL without what may be secret in it.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.set_query(None);
    url.to_string()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
