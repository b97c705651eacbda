//! `[logging]` and `[transport]`.

use super::PolicyError;
use super::value::{require, wrong};
use pgattest_model::policy::{Logging, Transport};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// pgaudit's statement classes. `none` and exclusions (`-misc`) are for the server's setting, not for a requirement.
const CLASSES: [&str; 8] = [
    "ddl", "function", "misc", "misc_set", "read", "role", "write", "all",
];

/// What must be logged.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoggingSection {
    /// Classes of statements that pgaudit must record. Without it: ddl, write, role.
    #[schemars(with = "Option<Vec<Class>>")]
    classes: Option<Vec<Spanned<String>>>,
    /// Days that logs must be kept. Without it: 365.
    #[schemars(with = "Option<u32>", range(min = 1), extend("examples" = [365]))]
    retention_days: Option<Spanned<u32>>,
    /// Days after which a canary (`pgattest prove logging`) is too old to show that logging works. Without it: 31.
    #[schemars(with = "Option<u32>", range(min = 1), extend("examples" = [31]))]
    canary_days: Option<Spanned<u32>>,
    /// Seconds within which a record must have left the machine. Without it: 300.
    #[schemars(with = "Option<u32>", range(min = 1), extend("examples" = [300]))]
    shipping_seconds: Option<Spanned<u32>>,
    /// What takes the server's standard error when the logging collector is off. Without it: nobody said.
    #[schemars(extend("examples" = ["journald"]))]
    captured_by: Option<String>,
}

/// A class of pgaudit, for the schema only.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "the schema is made from it")]
enum Class {
    Ddl,
    Function,
    Misc,
    MiscSet,
    Read,
    Role,
    Write,
    All,
}

/// How connections must be protected.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TransportSection {
    /// The lowest protocol version to accept. Without it: TLSv1.2.
    #[schemars(with = "Option<String>", extend("enum" = ["TLSv1.2", "TLSv1.3"]))]
    minimum_tls: Option<Spanned<String>>,
    /// Networks in CIDR form whose addresses a rule of `pg_hba.conf` may admit even though they are wide.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["10.0.0.0/8"]]), inner(regex(pattern = r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$")))]
    trusted_networks: Vec<Spanned<String>>,
    /// Names that the server's certificate must carry. Without it: the name that was connected to.
    #[serde(default)]
    #[schemars(extend("examples" = [["db.example.com"]]))]
    certificate_names: BTreeSet<String>,
    /// Days that the certificate must still be valid. Without it: 30.
    #[schemars(extend("examples" = [30]))]
    certificate_days: Option<u32>,
}

impl LoggingSection {
    pub(super) fn into_logging(self) -> Result<Logging, PolicyError> {
        Ok(Logging {
            classes: self
                .classes
                .map(|classes| classes.into_iter().map(class).collect::<Result<_, _>>())
                .transpose()?,
            retention_days: self.retention_days.map(days).transpose()?,
            canary_days: self
                .canary_days
                .map(|days| positive(days, "a canary counts for at least a day", "31"))
                .transpose()?,
            shipping_seconds: self
                .shipping_seconds
                .map(|seconds| positive(seconds, "nothing leaves a machine in no time", "300"))
                .transpose()?,
            captured_by: self.captured_by,
        })
    }
}

impl TransportSection {
    pub(super) fn into_transport(self) -> Result<Transport, PolicyError> {
        Ok(Transport {
            minimum_tls: self.minimum_tls.map(tls_version).transpose()?,
            trusted_networks: self
                .trusted_networks
                .into_iter()
                .map(network)
                .collect::<Result<_, _>>()?,
            certificate_names: self.certificate_names,
            certificate_days: self.certificate_days,
        })
    }
}

fn class(value: Spanned<String>) -> Result<String, PolicyError> {
    let span = value.span();
    let text = value.into_inner().to_ascii_lowercase();
    if CLASSES.contains(&text.as_str()) {
        return Ok(text);
    }
    Err(wrong(
        span,
        format!("`{text}` is not a class of pgaudit"),
        format!("one of {}", CLASSES.join(", ")),
    ))
}

fn days(value: Spanned<u32>) -> Result<u32, PolicyError> {
    positive(value, "logs must be kept for at least a day", "365")
}

fn positive(value: Spanned<u32>, why: &str, instead: &str) -> Result<u32, PolicyError> {
    let span = value.span();
    match value.into_inner() {
        0 => Err(wrong(span, why, instead)),
        number => Ok(number),
    }
}

fn tls_version(value: Spanned<String>) -> Result<String, PolicyError> {
    let accepted = require(
        value,
        |text| matches!(text, "TLSv1.2" | "TLSv1.3"),
        "the lowest protocol version to accept is `TLSv1.2` or `TLSv1.3`",
        "TLSv1.2",
    )?;
    Ok(accepted.into_inner())
}

fn network(value: Spanned<String>) -> Result<String, PolicyError> {
    let accepted = require(
        value,
        |text| text.parse::<ipnet::IpNet>().is_ok(),
        "a network is written in CIDR form",
        "10.0.0.0/8",
    )?;
    Ok(accepted.into_inner())
}
