//! A psql script under construction: which database it is in, and whether a transaction is open.

use super::{commented, is_this_cluster};
use pgattest_catalog::auditor::psql_connect;
use pgattest_model::plan::Change;

/// How long a statement waits for a lock, while everybody else waits behind it.
pub(super) const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s';";

#[derive(Default)]
pub(super) struct Script {
    out: String,
    /// The database that `\connect` led to; `None`: where psql began.
    database: Option<String>,
    in_transaction: bool,
    reload: bool,
}

impl Script {
    /// What every session of the script begins with.
    pub(super) fn start(&mut self, system_identifier: &str) {
        self.line("\\set ON_ERROR_STOP on");
        self.session();
        if let Some(check) = is_this_cluster(system_identifier) {
            self.line(&check);
        }
    }

    fn session(&mut self) {
        self.line("\\encoding UTF8");
        self.line("SET standard_conforming_strings = on;");
        self.line(LOCK_TIMEOUT);
    }

    /// Goes into a database, unless the script is there; `None` stays.
    pub(super) fn enter(&mut self, database: Option<&str>) {
        let Some(database) = database else { return };
        if self.database.as_deref() == Some(database) {
            return;
        }
        self.finish();
        self.comment("");
        self.comment(&format!("Database {database}"));
        self.line(&psql_connect(database));
        self.session();
        self.database = Some(database.to_owned());
    }

    /// Opens a transaction, unless one is open.
    pub(super) fn begin(&mut self) {
        if !self.in_transaction {
            self.line("BEGIN;");
            self.in_transaction = true;
        }
    }

    /// Ends the transaction that is open.
    pub(super) fn commit(&mut self) {
        if self.in_transaction {
            self.line("COMMIT;");
            self.in_transaction = false;
        }
    }

    /// Puts settings in force that wait for it.
    pub(super) fn reload(&mut self) {
        if self.reload {
            self.reload = false;
            self.line("SELECT pg_catalog.pg_reload_conf();");
            self.comment("The server reads its files in the background.");
            self.line("SELECT pg_catalog.pg_sleep(1);");
        }
    }

    /// Ends whatever is open.
    pub(super) fn finish(&mut self) {
        self.commit();
        self.reload();
    }

    pub(super) fn reload_later(&mut self) {
        self.reload = true;
    }

    /// The script is begun anew from here on, in a database that nobody knows.
    pub(super) fn forget(&mut self) {
        self.database = None;
    }

    pub(super) fn title(&mut self, change: &Change) {
        self.comment("");
        self.comment(&format!(
            "{} ({}): {}",
            change.id,
            change.risk.as_str(),
            change.title
        ));
    }

    /// One line that psql skips, whatever it says; an empty one is an empty line.
    pub(super) fn comment(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push_str(&commented(text));
        }
        self.out.push('\n');
    }

    /// A line of a file, which may be empty, as a comment.
    pub(super) fn comment_line(&mut self, line: &str) {
        self.out.push_str(&commented(line));
        self.out.push('\n');
    }

    pub(super) fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    pub(super) fn done(mut self) -> String {
        self.finish();
        self.out
    }
}
