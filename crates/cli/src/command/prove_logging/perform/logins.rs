//! Logins that fail, and a statement through the pooler.

use super::{Session, Who, said};
use pgattest_trail::canary::Class;
use pgattest_wire::{ConnectOptions, Secret, connect};
use tokio::time::Instant;

impl Session {
    /// `guarded`: where a password is asked for, when that is not where we come from.
    pub(super) async fn failed_logins(
        &mut self,
        options: &ConnectOptions,
        guarded: Option<&ConnectOptions>,
    ) {
        let unknown = self.mark_of(Class::UnknownRole);
        let wrong = self.mark_of(Class::WrongPassword);
        let bad = Secret::new(format!("wrong {}", self.mark));
        // First to see whether a wrong password is refused at all; then with the mark in the database's name, the one field of a
        // failed login that is ours to choose.
        let door = guarded.unwrap_or(options);
        if let Ok(connection) = connect(&door.with_password(bad.clone())).await {
            let _ = connection.close().await;
            self.not(
                Class::WrongPassword,
                "it was let in: pg_hba.conf asks for no password here; --login-at names a connection that it asks for one",
            );
        } else {
            let attempt = door.with_password(bad.clone()).with_database(&wrong);
            let user = match guarded {
                Some(door) => door.user().to_owned(),
                None => self.who.user.clone(),
            };
            self.failed(Class::WrongPassword, &attempt, user, wrong)
                .await;
        }
        let attempt = options.as_user(&unknown).with_password(bad);
        let database = self.who.database.clone();
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
        let at = Instant::now();
        if let Ok(connection) = connect(attempt).await {
            let _ = connection.close().await;
            return self.not(class, "it was let in");
        }
        let who = Who {
            user,
            database,
            ..Who::default()
        };
        self.did_as(class, at, &who);
    }

    pub(super) async fn pooled(&mut self, pooler: &ConnectOptions) {
        let class = Class::Pooled;
        let mark = self.mark_of(class);
        let connection = match connect(pooler).await {
            Ok(connection) => connection,
            Err(error) => return self.not(class, error),
        };
        // In one message: a pooler in transaction mode sends it to one server connection.
        let sql =
            format!("BEGIN; CREATE TEMP TABLE {mark} (id int); ROLLBACK /* through the pooler */");
        let at = Instant::now();
        match connection.client().batch_execute(&sql).await {
            Ok(()) => {
                // Which session of the server it was only the pooler knows.
                let who = Who {
                    user: pooler.user().to_owned(),
                    database: self.who.database.clone(),
                    ..Who::default()
                };
                self.did_as(class, at, &who);
            }
            Err(error) => self.not(class, said(&error)),
        }
        let _ = connection.close().await;
    }
}
