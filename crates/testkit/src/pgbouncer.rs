//! PgBouncer in front of a cluster.

use std::fmt;
use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::account::Account;
use crate::cluster::{Cluster, SUPERUSER, SUPERUSER_PASSWORD, superuser};
use crate::login::{Endpoint, Login, url};
use crate::place::{Port, RunDirectory};
use crate::process::{PATIENCE, Process, poll};
use crate::sql;

/// Where Debian puts the program.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// When a server connection goes back to the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// When its transaction ends.
    Transaction,
    /// After each statement.
    Statement,
}

/// How PgBouncer lets clients in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolerAuth {
    /// Any role that the cluster knows, without a password. The cluster must
    /// trust its socket.
    Trust,
    /// Any login of the cluster with its SCRAM password, which PgBouncer
    /// verifies by `auth_query` and uses for its own login to the server.
    Scram,
}

/// A running PgBouncer. Dropping it stops it and removes its files.
pub struct PgBouncer {
    // In this order: it stops before its directory goes.
    process: Process,
    port: Port,
    directory: RunDirectory,
}

/// A PgBouncer to be started; see [`PgBouncer::builder`].
#[must_use]
pub struct PgBouncerBuilder {
    upstream: Endpoint,
    pool_mode: PoolMode,
    auth: PoolerAuth,
    settings: Vec<(String, String)>,
}

impl PgBouncer {
    /// Starts one that trusts everybody, for every database of `cluster`.
    pub async fn start(cluster: &Cluster, pool_mode: PoolMode) -> Result<Self> {
        Self::builder(cluster).pool_mode(pool_mode).start().await
    }

    /// Describes one for `cluster`: session pooling, everybody trusted.
    pub fn builder(cluster: &Cluster) -> PgBouncerBuilder {
        PgBouncerBuilder {
            upstream: cluster.endpoint(),
            pool_mode: PoolMode::Session,
            auth: PoolerAuth::Trust,
            settings: Vec::new(),
        }
    }

    /// Port on the loopback.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// Directory of its unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The configuration file it runs with.
    pub fn config_file(&self) -> PathBuf {
        self.directory.path().join("pgbouncer.ini")
    }

    /// A URL for the superuser through the pooler, with the password.
    pub fn dsn(&self, database: &str) -> String {
        url(
            SUPERUSER,
            Some(SUPERUSER_PASSWORD),
            self.port(),
            database,
            &[],
        )
    }

    /// A URL for `user` through the pooler, without a password.
    pub fn dsn_as(&self, user: &str, database: &str) -> String {
        url(user, None, self.port(), database, &[])
    }

    /// Logs in through the pooler. [`Login::tls`] does not work here.
    pub async fn connect(&self, login: &Login) -> Result<Client> {
        let endpoint = Endpoint {
            socket: self.directory.path().to_owned(),
            port: self.port(),
            ca_file: None,
        };
        endpoint.connect(login).await
    }

    /// Runs a command such as `SHOW POOLS` in the admin console and gives its rows.
    pub async fn admin(&self, command: &str) -> Result<Vec<Vec<Option<String>>>> {
        let login = superuser("pgbouncer").tcp();
        sql::rows(&self.connect(&login).await?, command).await
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        sql::lossy_text(&self.directory.path().join("pgbouncer.log"))
    }
}

impl PgBouncerBuilder {
    /// When server connections go back to the pool.
    pub fn pool_mode(mut self, pool_mode: PoolMode) -> Self {
        self.pool_mode = pool_mode;
        self
    }

    /// How clients are let in.
    pub fn auth(mut self, auth: PoolerAuth) -> Self {
        self.auth = auth;
        self
    }

    /// A line of the section `[pgbouncer]`; the last one of a name wins. The
    /// format knows no quotes, so [`start`](Self::start) refuses line breaks.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it and waits until it accepts connections.
    pub async fn start(self) -> Result<PgBouncer> {
        sql::unblock(|| self.start_blocking()).await
    }

    /// As [`start`](Self::start), for tests without a runtime.
    pub fn start_blocking(self) -> Result<PgBouncer> {
        let account = Account::current()?;
        let directory = RunDirectory::create(&account)?;
        let port = Port::pick()?;
        let users = directory.path().join("userlist.txt");
        write(
            &users,
            &format!("\"{SUPERUSER}\" \"{SUPERUSER_PASSWORD}\"\n"),
            &account,
        )?;
        let config = directory.path().join("pgbouncer.ini");
        let text = self.config(directory.path(), &users, port.number)?;
        write(&config, &text, &account)?;

        let log = directory.path().join("pgbouncer.log");
        let output = File::create(&log).context("cannot write the log of PgBouncer")?;
        let mut command = Process::command(Path::new(PROGRAM), Signal::KILL);
        command.arg(&config);
        account.confine(&mut command, directory.path());
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("cannot share the log file")?)
            .stderr(output);
        let mut process = Process::start(command, Signal::KILL)?;

        let mut ended = false;
        let ready = poll(PATIENCE, || {
            ended = process.ended()?.is_some();
            Ok(ended || TcpStream::connect((Ipv4Addr::LOCALHOST, port.number)).is_ok())
        })?;
        if ended || !ready {
            bail!(
                "PgBouncer did not start; it said:\n{}",
                sql::lossy_text(&log)
            );
        }
        Ok(PgBouncer {
            process,
            port,
            directory,
        })
    }

    fn config(&self, directory: &Path, users: &Path, port: u16) -> Result<String> {
        let auth = match self.auth {
            PoolerAuth::Trust => "trust",
            PoolerAuth::Scram => "scram-sha-256",
        };
        let mut text = format!(
            "[databases]
* = host={} port={} auth_user={SUPERUSER}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir = {}
auth_type = {auth}
auth_file = {}
admin_users = {SUPERUSER}
pool_mode = {}
",
            self.upstream.socket.display(),
            self.upstream.port,
            directory.display(),
            users.display(),
            self.pool_mode,
        );
        for (name, value) in &self.settings {
            if [name, value].iter().any(|part| part.contains(['\n', '\r'])) {
                bail!("pgbouncer.ini cannot hold the line break in {name:?}");
            }
            writeln!(text, "{name} = {value}")?;
        }
        Ok(text)
    }
}

impl fmt::Display for PoolMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Session => "session",
            Self::Transaction => "transaction",
            Self::Statement => "statement",
        })
    }
}

fn write(path: &Path, text: &str, account: &Account) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    account.own(path)
}
