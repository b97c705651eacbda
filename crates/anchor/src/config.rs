//! `[seal]` of `trail.toml`: who is asked, and how often.

use pgattest_ledger::cosigned::WitnessKey;
use pgattest_sinks::AwsOptions;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The witnesses and authorities of a journal. They learn its name, its size and a hash, and when: nothing of the logs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealConfig {
    /// Second keys that sign checkpoints, too: whoever has the first key alone cannot write the past anew.
    pub second: Vec<SecondConfig>,
    /// Witnesses (C2SP tlog-witness) that sign that the journal continues what they saw of it before.
    pub witness: Vec<WitnessConfig>,
    /// Time stamping authorities (RFC 3161) that sign that the journal existed at a time.
    pub timestamp: Vec<TimestampConfig>,
    /// How long one is waited for, in seconds.
    pub timeout_seconds: u32,
}

impl Default for SealConfig {
    fn default() -> Self {
        Self {
            second: Vec::new(),
            witness: Vec::new(),
            timestamp: Vec::new(),
            timeout_seconds: 30,
        }
    }
}

/// A second key: a file's or KMS's, one of the two.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecondConfig {
    /// A file with a P-256 private key (PKCS#8, PEM), readable by its owner alone, outside of the journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A key of AWS KMS (`ECC_NIST_P256`, `SIGN_VERIFY`): its ARN, its id, or `alias/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// How to reach Amazon.
    #[serde(default)]
    pub aws: AwsOptions,
    /// How often it signs, in seconds.
    #[serde(default = "five_minutes")]
    pub every_seconds: u32,
}

impl SealConfig {
    /// Who is asked, for the journal: witnesses by the name of their key, authorities by their host.
    pub fn names(&self) -> Vec<String> {
        let witnesses = self.witness.iter().map(|witness| {
            let name = witness.key.split('+').next().unwrap_or_default();
            format!("witness {name}")
        });
        let stamps = self.timestamp.iter().map(|stamp| {
            let host = Url::parse(&stamp.url)
                .ok()
                .and_then(|url| url.host_str().map(str::to_owned));
            format!("time stamps by {}", host.unwrap_or_default())
        });
        let second = (!self.second.is_empty()).then(|| "a second key".to_owned());
        second.into_iter().chain(witnesses).chain(stamps).collect()
    }
}

/// A witness.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// The prefix of its `add-checkpoint`: `https://witness.example/`.
    pub url: String,
    /// Its verifier key, `name+id+base64`: only what this key has signed is kept.
    pub key: String,
    /// How often it is asked, in seconds.
    #[serde(default = "five_minutes")]
    pub every_seconds: u32,
}

/// A time stamping authority.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TimestampConfig {
    /// Where it takes requests: `https://tsa.example/tsr`.
    pub url: String,
    /// How often it is asked, in seconds.
    #[serde(default = "an_hour")]
    pub every_seconds: u32,
}

fn five_minutes() -> u32 {
    300
}

fn an_hour() -> u32 {
    3600
}

impl SealConfig {
    /// Lets relative paths begin in this folder.
    pub fn begin_at(&mut self, folder: &Path) {
        for second in &mut self.second {
            for path in second.file.iter_mut().chain(&mut second.aws.ca_file) {
                *path = folder.join(&*path);
            }
            if let Some(path) = &mut second.aws.credentials_file {
                *path = folder.join(&*path);
            }
        }
    }

    /// What the types do not say: the first setting that is not right, and why. URLs are not shown: they may hold secrets.
    pub fn check(&self) -> Result<(), String> {
        for second in &self.second {
            if second.file.is_some() == second.kms_key.is_some() {
                return Err(
                    "a [[seal.second]] names `file` or `kms_key`, one of the two".to_owned(),
                );
            }
            if second
                .kms_key
                .as_deref()
                .is_some_and(|key| key.trim().is_empty())
            {
                return Err("the `kms_key` of a [[seal.second]] is empty".to_owned());
            }
        }
        for witness in &self.witness {
            WitnessKey::parse(&witness.key)
                .map_err(|error| format!("the `key` of a [[seal.witness]] is none: {error}"))?;
            url(&witness.url).ok_or(
                "the `url` of a [[seal.witness]] is no URL such as https://witness.example/",
            )?;
        }
        for authority in &self.timestamp {
            url(&authority.url).ok_or(
                "the `url` of a [[seal.timestamp]] is no URL such as https://tsa.example/tsr",
            )?;
        }
        Ok(())
    }
}

pub(crate) fn url(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::{SealConfig, SecondConfig, TimestampConfig, WitnessConfig};
    use pgattest_sinks::AwsOptions;

    #[test]
    fn a_key_and_a_url_have_to_be_one_and_no_url_is_shown() {
        let mut config = SealConfig::default();
        assert_eq!(config.check(), Ok(()));
        config.timestamp.push(TimestampConfig {
            url: "ftp://user:hidden@tsa.example".to_owned(),
            every_seconds: 1,
        });
        let problem = config.check().unwrap_err();
        assert!(
            problem.contains("seal.timestamp") && !problem.contains("hidden"),
            "{problem}"
        );
        config.witness.push(WitnessConfig {
            url: "https://witness.example".to_owned(),
            key: "nonsense".to_owned(),
            every_seconds: 1,
        });
        assert!(config.check().unwrap_err().contains("seal.witness"));
    }

    #[test]
    fn a_second_key_is_a_file_or_of_kms() {
        let second = |file: Option<&str>, kms_key: Option<&str>| SealConfig {
            second: vec![SecondConfig {
                file: file.map(Into::into),
                kms_key: kms_key.map(str::to_owned),
                aws: AwsOptions::default(),
                every_seconds: 1,
            }],
            ..SealConfig::default()
        };
        assert_eq!(second(Some("second.pem"), None).check(), Ok(()));
        assert_eq!(second(None, Some("alias/trail")).check(), Ok(()));
        for wrong in [
            second(None, None),
            second(None, Some(" ")),
            second(Some("second.pem"), Some("alias/trail")),
        ] {
            assert!(wrong.check().unwrap_err().contains("seal.second"));
        }
    }
}
