//! What extensions open, as far as they are known here.

use pgattest_model::Severity;

/// What is known of an extension.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Known {
    /// It stays inside the database.
    Harmless,
    /// It reaches something outside the tables.
    Opens(&'static str, Severity),
    /// Nothing is known of it.
    Unknown,
}

/// Extensions that come with PostgreSQL, trusted or reading statistics and structures only, and pgaudit.
const HARMLESS: [&str; 51] = [
    "amcheck",
    "autoinc",
    "bloom",
    "bool_plperl",
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "dict_int",
    "dict_xsyn",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "hstore_plperl",
    "insert_username",
    "intagg",
    "intarray",
    "isn",
    "jsonb_plperl",
    "lo",
    "ltree",
    "moddatetime",
    "old_snapshot",
    "pg_buffercache",
    "pg_freespacemap",
    "pg_logicalinspect",
    "pg_prewarm",
    "pg_stat_statements",
    "pg_trgm",
    "pg_visibility",
    "pgaudit",
    "pgcrypto",
    "pgrowlocks",
    "pgstattuple",
    "plperl",
    "plpgsql",
    "pltcl",
    "refint",
    "seg",
    "sslinfo",
    "tablefunc",
    "tcn",
    "tsm_system_rows",
    "tsm_system_time",
    "unaccent",
    "uuid-ossp",
    // Providers install these themselves.
    "aws_commons",
    "azure",
    "google_vacuum_mgmt",
    "pgaadauth",
    "rds_tools",
];

const SERVERS: &str = "connections to other servers";
const CODE: &str = "code that runs as the server's account";
const FILES: &str = "files of the server's machine";
const WEB: &str = "requests to any address";
const CLOUD: &str = "the provider's storage and functions";
const JOBS: &str = "statements that run on a schedule";
const RAW: &str = "raw pages and records, past every privilege";

const OPENING: [(&str, &str, Severity); 34] = [
    ("adminpack", FILES, Severity::High),
    ("aws_lambda", CLOUD, Severity::Medium),
    ("aws_ml", CLOUD, Severity::Medium),
    ("aws_s3", CLOUD, Severity::Medium),
    ("azure_ai", CLOUD, Severity::Medium),
    ("azure_storage", CLOUD, Severity::Medium),
    ("dblink", SERVERS, Severity::Medium),
    ("file_fdw", FILES, Severity::High),
    ("file_textarray_fdw", FILES, Severity::High),
    ("google_ml_integration", CLOUD, Severity::Medium),
    ("http", WEB, Severity::Medium),
    ("jdbc_fdw", SERVERS, Severity::Medium),
    ("log_fdw", FILES, Severity::Medium),
    ("mongo_fdw", SERVERS, Severity::Medium),
    ("multicorn", CODE, Severity::High),
    ("mysql_fdw", SERVERS, Severity::Medium),
    ("ogr_fdw", SERVERS, Severity::Medium),
    ("oracle_fdw", SERVERS, Severity::Medium),
    ("pageinspect", RAW, Severity::Medium),
    ("pg_cron", JOBS, Severity::Medium),
    ("pg_net", WEB, Severity::Medium),
    ("pg_surgery", RAW, Severity::Medium),
    ("pg_walinspect", RAW, Severity::Medium),
    ("pgagent", JOBS, Severity::High),
    ("pglogical", SERVERS, Severity::Medium),
    ("pljava", CODE, Severity::High),
    ("plproxy", SERVERS, Severity::Medium),
    ("plr", CODE, Severity::High),
    ("plsh", CODE, Severity::High),
    ("postgres_fdw", SERVERS, Severity::Medium),
    ("redis_fdw", SERVERS, Severity::Medium),
    ("sqlite_fdw", FILES, Severity::High),
    ("tds_fdw", SERVERS, Severity::Medium),
    (
        "xml2",
        "documents that a stylesheet names",
        Severity::Medium,
    ),
];

/// Untrusted languages, and with them the extensions that carry types over (`hstore_plpython3u`).
const UNTRUSTED: [&str; 5] = ["plperlu", "plpython2u", "plpython3u", "plpythonu", "pltclu"];

/// What is known of an extension of this name.
pub(super) fn known(name: &str) -> Known {
    if HARMLESS.contains(&name) {
        return Known::Harmless;
    }
    if UNTRUSTED.iter().any(|language| name.ends_with(language)) {
        return Known::Opens(CODE, Severity::High);
    }
    OPENING
        .iter()
        .find(|(known, ..)| *known == name)
        .map_or(Known::Unknown, |&(_, opens, severity)| {
            Known::Opens(opens, severity)
        })
}

#[cfg(test)]
mod tests {
    use super::{HARMLESS, Known, OPENING, known};
    use std::collections::BTreeSet;

    #[test]
    fn no_extension_is_in_both_lists_or_twice() {
        let names: BTreeSet<&str> = HARMLESS
            .into_iter()
            .chain(OPENING.iter().map(|(name, ..)| *name))
            .collect();
        assert_eq!(names.len(), HARMLESS.len() + OPENING.len());
    }

    #[test]
    fn a_like_name_is_another_extension() {
        assert_eq!(known("pgaudit"), Known::Harmless);
        assert_eq!(known("PGAUDIT"), Known::Unknown);
        assert_eq!(known("hstore_"), Known::Unknown);
        assert!(matches!(known("dblink"), Known::Opens(..)));
        assert!(matches!(known("ltree_plpythonu"), Known::Opens(..)));
        assert_eq!(known("plperl"), Known::Harmless);
    }
}
