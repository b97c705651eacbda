//! Statements, in one transaction that is rolled back.

use super::{Session, said, state};
use futures_util::{SinkExt, StreamExt};
use pgattest_trail::canary::Class;
use tokio::time::Instant;
use tokio_postgres::Client;

impl Session {
    pub(super) async fn statements(&mut self, client: &Client) {
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
        let user = pgattest_model::ident::quote_ident(&self.who.user);
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
        self.copy_to(client, &table).await;
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
        let at = Instant::now();
        let ended = client.simple_query(&sql(&self.mark_of(class))).await;
        self.ended(client, class, at, ended).await;
    }

    /// It was done, or it failed and is taken back alone.
    async fn ended<T>(
        &mut self,
        client: &Client,
        class: Class,
        at: Instant,
        result: Result<T, tokio_postgres::Error>,
    ) {
        match result {
            Ok(_) => self.did(class, at),
            Err(error) => {
                self.not(class, said(&error));
                let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
            }
        }
    }

    async fn copy(&mut self, client: &Client, table: &str) {
        let class = Class::Copy;
        let sql = format!("COPY {table} /* {} */ FROM STDIN", self.mark_of(class));
        let copied = async {
            client.batch_execute("SAVEPOINT pgattest").await?;
            let sink = client.copy_in::<_, &'static [u8]>(&sql).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(&b"3\tcopied\n"[..]).await?;
            sink.close().await
        };
        let at = Instant::now();
        let ended = copied.await;
        self.ended(client, class, at, ended).await;
    }

    /// As `pg_dump` reads a table.
    async fn copy_to(&mut self, client: &Client, table: &str) {
        let class = Class::CopyTo;
        let sql = format!("COPY {table} /* {} */ TO STDOUT", self.mark_of(class));
        let copied = async {
            client.batch_execute("SAVEPOINT pgattest").await?;
            let rows = client.copy_out(&sql).await?;
            let mut rows = std::pin::pin!(rows);
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok::<_, tokio_postgres::Error>(())
        };
        let at = Instant::now();
        let ended = copied.await;
        self.ended(client, class, at, ended).await;
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
        let at = Instant::now();
        let ended = executed.await;
        self.ended(client, class, at, ended).await;
    }

    /// A statement that permissions refuse. A superuser is refused nothing, and becomes a role that has no rights for it.
    async fn refused(&mut self, client: &Client, table: &str) {
        let class = Class::Refused;
        let mark = self.mark_of(class);
        let prepare = if self.who.superuser {
            format!(
                "SAVEPOINT pgattest; CREATE ROLE pgattest_canary_{0}; SET LOCAL ROLE pgattest_canary_{0}",
                self.mark
            )
        } else {
            "SAVEPOINT pgattest".to_owned()
        };
        let sql = if self.who.superuser {
            format!("SELECT /* {mark} */ * FROM {table}")
        } else {
            format!("SELECT /* {mark} */ rolname FROM pg_catalog.pg_authid")
        };
        if let Err(error) = client.batch_execute(&prepare).await {
            self.not(class, said(&error));
        } else {
            let at = Instant::now();
            match client.simple_query(&sql).await {
                Err(error) if state(&error) == "42501" => self.did(class, at),
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
        let at = Instant::now();
        match client.simple_query(&sql).await {
            // A role may only be told that it has no right to.
            Err(error) if matches!(state(&error).as_str(), "42704" | "42501") => {
                self.did(class, at);
            }
            Err(error) => self.not(class, said(&error)),
            Ok(_) => self.not(class, "nothing refused it"),
        }
        let _ = client.batch_execute("ROLLBACK TO SAVEPOINT pgattest").await;
    }
}

/// What makes PostgreSQL use parallel workers for the next query, whatever it costs.
const PARALLEL: &str = "SAVEPOINT pgattest; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0; \
     SET LOCAL min_parallel_table_scan_size = 0; SET LOCAL max_parallel_workers_per_gather = 2";
