//! From recorded observations to facts. Infallible: what cannot be decoded is a fact that is missing, with the reason.

use crate::groups::{GROUPS, Group, Scope, door};
use crate::rows::rows;
use crate::trail;
use crate::wire;
use crate::wrapper::{self, WRAPPERS, Wrapper};
use pgattest_model::facts::{self, Database, DatabaseFacts, OwnSession, Server, Settings};
use pgattest_model::{
    Collected, Facts, Missing, Observation, ObservationId, Outcome, ServerVersion,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Everything that the observations say about one cluster.
///
/// A group is [`Collected::Missing`] when its observation is absent, recorded twice, failed, damaged, or made on a server whose
/// version is not known; the reason names the observation, and the row and column where one is damaged. A server that says no
/// version, or one that is not supported, tells nothing but who it is: its catalogs may mean something else.
///
/// `inside` holds one entry for each database that accepts connections, in the order of `databases`, reached or not; it is
/// empty when `databases` is missing, so whoever judges databases asks for `databases` first.
pub fn decode(observations: &[Observation]) -> Facts {
    let record = Record::new(observations);
    let databases: Collected<Vec<Database>> = record.cluster("databases");
    let inside = match &databases {
        Collected::Here { value, .. } => value
            .iter()
            .filter(|database| database.allows_connections)
            .map(|database| record.inside(database))
            .collect(),
        Collected::Missing(_) => Vec::new(),
    };
    Facts {
        settings: record.settings(),
        role_settings: record.cluster("role-settings"),
        file_settings: record.cluster("file-settings"),
        roles: record.cluster("roles"),
        verifiers: record.cluster("verifiers"),
        memberships: record.cluster("memberships"),
        tablespaces: record.cluster("tablespaces"),
        shared_acls: record.cluster("shared-acls"),
        hba_rules: record.cluster("hba-rules"),
        hba_files: record.cluster("hba-files"),
        ident_maps: record.cluster("ident-maps"),
        sessions: record.cluster("sessions"),
        slots: record.cluster("slots"),
        subscriptions: record.cluster("subscriptions"),
        handshakes: record.probed(wire::HANDSHAKES),
        certificates: record.probed(wire::CERTIFICATES),
        trail: record.accounted(trail::STATE, Record::one),
        trail_coverage: record.accounted(trail::COVERAGE, Record::rows),
        trail_canaries: record.accounted(trail::CANARIES, Record::rows),
        trail_defects: record.accounted(trail::DEFECTS, Record::rows),
        trail_changes: record.changes(),
        trail_sinks: record.accounted(trail::SINKS, Record::rows),
        trail_rules: record.accounted(trail::RULES, Record::rows),
        subscription_secrets: record.cluster("subscription-secrets"),
        available_extensions: record.cluster("available-extensions"),
        databases,
        inside,
        server: record.server,
        own_session: record.own_session,
    }
}

/// The observations by identifier, and what every other group depends on.
struct Record<'a> {
    /// `None`: there are two of that name, and no telling which one counts.
    by_id: BTreeMap<&'a ObservationId, Option<&'a Observation>>,
    server: Collected<Server>,
    own_session: Collected<OwnSession>,
}

impl<'a> Record<'a> {
    fn new(observations: &'a [Observation]) -> Self {
        let mut by_id = BTreeMap::new();
        for observation in observations {
            by_id
                .entry(&observation.id)
                .and_modify(|known| *known = None)
                .or_insert(Some(observation));
        }
        let mut record = Self {
            by_id,
            server: Collected::missing(""),
            own_session: Collected::missing(""),
        };
        record.server = record.single(&ObservationId::cluster("server"));
        record.own_session = record.single(&ObservationId::cluster("own-session"));
        record
    }

    fn cluster<T: DeserializeOwned>(&self, name: &str) -> Collected<Vec<T>> {
        let id = ObservationId::cluster(name);
        collected(
            id.clone(),
            self.knows(Scope::Cluster, name)
                .and_then(|()| self.rows(&id)),
        )
    }

    /// What was tried on the wire: whoever answered, the bytes mean the same, so the server's version does not matter.
    fn probed<T: DeserializeOwned>(&self, name: &str) -> Collected<Vec<T>> {
        let id = ObservationId::cluster(name);
        collected(id.clone(), self.rows(&id))
    }

    /// What the trail says of itself. Whoever looked at none knows nothing, and is told how to look.
    fn accounted<T>(
        &self,
        name: &str,
        read: impl Fn(&Self, &ObservationId) -> Result<T, Missing>,
    ) -> Collected<T> {
        let id = ObservationId::cluster(name);
        if !self.by_id.contains_key(&id) {
            return Collected::missing(trail::NOT_LOOKED_AT);
        }
        collected(id.clone(), read(self, &id))
    }

    /// Of a trail that was looked at, only when an earlier audit was named.
    fn changes(&self) -> Collected<Vec<facts::TrailChange>> {
        let has = |name| self.by_id.contains_key(&ObservationId::cluster(name));
        if has(trail::STATE) && !has(trail::CHANGES) {
            return Collected::missing(trail::NO_EARLIER_AUDIT);
        }
        self.accounted(trail::CHANGES, Self::rows)
    }

    fn settings(&self) -> Collected<Settings> {
        let id = ObservationId::cluster("settings");
        let settings = self.knows(Scope::Cluster, id.group()).and_then(|()| {
            let rows = self.rows(&id)?;
            // Without knowing what the role may read, a setting that is not listed may be there or not.
            let own = self.own_session.here()?;
            // What was read through a wrapper, its owner sees.
            let seen_by_owner = self.through(&id).is_some();
            Ok(Settings::new(
                rows,
                own.superuser || own.reads_all_settings || seen_by_owner,
                &own.role,
            ))
        });
        collected(id, settings)
    }

    fn inside(&self, database: &Database) -> DatabaseFacts {
        let inside = Inside {
            record: self,
            database,
        };
        DatabaseFacts {
            oid: database.oid,
            name: database.name.clone(),
            wrappers: inside.wrappers(),
            schemas: inside.group("schemas"),
            relations: inside.group("relations"),
            columns: inside.group("columns"),
            inheritance: inside.group("inheritance"),
            row_counters: inside.group("row-counters"),
            column_sequences: inside.group("column-sequences"),
            indexes: inside.group("indexes"),
            acls: inside.group("acls"),
            default_acls: inside.group("default-acls"),
            policies: inside.group("policies"),
            policy_columns: inside.group("policy-columns"),
            policy_functions: inside.group("policy-functions"),
            view_dependencies: inside.group("view-dependencies"),
            view_filters: inside.group("view-filters"),
            functions: inside.group("functions"),
            shadowing_functions: inside.group("shadowing-functions"),
            restricted_functions: inside.group("restricted-functions"),
            restricted_relations: inside.group("restricted-relations"),
            triggers: inside.group("triggers"),
            trigger_writes: inside.group("trigger-writes"),
            event_triggers: inside.group("event-triggers"),
            rules: inside.group("rules"),
            rule_writes: inside.group("rule-writes"),
            extensions: inside.group("extensions"),
            languages: inside.group("languages"),
            foreign_data_wrappers: inside.group("foreign-data-wrappers"),
            foreign_servers: inside.group("foreign-servers"),
            user_mappings: inside.group("user-mappings"),
            publications: inside.group("publications"),
            publication_relations: inside.group("publication-relations"),
            code_marks: inside.group("code-marks"),
            option_marks: inside.group("option-marks"),
        }
    }

    /// Whether this version of the server has what the group asks for, and we know what it means there.
    fn knows(&self, scope: Scope, name: &str) -> Result<(), Missing> {
        let server = self.server.here()?;
        let version = ServerVersion(server.server_version_num);
        if !version.is_supported() {
            return Err(Missing::because(format!(
                "PostgreSQL {} is not known to this version of pgattest",
                version.major()
            )));
        }
        let group = GROUPS
            .iter()
            .find(|group| group.scope == scope && group.name == name);
        match group {
            Some(Group { min_major, .. }) if version.major() < *min_major => {
                Err(Missing::because(format!(
                    "PostgreSQL {} cannot say: `{name}` needs {min_major} or later",
                    version.major()
                )))
            }
            _ => Ok(()),
        }
    }

    fn single<T: DeserializeOwned>(&self, id: &ObservationId) -> Collected<T> {
        collected(id.clone(), self.one(id))
    }

    fn one<T: DeserializeOwned>(&self, id: &ObservationId) -> Result<T, Missing> {
        let rows: Vec<T> = self.rows(id)?;
        let count = rows.len();
        let mut rows = rows.into_iter();
        match (rows.next(), count) {
            (Some(row), 1) => Ok(row),
            _ => Err(
                Missing::because(format!("`{id}` holds {count} rows where it must hold one"))
                    .seen_in(id.clone()),
            ),
        }
    }

    fn rows<T: DeserializeOwned>(&self, id: &ObservationId) -> Result<Vec<T>, Missing> {
        match self.by_id.get(id) {
            None => Err(Missing::because(format!("`{id}` was not collected"))),
            Some(None) => Err(
                Missing::because(format!("`{id}` was recorded more than once")).seen_in(id.clone()),
            ),
            Some(Some(observation)) => {
                if let Some(missing) = failure(observation, || format!("`{id}` could not be read"))
                {
                    return Err(self.with_distrust(id, missing));
                }
                self.trusted(id)?;
                rows(observation).map_err(|problem| {
                    Missing::because(format!("`{id}` is damaged: {problem}")).seen_in(id.clone())
                })
            }
        }
    }

    /// The wrapper that a group was read through.
    fn through(&self, id: &ObservationId) -> Option<&'static Wrapper> {
        let observation = self.by_id.get(id).copied().flatten()?;
        wrapper_of(id).filter(|wrapper| wrapper.is_asked_by(&observation.query))
    }

    /// A group that was read through a wrapper counts only if the same place shows that the wrapper is the one that pgattest
    /// prints: what a function of another text returns may be anything.
    fn trusted(&self, id: &ObservationId) -> Result<(), Missing> {
        let Some(wrapper) = self.through(id) else {
            return Ok(());
        };
        let what = format!("`{id}` was read through {}", wrapper.call());
        let rows = self.wrapper_rows(id).map_err(|missing| Missing {
            why: format!(
                "{what}, and whether that is to be trusted is not known: {}",
                missing.why
            ),
            ..missing
        })?;
        let version = ServerVersion(self.server.here()?.server_version_num);
        let fault = match wrapper::found(wrapper, &rows) {
            None => Some("it is not there".to_owned()),
            Some(row) => wrapper::fault_of(wrapper, row, version),
        };
        match fault {
            None => Ok(()),
            Some(fault) => Err(Missing::because(format!(
                "{what}, which is not to be trusted: {fault}"
            ))
            .opened_by(AGAIN)
            .seen_in(id.clone())),
        }
    }

    /// A refusal that a wrapper would have spared, had it been one to trust.
    fn with_distrust(&self, id: &ObservationId, missing: Missing) -> Missing {
        let fault = wrapper_of(id).and_then(|wrapper| {
            let rows = self.wrapper_rows(id).ok()?;
            let row = wrapper::found(wrapper, &rows)?;
            let version = ServerVersion(self.server.here().ok()?.server_version_num);
            let fault = wrapper::fault_of(wrapper, row, version)?;
            Some(format!("{} was not asked: {fault}", wrapper.call()))
        });
        match fault {
            None => missing,
            Some(fault) => Missing {
                why: format!("{}; {fault}", missing.why),
                grant: Some(AGAIN.to_owned()),
                ..missing
            },
        }
    }

    /// What stood in schema `pgattest` of the database that the observation is from.
    fn wrapper_rows(&self, of: &ObservationId) -> Result<Vec<wrapper::Row>, Missing> {
        let id = match of.database_oid() {
            None => ObservationId::cluster("wrappers"),
            Some(database) => ObservationId::database(database, "wrappers"),
        };
        self.rows(&id)
    }
}

/// One database of the record.
struct Inside<'a> {
    record: &'a Record<'a>,
    database: &'a Database,
}

impl Inside<'_> {
    fn group<T: DeserializeOwned>(&self, name: &str) -> Collected<Vec<T>> {
        let id = ObservationId::database(self.database.oid, name);
        let rows = self.record.knows(Scope::Database, name).and_then(|()| {
            if self.record.by_id.contains_key(&id) {
                self.record.rows(&id)
            } else {
                Err(self.not_reached(&id))
            }
        });
        collected(id, rows)
    }

    fn wrappers(&self) -> Collected<Vec<facts::Wrapper>> {
        let named: Collected<Vec<wrapper::Row>> = self.group("wrappers");
        let (rows, from) = match named {
            Collected::Here { value, from } => (value, from),
            Collected::Missing(missing) => return Collected::Missing(missing),
        };
        let version = self.record.server.here();
        let version = version.map_or(ServerVersion(0), |server| {
            ServerVersion(server.server_version_num)
        });
        let ours = WRAPPERS.iter().filter_map(|wrapper| {
            let row = wrapper::found(wrapper, &rows)?;
            Some(facts::Wrapper {
                function: row.oid,
                name: row.name.clone(),
                fault: wrapper::fault_of(wrapper, row, version),
            })
        });
        Collected::Here {
            value: ours.collect(),
            from,
        }
    }

    /// Why there is no observation: the collector records a database that it could not enter as a failure of `own-session`.
    fn not_reached(&self, wanted: &ObservationId) -> Missing {
        let entered = door().observation_id(self.database.oid);
        let name = &self.database.name;
        let failed = self.record.by_id.get(&entered).copied().flatten();
        failed
            .and_then(|observation| {
                failure(observation, || {
                    format!("database `{name}` was not looked into")
                })
            })
            .unwrap_or_else(|| {
                Missing::because(format!(
                    "`{wanted}` was not collected from database `{name}`"
                ))
            })
    }
}

/// What to do about a wrapper that is not to be trusted.
const AGAIN: &str = "/* run the SQL of `pgattest grants` again */";

/// The wrapper of the group that an observation is of.
fn wrapper_of(id: &ObservationId) -> Option<&'static Wrapper> {
    let scope = match id.database_oid() {
        None => Scope::Cluster,
        Some(_) => Scope::Database,
    };
    WRAPPERS
        .iter()
        .find(|wrapper| wrapper.scope == scope && wrapper.group == id.group())
}

/// What a failed observation leaves missing; `None` when it did not fail.
fn failure(observation: &Observation, what: impl Fn() -> String) -> Option<Missing> {
    let Outcome::Failed {
        sqlstate,
        message,
        opens,
    } = &observation.outcome
    else {
        return None;
    };
    let code = if sqlstate.is_empty() {
        String::new()
    } else {
        format!(" (SQLSTATE {sqlstate})")
    };
    let why = format!("{}: {}{code}", what(), message.trim_end_matches('.'));
    Some(Missing {
        why,
        grant: opens.clone(),
        observation: Some(observation.id.clone()),
    })
}

fn collected<T>(from: ObservationId, value: Result<T, Missing>) -> Collected<T> {
    match value {
        Ok(value) => Collected::Here { value, from },
        Err(missing) => Collected::Missing(missing),
    }
}

#[cfg(test)]
mod tests;
