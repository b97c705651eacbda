//! HTTP to a sink: one way to make a client, one way to read what came back.

use crate::secret::SecretFrom;
use crate::sink::{Answer, OpenError};
use crate::tls::TlsOptions;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How much of an answer is read, and how much of it is repeated to people.
const ANSWER_BYTES: usize = 64 * 1024;
const SHOWN_CHARACTERS: usize = 300;

/// How to reach an HTTP sink.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpOptions {
    /// A proxy, `http://proxy.example:3128`. Environment variables are not asked.
    pub proxy: Option<String>,
    /// The proxy's password file or variable, `user:password`.
    pub proxy_credentials: Option<SecretFrom>,
    /// TLS.
    pub tls: TlsOptions,
    /// A request that takes longer is tried again, in seconds.
    pub timeout_seconds: u64,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            proxy: None,
            proxy_credentials: None,
            tls: TlsOptions::default(),
            timeout_seconds: 60,
        }
    }
}

impl HttpOptions {
    /// Where its secrets are, each with the keys that lead to it from the table that has `http`.
    pub(crate) fn secrets(&self) -> Vec<(Vec<String>, &SecretFrom)> {
        let keys = || vec!["http".to_owned(), "proxy_credentials".to_owned()];
        self.proxy_credentials
            .iter()
            .map(|from| (keys(), from))
            .collect()
    }

    /// A client. It follows no redirect: a secret in a header goes where the configuration says, nowhere else.
    pub(crate) fn client(&self) -> Result<reqwest::Client, OpenError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.client()?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(self.timeout_seconds.max(1)))
            .user_agent(concat!("pgattest/", env!("CARGO_PKG_VERSION")));
        if let Some(address) = &self.proxy {
            let mut proxy =
                reqwest::Proxy::all(address.as_str()).map_err(|_| OpenError::Setting {
                    setting: "proxy",
                    problem: "is no URL such as http://proxy.example:3128".into(),
                })?;
            if let Some(from) = &self.proxy_credentials {
                let secret = from.read()?;
                let (user, password) =
                    secret
                        .expose()
                        .split_once(':')
                        .ok_or_else(|| OpenError::Setting {
                            setting: "proxy_credentials",
                            problem: "holds no `user:password`".into(),
                        })?;
                proxy = proxy.basic_auth(user, password);
            }
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| {
            OpenError::Other(format!("cannot make an HTTP client: {}", chain(&error)))
        })
    }
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Status and the beginning of the body, for people.
    pub(crate) fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text: String = text
            .trim()
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(SHOWN_CHARACTERS)
            .collect();
        if text.is_empty() {
            format!("HTTP {}", self.status)
        } else {
            format!("HTTP {}: {text}", self.status)
        }
    }

    /// Try again, not before the server's `Retry-After`.
    pub(crate) fn again(&self) -> Answer {
        Answer::Again {
            reason: self.shown(),
            after: self.retry_after,
        }
    }
}

/// Sends a request. Anything that is no whole answer (refused, cut, timed out) is [`Answer::Again`].
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Response, Answer> {
    let lost = |error: reqwest::Error| Answer::again(chain(&error.without_url()));
    let mut response = request.send().await.map_err(lost)?;
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(retry_after);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        // The rest is read, so that the connection can be used again, and forgotten.
        let room = ANSWER_BYTES.saturating_sub(body.len());
        body.extend_from_slice(chunk.get(..room.min(chunk.len())).unwrap_or_default());
    }
    Ok(Response {
        status,
        retry_after,
        body,
    })
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value.trim()).ok()?.timestamp();
    let wait = at.as_second() - jiff::Timestamp::now().as_second();
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or(0)))
}

/// An error with its causes: reqwest's own text says too little.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Fri, 31 Dec 1999 23:59:59 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after("soon"), None);
    }
}
