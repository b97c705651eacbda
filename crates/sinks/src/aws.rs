//! What the sinks at Amazon share: credentials found the standard way, and what an error means.

use crate::sink::{Answer, OpenError};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Connector, proxy::ProxyConfig};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How much of a service's message is repeated to people.
const SHOWN_CHARACTERS: usize = 300;

/// How to reach Amazon. Credentials are found as every tool of Amazon's finds them: environment, profile (with `role_arn`,
/// `credential_process`), web identity (EKS), container (ECS), instance metadata (EC2). None are written here.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsOptions {
    /// The region. Without it: `AWS_REGION`, the profile, instance metadata.
    pub region: Option<String>,
    /// The profile in `~/.aws/config`. Without it: `AWS_PROFILE`, then `default`.
    pub profile: Option<String>,
    /// A file in the form of `~/.aws/config`, read in place of it and of `~/.aws/credentials`: one that systemd's `LoadCredential`
    /// provides. Sections are named `[default]` and `[profile NAME]`.
    pub credentials_file: Option<PathBuf>,
    /// Another address than the region's own: a VPC endpoint, or a service that speaks the same protocol.
    pub endpoint: Option<String>,
    /// Certificates (PEM) of authorities to trust in place of the operating system's.
    pub ca_file: Option<PathBuf>,
    /// A request that takes longer is tried again, in seconds. 60 when nothing is said.
    pub timeout_seconds: Option<u64>,
}

impl AwsOptions {
    /// What clients are made of. Nothing is retried by the library: when to try again is the engine's to say.
    pub(crate) async fn load(&self) -> Result<SdkConfig, OpenError> {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(Duration::from_secs(10))
                    .operation_timeout(Duration::from_secs(
                        self.timeout_seconds.unwrap_or(60).max(1),
                    ))
                    .build(),
            )
            .http_client(self.http_client()?);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(path) = &self.credentials_file {
            // The library takes a file that is not there for an empty one.
            std::fs::metadata(path).map_err(|source| OpenError::File {
                path: path.clone(),
                source,
            })?;
            loader = loader.profile_files(
                EnvConfigFiles::builder()
                    .with_file(EnvConfigFileKind::Config, path)
                    .build(),
            );
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(OpenError::Setting {
                setting: "region",
                problem: "is not set, and neither AWS_REGION nor the profile nor instance metadata says it".into(),
            });
        }
        Ok(config)
    }

    fn http_client(
        &self,
    ) -> Result<aws_smithy_runtime_api::client::http::SharedHttpClient, OpenError> {
        let mut trust = TrustStore::default();
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path).map_err(|source| OpenError::File {
                path: path.clone(),
                source,
            })?;
            // What is wrong with it is found now, not at the first request, where it would be a panic of the library.
            crate::tls::certificates(path)?;
            trust = TrustStore::empty().with_pem_certificate(pem);
        }
        let context = TlsContext::builder()
            .with_trust_store(trust)
            .build()
            .map_err(|error| OpenError::Other(format!("TLS cannot be set up: {error}")))?;
        Ok(
            aws_smithy_http_client::Builder::new().build_with_connector_fn(
                move |settings, components| {
                    let mut builder = Connector::builder()
                        .proxy_config(ProxyConfig::from_env())
                        .tls_provider(Provider::Rustls(CryptoMode::Ring))
                        .tls_context(context.clone());
                    builder.set_connector_settings(settings.cloned());
                    if let Some(components) = components {
                        builder.set_sleep_impl(components.sleep_impl());
                    }
                    builder.build()
                },
            ),
        )
    }
}

/// What an error asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    /// The other end is not able now, or nobody knows what became of the request.
    Again,
    /// Nothing will be taken before a person changes something.
    Misconfigured,
    /// Something in the request is wrong.
    Refused,
}

/// Reads an error: what it asks for, its code, and what to tell people.
pub(crate) fn read<E>(error: &SdkError<E, HttpResponse>) -> (Meaning, Option<String>, String)
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match error {
        SdkError::ServiceError(said) => {
            let status = said.raw().status().as_u16();
            let code = said.err().code();
            // Of a signature that does not fit, Amazon repeats what was to be signed, a session's token among it.
            let repeated = match code {
                Some("InvalidSignatureException" | "SignatureDoesNotMatch") => None,
                _ => said.err().message(),
            };
            let message: String = repeated
                .unwrap_or_default()
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .take(SHOWN_CHARACTERS)
                .collect();
            let text = match code {
                Some(code) if message.is_empty() => format!("{code} (HTTP {status})"),
                Some(code) => format!("{code} (HTTP {status}): {message}"),
                // An answer that could not be read, or one without a body.
                None => format!("HTTP {status}: {}", crate::http::chain(said.err())),
            };
            (meaning(status, code), code.map(str::to_owned), text)
        }
        // No credentials: found out before anything is sent, under either of two names.
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_)
            if credentials(error).is_some() =>
        {
            let meaning = credentials(error).unwrap_or(Meaning::Again);
            (
                meaning,
                None,
                format!(
                    "no credentials of Amazon's could be loaded ({}): give the collector a role, or AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                    crate::http::chain(error)
                ),
            )
        }
        SdkError::ConstructionFailure(_) => {
            (Meaning::Misconfigured, None, crate::http::chain(error))
        }
        _ => (Meaning::Again, None, crate::http::chain(error)),
    }
}

/// The same as an answer of a sink's.
pub(crate) fn answer<E>(error: &SdkError<E, HttpResponse>, what_to_do: &str) -> Answer
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let (meaning, _, text) = read(error);
    match meaning {
        Meaning::Again => Answer::again(text),
        Meaning::Refused => Answer::refused(text),
        Meaning::Misconfigured => Answer::misconfigured(format!("{text}. {what_to_do}")),
    }
}

/// By the code where there is one, by the status elsewhere.
fn meaning(status: u16, code: Option<&str>) -> Meaning {
    match code.unwrap_or_default() {
        "ThrottlingException" | "Throttling" | "ThrottledException" | "RequestThrottled"
        | "RequestThrottledException" | "TooManyRequestsException" | "RequestLimitExceeded"
        | "LimitExceededException" | "SlowDown" | "ServiceUnavailable"
        | "ServiceUnavailableException" | "ServiceQuotaExceededException" | "InternalError"
        | "InternalFailure" | "InternalServerError" | "RequestTimeout"
        | "RequestTimeoutException" | "OperationAbortedException" | "OperationAborted"
        | "ConditionalRequestConflict" | "BadDigest" | "IncompleteBody"
        // The checksum is over what was sent: it was damaged on the way.
        | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => Meaning::Again,
        "InvalidParameterException" | "InvalidParameterValue" | "ValidationException"
        | "SerializationException" | "EntityTooLarge" | "RequestEntityTooLargeException" => {
            Meaning::Refused
        }
        _ => match status {
            // A success that could not be read says nothing.
            200..=299 | 408 | 425 | 429 | 500..=599 => Meaning::Again,
            413 => Meaning::Refused,
            // Who we are, what we may, what is there, where: a person's. 400 without a known code is about our credentials or
            // the set-up far more often than about a record, and a misconfigured sink loses nothing.
            _ => Meaning::Misconfigured,
        },
    }
}

/// What an error asks for when it is about credentials; `None` when it is not.
fn credentials(error: &(dyn std::error::Error + 'static)) -> Option<Meaning> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<CredentialsError>() {
            return Some(match cause {
                CredentialsError::CredentialsNotLoaded(_)
                | CredentialsError::InvalidConfiguration(_) => Meaning::Misconfigured,
                // Whoever gives them (STS, instance metadata, a process) did not answer, or not this time.
                _ => Meaning::Again,
            });
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(400, Some("ThrottlingException"), Meaning::Again)]
    #[case(503, Some("SlowDown"), Meaning::Again)]
    #[case(500, None, Meaning::Again)]
    #[case(200, None, Meaning::Again)]
    #[case(429, None, Meaning::Again)]
    #[case(400, Some("InvalidParameterException"), Meaning::Refused)]
    #[case(400, Some("UnrecognizedClientException"), Meaning::Misconfigured)]
    #[case(400, Some("ExpiredTokenException"), Meaning::Misconfigured)]
    #[case(403, Some("AccessDenied"), Meaning::Misconfigured)]
    #[case(404, Some("NoSuchBucket"), Meaning::Misconfigured)]
    #[case(400, None, Meaning::Misconfigured)]
    fn what_an_error_asks_for(
        #[case] status: u16,
        #[case] code: Option<&str>,
        #[case] expected: Meaning,
    ) {
        assert_eq!(meaning(status, code), expected);
    }

    #[test]
    fn credentials_that_are_late_are_waited_for_and_missing_ones_are_said() {
        let asks_for = |error: CredentialsError| {
            let error: SdkError<aws_sdk_s3::operation::put_object::PutObjectError, HttpResponse> =
                SdkError::construction_failure(error);
            read(&error).0
        };
        assert_eq!(
            asks_for(CredentialsError::provider_timed_out(Duration::from_secs(1))),
            Meaning::Again
        );
        assert_eq!(
            asks_for(CredentialsError::provider_error("no route to the metadata")),
            Meaning::Again
        );
        assert_eq!(
            asks_for(CredentialsError::not_loaded("nothing is set")),
            Meaning::Misconfigured
        );
    }
}
