//! An alert as a POST of JSON, signed.
//!
//! `X-Pgattest-Signature: t=SECONDS,v1=HEX`, where HEX is HMAC-SHA-256 of `SECONDS.BODY` under the shared secret and SECONDS is when it was sent: the
//! receiver refuses what is old or does not match, and knows a repeated alert by its `id` (`Idempotency-Key`, too).

use crate::http::{self, HttpOptions};
use crate::secret::{Secret, SecretFrom};
use crate::sink::{Answer, OpenError};
use hmac::{Hmac, KeyInit, Mac};
use pgattest_trail::detect::{Alert, Place};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::{Duration, Instant};

/// How often one delivery is tried before the outbox waits and begins again.
const ATTEMPTS: u32 = 3;

/// The longest pause between two of these, also when the server asks for more: the outbox waits longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Where and how.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookOptions {
    /// What it is called in messages and leaves.
    pub name: String,
    /// `https://soc.example/pgattest`. A path or query may be secret: it is in no message.
    pub url: String,
    /// The shared secret of the signature. Without it alerts go unsigned.
    pub secret: Option<SecretFrom>,
    /// Another header's value, such as `Bearer ..`: sent as `Authorization`.
    pub authorization: Option<SecretFrom>,
    /// How to reach it.
    #[serde(default)]
    pub http: HttpOptions,
}

impl WebhookOptions {
    /// Where its secrets are, each with the keys that lead to it.
    pub fn secrets(&self) -> Vec<(Vec<String>, &SecretFrom)> {
        let own = [
            ("secret", &self.secret),
            ("authorization", &self.authorization),
        ];
        own.into_iter()
            .filter_map(|(key, from)| Some((vec![key.to_owned()], from.as_ref()?)))
            .chain(self.http.secrets())
            .collect()
    }
}

/// A webhook, open.
pub struct Webhook {
    name: String,
    url: reqwest::Url,
    secret: Option<Secret>,
    authorization: Option<Secret>,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Webhook {
    /// Reads the secrets and makes a client; connects to nothing yet.
    pub fn open(options: &WebhookOptions) -> Result<Self, OpenError> {
        let url = reqwest::Url::parse(&options.url)
            .ok()
            .filter(|url| matches!(url.scheme(), "https" | "http"))
            .ok_or_else(|| OpenError::Setting {
                setting: "url",
                problem: "is no URL such as https://soc.example/pgattest".into(),
            })?;
        let read = |from: &Option<SecretFrom>| from.as_ref().map(SecretFrom::read).transpose();
        Ok(Self {
            name: options.name.clone(),
            url,
            secret: read(&options.secret)?,
            authorization: read(&options.authorization)?,
            client: options.http.client()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| OpenError::Other(format!("cannot start a runtime: {error}")))?,
        })
    }

    fn request(&self, alert: &Alert, body: &[u8]) -> reqwest::RequestBuilder {
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", &alert.id)
            .body(body.to_vec());
        if let Some(secret) = &self.secret {
            let now = jiff::Timestamp::now().as_second();
            request = request.header("x-pgattest-signature", sign(secret.expose(), now, body));
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose());
        }
        request
    }

    async fn send(&self, alert: &Alert, body: &[u8]) -> Result<String, String> {
        let mut reason = String::new();
        for attempt in 0..ATTEMPTS {
            let pause = match http::send(self.request(alert, body)).await {
                Ok(response) if (200..300).contains(&response.status) => {
                    return Ok(format!("HTTP {}", response.status));
                }
                Ok(response) => {
                    reason = response.shown();
                    // What is refused for good is refused again at once: the outbox tries later, when somebody has mended it.
                    if !matches!(response.status, 408 | 429 | 500..=599) {
                        return Err(reason);
                    }
                    response.retry_after
                }
                Err(Answer::Again { reason: why, after }) => {
                    reason = why;
                    after
                }
                Err(_) => return Err("the request could not be made".to_owned()),
            };
            if attempt + 1 < ATTEMPTS {
                let pause = pause.unwrap_or(Duration::from_millis(200) * 4_u32.pow(attempt));
                tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            }
        }
        Err(reason)
    }
}

impl Place for Webhook {
    fn name(&self) -> String {
        format!("webhook {}", self.name)
    }

    fn deliver(&mut self, alert: &Alert) -> Result<String, String> {
        let mut body = alert.to_line();
        body.pop();
        let begin = Instant::now();
        let said = self.runtime.block_on(self.send(alert, &body))?;
        Ok(format!("{said} after {} ms", begin.elapsed().as_millis()))
    }
}

/// The signature header's value.
pub fn sign(secret: &str, seconds: i64, body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!(
        "t={seconds},v1={}",
        hex::encode(mac.finalize().into_bytes())
    )
}

#[cfg(test)]
mod tests {
    use super::sign;

    /// `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key`
    #[test]
    fn the_signature_is_what_openssl_makes() {
        assert_eq!(
            sign("key", 1_700_000_000, b"{\"a\":1}"),
            "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
    }
}
