//! Statements that are done all or not at all, and one that cannot be.

use crate::engine::Engine;
use crate::error::ApplyError;
use crate::journal::Entry;
use crate::request::{Event, StepInfo};
use crate::session::{open, patience, refused, run};
use pgattest_model::plan::Need;
use pgattest_wire::Connection;
use std::time::Duration;
use tokio::time::Instant;

/// The longest that the outcome of a commit is asked for after the connection was lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(10);

/// Warnings with which a server does less than it was told: nothing or not everything was granted or revoked.
const IN_PART: [&str; 2] = ["01007", "01006"];

impl Engine<'_, '_> {
    /// Statements in one transaction, tried again when others held locks. Between two attempts nothing is held.
    ///
    /// Tables that are needed for ourselves are locked first, one after the other. Whoever locks several tables has an order of its
    /// own; when ours is another, one waits for the other for ever, and the server ends that by refusing us. The table we then
    /// waited for is one that others take earlier than one we had already: it comes first from then on, so that after a few such
    /// refusals our order is theirs, and we wait at their first table, where nobody who waits for us holds what we need.
    pub(crate) async fn transaction(
        &mut self,
        info: &StepInfo,
        database: Option<&str>,
        statements: &[(String, String)],
    ) -> Result<(), ApplyError> {
        let attempts = self.request.attempts.max(1);
        let mut order = self.tables(info, database).await?;
        let mut lessons = order.len().saturating_mul(2);
        let mut attempt = 1;
        loop {
            let begun = Instant::now();
            let error = match self.attempt(info, database, &order, statements).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let Some(late) = order.iter().position(|table| met_at(&error, table))
                && late > 0
                && lessons > 0
            {
                lessons -= 1;
                let table = order.remove(late);
                order.insert(0, table);
                continue;
            }
            if attempt < attempts && error.is_passing() {
                self.tell(&Event::Retried {
                    step: info,
                    attempt,
                    of: attempts,
                    why: &error.to_string(),
                });
                tokio::time::sleep(pause(attempt, begun.elapsed())).await;
                attempt += 1;
                continue;
            }
            return Err(error);
        }
    }

    /// The tables that a step needs for itself, as SQL, of those that this role may lock.
    async fn tables(
        &mut self,
        info: &StepInfo,
        database: Option<&str>,
    ) -> Result<Vec<String>, ApplyError> {
        const QUERY: &str = "SELECT pg_catalog.count(*)::text FROM pg_catalog.pg_class AS c \
            WHERE c.oid = pg_catalog.to_regclass($1::text)::pg_catalog.oid AND c.relkind IN ('r', 'p') \
            AND pg_catalog.pg_has_role(c.relowner, 'USAGE')";
        let mut wanted = Vec::new();
        let changes = self.request.plan.changes.iter();
        for change in changes.filter(|change| info.changes.contains(&change.id)) {
            for need in &change.needs {
                if let Need::Lock { mode, on } = need
                    && mode == "ACCESS EXCLUSIVE"
                    && !wanted.contains(on)
                {
                    wanted.push(on.clone());
                }
            }
        }
        if wanted.len() < 2 {
            return Ok(Vec::new());
        }
        let connection = open(self.request.options, database).await?;
        let mut tables = Vec::new();
        for table in wanted {
            // What is no table's name (a function, what the plan itself makes) is not locked beforehand.
            let found = crate::session::value(&connection, QUERY, &[&table]).await;
            match found {
                Ok(count) if count == "1" => tables.push(table),
                Err(error) if error.is_cut() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        let _ = connection.close().await;
        Ok(tables)
    }

    async fn attempt(
        &mut self,
        info: &StepInfo,
        database: Option<&str>,
        tables: &[String],
        statements: &[(String, String)],
    ) -> Result<(), ApplyError> {
        let connection = open(self.request.options, database).await?;
        let patience = patience(&connection, self.request.lock_timeout).await?;
        run(
            &connection,
            &format!(
                "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL lock_timeout = {patience};"
            ),
        )
        .await?;
        for table in tables {
            if let Err(error) = run(&connection, &lock(table)).await {
                let _ = connection.close().await;
                return Err(error);
            }
        }
        connection.take_notices();
        for (change, statement) in statements {
            self.point("before a statement", change)?;
            if let Err(error) = run(&connection, statement).await {
                // The server let go of every lock when it refused; the session goes, too, before anybody waits.
                let _ = connection.close().await;
                return Err(error);
            }
            whole(&connection, statement)?;
            self.point("after a statement", change)?;
        }
        let xid: String = crate::session::value(
            &connection,
            "SELECT pg_catalog.pg_current_xact_id()::text",
            &[],
        )
        .await?;
        self.hold().await?;
        make_known(&self.control).await;
        self.journal.add(Entry::Committing {
            changes: info.changes.clone(),
            xid: xid.clone(),
        })?;
        self.unclear = true;
        self.point("before COMMIT", &info.title())?;
        match run(&connection, "COMMIT;").await {
            Ok(()) => {}
            Err(error) => {
                // A server that says why has not committed; one that says nothing is asked.
                if !error.is_cut() || !self.outcome(&xid).await? {
                    self.unclear = false;
                    return Err(error);
                }
            }
        }
        self.point("after COMMIT", &info.title())
    }

    /// Asks what became of a transaction: whether it was committed.
    pub(crate) async fn outcome(&mut self, xid: &str) -> Result<bool, ApplyError> {
        let undecided = || ApplyError::Undecided {
            xid: xid.to_owned(),
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let asked = match self.hold().await {
                Ok(()) => status(&self.control, xid).await,
                Err(error) => Err(error),
            };
            match asked.as_ref().map(Option::as_deref) {
                Ok(Some("committed")) => return Ok(true),
                Ok(Some("aborted")) => return Ok(false),
                // Nobody has heard of it: the server lost it in a crash.
                Err(error) if error.sqlstate() == Some("22023") => return Ok(false),
                _ => {}
            }
            if Instant::now() > deadline {
                return Err(undecided());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A statement that cannot run in a transaction.
    pub(crate) async fn alone(
        &mut self,
        info: &StepInfo,
        database: &str,
        before: Option<&str>,
        statement: &str,
    ) -> Result<(), ApplyError> {
        let attempts = self.request.attempts.max(1);
        let mut attempt = 1;
        loop {
            let connection = open(self.request.options, Some(database)).await?;
            let lock = format!(
                "SET lock_timeout = {};",
                self.request.lock_timeout.as_millis()
            );
            run(&connection, &lock).await?;
            if let Some(before) = before {
                self.point("before clearing", &info.title())?;
                // May fail without harm: there is nothing to clear.
                if let Err(error) = run(&connection, before).await
                    && error.is_cut()
                {
                    return Err(error);
                }
            }
            self.point("before a statement alone", &info.title())?;
            connection.take_notices();
            let begun = Instant::now();
            let outcome = match run(&connection, statement).await {
                Ok(()) => whole(&connection, statement),
                Err(error) => Err(error),
            };
            self.point("after a statement alone", &info.title())?;
            let error = match outcome {
                Ok(()) => return Ok(()),
                // An earlier process was killed after the server had done it.
                Err(error) if self.reopened && before.is_none() && is_there(&error, self.undo) => {
                    return Ok(());
                }
                Err(error) => error,
            };
            // What could not be cleared away because somebody held a lock is in the way.
            let in_the_way = before.is_some() && is_there(&error, false);
            if attempt >= attempts || !(error.is_passing() || in_the_way) {
                return Err(error);
            }
            self.tell(&Event::Retried {
                step: info,
                attempt,
                of: attempts,
                why: &error.to_string(),
            });
            let _ = connection.close().await;
            tokio::time::sleep(pause(attempt, begun.elapsed())).await;
            attempt += 1;
        }
    }
}

/// The partitions of a table are not needed with it.
fn lock(table: &str) -> String {
    format!("LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE;")
}

/// Whether two waited for each other when this table was to be locked.
fn met_at(error: &ApplyError, table: &str) -> bool {
    error.sqlstate() == Some("40P01")
        && matches!(error, ApplyError::Refused { statement, .. } if *statement == lock(table))
}

/// Whether what a statement makes is there already, or what it takes away is gone.
fn is_there(error: &ApplyError, undo: bool) -> bool {
    let codes: &[&str] = if undo {
        &["42P01", "42704", "42883", "3F000"]
    } else {
        &["42P07", "42710", "42701", "42723"]
    };
    error.sqlstate().is_some_and(|code| codes.contains(&code))
}

/// Has the server flush what it wrote so far, the unfinished transaction's records among it: after a crash it then knows that the
/// identifier was taken, and never gives it to another transaction.
async fn make_known(control: &Connection) {
    // A role that may not do this has a cluster in which only a crash of the server, not of this process, is undecided.
    let _ = run(
        control,
        "BEGIN; SET LOCAL synchronous_commit = local; \
         SELECT pg_catalog.pg_logical_emit_message(true, 'pgattest', ''); COMMIT;",
    )
    .await;
}

async fn status(control: &Connection, xid: &str) -> Result<Option<String>, ApplyError> {
    const QUERY: &str = "SELECT pg_catalog.pg_xact_status($1::text::pg_catalog.xid8)";
    let row = control
        .client()
        .query_one(QUERY, &[&xid])
        .await
        .map_err(|source| refused(QUERY, source))?;
    row.try_get(0).map_err(|source| refused(QUERY, source))
}

/// Refuses what the server did in part only.
fn whole(connection: &Connection, statement: &str) -> Result<(), ApplyError> {
    let notices = connection.take_notices();
    match notices
        .messages
        .iter()
        .find(|notice| IN_PART.contains(&notice.sqlstate()))
    {
        None => Ok(()),
        Some(notice) => Err(ApplyError::InPart {
            statement: statement.to_owned(),
            warning: notice.message().to_owned(),
        }),
    }
}

/// How long nothing is tried after an attempt that met a lock and took this long. Whoever comes while we wait for a strong lock
/// queues behind us, so they get at least as long without us, and twice as long after each attempt: the share of time that we are
/// in the way halves. From 50 milliseconds to ten seconds; nothing random is in it, as one plan at a time is applied to a cluster.
fn pause(attempt: u32, took: Duration) -> Duration {
    let first = took.clamp(Duration::from_millis(50), LONGEST);
    let doubled = 1_u32 << attempt.saturating_sub(1).min(16);
    first.saturating_mul(doubled).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::pause;
    use std::time::Duration;

    #[test]
    fn pauses_grow_and_are_never_shorter_than_what_others_waited() {
        let pauses = |took: u64| -> Vec<u128> {
            [1, 2, 3, 4, 40, u32::MAX]
                .map(|attempt| pause(attempt, Duration::from_millis(took)).as_millis())
                .to_vec()
        };
        assert_eq!(pauses(300), [300, 600, 1_200, 2_400, 10_000, 10_000]);
        assert_eq!(pauses(0), [50, 100, 200, 400, 10_000, 10_000]);
        assert_eq!(pauses(60_000), [10_000; 6]);
    }
}
