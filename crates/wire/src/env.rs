//! What the operating system says about the person who runs us, behind a trait.
//!
//! libpq reads environment variables, the home directory and the user's name wherever it needs
//! them. Here they come through [`Env`], so that a test (or a daemon that serves many targets)
//! decides what they are.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The surroundings that connection settings are resolved in.
pub trait Env: Send + Sync {
    /// The value of an environment variable, if it is set (even to nothing).
    fn var(&self, name: &str) -> Option<OsString>;

    /// The home directory, which holds `.pgpass`, `.pg_service.conf` and `.postgresql/`.
    fn home(&self) -> Option<PathBuf>;

    /// The name of the operating-system user, libpq's default role.
    fn user_name(&self) -> Option<String>;

    /// The directory of the local server's unix socket, if this machine has one.
    fn socket_directory(&self) -> Option<PathBuf>;

    /// Where a system-wide `pg_service.conf` may be, in the order to try, when `PGSYSCONFDIR` is
    /// not set.
    fn system_config_directories(&self) -> Vec<PathBuf>;

    /// Files of CA certificates that the platform trusts, in the order to try, for
    /// `sslrootcert=system`.
    fn system_root_files(&self) -> Vec<PathBuf>;
}

/// The real process environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }

    fn home(&self) -> Option<PathBuf> {
        std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
    }

    fn user_name(&self) -> Option<String> {
        whoami::username().ok().filter(|name| !name.is_empty())
    }

    fn socket_directory(&self) -> Option<PathBuf> {
        let directory = PathBuf::from("/var/run/postgresql");
        directory.is_dir().then_some(directory)
    }

    fn system_config_directories(&self) -> Vec<PathBuf> {
        // The compiled-in directory differs by packager: Debian, PGDG on RHEL, Homebrew, source.
        [
            "/etc/postgresql-common",
            "/etc/sysconfig/pgsql",
            "/opt/homebrew/etc/postgresql",
            "/usr/local/pgsql/etc",
        ]
        .map(PathBuf::from)
        .to_vec()
    }

    fn system_root_files(&self) -> Vec<PathBuf> {
        // OpenSSL's own variable first, then where Debian, RHEL, SUSE, Alpine and BSD keep it.
        let chosen = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let known = [
            "/etc/ssl/certs/ca-certificates.crt",
            "/etc/pki/tls/certs/ca-bundle.crt",
            "/etc/ssl/ca-bundle.pem",
            "/etc/ssl/cert.pem",
            "/usr/local/share/certs/ca-root-nss.crt",
        ]
        .map(PathBuf::from);
        chosen.into_iter().chain(known).collect()
    }
}

/// An environment that holds exactly what it was given, for tests and embedding.
#[derive(Clone, Debug, Default)]
pub struct FixedEnv {
    vars: BTreeMap<String, OsString>,
    home: Option<PathBuf>,
    user_name: Option<String>,
    socket_directory: Option<PathBuf>,
    system_config_directories: Vec<PathBuf>,
    system_root_files: Vec<PathBuf>,
}

impl FixedEnv {
    /// An environment with nothing in it but the operating-system user's name.
    pub fn for_user(name: impl Into<String>) -> Self {
        Self {
            user_name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn with_var(mut self, name: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Sets the home directory.
    #[must_use]
    pub fn with_home(mut self, home: impl Into<PathBuf>) -> Self {
        self.home = Some(home.into());
        self
    }

    /// Sets the directory of the local server's socket.
    #[must_use]
    pub fn with_socket_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.socket_directory = Some(directory.into());
        self
    }

    /// Adds a directory that may hold the system-wide `pg_service.conf`.
    #[must_use]
    pub fn with_system_config_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.system_config_directories.push(directory.into());
        self
    }

    /// Adds a file of CA certificates that the platform trusts.
    #[must_use]
    pub fn with_system_root_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.system_root_files.push(file.into());
        self
    }
}

impl Env for FixedEnv {
    fn var(&self, name: &str) -> Option<OsString> {
        self.vars.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        self.home.clone()
    }

    fn user_name(&self) -> Option<String> {
        self.user_name.clone()
    }

    fn socket_directory(&self) -> Option<PathBuf> {
        self.socket_directory.clone()
    }

    fn system_config_directories(&self) -> Vec<PathBuf> {
        self.system_config_directories.clone()
    }

    fn system_root_files(&self) -> Vec<PathBuf> {
        self.system_root_files.clone()
    }
}
