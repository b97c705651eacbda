//! Doing it: statements in one transaction that is rolled back, and logins.

use crate::failure::{Doing, Failure};
use pgattest_trail::canary::{Canary, Class};
use pgattest_wire::{ConnectOptions, Connection, Secret, connect};
use tokio_postgres::{Client, SimpleQueryMessage};

/// What was performed, and what was not.
pub(super) struct Done {
    /// In the order in which it was done.
    pub(super) canaries: Vec<Canary>,
    /// Classes that could not be tried, with the reason.
    pub(super) not_tried: Vec<(Class, String)>,
    /// The secret that no one must be able to read afterwards.
    pub(super) secret: String,
}

/// Performs everything, in order.
pub(super) async fn everything(
    options: &ConnectOptions,
    pooler: Option<&ConnectOptions>,
) -> Result<Done, Failure> {
    let mut doing = Session::new()?;
    let named = options.with_application_name(format!("pgattest_{}", doing.mark));
    let connection = connect(&named).await.map_err(|error| {
        let hint = error.hint();
        Failure::of(error, hint)
    })?;
    doing.session(&connection).await?;
    doing.statements(connection.client()).await;
    // Ended by us in any case; a program that is killed ends it, too, and the server rolls back.
    let rolled_back = connection.client().batch_execute("ROLLBACK").await;
    rolled_back.doing(|| "the canaries could not be rolled back".to_owned())?;
    for class in [Class::Login, Class::Logout] {
        doing.did(class);
    }
    let _ = connection.close().await;
    doing.failed_logins(options).await;
    match pooler {
        Some(pooler) => doing.pooled(pooler).await,
        None => doing.not(Class::Pooled, "no --pooler was given"),
    }
    Ok(doing.done)
}

#[expect(
    clippy::struct_field_names,
    reason = "the server's word for it, and the log's"
)]
struct Session {
    done: Done,
    mark: String,
    user: String,
    database: String,
    session: Option<String>,
    superuser: bool,
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
            user: String::new(),
            database: String::new(),
            session: None,
            superuser: false,
        })
    }

    /// Who we are to the server.
    async fn session(&mut self, connection: &Connection) -> Result<(), Failure> {
        let rows = connection
            .client()
            .simple_query(
                "SELECT session_user, pg_catalog.current_database(), \
                 pg_catalog.to_hex(pg_catalog.trunc(EXTRACT(EPOCH FROM backend_start))::pg_catalog.int8) || '.' || \
                 pg_catalog.to_hex(pid), pg_catalog.current_setting('is_superuser') \
                 FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()",
            )
            .await
            .doing(|| "the session could not be asked who it is".to_owned())?;
        for row in rows {
            if let SimpleQueryMessage::Row(row) = row {
                let text = |column: usize| row.try_get(column).ok().flatten().map(str::to_owned);
                self.user = text(0).unwrap_or_default();
                self.database = text(1).unwrap_or_default();
                self.session = text(2);
                self.superuser = text(3).as_deref() == Some("on");
            }
        }
        Ok(())
    }

    fn mark_of(&self, class: Class) -> String {
        format!("pgattest_{}_{}", self.mark, class.name().replace('-', "_"))
    }

    fn did(&mut self, class: Class) {
        let canary = Canary {
            class,
            mark: self.mark_of(class),
            user: self.user.clone(),
            database: self.database.clone(),
            session: self.session.clone(),
        };
        self.done.canaries.push(canary);
    }

    fn not(&mut self, class: Class, why: impl std::fmt::Display) {
        self.done.not_tried.push((class, why.to_string()));
    }

    async fn statements(&mut self, client: &Client) {
        let table = format!("pgattest_canary_{}", self.mark);
        // Nothing of ours may hang, or hold up anybody.
        let begin = "BEGIN; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '5s'";
        if let Err(error) = client.batch_execute(begin).await {
            return self.not(Class::Ddl, said(&error));
        }
        self.run(client, Class::Ddl, |mark| {
            format!("CREATE TEMP TABLE {table} (id int, note text) /* {mark} */")
        })
        .await;
        self.run(client, Class::Write, |mark| {
            format!("INSERT /* {mark} */ INTO {table} VALUES (1, 'canary')")
        })
        .await;
        self.run(client, Class::Read, |mark| {
            format!("SELECT /* {mark} */ * FROM {table}")
        })
        .await;
        let user = pgattest_model::ident::quote_ident(&self.user);
        self.run(client, Class::Role, |mark| {
            format!("GRANT /* {mark} */ SELECT ON {table} TO {user}")
        })
        .await;
        self.run(client, Class::Function, |mark| {
            format!("DO $$BEGIN /* {mark} */ PERFORM 1; END$$")
        })
        .await;
        self.run(client, Class::InDo, |mark| {
            format!("DO $$BEGIN INSERT /* {mark} */ INTO {table} VALUES (2, 'in do'); END$$")
        })
        .await;
        self.run(client, Class::Misc, |mark| format!("LISTEN \"{mark}\""))
            .await;
        self.copy(client, &table).await;
        self.prepared(client, &table).await;
        self.run(client, Class::Parallel, |mark| {
            format!("SELECT /* {mark} */ pg_catalog.count(*) FROM pg_catalog.pg_attribute")
        })
        .await;
        self.refused(client, &table).await;
        self.secret(client).await;
    }

    /// One statement in a savepoint of its own: what fails takes nothing else with it.
    async fn run(&mut self, client: &Client, class: Class, sql: impl Fn(&str) -> String) {
        let before = match class {
            Class::Parallel => PARALLEL,
            _ => "SAVEPOINT pgattest",
        };
        if let Err(error) = client.batch_execute(before).await {
            return self.not(class, said(&error));
        }
        match client.simple_query(&sql(&self.mark_of(class))).await {
            Ok(_) => self.did(class),
            Err(error) => {
                self.not(class, said(&error));
                let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
            }
        }
    }

    async fn copy(&mut self, client: &Client, table: &str) {
        use futures_util::SinkExt;
        let class = Class::Copy;
        let sql = format!("COPY {table} /* {} */ FROM STDIN", self.mark_of(class));
        let copied = async {
            client.batch_execute("SAVEPOINT pgattest").await?;
            let sink = client.copy_in::<_, &'static [u8]>(&sql).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(&b"3\tcopied\n"[..]).await?;
            sink.close().await
        };
        match copied.await {
            Ok(()) => self.did(class),
            Err(error) => {
                self.not(class, said(&error));
                let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
            }
        }
    }

    async fn prepared(&mut self, client: &Client, table: &str) {
        let class = Class::Prepared;
        let sql = format!(
            "INSERT /* {} */ INTO {table} VALUES ($1, 'prepared')",
            self.mark_of(class)
        );
        let executed = async {
            client.batch_execute("SAVEPOINT pgattest").await?;
            client.execute(&sql, &[&4_i32]).await
        };
        match executed.await {
            Ok(_) => self.did(class),
            Err(error) => {
                self.not(class, said(&error));
                let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
            }
        }
    }

    /// A statement that permissions refuse. A superuser is refused nothing, and becomes a role that has no rights for it.
    async fn refused(&mut self, client: &Client, table: &str) {
        let class = Class::Refused;
        let mark = self.mark_of(class);
        let prepare = if self.superuser {
            format!(
                "SAVEPOINT pgattest; CREATE ROLE pgattest_canary_{0}; SET LOCAL ROLE pgattest_canary_{0}",
                self.mark
            )
        } else {
            "SAVEPOINT pgattest".to_owned()
        };
        let sql = if self.superuser {
            format!("SELECT /* {mark} */ * FROM {table}")
        } else {
            format!("SELECT /* {mark} */ rolname FROM pg_catalog.pg_authid")
        };
        if let Err(error) = client.batch_execute(&prepare).await {
            self.not(class, said(&error));
        } else {
            match client.simple_query(&sql).await {
                Err(error) if state(&error) == "42501" => self.did(class),
                Err(error) => self.not(class, said(&error)),
                Ok(_) => self.not(class, "nothing refused it"),
            }
        }
        let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
    }

    /// A role that does not exist is given a password: it fails, and PostgreSQL writes the statement into the log as it is.
    async fn secret(&mut self, client: &Client) {
        let class = Class::Secret;
        let mark = self.mark_of(class);
        let sql = format!("ALTER ROLE {mark} PASSWORD '{}'", self.done.secret);
        let _ = client.batch_execute("SAVEPOINT pgattest").await;
        match client.simple_query(&sql).await {
            // A role may only be told that it has no right to.
            Err(error) if matches!(state(&error).as_str(), "42704" | "42501") => self.did(class),
            Err(error) => self.not(class, said(&error)),
            Ok(_) => self.not(class, "nothing refused it"),
        }
        let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
    }

    async fn failed_logins(&mut self, options: &ConnectOptions) {
        let unknown = self.mark_of(Class::UnknownRole);
        let wrong = self.mark_of(Class::WrongPassword);
        let bad = Secret::new(format!("wrong {}", self.mark));
        // First to see whether a wrong password is refused at all; then with the mark in the database's name, the one field of a
        // failed login that is ours to choose.
        if let Ok(connection) = connect(&options.with_password(bad.clone())).await {
            let _ = connection.close().await;
            self.not(
                Class::WrongPassword,
                "it was let in: pg_hba.conf asks for no password here",
            );
        } else {
            let attempt = options.with_password(bad.clone()).with_database(&wrong);
            self.failed(Class::WrongPassword, &attempt, self.user.clone(), wrong)
                .await;
        }
        let attempt = options.as_user(&unknown).with_password(bad);
        let database = self.database.clone();
        self.failed(Class::UnknownRole, &attempt, unknown, database)
            .await;
    }

    async fn failed(
        &mut self,
        class: Class,
        attempt: &ConnectOptions,
        user: String,
        database: String,
    ) {
        if let Ok(connection) = connect(attempt).await {
            let _ = connection.close().await;
            return self.not(class, "it was let in");
        }
        self.done.canaries.push(Canary {
            class,
            mark: self.mark_of(class),
            user,
            database,
            session: None,
        });
    }

    async fn pooled(&mut self, pooler: &ConnectOptions) {
        let class = Class::Pooled;
        let mark = self.mark_of(class);
        let connection = match connect(pooler).await {
            Ok(connection) => connection,
            Err(error) => return self.not(class, error),
        };
        // In one message: a pooler in transaction mode sends it to one server connection.
        let sql =
            format!("BEGIN; CREATE TEMP TABLE {mark} (id int); ROLLBACK /* through the pooler */");
        match connection.client().batch_execute(&sql).await {
            Ok(()) => {
                self.did(class);
                if let Some(canary) = self.done.canaries.last_mut() {
                    // Which session of the server it was only the pooler knows.
                    canary.session = None;
                    pooler.user().clone_into(&mut canary.user);
                }
            }
            Err(error) => self.not(class, said(&error)),
        }
        let _ = connection.close().await;
    }
}

/// What makes PostgreSQL use parallel workers for the next query, whatever it costs.
const PARALLEL: &str = "SAVEPOINT pgattest; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; \
     SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 2";

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
