//! The sinks of a configuration: `[sink.NAME]`, with a `kind`.

use crate::secret::SecretFrom;
use crate::sink::{OpenError, Sink, Task};
use crate::{cloudwatch, datadog, file, kafka, otlp, relp, s3, splunk, stdout, syslog};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A sink's name: letters, digits, `-` and `_`, at most 64. It names files and leaves.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct Name(String);

impl Name {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text))
        } else {
            Err(
                "a sink's name has 1 to 64 letters (a-z), digits, `-` or `_`: it becomes the name of a file"
                    .into(),
            )
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

/// All sinks of a configuration, by name: the table `sink`.
pub type Sinks = std::collections::BTreeMap<Name, Config>;

/// A sink's configuration. It names secrets and holds none.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Config {
    /// JSON lines on standard output.
    Stdout(stdout::Config),
    /// A file.
    File(file::Config),
    /// Datadog Logs.
    Datadog(datadog::Config),
    /// Splunk's HTTP Event Collector, with acknowledgement.
    SplunkHec(splunk::Config),
    /// syslog (RFC 5424) over TLS: no acknowledgement exists.
    Syslog(syslog::Config),
    /// syslog over RELP: at-least-once.
    Relp(relp::Config),
    /// Amazon CloudWatch Logs.
    Cloudwatch(cloudwatch::Config),
    /// Amazon S3 with Object Lock.
    S3(s3::Config),
    /// OpenTelemetry over HTTP.
    Otlp(otlp::Config),
    /// Kafka.
    Kafka(kafka::Config),
}

impl Config {
    /// The `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
            Self::Datadog(_) => "datadog",
            Self::SplunkHec(_) => "splunk-hec",
            Self::Syslog(_) => "syslog",
            Self::Relp(_) => "relp",
            Self::Cloudwatch(_) => "cloudwatch",
            Self::S3(_) => "s3",
            Self::Otlp(_) => "otlp",
            Self::Kafka(_) => "kafka",
        }
    }

    /// Where it delivers to, for people and for the journal: without secrets, and without what may be one (a URL's user, path and query).
    pub fn place(&self) -> String {
        let host = |url: &str| {
            reqwest::Url::parse(url)
                .ok()
                .and_then(|url| {
                    let host = url.host_str()?.to_owned();
                    Some(
                        url.port()
                            .map_or(host.clone(), |port| format!("{host}:{port}")),
                    )
                })
                .unwrap_or_default()
        };
        match self {
            Self::Stdout(_) => "standard output".to_owned(),
            Self::File(config) => config.path.display().to_string(),
            Self::Datadog(config) => config
                .url
                .as_deref()
                .map_or_else(|| config.site.clone(), host),
            Self::SplunkHec(config) => host(&config.url),
            Self::Syslog(config) | Self::Relp(config) => config.address.clone(),
            Self::Cloudwatch(config) => format!("group {}, stream {}", config.group, config.stream),
            Self::S3(config) => format!("s3://{}/{}", config.bucket, config.prefix),
            Self::Otlp(config) => host(&config.endpoint),
            Self::Kafka(config) => {
                format!(
                    "topic {}, brokers {}",
                    config.topic,
                    config.brokers.join(",")
                )
            }
        }
    }

    /// Where its secrets are, each with the keys that lead to it.
    pub fn secrets(&self) -> Vec<(Vec<String>, &SecretFrom)> {
        let own = |key: &str| vec![key.to_owned()];
        match self {
            Self::Datadog(config) => {
                let mut secrets = config.http.secrets();
                secrets.push((own("api_key"), &config.api_key));
                secrets
            }
            Self::SplunkHec(config) => {
                let mut secrets = config.http.secrets();
                secrets.push((own("token"), &config.token));
                secrets
            }
            Self::Otlp(config) => {
                let headers = config
                    .secret_headers
                    .iter()
                    .map(|(name, from)| (vec!["secret_headers".to_owned(), name.clone()], from));
                config.http.secrets().into_iter().chain(headers).collect()
            }
            Self::Kafka(config) => config
                .sasl
                .iter()
                .map(|sasl| {
                    (
                        vec!["sasl".to_owned(), "password".to_owned()],
                        &sasl.password,
                    )
                })
                .collect(),
            Self::Stdout(_)
            | Self::File(_)
            | Self::Syslog(_)
            | Self::Relp(_)
            | Self::Cloudwatch(_)
            | Self::S3(_) => Vec::new(),
        }
    }

    /// Relative paths of files that it writes begin here.
    pub fn begin_at(&mut self, folder: &std::path::Path) {
        if let Self::File(config) = self {
            config.path = folder.join(&config.path);
        }
    }

    /// Opens the sink: reads its secrets, makes its client. May connect, need not.
    pub async fn open(&self) -> Result<Box<dyn Sink>, OpenError> {
        match self {
            Self::Stdout(config) => Ok(stdout::open(config)),
            Self::File(config) => Ok(file::open(config)),
            Self::Datadog(config) => datadog::open(config),
            Self::SplunkHec(config) => splunk::open(config),
            Self::Syslog(config) => syslog::open(config),
            Self::Relp(config) => relp::open(config),
            Self::Cloudwatch(config) => cloudwatch::open(config).await,
            Self::S3(config) => s3::open(config).await,
            Self::Otlp(config) => otlp::open(config),
            Self::Kafka(config) => kafka::open(config),
        }
    }
}

/// What opens a sink, as often as it takes: after a misconfiguration the secrets are read anew.
pub trait Opener: Send + Sync {
    /// Opens it.
    fn open(&self) -> Task<'_, Result<Box<dyn Sink>, OpenError>>;
    /// The kind, for people.
    fn kind(&self) -> &str;
}

impl Opener for Config {
    fn open(&self) -> Task<'_, Result<Box<dyn Sink>, OpenError>> {
        Box::pin(Config::open(self))
    }

    fn kind(&self) -> &str {
        Config::kind(self)
    }
}
