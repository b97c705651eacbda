//! The connection keywords of libpq, up to PostgreSQL 18.

/// What happens to a keyword that somebody gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Support {
    /// It takes effect.
    Used,
    /// It cannot change anything here that a person could notice, so it is accepted.
    Harmless,
    /// Ignoring it would do something else than what was asked for, so it is refused, except for
    /// the values that ask for what happens anyway.
    Refused {
        /// Values that are fine (an empty value always is).
        unless: &'static [&'static str],
        /// What to tell the person.
        why: &'static str,
    },
}

/// One connection keyword.
#[derive(Debug)]
pub(crate) struct Keyword {
    /// Its name in connection strings and service files.
    pub(crate) name: &'static str,
    /// The environment variable that gives it.
    pub(crate) variable: Option<&'static str>,
    /// What happens to it.
    pub(crate) support: Support,
}

/// Finds a keyword by its exact name.
pub(crate) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

/// The keyword that somebody probably meant, if one is near.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    // People bring these from other drivers.
    let borrowed = match name.as_str() {
        "database" | "db" => Some("dbname"),
        "username" | "role" => Some("user"),
        "pass" | "pwd" | "passwd" => Some("password"),
        "hostname" | "server" => Some("host"),
        "timeout" => Some("connect_timeout"),
        "ssl_mode" | "tls" => Some("sslmode"),
        "currentschema" | "search_path" => Some("options"),
        _ => None,
    };
    borrowed.or_else(|| {
        KEYWORDS
            .iter()
            .map(|keyword| (strsim::osa_distance(&name, keyword.name), keyword.name))
            .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 4))
            .min()
            .map(|(_, candidate)| candidate)
    })
}

/// Every keyword, in the order in which libpq's manual lists them.
pub(crate) const KEYWORDS: &[Keyword] = &[
    used("host", Some("PGHOST")),
    used("hostaddr", Some("PGHOSTADDR")),
    used("port", Some("PGPORT")),
    used("dbname", Some("PGDATABASE")),
    used("user", Some("PGUSER")),
    used("password", Some("PGPASSWORD")),
    used("passfile", Some("PGPASSFILE")),
    refused(
        "require_auth",
        Some("PGREQUIREAUTH"),
        &[],
        "pgattest cannot restrict the authentication methods that a server may ask for",
    ),
    used("channel_binding", Some("PGCHANNELBINDING")),
    used("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    // The session always speaks UTF8, because everything we read is decoded from it.
    harmless("client_encoding", Some("PGCLIENTENCODING")),
    used("options", Some("PGOPTIONS")),
    used("application_name", Some("PGAPPNAME")),
    used("fallback_application_name", None),
    used("keepalives", None),
    used("keepalives_idle", None),
    used("keepalives_interval", None),
    used("keepalives_count", None),
    harmless("tcp_user_timeout", None),
    refused(
        "replication",
        None,
        &["false", "off", "no", "0"],
        "pgattest reads the catalogs and needs an ordinary connection",
    ),
    refused(
        "gssencmode",
        Some("PGGSSENCMODE"),
        &["disable", "prefer"],
        "pgattest has no GSSAPI encryption; use `sslmode`",
    ),
    used("sslmode", Some("PGSSLMODE")),
    refused(
        "requiressl",
        Some("PGREQUIRESSL"),
        &["0"],
        "it is obsolete; use `sslmode=require`",
    ),
    used("sslnegotiation", Some("PGSSLNEGOTIATION")),
    // TLS compression does not exist in the TLS library used here, whatever is asked for.
    harmless("sslcompression", Some("PGSSLCOMPRESSION")),
    used("sslcert", Some("PGSSLCERT")),
    used("sslkey", Some("PGSSLKEY")),
    refused(
        "sslkeylogfile",
        None,
        &[],
        "pgattest never writes TLS session keys to a file",
    ),
    refused(
        "sslpassword",
        None,
        &[],
        "pgattest cannot read encrypted private keys; store the key decrypted with mode 0600",
    ),
    used("sslcertmode", Some("PGSSLCERTMODE")),
    used("sslrootcert", Some("PGSSLROOTCERT")),
    used("sslcrl", Some("PGSSLCRL")),
    refused(
        "sslcrldir",
        Some("PGSSLCRLDIR"),
        &[],
        "pgattest reads revocation lists from one file; use `sslcrl`",
    ),
    used("sslsni", Some("PGSSLSNI")),
    refused(
        "requirepeer",
        Some("PGREQUIREPEER"),
        &[],
        "pgattest cannot check the operating-system user of the server process",
    ),
    used("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    used("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    refused(
        "min_protocol_version",
        Some("PGMINPROTOCOLVERSION"),
        &["3.0"],
        "pgattest speaks version 3.0 of the PostgreSQL protocol",
    ),
    harmless("max_protocol_version", Some("PGMAXPROTOCOLVERSION")),
    harmless("krbsrvname", Some("PGKRBSRVNAME")),
    harmless("gsslib", Some("PGGSSLIB")),
    harmless("gssdelegation", Some("PGGSSDELEGATION")),
    refused(
        "scram_client_key",
        None,
        &[],
        "pgattest logs in with a password",
    ),
    refused(
        "scram_server_key",
        None,
        &[],
        "pgattest logs in with a password",
    ),
    // Resolved before everything else.
    used("service", None),
    used("servicefile", None),
    used("target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    refused(
        "load_balance_hosts",
        Some("PGLOADBALANCEHOSTS"),
        &["disable"],
        "pgattest tries hosts in the order given, so that a run can be repeated",
    ),
    refused(
        "oauth_issuer",
        None,
        &[],
        "pgattest does not log in with OAuth",
    ),
    refused(
        "oauth_client_id",
        None,
        &[],
        "pgattest does not log in with OAuth",
    ),
    refused(
        "oauth_client_secret",
        None,
        &[],
        "pgattest does not log in with OAuth",
    ),
    refused(
        "oauth_scope",
        None,
        &[],
        "pgattest does not log in with OAuth",
    ),
    // Accepted by libpq for the sake of old programs, without any effect.
    harmless("authtype", None),
    harmless("tty", None),
];

const fn used(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword {
        name,
        variable,
        support: Support::Used,
    }
}

const fn harmless(name: &'static str, variable: Option<&'static str>) -> Keyword {
    Keyword {
        name,
        variable,
        support: Support::Harmless,
    }
}

const fn refused(
    name: &'static str,
    variable: Option<&'static str>,
    unless: &'static [&'static str],
    why: &'static str,
) -> Keyword {
    Keyword {
        name,
        variable,
        support: Support::Refused { unless, why },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_variables_are_unique() {
        let mut names: Vec<_> = KEYWORDS
            .iter()
            .flat_map(|keyword| [Some(keyword.name), keyword.variable])
            .flatten()
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn suggests_what_was_meant() {
        assert_eq!(nearest("sslmod"), Some("sslmode"));
        assert_eq!(nearest("Hots"), Some("host"));
        assert_eq!(nearest("database"), Some("dbname"));
        assert_eq!(nearest("connect_timeuot"), Some("connect_timeout"));
        assert_eq!(nearest("qwertyuiop"), None);
    }
}
