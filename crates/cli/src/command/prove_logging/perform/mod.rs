//! Doing it: statements in one transaction that is rolled back, logins, and what is no statement at all.

mod fast_path;
mod logins;
mod replication;
mod statements;

use crate::failure::{Doing, Failure};
use pgattest_trail::canary::{Canary, Class};
use pgattest_wire::{ConnectOptions, connect};
use std::collections::BTreeSet;
use tokio::time::Instant;
use tokio_postgres::{Client, SimpleQueryMessage};

/// What was performed, and what was not.
pub(super) struct Done {
    /// In the order in which it was done.
    pub(super) canaries: Vec<Performed>,
    /// Classes that could not be tried, with the reason.
    pub(super) not_tried: Vec<(Class, String)>,
    /// The secret that no one must be able to read afterwards.
    pub(super) secret: String,
}

/// A canary that was performed.
pub(super) struct Performed {
    pub(super) canary: Canary,
    /// When it was sent: every deadline begins here.
    pub(super) at: Instant,
    /// Whether the server's settings say that it is logged: then it is waited for, also when nobody requires it.
    pub(super) expected: bool,
}

/// Other ways to the same server.
pub(super) struct Others {
    /// Through the pooler.
    pub(super) pooler: Option<ConnectOptions>,
    /// Where a password is asked for.
    pub(super) guarded: Option<ConnectOptions>,
}

/// Performs everything, in order.
pub(super) async fn everything(options: &ConnectOptions, others: &Others) -> Result<Done, Failure> {
    let mut doing = Session::new()?;
    let named = options.with_application_name(format!("pgattest_{}", doing.mark));
    let begun = Instant::now();
    let connection = connect(&named).await.map_err(|error| {
        let hint = error.hint();
        Failure::of(error, hint)
    })?;
    doing.who = who(connection.client())
        .await
        .doing(|| "the session could not be asked who it is".to_owned())?;
    doing.did(Class::Login, begun);
    doing.statements(connection.client()).await;
    // Ended by us in any case; a program that is killed ends it, too, and the server rolls back.
    let rolled_back = connection.client().batch_execute("ROLLBACK").await;
    rolled_back.doing(|| "the canaries could not be rolled back".to_owned())?;
    let ended = Instant::now();
    let _ = connection.close().await;
    doing.did(Class::Logout, ended);
    // What nobody requires comes before what is waited for: the server writes its log in order.
    doing.replication(&named).await;
    doing.fast_path(&named).await;
    doing.failed_logins(options, others.guarded.as_ref()).await;
    match &others.pooler {
        Some(pooler) => doing.pooled(pooler).await,
        None => doing.not(Class::Pooled, "no --pooler was given"),
    }
    Ok(doing.done)
}

struct Session {
    done: Done,
    mark: String,
    who: Who,
}

/// Who a session is to the server, and what the server says of its logging.
#[derive(Clone, Default)]
struct Who {
    user: String,
    database: String,
    session: Option<String>,
    superuser: bool,
    /// What nobody requires, and the server says that it logs.
    logged: BTreeSet<Class>,
}

/// Asks the session that this is. In one simple query: a replication connection takes nothing else.
async fn who(client: &Client) -> Result<Who, tokio_postgres::Error> {
    let rows = client
        .simple_query(
            "SELECT session_user, pg_catalog.current_database(), \
             pg_catalog.to_hex(pg_catalog.trunc(EXTRACT(EPOCH FROM backend_start))::pg_catalog.int8) || '.' || \
             pg_catalog.to_hex(pid), pg_catalog.current_setting('is_superuser'), \
             pg_catalog.current_setting('log_connections'), pg_catalog.current_setting('log_replication_commands'), \
             pg_catalog.current_setting('log_statement') \
             FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()",
        )
        .await?;
    let row = rows.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let text = |column: usize| Some(row.as_ref()?.try_get(column).ok()??.to_owned());
    let is = |column: usize, value: &str| text(column).as_deref() == Some(value);
    // A list from 18 on.
    let logs_connections = text(4).is_some_and(|told| {
        told.split(',')
            .any(|word| matches!(word.trim(), "on" | "all" | "authorization"))
    });
    let logged = [
        (Class::Replication, logs_connections),
        (Class::ReplicationCommand, is(5, "on")),
        (Class::FastPath, is(6, "all")),
    ];
    Ok(Who {
        user: text(0).unwrap_or_default(),
        database: text(1).unwrap_or_default(),
        session: text(2),
        superuser: is(3, "on"),
        logged: logged
            .into_iter()
            .filter_map(|(class, is_logged)| is_logged.then_some(class))
            .collect(),
    })
}

impl Session {
    fn new() -> Result<Self, Failure> {
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes)
            .map_err(|error| crate::failure::fail(format!("no random numbers: {error}")))?;
        let (mark, secret) = bytes.split_at(8);
        Ok(Self {
            done: Done {
                canaries: Vec::new(),
                not_tried: Vec::new(),
                secret: format!("pgattest-{}", hex::encode(secret)),
            },
            mark: hex::encode(mark),
            who: Who::default(),
        })
    }

    fn mark_of(&self, class: Class) -> String {
        format!("pgattest_{}_{}", self.mark, class.name().replace('-', "_"))
    }

    /// In the main session.
    fn did(&mut self, class: Class, at: Instant) {
        let who = self.who.clone();
        self.did_as(class, at, &who);
    }

    fn did_as(&mut self, class: Class, at: Instant, who: &Who) {
        self.done.canaries.push(Performed {
            canary: Canary {
                class,
                mark: self.mark_of(class),
                user: who.user.clone(),
                database: who.database.clone(),
                session: who.session.clone(),
            },
            at,
            expected: who.logged.contains(&class),
        });
    }

    fn not(&mut self, class: Class, why: impl std::fmt::Display) {
        self.done.not_tried.push((class, why.to_string()));
    }
}

fn state(error: &tokio_postgres::Error) -> String {
    error
        .code()
        .map_or_else(String::new, |code| code.code().to_owned())
}

/// What the server said; never the statement, which may have the secret.
fn said(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
