//! `pgattest.toml`, the policy file: one file a section or two.
//!
//! The types that the text is read into are also what the schema for editors is made from, so that both accept the same keys.

mod access;
mod egress;
mod logging;
mod schema;
mod service;
mod source;
mod tenancy;
#[cfg(test)]
mod tests;
mod value;
mod waiver;

pub use schema::schema;

use pgattest_model::Policy;
use schemars::JsonSchema;
use serde::Deserialize;
use source::Reading;
use std::fmt;
use std::ops::Range;
use strsim::levenshtein;
use toml::Spanned;

/// Reads a policy. The error has the place in the text, for a snippet; so have the policy's waivers and names.
pub fn parse(text: &str) -> Result<Policy, PolicyError> {
    let file: File = toml::from_str(text).map_err(|error| PolicyError {
        message: error
            .message()
            .lines()
            .next()
            .unwrap_or("not a policy")
            .to_owned(),
        span: error.span().unwrap_or(0..0),
        help: suggestion(error.message()),
    })?;
    file.into_policy(&mut Reading::of(text))
}

/// What is wrong with a policy file, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PolicyError {
    /// One line, no period.
    pub message: String,
    /// Bytes of the text it is about.
    pub span: Range<usize>,
    /// What to write instead, where that can be said.
    pub help: Option<String>,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyError {}

/// What the organisation intends, so that an audit can tell a decision from an accident. Every section may be left out: what
/// it would say is then inferred, and the report says so.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "pgattest.toml")]
struct File {
    /// Whose databases these are.
    #[serde(default)]
    organization: OrganizationSection,
    /// Who may hold what.
    #[serde(default)]
    access: access::AccessSection,
    /// How tenants are told apart.
    #[serde(default)]
    tenancy: tenancy::TenancySection,
    /// What must be logged.
    #[serde(default)]
    logging: logging::LoggingSection,
    /// How connections must be protected.
    #[serde(default)]
    transport: logging::TransportSection,
    /// What may be installed.
    #[serde(default)]
    extensions: egress::ExtensionsSection,
    /// What may leave the cluster.
    #[serde(default)]
    egress: egress::EgressSection,
    /// Columns that hold data to be protected beyond the rest.
    #[serde(default)]
    classification: Vec<tenancy::ClassificationEntry>,
    /// Programs that log in, one entry each, and what they may do. What is not named they may not do.
    #[serde(default)]
    #[schemars(with = "Vec<service::ServiceEntry>")]
    service: Vec<Spanned<service::ServiceEntry>>,
    /// Accepted risks: findings that somebody answers for until a day. A waived finding is shown as waived; it is not a pass.
    #[serde(default)]
    #[schemars(with = "Vec<waiver::WaiverEntry>")]
    waiver: Vec<Spanned<waiver::WaiverEntry>>,
}

/// Whose databases these are.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct OrganizationSection {
    /// Name of the organisation, for the report's title.
    #[schemars(extend("examples" = ["Acme"]))]
    name: Option<String>,
}

impl File {
    fn into_policy(self, reading: &mut Reading) -> Result<Policy, PolicyError> {
        Ok(Policy {
            organization: self.organization.name,
            access: self.access.into_access(reading),
            tenancy: self.tenancy.into_tenancy(reading)?,
            logging: self.logging.into_logging()?,
            transport: self.transport.into_transport()?,
            extensions: self.extensions.into_extensions(reading),
            egress: self.egress.into_egress(reading),
            classification: self
                .classification
                .into_iter()
                .map(|entry| entry.into_classification(reading))
                .collect::<Result<_, _>>()?,
            services: service::all(self.service, reading)?,
            waivers: waiver::all(self.waiver, reading)?,
            names: reading.names(),
        })
    }
}

/// For an unknown key, the expected one that is nearest to it.
fn suggestion(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .starts_with("unknown field")
        .then(|| quoted.next())
        .flatten()?;
    let nearest = quoted.min_by_key(|known| levenshtein(unknown, known))?;
    Some(if levenshtein(unknown, nearest) <= 3 {
        format!("did you mean `{nearest}`?")
    } else {
        format!("`{nearest}` is one key that exists here")
    })
}
