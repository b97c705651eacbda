//! One connection in its one transaction.

use crate::canceller::{Canceller, Entry};
use crate::limits::Limits;
use crate::{clock, failure};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use pgattest_catalog::{
    Group, Routes, copy_statement, copy_statement_unconverted, count_rows, render,
};
use pgattest_model::{Observation, ObservationId, Outcome, ServerVersion};
use pgattest_wire::{ConnectOptions, Connection, Host, Peer};
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

/// The server's clock, as observations record it.
const CLOCK: &str = "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', \
    'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";

/// Who answers. Every PostgreSQL that can still be met understands it.
const WHO: &str = "SELECT pg_catalog.current_setting('server_version_num'), current_user, pg_catalog.current_database(), \
    (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database()), \
    pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')";

/// How much longer than the server's own limit we wait before we take the connection for dead.
const GRACE: Duration = Duration::from_secs(20);

/// A connection with an open transaction.
pub(crate) struct Sitting {
    connection: Connection,
    entry: Entry,
    patience: Option<Duration>,
    who: Who,
}

/// Who answers on a connection.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    /// Host and port, or socket.
    pub(crate) asked_at: String,
    /// `current_user`.
    pub(crate) role: String,
    /// The database.
    pub(crate) database: String,
    /// Its object identifier.
    pub(crate) database_oid: u32,
    /// The server's version.
    pub(crate) version: ServerVersion,
    /// When the server process started: connections that differ in this lead to two servers.
    pub(crate) server_start: String,
    /// Collector's clock minus server's clock, in milliseconds.
    pub(crate) clock_skew_ms: Option<i64>,
}

/// One observation, and whether another can follow on the same connection.
pub(crate) struct Answer {
    pub(crate) observation: Observation,
    /// Why nothing more can be asked.
    pub(crate) lost: Option<String>,
}

impl Sitting {
    /// Opens the transaction and asks who is there. The error is one line.
    pub(crate) async fn begin(
        connection: Connection,
        options: &ConnectOptions,
        limits: &Limits,
        canceller: &Canceller,
    ) -> Result<Self, String> {
        let entry = canceller.enter(&connection);
        let patience = (!limits.statement_timeout.is_zero())
            .then(|| limits.statement_timeout.saturating_add(GRACE));
        let opening = open(&connection, options, limits);
        match within(patience, opening)
            .await
            .and_then(|opened| opened.map_err(|error| failure::with_causes(&error)))
        {
            Ok(who) => Ok(Self {
                connection,
                entry,
                patience,
                who,
            }),
            Err(why) => {
                entry.done();
                Err(why)
            }
        }
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// Asks one group, by the way that `routes` knows. `database` is the object identifier for the observation's name.
    pub(crate) async fn ask(&self, group: &Group, routes: &Routes, database: u32) -> Answer {
        let select = routes.select(group, self.who.version);
        let mut query = copy_statement(&select);
        let mut started_at = clock::now();
        let mut exchange = self.exchange(&query).await;
        if exchange.as_ref().is_ok_and(Said::is_about_encoding) {
            query = copy_statement_unconverted(&select);
            started_at = clock::now();
            exchange = self.exchange(&query).await;
        }
        let finished_at = clock::now();
        let (server_started_at, server_finished_at, outcome, lost) = match exchange {
            Ok(said) => {
                let outcome = match said.result {
                    Ok(csv) => Outcome::Rows {
                        rows: count_rows(&csv),
                        csv,
                    },
                    Err(error) => failure::of_query(&error, group, &self.who.role),
                };
                (said.before, said.after, outcome, said.lost)
            }
            Err(why) => (String::new(), String::new(), failure::lost(&why), Some(why)),
        };
        let observation = Observation {
            id: group.observation_id(database),
            query,
            database: self.who.database.clone(),
            role: self.who.role.clone(),
            asked_at: self.who.asked_at.clone(),
            started_at,
            finished_at,
            server_started_at,
            server_finished_at,
            outcome,
        };
        Answer { observation, lost }
    }

    async fn exchange(&self, query: &str) -> Result<Said, String> {
        within(self.patience, exchange(self.connection.client(), query)).await
    }

    /// Ends the transaction and the session. There is nothing to lose: nothing was written.
    pub(crate) async fn end(self) {
        let _ = within(
            self.patience,
            self.connection.client().simple_query("COMMIT"),
        )
        .await;
        self.entry.done();
        let _ = self.connection.close().await;
    }
}

impl Who {
    /// The record of something that was not asked: no query was sent, and the times are now.
    pub(crate) fn not_asked(
        &self,
        id: ObservationId,
        group: &Group,
        database: &str,
        outcome: Outcome,
    ) -> Observation {
        let now = clock::now();
        Observation {
            id,
            query: copy_statement(&render(group, self.version)),
            database: database.to_owned(),
            role: self.role.clone(),
            asked_at: self.asked_at.clone(),
            started_at: now.clone(),
            finished_at: now,
            server_started_at: String::new(),
            server_finished_at: String::new(),
            outcome,
        }
    }
}

/// Host and port, or the socket's directory and port.
pub(crate) fn place(peer: &Peer) -> String {
    let host = match &peer.host {
        Host::Name(name) if name.contains(':') => format!("[{name}]"),
        Host::Name(name) => name.clone(),
        Host::Directory(directory) => directory.to_string_lossy().into_owned(),
        Host::Unnamed => peer
            .hostaddr
            .map(|address| address.to_string())
            .unwrap_or_default(),
    };
    format!("{host}:{}", peer.port)
}

async fn open(
    connection: &Connection,
    options: &ConnectOptions,
    limits: &Limits,
) -> Result<Who, Error> {
    let client = connection.client();
    // jit: compiling the long queries takes longer than running them.
    // search_path: deparsed expressions then name everything with its schema, and no object of the cluster's users stands
    // before the server's own. The others: the same cluster gives the same bytes whatever the role's settings are.
    let opening = format!(
        "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; \
         SET LOCAL search_path = pg_catalog, pg_temp; \
         SET LOCAL statement_timeout = {}; \
         SET LOCAL lock_timeout = {}; \
         SET LOCAL jit = off; \
         SET LOCAL DateStyle = 'ISO, YMD'; \
         SET LOCAL TimeZone = 'UTC'; \
         SET LOCAL extra_float_digits = 1",
        milliseconds(limits.statement_timeout),
        milliseconds(limits.lock_timeout),
    );
    client.simple_query(&opening).await?;
    let before = Timestamp::now();
    let clock = client.simple_query(CLOCK).await?;
    let after = Timestamp::now();
    let who = client.simple_query(WHO).await?;
    let who = first_row(&who);
    let text = |column| who.and_then(|row| row.try_get(column).ok().flatten());
    Ok(Who {
        asked_at: place(connection.peer()),
        role: text(1).unwrap_or_else(|| options.user()).to_owned(),
        database: text(2).unwrap_or_else(|| options.database()).to_owned(),
        database_oid: text(3).and_then(|oid| oid.parse().ok()).unwrap_or_default(),
        version: ServerVersion(
            text(0)
                .and_then(|number| number.parse().ok())
                .unwrap_or_default(),
        ),
        server_start: text(4).unwrap_or_default().to_owned(),
        clock_skew_ms: clock::skew(before, after, &single_text(&clock)),
    })
}

/// What went over the wire for one group.
struct Said {
    before: String,
    after: String,
    result: Result<Vec<u8>, Error>,
    lost: Option<String>,
}

impl Said {
    /// Whether the server could not say it in UTF-8: names in the database are in no encoding, or in another one.
    fn is_about_encoding(&self) -> bool {
        let code = self.result.as_ref().err().and_then(Error::code);
        self.lost.is_none()
            && code.is_some_and(|code| {
                *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE
                    || *code == SqlState::UNTRANSLATABLE_CHARACTER
            })
    }
}

/// A savepoint around the query: one refusal does not lose the rest of the transaction.
async fn exchange(client: &Client, query: &str) -> Said {
    let before = match client
        .simple_query(&format!("SAVEPOINT pgattest; {CLOCK}"))
        .await
    {
        Ok(messages) => single_text(&messages),
        Err(error) => {
            let lost = Some(failure::with_causes(&error));
            return Said {
                before: String::new(),
                after: String::new(),
                result: Err(error),
                lost,
            };
        }
    };
    let result = copy(client, query).await;
    let settle = if result.is_ok() {
        ""
    } else {
        "ROLLBACK TO SAVEPOINT pgattest; "
    };
    match client
        .simple_query(&format!("{settle}RELEASE SAVEPOINT pgattest; {CLOCK}"))
        .await
    {
        Ok(messages) => Said {
            before,
            after: single_text(&messages),
            result,
            lost: None,
        },
        Err(error) => {
            // The first error says more than what followed from it.
            let why = result.as_ref().err().unwrap_or(&error);
            let lost = Some(failure::with_causes(why));
            Said {
                before,
                after: String::new(),
                result,
                lost,
            }
        }
    }
}

async fn copy(client: &Client, query: &str) -> Result<Vec<u8>, Error> {
    client
        .copy_out(query)
        .await?
        .try_fold(Vec::new(), async |mut csv, chunk| {
            csv.extend_from_slice(&chunk);
            Ok(csv)
        })
        .await
}

async fn within<T>(
    patience: Option<Duration>,
    future: impl Future<Output = T>,
) -> Result<T, String> {
    match patience {
        None => Ok(future.await),
        Some(patience) => tokio::time::timeout(patience, future)
            .await
            .map_err(|_| format!("no answer within {} seconds", patience.as_secs())),
    }
}

/// As PostgreSQL takes timeouts: 0 is none.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn single_text(messages: &[SimpleQueryMessage]) -> String {
    first_row(messages)
        .and_then(|row| row.try_get(0).ok().flatten())
        .unwrap_or_default()
        .to_owned()
}

fn first_row(messages: &[SimpleQueryMessage]) -> Option<&SimpleQueryRow> {
    messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    })
}
