//! Saying what a cluster is to be like, then starting it.

use anyhow::{Result, bail};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::cluster::{Cluster, Parts};
use crate::copy::copy_directory;
use crate::place::{Port, RunDirectory, has_ipv6_loopback};
use crate::template::{Encoding, template};
use crate::tls::{Tls, TlsFiles};
use crate::{conf, server, sql};

/// Settings that testkit decides, because it must find the server again.
const RESERVED: [&str; 3] = ["port", "unix_socket_directories", "data_directory"];

/// What `initdb -A trust` writes: everybody on this machine may be anybody.
const TRUSTING_HBA: &str = "\
local all all trust
host all all 127.0.0.1/32 trust
host all all ::1/128 trust
local replication all trust
host replication all 127.0.0.1/32 trust
host replication all ::1/128 trust
";

/// Passwords everywhere, TLS for everything that travels.
const HARDENED_HBA: &str = "\
local all postgres scram-sha-256
local replication postgres scram-sha-256
hostssl all all 127.0.0.1/32 scram-sha-256
hostssl all all ::1/128 scram-sha-256
";

/// How many other ports to try when a stranger takes ours before the server does.
const PORT_ATTEMPTS: u32 = 5;

/// A cluster to be started; see [`Cluster::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterBuilder {
    major: u32,
    settings: Vec<(String, String)>,
    hba: String,
    ident: Option<String>,
    tls: Option<Tls>,
    preload: Vec<String>,
    extensions: Vec<String>,
    encoding: Encoding,
    /// Whether the log is written beside the data directory and not below it.
    log_outside: bool,
    /// Whether [`Cluster::set_clock`] works.
    own_clock: bool,
}

impl ClusterBuilder {
    pub(crate) fn new(major: u32) -> Self {
        Self {
            major,
            settings: Vec::new(),
            hba: TRUSTING_HBA.to_owned(),
            ident: None,
            tls: None,
            preload: Vec::new(),
            extensions: Vec::new(),
            encoding: Encoding::default(),
            log_outside: false,
            own_clock: false,
        }
    }

    pub(crate) fn hardened(major: u32) -> Self {
        let mut builder = Self::new(major);
        builder.log_outside = true;
        builder
            .tls(Tls::new())
            .setting("ssl_min_protocol_version", "TLSv1.2")
            .setting("password_encryption", "scram-sha-256")
            .hba(HARDENED_HBA)
            .extension("pgaudit")
            .preload("pgaudit")
            .setting("pgaudit.log", "ddl, write, role")
            .setting("pgaudit.log_relation", "on")
            .setting("log_connections", "on")
            .setting("log_disconnections", "on")
            .setting("log_line_prefix", "%m [%p] user=%u,db=%d,app=%a,client=%h ")
            .csvlog()
    }

    /// A line of `postgresql.conf`. The last one of a name wins; the value is
    /// quoted, whatever it holds. `port`, `unix_socket_directories` and
    /// `data_directory` are refused by [`start`](Self::start).
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The whole text of `pg_hba.conf`. By default everybody on the loopback and
    /// the socket is trusted. [`Cluster::client`], [`Cluster::execute`] and
    /// [`Cluster::query_text`] need a `local` line that lets `postgres` in, by
    /// `trust` or a password.
    pub fn hba(mut self, text: &str) -> Self {
        text.clone_into(&mut self.hba);
        self
    }

    /// The whole text of `pg_ident.conf`; empty by default.
    pub fn ident(mut self, text: &str) -> Self {
        self.ident = Some(text.to_owned());
        self
    }

    /// Turns TLS on.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds a module to `shared_preload_libraries`. Only Debian's PostgreSQL 15
    /// has pgaudit here; see [`Binaries::has_module`].
    pub fn preload(mut self, module: &str) -> Self {
        self.preload.push(module.to_owned());
        self
    }

    /// Creates an extension in the database `postgres` after the start.
    pub fn extension(mut self, name: &str) -> Self {
        self.extensions.push(name.to_owned());
        self
    }

    /// Writes the log as CSV, into files below `log/` of the data directory.
    pub fn csvlog(self) -> Self {
        self.setting("logging_collector", "on")
            .setting("log_destination", "csvlog")
    }

    /// Gives the server a clock of its own, for [`Cluster::set_clock`]. The machine's is left alone.
    pub fn own_clock(mut self) -> Self {
        self.own_clock = true;
        self
    }

    /// Encoding and locale of the databases: `("UTF8", "C.UTF-8")` by default,
    /// `("SQL_ASCII", "C")` for bytes that need be no text.
    pub fn encoding(mut self, encoding: &str, locale: &str) -> Self {
        self.encoding = Encoding {
            encoding: encoding.to_owned(),
            locale: locale.to_owned(),
        };
        self
    }

    /// Starts the cluster and waits until it accepts connections.
    pub async fn start(self) -> Result<Cluster> {
        sql::unblock(|| self.start_blocking()).await
    }

    /// As [`start`](Self::start), for tests without a runtime.
    pub fn start_blocking(self) -> Result<Cluster> {
        let binaries = Binaries::find(self.major)?;
        for module in &self.preload {
            if !binaries.has_module(module) {
                bail!(
                    "{module} is not installed for PostgreSQL {} in {}",
                    self.major,
                    binaries.bin.display()
                );
            }
        }
        let account = Account::current()?;
        let template = template(&binaries, &self.encoding, &account)?;
        let directory = RunDirectory::create(&account)?;
        let data = directory.path().join("data");
        copy_directory(&template.join("data"), &data, &account, &|_| false)?;
        let tls = match &self.tls {
            Some(tls) => Some(TlsFiles::create(
                tls,
                directory.path().join("tls"),
                &account,
            )?),
            None => None,
        };
        // Overwriting keeps the owner and mode that initdb gave these files.
        std::fs::write(data.join("pg_hba.conf"), &self.hba)?;
        if let Some(ident) = &self.ident {
            std::fs::write(data.join("pg_ident.conf"), ident)?;
        }
        if self.own_clock {
            if !std::path::Path::new(server::FAKETIME).exists() {
                bail!("{} is missing: run script/bootstrap", server::FAKETIME);
            }
            std::fs::write(directory.path().join(server::CLOCK), "+0\n")?;
        }
        let settings = self.postgresql_conf(&directory, tls.as_ref())?;
        let parts = Parts {
            binaries,
            account,
            tls,
            directory,
        };
        let cluster = launch(parts, &settings)?;
        for extension in &self.extensions {
            let name = extension.replace('"', "\"\"");
            cluster.execute_blocking("postgres", &format!("CREATE EXTENSION \"{name}\""))?;
        }
        Ok(cluster)
    }

    fn postgresql_conf(&self, directory: &RunDirectory, tls: Option<&TlsFiles>) -> Result<String> {
        let listen = if has_ipv6_loopback() {
            "127.0.0.1,::1"
        } else {
            "127.0.0.1"
        };
        let socket = directory.path().display().to_string();
        let mut lines = String::from("\n# Of the test\n");
        for (name, value) in [
            ("listen_addresses", listen),
            ("unix_socket_directories", &socket),
            // A test's data need not survive the machine.
            ("fsync", "off"),
            ("full_page_writes", "off"),
            // What a busy machine with many clusters can spare.
            ("max_connections", "50"),
            ("shared_buffers", "16MB"),
        ] {
            lines.push_str(&conf::line(name, value)?);
        }
        if self.log_outside {
            let log = directory.path().join(server::LOG_DIRECTORY);
            lines.push_str(&conf::line("log_directory", &log.display().to_string())?);
        }
        for (name, value) in tls.map(TlsFiles::settings).unwrap_or_default() {
            lines.push_str(&conf::line(name, value)?);
        }
        if !self.preload.is_empty() {
            let modules = self.preload.join(",");
            lines.push_str(&conf::line("shared_preload_libraries", &modules)?);
        }
        for (name, value) in &self.settings {
            if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
                bail!("testkit decides the setting {name}");
            }
            lines.push_str(&conf::line(name, value)?);
        }
        Ok(lines)
    }
}

/// Starts a server on a prepared data directory and a port of its own.
pub(crate) fn launch(parts: Parts, settings: &str) -> Result<Cluster> {
    let data = parts.directory.path().join("data");
    let log = parts.directory.path().join("server.log");
    let file = data.join("postgresql.conf");
    let given = std::fs::read(&file)?;
    let mut attempt = 1;
    loop {
        let port = Port::pick()?;
        let number = port.number.to_string();
        let mut text = given.clone();
        text.extend_from_slice(settings.as_bytes());
        text.extend_from_slice(conf::line("port", &number)?.as_bytes());
        std::fs::write(&file, text)?;

        let before = sql::lossy_text(&log).len();
        let started = server::start(&parts.binaries, &data, &log, &parts.account);
        // With two addresses to listen on, one that is taken is only a warning.
        let mut said = sql::lossy_text(&log).split_off(before);
        said.push_str(&server::collected(&data));
        let taken = said.contains(&format!("port {number}")) && said.contains("already in use")
            || said.contains("could not bind");
        if !taken || attempt == PORT_ATTEMPTS {
            return Ok(Cluster::assemble(parts, port, started?));
        }
        attempt += 1;
    }
}
