//! Looking at a cluster, as every test here does.

use pgattest_collect::{Collection, Limits, collect};
use pgattest_model::facts::DatabaseFacts;
use pgattest_model::{Collected, Facts, Missing, Observation, Outcome};
use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectOptions, FixedEnv};

/// What one look brought.
pub(crate) struct Look {
    pub(crate) collection: Collection,
    pub(crate) facts: Facts,
}

pub(crate) fn options(dsn: &str) -> ConnectOptions {
    ConnectOptions::resolve(Some(dsn), &FixedEnv::for_user("nobody")).unwrap()
}

/// Looks at the cluster as its superuser, from the database `postgres`.
pub(crate) async fn look(cluster: &Cluster) -> Look {
    look_through(&cluster.dsn("postgres"), Limits::default()).await
}

pub(crate) async fn look_as(cluster: &Cluster, role: &str) -> Look {
    look_through(&cluster.dsn_as(role, "postgres"), Limits::default()).await
}

pub(crate) async fn look_through(dsn: &str, limits: Limits) -> Look {
    let collection = collect(&options(dsn), limits, |_| ()).await.unwrap();
    let facts = pgattest_catalog::decode(&collection.observations);
    Look { collection, facts }
}

impl Look {
    pub(crate) fn inside(&self, database: &str) -> &DatabaseFacts {
        self.facts
            .inside
            .iter()
            .find(|inside| inside.name == database)
            .unwrap()
    }

    pub(crate) fn observation(&self, id: &str) -> &Observation {
        self.collection
            .observations
            .iter()
            .find(|observation| observation.id.as_str() == id)
            .unwrap()
    }

    /// Every observation that failed, with the reason.
    pub(crate) fn failures(&self) -> Vec<(String, String)> {
        let failed =
            self.collection
                .observations
                .iter()
                .filter_map(|observation| match &observation.outcome {
                    Outcome::Failed { message, .. } => {
                        Some((observation.id.to_string(), message.clone()))
                    }
                    Outcome::Rows { .. } => None,
                });
        failed.collect()
    }

    /// Everything that was recorded, as bytes: queries, results and messages.
    pub(crate) fn everything(&self) -> Vec<u8> {
        let (text, files) = pgattest_catalog::transcript::write(&self.collection.observations);
        let mut bytes = text.into_bytes();
        for (_, file) in files {
            bytes.extend(file);
        }
        bytes
    }

    /// Why each group that is missing is missing, by its name in [`Facts`].
    pub(crate) fn missing(&self) -> Vec<(String, Missing)> {
        let facts = &self.facts;
        let mut missing = Vec::new();
        macro_rules! note {
            ($place:expr, $($group:ident),+) => {
                $(if let Collected::Missing(why) = &$place.$group {
                    missing.push((stringify!($group).to_owned(), why.clone()));
                })+
            };
        }
        note!(
            facts,
            server,
            own_session,
            settings,
            role_settings,
            file_settings,
            roles,
            verifiers,
            memberships,
            databases,
            tablespaces,
            shared_acls,
            hba_rules,
            hba_files,
            ident_maps,
            sessions,
            slots,
            subscriptions,
            subscription_secrets,
            available_extensions
        );
        for inside in &facts.inside {
            note!(
                inside,
                schemas,
                relations,
                columns,
                inheritance,
                row_counters,
                column_sequences,
                indexes,
                acls,
                default_acls,
                policies,
                policy_columns,
                policy_functions,
                view_dependencies,
                view_filters,
                functions,
                shadowing_functions,
                restricted_functions,
                restricted_relations,
                triggers,
                trigger_writes,
                event_triggers,
                rules,
                rule_writes,
                extensions,
                languages,
                foreign_data_wrappers,
                foreign_servers,
                user_mappings,
                publications,
                publication_relations,
                code_marks,
                option_marks
            );
        }
        missing
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}
