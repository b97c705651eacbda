//! `[seal]` of `trail.toml`: who is asked, and how often.

use pgattest_ledger::cosigned::WitnessKey;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The witnesses and authorities of a journal. They learn its name, its size and a hash, and when: nothing of the logs.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SealConfig {
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
            witness: Vec::new(),
            timestamp: Vec::new(),
            timeout_seconds: 30,
        }
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
    /// What the types do not say: the first setting that is not right, and why. URLs are not shown: they may hold secrets.
    pub fn check(&self) -> Result<(), String> {
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
    use super::{SealConfig, TimestampConfig, WitnessConfig};

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
}
