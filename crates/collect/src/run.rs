//! One run: the cluster's groups on the first connection, then every database on its own.

use crate::canceller::Canceller;
use crate::collect::{CollectError, Collection, Event};
use crate::limits::Limits;
use crate::probe::{Asker, not_probed, probe, probe_address, probe_target};
use crate::sitting::{Sitting, Who, place};
use crate::{clock, failure};
use futures_util::future::join;
use futures_util::{StreamExt, stream};
use pgattest_catalog::{Group, Routes, Scope, decode, door, groups_of};
use pgattest_model::facts::Database;
use pgattest_model::ident::quote_ident;
use pgattest_model::{Observation, ObservationId, Outcome, ServerVersion};
use pgattest_wire::{ConnectOptions, Peer, connect};
use std::time::Duration;

/// How long to wait between attempts for a connection to become free.
const PATIENCE_FOR_A_CONNECTION: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(250),
    Duration::from_millis(500),
];

/// The group after which it is known which others are asked through a wrapper.
const WRAPPERS: &str = "wrappers";

/// What a run needs to know.
pub(crate) struct Run<'a, P> {
    pub(crate) options: &'a ConnectOptions,
    pub(crate) limits: &'a Limits,
    pub(crate) canceller: &'a Canceller,
    pub(crate) progress: &'a P,
}

impl<P: Fn(Event<'_>) + Sync> Run<'_, P> {
    pub(crate) async fn everything(&self) -> Result<Collection, CollectError> {
        let started_at = clock::now();
        let connection = connect(self.options).await?;
        let peer = connection.peer().clone();
        let asked_at = place(&peer);
        let home = Sitting::begin(connection, self.options, self.limits, self.canceller)
            .await
            .map_err(|why| CollectError::NotAServer { asked_at, why })?;
        let who = home.who().clone();
        (self.progress)(Event::Connected {
            asked_at: &who.asked_at,
            role: &who.role,
            version: who.version,
        });

        let mut observations = self.cluster(&home).await?;
        observations.extend(self.handshakes(&peer, &who, &observations).await);
        let databases = databases(&observations);
        (self.progress)(Event::Planned {
            databases: databases.len(),
            observations: databases.len() * asked(Scope::Database, who.version).count(),
        });
        observations.extend(self.databases(home, &who, databases).await);
        Ok(Collection {
            observations,
            started_at,
            finished_at: clock::now(),
            clock_skew_ms: who.clock_skew_ms,
        })
    }

    /// What is tried on the wire, at the address that the session itself uses.
    async fn handshakes(
        &self,
        peer: &Peer,
        who: &Who,
        observations: &[Observation],
    ) -> Vec<Observation> {
        let asker = Asker {
            role: &who.role,
            database: &who.database,
        };
        let address = if self.limits.probe {
            probe_address(peer, observations)
        } else {
            Err("the handshakes were left out".to_owned())
        };
        let observations = match address {
            Ok((address, name)) => {
                let target = probe_target(address, name.as_deref());
                probe(self.options, &target, who.version.major() >= 17, asker).await
            }
            Err(why) => not_probed(&why, &who.asked_at, asker),
        };
        for observation in &observations {
            (self.progress)(Event::Observed(observation));
        }
        observations
    }

    async fn cluster(&self, home: &Sitting) -> Result<Vec<Observation>, CollectError> {
        let mut observations = Vec::new();
        let mut routes = Routes::default();
        for group in asked(Scope::Cluster, home.who().version) {
            let answer = home.ask(group, &routes, 0).await;
            if let Some(why) = answer.lost {
                let asked_at = home.who().asked_at.clone();
                return Err(CollectError::Lost {
                    asked_at,
                    at: answer.observation.id,
                    why,
                });
            }
            (self.progress)(Event::Observed(&answer.observation));
            observations.push(answer.observation);
            if group.name == WRAPPERS {
                routes = Routes::known_from(&observations, home.who().version);
            }
        }
        Ok(observations)
    }

    /// Looks into every database, the one we are in first, because its transaction is open already. Their observations come
    /// back in the order of `databases`.
    async fn databases(
        &self,
        home: Sitting,
        who: &Who,
        databases: Vec<Database>,
    ) -> Vec<Observation> {
        let mut found: Vec<(usize, Vec<Observation>)> = Vec::with_capacity(databases.len() + 1);
        let home_at = databases
            .iter()
            .position(|database| database.oid == who.database_oid)
            .unwrap_or(databases.len());
        // Collected first: as a lazy iterator the compiler cannot see that the future may change threads.
        let mut elsewhere = Vec::with_capacity(databases.len());
        for (at, database) in databases
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != home_at)
        {
            elsewhere.push(async move { (at, self.elsewhere(database, who).await) });
        }
        let width = self.limits.concurrency.saturating_sub(1).max(1);
        let others = stream::iter(elsewhere)
            .buffer_unordered(width)
            .collect::<Vec<_>>();
        let inside_home = async { (home_at, self.inside(home, who.database_oid).await) };
        let others = if self.limits.concurrency > 1 {
            let (home, others) = join(inside_home, others).await;
            found.push(home);
            others
        } else {
            found.push(inside_home.await);
            others.await
        };
        for (at, look) in others {
            let look = match databases.get(at) {
                Some(database) if look.no_connection_free => self.again(database, who).await,
                _ => look,
            };
            if look.no_connection_free {
                look.observations
                    .iter()
                    .for_each(|observation| (self.progress)(Event::Observed(observation)));
            }
            found.push((at, look.observations));
        }
        found.sort_by_key(|(at, _)| *at);
        found
            .into_iter()
            .flat_map(|(_, observations)| observations)
            .collect()
    }

    /// A database that no connection was free for. Our own may have been what took the last one: now they are closed, but a
    /// server process still counts for a moment after it has said good-bye.
    async fn again(&self, database: &Database, who: &Who) -> Look {
        for wait in PATIENCE_FOR_A_CONNECTION {
            let look = self.elsewhere(database, who).await;
            if !look.no_connection_free {
                return look;
            }
            tokio::time::sleep(wait).await;
        }
        self.elsewhere(database, who).await
    }

    /// One database on a connection of its own.
    async fn elsewhere(&self, database: &Database, who: &Who) -> Look {
        let name = &database.name;
        let closed = |outcome| who.not_entered(database, outcome);
        if self
            .limits
            .databases
            .as_ref()
            .is_some_and(|wanted| !wanted.contains(name))
        {
            return self.look(closed(failure::ours(
                "it is not among the databases that were asked for",
            )));
        }
        if !database.may_connect {
            let opens = format!(
                "GRANT CONNECT ON DATABASE {} TO {};",
                quote_ident(name),
                quote_ident(&who.role)
            );
            let message = format!("role `{}` has no CONNECT privilege on it", who.role);
            return self.look(closed(Outcome::Failed {
                sqlstate: "42501".to_owned(),
                message,
                opens: Some(opens),
            }));
        }
        if name.contains(char::REPLACEMENT_CHARACTER) {
            return self.look(closed(failure::ours(
                "its name is not UTF-8, and a connection can only ask for a name that is",
            )));
        }
        let options = self.options.with_database(name.as_str());
        let connection = match connect(&options).await {
            Ok(connection) => connection,
            Err(error) => {
                let full = error
                    .server()
                    .is_some_and(|server| server.sqlstate() == "53300");
                let observation = closed(failure::of_connection(&error));
                return if full {
                    Look {
                        observations: vec![observation],
                        no_connection_free: true,
                    }
                } else {
                    self.look(observation)
                };
            }
        };
        let sitting = match Sitting::begin(connection, &options, self.limits, self.canceller).await
        {
            Ok(sitting) => sitting,
            Err(why) => return self.look(closed(failure::ours(why))),
        };
        let here = sitting.who();
        if here.server_start != who.server_start {
            let outcome = failure::ours(format!(
                "the connection led to another server than the first one, or the server was restarted in between: \
                 one has run since {}, the other since {}",
                who.server_start, here.server_start
            ));
            sitting.end().await;
            return self.look(closed(outcome));
        }
        if here.database_oid != database.oid {
            let outcome = failure::ours(format!(
                "the connection led to database `{}` instead",
                here.database
            ));
            sitting.end().await;
            return self.look(closed(outcome));
        }
        Look {
            observations: self.inside(sitting, database.oid).await,
            no_connection_free: false,
        }
    }

    /// Every group of one database. When the connection breaks, the rest is recorded as not read, with the reason.
    async fn inside(&self, sitting: Sitting, oid: u32) -> Vec<Observation> {
        let mut observations = Vec::new();
        let mut lost: Option<(ObservationId, String)> = None;
        let mut routes = Routes::default();
        let who = sitting.who();
        for group in asked(Scope::Database, who.version) {
            let observation = if let Some((at, why)) = &lost {
                let outcome = failure::ours(format!(
                    "the connection was lost while reading `{at}`: {why}"
                ));
                who.not_asked(group.observation_id(oid), group, &who.database, outcome)
            } else {
                let answer = sitting.ask(group, &routes, oid).await;
                lost = answer.lost.map(|why| (answer.observation.id.clone(), why));
                answer.observation
            };
            (self.progress)(Event::Observed(&observation));
            observations.push(observation);
            if group.name == WRAPPERS {
                routes = Routes::known_from(&observations, who.version);
            }
        }
        sitting.end().await;
        observations
    }

    fn look(&self, observation: Observation) -> Look {
        (self.progress)(Event::Observed(&observation));
        Look {
            observations: vec![observation],
            no_connection_free: false,
        }
    }
}

/// What looking into one database brought.
struct Look {
    observations: Vec<Observation>,
    /// Whether it was not entered because the server, the database or the role has no connection left.
    no_connection_free: bool,
}

impl Who {
    /// A database that was not entered is recorded as a failure of its `own-session`.
    fn not_entered(&self, database: &Database, outcome: Outcome) -> Observation {
        self.not_asked(
            door().observation_id(database.oid),
            door(),
            &database.name,
            outcome,
        )
    }
}

fn asked(scope: Scope, version: ServerVersion) -> impl Iterator<Item = &'static Group> {
    groups_of(scope).filter(move |group| group.is_asked_on(version))
}

/// The databases that accept connections, as the cluster's own observations list them.
fn databases(observations: &[Observation]) -> Vec<Database> {
    let facts = decode(observations);
    let listed = facts
        .databases
        .here()
        .map(|seen| seen.value.clone())
        .unwrap_or_default();
    listed
        .into_iter()
        .filter(|database| database.allows_connections)
        .collect()
}
