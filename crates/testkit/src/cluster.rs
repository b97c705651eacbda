//! A running cluster.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::builder::ClusterBuilder;
use crate::certificate::Authority;
use crate::login::{Endpoint, Login, keyword_value, url};
use crate::place::{Port, RunDirectory};
use crate::process::Process;
use crate::tls::{ClientFiles, TlsFiles};
use crate::{conf, server, sql};

/// The superuser that `initdb` makes.
pub const SUPERUSER: &str = "postgres";

/// Its password, stored as SCRAM. Long and odd, so that a test can search
/// output for it.
pub const SUPERUSER_PASSWORD: &str = "testkit-superuser-secret-7d1f";

/// A private PostgreSQL server. Dropping it stops the server and removes
/// everything that it wrote.
pub struct Cluster {
    // In this order: the server stops before its directory goes.
    server: Mutex<Option<Process>>,
    port: Port,
    parts: Parts,
}

/// What a server needs before it can start.
pub(crate) struct Parts {
    pub(crate) binaries: Binaries,
    pub(crate) account: Account,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) directory: RunDirectory,
}

impl Cluster {
    /// Describes a cluster of this major version. As it is: settings of
    /// `initdb`, without durability, everybody on the loopback trusted.
    pub fn builder(major: u32) -> ClusterBuilder {
        ClusterBuilder::new(major)
    }

    /// Describes a cluster as an expert would leave it: TLS 1.2 or better with a
    /// certificate, SCRAM passwords for everybody, `hostssl` only, pgaudit for
    /// `ddl, write, role`, logins logged, the log collected as CSV.
    ///
    /// Needs a server with pgaudit, which is Debian's PostgreSQL 15 here.
    /// Over TCP connect as [`Login::tls`] with a password.
    pub fn hardened(major: u32) -> ClusterBuilder {
        ClusterBuilder::hardened(major)
    }

    /// Major version, such as 15.
    pub fn major(&self) -> u32 {
        self.parts.binaries.major
    }

    /// The server's programs.
    pub fn binaries(&self) -> &Binaries {
        &self.parts.binaries
    }

    /// Port on the loopback, also part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The address it listens on. `::1` too, where the machine has it.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Directory of the unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.parts.directory.path()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.parts.directory.path().join("data")
    }

    /// A directory for files of the test, removed with the cluster. The
    /// server's account can write to it.
    pub fn scratch_dir(&self) -> &Path {
        self.parts.directory.path()
    }

    /// The operating system account of the server, for the method `peer`.
    pub fn os_user(&self) -> &str {
        &self.parts.account.name
    }

    /// Process id of the server, or `None` when it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server().as_ref().map(Process::pid)
    }

    /// A URL for the superuser over the loopback, with the password and without
    /// `sslmode`.
    pub fn dsn(&self, database: &str) -> String {
        url(
            SUPERUSER,
            Some(SUPERUSER_PASSWORD),
            self.port(),
            database,
            &[],
        )
    }

    /// A URL for `user` over the loopback, without a password.
    pub fn dsn_as(&self, user: &str, database: &str) -> String {
        url(user, None, self.port(), database, &[])
    }

    /// A URL for `user` that verifies the server (`verify-full` with our
    /// authority). Without TLS at the server it names no authority.
    pub fn dsn_tls(&self, user: &str, password: &str, database: &str) -> String {
        let ca_file = self.ca_file().map(|path| path.display().to_string());
        let mut parameters = vec![("sslmode", "verify-full")];
        if let Some(ca_file) = &ca_file {
            parameters.push(("sslrootcert", ca_file));
        }
        url(user, Some(password), self.port(), database, &parameters)
    }

    /// A keyword string for the superuser through the unix socket.
    pub fn dsn_socket(&self, database: &str) -> String {
        format!(
            "host={} port={} user={SUPERUSER} password={SUPERUSER_PASSWORD} dbname={}",
            keyword_value(&self.socket_dir().display().to_string()),
            self.port(),
            keyword_value(database)
        )
    }

    /// Certificate of the authority that clients should trust; `None` without TLS.
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.parts.tls.as_ref().map(TlsFiles::ca_file)
    }

    /// Certificate of another authority, which signed nothing in the good case.
    pub fn other_ca_file(&self) -> Option<PathBuf> {
        self.parts.tls.as_ref().map(TlsFiles::other_ca_file)
    }

    /// The authority itself, to issue more; `None` without TLS.
    pub fn authority(&self) -> Option<&Authority> {
        self.parts.tls.as_ref().map(TlsFiles::authority)
    }

    /// A new certificate for the client role `role`.
    pub fn client_certificate(&self, role: &str) -> Result<ClientFiles> {
        self.parts
            .tls
            .as_ref()
            .context("this cluster was started without TLS: add `.tls(Tls::new())` to its builder")?
            .client(role)
    }

    /// Everything the server has logged as text so far, collected or not.
    pub fn log(&self) -> String {
        let mut log = sql::lossy_text(&self.log_file());
        log.push_str(&server::collected(&self.data_dir()));
        log
    }

    /// Everything the server has logged as CSV so far; see
    /// [`ClusterBuilder::csvlog`].
    pub fn csv_log(&self) -> String {
        server::collected_csv(&self.data_dir())
    }

    /// Logs in to `database` as the superuser, through the socket.
    pub async fn client(&self, database: &str) -> Result<Client> {
        self.connect(&superuser(database)).await
    }

    /// Logs in to `database` as `user` without a password, through the socket.
    pub async fn client_as(&self, user: &str, database: &str) -> Result<Client> {
        self.connect(&Login::new(user).database(database)).await
    }

    /// Logs in any other way. The error's source is the
    /// [`tokio_postgres::Error`], with the server's answer.
    pub async fn connect(&self, login: &Login) -> Result<Client> {
        self.endpoint().connect(login).await
    }

    /// Runs a script as the superuser with psql: statement by statement, so
    /// `CREATE DATABASE`, `ALTER SYSTEM` and `\connect` work. The error shows
    /// line, position and the statement that failed.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<()> {
        self.execute_as(&superuser(database), sql).await
    }

    /// As [`execute`](Self::execute), by another login.
    pub async fn execute_as(&self, login: &Login, sql: &str) -> Result<()> {
        let (endpoint, login, sql) = (self.endpoint(), login.clone(), sql.to_owned());
        sql::unblock(move || sql::script(&endpoint, &login, &sql).map(drop)).await
    }

    /// As [`execute`](Self::execute), for tests without a runtime.
    pub fn execute_blocking(&self, database: &str, sql: &str) -> Result<()> {
        sql::script(&self.endpoint(), &superuser(database), sql).map(drop)
    }

    /// Runs statements as the superuser in one transaction and gives all their
    /// rows, each value as the server prints it.
    pub async fn query_text(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        self.query_text_as(&superuser(database), sql).await
    }

    /// As [`query_text`](Self::query_text), by another login.
    pub async fn query_text_as(
        &self,
        login: &Login,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>> {
        sql::rows(&self.connect(login).await?, sql).await
    }

    /// As [`query_text`](Self::query_text), for tests without a runtime.
    pub fn query_text_blocking(
        &self,
        database: &str,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>> {
        sql::block_on(self.query_text(database, sql))
    }

    /// The single value of a query that gives one row of one column; NULL is
    /// an error.
    pub async fn query_value(&self, database: &str, sql: &str) -> Result<String> {
        let rows = self.query_text(database, sql).await?;
        match rows.as_slice() {
            [row] => match row.as_slice() {
                [Some(value)] => Ok(value.clone()),
                _ => anyhow::bail!("not one value but {row:?} from: {sql}"),
            },
            _ => anyhow::bail!("not one row but {} from: {sql}", rows.len()),
        }
    }

    /// Adds a setting to the end of `postgresql.conf`; takes effect with
    /// [`reload`](Self::reload) or [`restart`](Self::restart).
    pub fn append_conf(&self, name: &str, value: &str) -> Result<()> {
        let path = self.data_dir().join("postgresql.conf");
        let mut text = std::fs::read(&path)?;
        text.extend_from_slice(conf::line(name, value)?.as_bytes());
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Replaces `pg_hba.conf`; takes effect with [`reload`](Self::reload).
    pub fn write_hba(&self, text: &str) -> Result<()> {
        self.replace("pg_hba.conf", text)
    }

    /// Replaces `pg_ident.conf`; takes effect with [`reload`](Self::reload).
    pub fn write_ident(&self, text: &str) -> Result<()> {
        self.replace("pg_ident.conf", text)
    }

    /// Has the server read its files again. Sessions that begin after this
    /// returns see the new state; a running one sees it a moment later. A file
    /// that the server rejects leaves the old state, as the log tells.
    pub fn reload(&self) -> Result<()> {
        // The kernel runs the signal handler before the server can accept a
        // connection made after this call, so there is nothing to wait for.
        self.server()
            .as_ref()
            .context("the server is stopped")?
            .signal(Signal::HUP)
    }

    /// Sets the clock of a server that was built with [`ClusterBuilder::own_clock`]: so many seconds before the machine's, for every
    /// process of it that looks from now on.
    pub fn set_clock(&self, seconds_back: u32) -> Result<()> {
        let path = self.parts.directory.path().join(server::CLOCK);
        if !path.exists() {
            anyhow::bail!("the cluster was built without `own_clock`");
        }
        let new = path.with_extension("new");
        std::fs::write(&new, format!("-{seconds_back}\n"))?;
        std::fs::rename(&new, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Stops the server in an orderly way (mode "fast"). Stopped already is fine.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::INT)
    }

    /// Stops the server as a crash would (mode "immediate").
    pub fn stop_immediately(&self) -> Result<()> {
        self.end(Signal::QUIT)
    }

    /// Starts the stopped server again, on the same port.
    pub fn start(&self) -> Result<()> {
        let mut server = self.server();
        if server.is_none() {
            *server = Some(server::start(
                &self.parts.binaries,
                &self.data_dir(),
                &self.log_file(),
                &self.parts.account,
            )?);
        }
        Ok(())
    }

    /// Stops and starts.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    pub(crate) fn assemble(parts: Parts, port: Port, process: Process) -> Self {
        Self {
            server: Mutex::new(Some(process)),
            port,
            parts,
        }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.parts.account
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint {
            socket: self.socket_dir().to_owned(),
            port: self.port(),
            ca_file: self.ca_file(),
        }
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let mut server = self.server();
        if let Some(process) = server.as_mut() {
            process.stop(signal)?;
        }
        *server = None;
        Ok(())
    }

    fn replace(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data_dir().join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    fn log_file(&self) -> PathBuf {
        self.parts.directory.path().join("server.log")
    }

    fn server(&self) -> MutexGuard<'_, Option<Process>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn superuser(database: &str) -> Login {
    Login::new(SUPERUSER)
        .password(SUPERUSER_PASSWORD)
        .database(database)
}
