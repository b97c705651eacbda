//! Who keeps the configuration, where it is not the server's own files.

use crate::planning::Planning;
use pgattest_checks::logging::provider::provider;
use pgattest_model::Missing;

/// Something that writes the configuration itself, so that `ALTER SYSTEM` is refused, or is lost or in the way on one of several
/// servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Manager {
    /// A managed service, by its name.
    Service(&'static str),
    /// Patroni.
    Patroni,
    /// The operator `CloudNativePG`.
    CloudNativePg,
}

/// What Patroni gives every member on its command line, because they must agree on it.
const AGREED: [&str; 4] = [
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "track_commit_timestamp",
    "wal_log_hints",
];

impl Manager {
    /// What the facts show. `None`: nothing.
    pub(super) fn of(planning: &Planning<'_>) -> Result<Option<Self>, Missing> {
        if let Some(service) = provider(&planning.context) {
            return Ok(Some(Self::Service(service)));
        }
        let settings = planning.context.facts.settings.here()?;
        let agreed = AGREED.iter().all(|name| {
            let setting = settings.value.get(name).ok().flatten();
            setting.is_some_and(|setting| setting.source == "command line")
        });
        let files = planning.context.facts.file_settings.here()?;
        let is_patroni = |file: &str| {
            let name = file.rsplit('/').next().unwrap_or(file);
            // Patroni keeps the file it found under this name and includes it from its own.
            name == "postgresql.base.conf" || file.split('/').any(|part| part == "patroni")
        };
        if agreed || files.iter().any(|line| is_patroni(&line.file)) {
            return Ok(Some(Self::Patroni));
        }
        let is_operator = files.iter().any(|line| line.name.starts_with("cnpg."));
        Ok(is_operator.then_some(Self::CloudNativePg))
    }

    /// What to do in place of `ALTER SYSTEM`. One sentence without a period.
    pub(super) fn instead(self, name: &str, value: &str) -> String {
        match self {
            Self::Service(service @ "Amazon RDS") => format!(
                "{service} takes no ALTER SYSTEM: set {name} to {value} in the instance's DB parameter group"
            ),
            Self::Service(service @ "Cloud SQL") => format!(
                "{service} takes no ALTER SYSTEM: set the instance's database flag {name} to {value}"
            ),
            Self::Service(service) => format!(
                "{service} takes no ALTER SYSTEM: set the server parameter {name} to {value}"
            ),
            Self::Patroni => format!(
                "Patroni keeps the configuration, and ALTER SYSTEM would hide on one member what it sets on all: patronictl edit-config, and under postgresql.parameters the line {name}: {value}"
            ),
            Self::CloudNativePg if name == "shared_preload_libraries" => format!(
                "CloudNativePG keeps the configuration: list in spec.postgresql.{name} of the Cluster resource what {value} names"
            ),
            Self::CloudNativePg => format!(
                "CloudNativePG keeps the configuration: under spec.postgresql.parameters of the Cluster resource the line {name}: {value}"
            ),
        }
    }
}
