//! From what was written to what is meant, as libpq resolves it.

use std::net::IpAddr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{
    ChannelBinding, ClientCertificate, ConnectOptions, Host, HostTarget, Keepalive, RevocationList,
    RootCertificates, SslMode, SslNegotiation, SslSettings, TargetSessionAttrs, TlsVersion,
};
use crate::dsn;
use crate::env::Env;
use crate::error::SettingsError;
use crate::keyword::{KEYWORDS, Support};
use crate::passfile::Passfile;
use crate::secret::Secret;
use crate::service;
use crate::values::{Given, Origin, Values};

const DEFAULT_PORT: u16 = 5432;

/// libpq waits for ever by default. A program that audits many targets must not hang on one, so
/// we give up after this long; `connect_timeout=0` asks for libpq's way.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl ConnectOptions {
    /// Resolves connection settings as psql does.
    ///
    /// `dsn` is a `postgresql://` URI, keyword/value pairs, or a bare database name. What it leaves
    /// open comes from the service it (or PGSERVICE) names, then from environment variables, then
    /// from libpq's defaults, except that `connect_timeout` is 30 seconds unless given. Reads the
    /// service and password files; looks at no TLS file and connects to nothing.
    ///
    /// # Errors
    ///
    /// The settings contradict each other, make no sense or ask for what pgattest cannot do.
    pub fn resolve(dsn: Option<&str>, env: &dyn Env) -> Result<Self, SettingsError> {
        let mut values = dsn::parse(dsn.unwrap_or_default())?;
        add_service(&mut values, env)?;
        add_variables(&mut values, env);
        refuse_unsupported(&values)?;

        let user = match values.text("user")? {
            Some((user, _)) => user.to_owned(),
            None => env.user_name().ok_or(SettingsError::NoUser)?,
        };
        let database = match values.text("dbname")? {
            Some((name, _)) => name.to_owned(),
            None => user.clone(),
        };
        let password = password(&values)?;
        let mut warnings = Vec::new();
        // Also where a password was given: that is one role's, and the file knows others'.
        let passfile = passfile(&values, env)?
            .map(|(path, asked_for)| Passfile::read(&path, asked_for))
            .and_then(|read| {
                read.unwrap_or_else(|warning| {
                    if password.is_none() {
                        warnings.push(warning);
                    }
                    None
                })
            });
        let application_name = match values.text("application_name")? {
            Some((name, _)) => Some(name.to_owned()),
            None => values
                .text("fallback_application_name")?
                .map(|(name, _)| name.to_owned()),
        };

        Ok(Self {
            hosts: hosts(&values, env)?,
            database,
            user,
            password,
            passfile: passfile.map(Arc::new),
            ssl: ssl(&values, env)?,
            channel_binding: choice(
                &values,
                "channel_binding",
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
            )?
            .unwrap_or_default(),
            connect_timeout: connect_timeout(&values)?,
            target_session_attrs: choice(
                &values,
                "target_session_attrs",
                &[
                    ("any", TargetSessionAttrs::Any),
                    ("read-write", TargetSessionAttrs::ReadWrite),
                    ("read-only", TargetSessionAttrs::ReadOnly),
                    ("primary", TargetSessionAttrs::Primary),
                    ("standby", TargetSessionAttrs::Standby),
                    ("prefer-standby", TargetSessionAttrs::PreferStandby),
                ],
            )?
            .unwrap_or_default(),
            application_name: Some(application_name.unwrap_or_else(|| "pgattest".to_owned())),
            startup_options: values.text("options")?.map(|(text, _)| text.to_owned()),
            keepalive: keepalive(&values)?,
            replicates: false,
            warnings,
        })
    }
}

fn add_service(values: &mut Values, env: &dyn Env) -> Result<(), SettingsError> {
    let named = values.text("service")?.map(|(name, _)| name.to_owned());
    let name = match named {
        Some(name) => name,
        None => match env.var("PGSERVICE") {
            Some(name) if !name.is_empty() => {
                name.into_string()
                    .map_err(|_| SettingsError::InvalidValue {
                        key: "service",
                        origin: Origin::Variable("PGSERVICE"),
                        expected: "text in UTF-8".to_owned(),
                    })?
            }
            _ => return Ok(()),
        },
    };
    service::apply(&name, values, env)
}

fn add_variables(values: &mut Values, env: &dyn Env) {
    for keyword in KEYWORDS {
        let Some(variable) = keyword.variable else {
            continue;
        };
        if let Some(value) = env.var(variable) {
            let secret = Secret::new(value.into_vec());
            values.set_if_absent(keyword, secret, Origin::Variable(variable));
        }
    }
}

fn refuse_unsupported(values: &Values) -> Result<(), SettingsError> {
    for given in values.iter() {
        let Support::Refused { unless, why } = given.keyword.support else {
            continue;
        };
        let value = given.value.expose();
        if !value.is_empty() && !unless.iter().any(|fine| fine.as_bytes() == value) {
            return Err(SettingsError::Unsupported {
                key: given.keyword.name,
                origin: given.origin.clone(),
                why,
            });
        }
    }
    Ok(())
}

fn password(values: &Values) -> Result<Option<Secret>, SettingsError> {
    let Some(given) = values.get("password") else {
        return Ok(None);
    };
    if given.value.expose().contains(&0) {
        return Err(given.invalid("free of NUL bytes"));
    }
    Ok(Some(given.value.clone()))
}

/// The password file, and whether it was asked for by name.
fn passfile(values: &Values, env: &dyn Env) -> Result<Option<(PathBuf, bool)>, SettingsError> {
    Ok(match values.text("passfile")? {
        Some((path, _)) => Some((PathBuf::from(path), true)),
        None => env.home().map(|home| (home.join(".pgpass"), false)),
    })
}

fn hosts(values: &Values, env: &dyn Env) -> Result<Vec<HostTarget>, SettingsError> {
    let names = list(values, "host")?;
    let addresses = list(values, "hostaddr")?;
    let ports = list(values, "port")?;

    let count = names.len().max(addresses.len()).max(1);
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        return Err(SettingsError::ListLength {
            key: "hostaddr",
            given: addresses.len(),
            hosts: names.len(),
        });
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(SettingsError::ListLength {
            key: "port",
            given: ports.len(),
            hosts: count,
        });
    }

    let given = |key| values.get(key);
    (0..count)
        .map(|index| {
            let text = |list: &[&str]| list.get(index).copied().unwrap_or_default().to_owned();
            let port = match ports.as_slice() {
                [only] => (*only).to_owned(),
                several => text(several),
            };
            let hostaddr = text(&addresses);
            let hostaddr = if hostaddr.is_empty() {
                None
            } else {
                Some(hostaddr.parse::<IpAddr>().map_err(|_| {
                    invalid(given("hostaddr"), "hostaddr", "a list of IP addresses")
                })?)
            };
            let name = text(&names);
            if name.starts_with('@') {
                return Err(invalid(
                    given("host"),
                    "host",
                    "a name, an address or a directory (abstract sockets are not supported)",
                ));
            }
            Ok(HostTarget {
                host: host(&name, hostaddr, env),
                hostaddr,
                port: parse_port(&port)
                    .ok_or_else(|| invalid(given("port"), "port", "between 1 and 65535"))?,
            })
        })
        .collect()
}

fn host(name: &str, hostaddr: Option<IpAddr>, env: &dyn Env) -> Host {
    match (name, hostaddr) {
        ("", Some(_)) => Host::Unnamed,
        ("", None) => match env.socket_directory() {
            Some(directory) => Host::Directory(directory),
            None => Host::Name("localhost".to_owned()),
        },
        _ => Host::from_text(name),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    match text.trim_ascii() {
        "" => Some(DEFAULT_PORT),
        digits => digits.parse().ok().filter(|port| *port != 0),
    }
}

fn ssl(values: &Values, env: &dyn Env) -> Result<SslSettings, SettingsError> {
    let directory = env.home().map(|home| home.join(".postgresql"));
    let in_directory = |file: &str| directory.as_ref().map(|directory| directory.join(file));
    let path = |key| -> Result<Option<PathBuf>, SettingsError> {
        Ok(values.text(key)?.map(|(path, _)| PathBuf::from(path)))
    };

    let roots = match values.text("sslrootcert")? {
        Some(("system", _)) => RootCertificates::System(env.system_root_files()),
        Some((file, _)) => RootCertificates::File(PathBuf::from(file)),
        None => RootCertificates::Default(in_directory("root.crt")),
    };
    let mode = choice(
        values,
        "sslmode",
        &[
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ],
    )?;
    let mode = match (&roots, mode) {
        // Anybody can have a certificate from a public CA, so libpq insists on the name.
        (RootCertificates::System(_), None) => SslMode::VerifyFull,
        (RootCertificates::System(_), Some(mode)) if mode < SslMode::VerifyFull => {
            return Err(conflict(
                values,
                "sslmode",
                "`sslrootcert=system`, which needs `sslmode=verify-full`",
            ));
        }
        (_, mode) => mode.unwrap_or_default(),
    };
    let negotiation = choice(
        values,
        "sslnegotiation",
        &[
            ("postgres", SslNegotiation::Postgres),
            ("direct", SslNegotiation::Direct),
        ],
    )?
    .unwrap_or_default();
    if negotiation == SslNegotiation::Direct && mode < SslMode::Require {
        return Err(conflict(
            values,
            "sslnegotiation",
            "an `sslmode` weaker than `require`",
        ));
    }

    let versions = [
        ("TLSv1", TlsVersion::V1_0),
        ("TLSv1.1", TlsVersion::V1_1),
        ("TLSv1.2", TlsVersion::V1_2),
        ("TLSv1.3", TlsVersion::V1_3),
    ];
    let oldest = choice(values, "ssl_min_protocol_version", &versions)?;
    let newest = choice(values, "ssl_max_protocol_version", &versions)?;
    if newest.is_some_and(|newest| newest < TlsVersion::V1_2) {
        return Err(SettingsError::Unsupported {
            key: "ssl_max_protocol_version",
            origin: origin(values, "ssl_max_protocol_version"),
            why: "pgattest connects with TLS 1.2 or 1.3 only",
        });
    }
    let oldest = oldest.unwrap_or(TlsVersion::V1_2);
    if newest.is_some_and(|newest| newest < oldest) {
        return Err(conflict(
            values,
            "ssl_max_protocol_version",
            "a higher `ssl_min_protocol_version`",
        ));
    }

    let send = choice(
        values,
        "sslcertmode",
        &[
            ("disable", Some(false)),
            ("allow", Some(true)),
            ("require", None),
        ],
    )?
    .unwrap_or(Some(true))
    .ok_or_else(|| SettingsError::Unsupported {
        key: "sslcertmode",
        origin: origin(values, "sslcertmode"),
        why: "pgattest cannot insist that the server asks for a client certificate; use `allow`",
    })?;

    Ok(SslSettings {
        mode,
        negotiation,
        roots,
        revocations: match path("sslcrl")? {
            Some(file) => RevocationList::File(file),
            None => RevocationList::Default(in_directory("root.crl")),
        },
        client: ClientCertificate {
            enabled: send,
            certificate: path("sslcert")?,
            key: path("sslkey")?,
            directory,
        },
        server_name_indication: choice(values, "sslsni", &[("0", false), ("1", true)])?
            .unwrap_or(true),
        oldest,
        newest,
    })
}

/// `None` means no limit.
fn connect_timeout(values: &Values) -> Result<Option<Duration>, SettingsError> {
    Ok(match integer(values, "connect_timeout")? {
        None => Some(DEFAULT_TIMEOUT),
        Some(seconds) => u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
    })
}

fn keepalive(values: &Values) -> Result<Option<Keepalive>, SettingsError> {
    if integer(values, "keepalives")? == Some(0) {
        return Ok(None);
    }
    let positive = |key| -> Result<Option<u32>, SettingsError> {
        let number = integer(values, key)?;
        Ok(number
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number > 0))
    };
    let seconds = |number: u32| Duration::from_secs(number.into());
    Ok(Some(Keepalive {
        idle: positive("keepalives_idle")?.map(seconds),
        interval: positive("keepalives_interval")?.map(seconds),
        count: positive("keepalives_count")?,
    }))
}

/// The comma-separated values of a keyword; none if it was not given.
fn list<'a>(values: &'a Values, key: &str) -> Result<Vec<&'a str>, SettingsError> {
    Ok(values
        .text(key)?
        .map(|(text, _)| text.split(',').collect())
        .unwrap_or_default())
}

fn integer(values: &Values, key: &'static str) -> Result<Option<i32>, SettingsError> {
    let Some((text, given)) = values.text(key)? else {
        return Ok(None);
    };
    let number = text.trim_ascii().parse();
    number
        .map(Some)
        .map_err(|_| given.invalid("a whole number"))
}

/// Keywords that libpq takes with an empty value. It refuses an empty `sslmode` and the like, and
/// rightly so: a script whose variable was not set must not get less than it asked for.
const EMPTY_IS_DEFAULT: [&str; 3] = [
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "sslsni",
];

/// One of the named values of a keyword. libpq compares protocol versions and some others without
/// case; we do so for all.
fn choice<T: Copy>(
    values: &Values,
    key: &str,
    choices: &[(&str, T)],
) -> Result<Option<T>, SettingsError> {
    let Some(given) = values.given(key) else {
        return Ok(None);
    };
    let text = values.text(key)?.map(|(text, _)| text).unwrap_or_default();
    if text.is_empty() && EMPTY_IS_DEFAULT.contains(&key) {
        return Ok(None);
    }
    let found = choices
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text))
        .map(|(_, value)| *value);
    let names = || {
        let names: Vec<_> = choices
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        format!("one of {}", names.join(", "))
    };
    found.map(Some).ok_or_else(|| given.invalid(names()))
}

fn invalid(given: Option<&Given>, key: &'static str, expected: &str) -> SettingsError {
    SettingsError::InvalidValue {
        key,
        origin: given.map_or(Origin::ConnectionString, |given| given.origin.clone()),
        expected: expected.to_owned(),
    }
}

fn conflict(values: &Values, key: &'static str, other: &'static str) -> SettingsError {
    SettingsError::Conflict {
        key,
        origin: origin(values, key),
        other,
    }
}

fn origin(values: &Values, key: &str) -> Origin {
    values
        .get(key)
        .map_or(Origin::ConnectionString, |given| given.origin.clone())
}
