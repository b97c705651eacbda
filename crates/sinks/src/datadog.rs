//! Datadog Logs.

use crate::sink::{OpenError, Sink};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {}

/// Opens it.
pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    let _ = config;
    Err(OpenError::Other("Datadog Logs is not here yet".into()))
}
