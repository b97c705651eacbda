//! `[extensions]` and `[egress]`.

use super::source::Reading;
use pgattest_model::policy::{Egress, Extensions, NamedKind};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// What may be installed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ExtensionsSection {
    /// Extensions approved. Without it: those that come with PostgreSQL and are trusted, and pgaudit.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["pgaudit"]]))]
    approved: Option<Vec<Spanned<String>>>,
}

/// What may leave the cluster.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressSection {
    /// Publications approved, as `name` or `database.name`. Without it: nobody said.
    #[schemars(with = "Option<BTreeSet<String>>", extend("examples" = [["warehouse"]]))]
    publications: Option<Vec<Spanned<String>>>,
}

impl ExtensionsSection {
    pub(super) fn into_extensions(self, reading: &mut Reading<'_>) -> Extensions {
        Extensions {
            approved: self
                .approved
                .map(|names| reading.list(NamedKind::Extension, "extensions.approved", names)),
        }
    }
}

impl EgressSection {
    pub(super) fn into_egress(self, reading: &mut Reading<'_>) -> Egress {
        Egress {
            publications: self
                .publications
                .map(|names| reading.list(NamedKind::Publication, "egress.publications", names)),
        }
    }
}
