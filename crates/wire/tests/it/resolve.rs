//! Where settings come from and which one wins.

use pgattest_testkit::SUPERUSER_PASSWORD;
use pgattest_wire::{ConnectOptions, FixedEnv, Host, SettingsError, SslMode, TargetSessionAttrs};

use crate::support::env;

#[track_caller]
fn described(dsn: &str, env: &FixedEnv) -> String {
    ConnectOptions::resolve(Some(dsn), env).unwrap().describe()
}

#[track_caller]
fn error(dsn: &str, env: &FixedEnv) -> SettingsError {
    ConnectOptions::resolve(Some(dsn), env).unwrap_err()
}

#[test]
fn defaults() {
    let env = FixedEnv::for_user("alice");
    assert_eq!(
        described("", &env),
        "host=localhost port=5432 dbname=alice user=alice sslmode=prefer"
    );
    let with_socket = env.with_socket_directory("/run/sockets");
    assert_eq!(
        described("", &with_socket),
        "host=/run/sockets port=5432 dbname=alice user=alice sslmode=prefer"
    );
    let options = ConnectOptions::resolve(None, &with_socket).unwrap();
    assert_eq!(options.connect_timeout().unwrap().as_secs(), 30);
    assert_eq!(options.target_session_attrs(), TargetSessionAttrs::Any);
    // The database's default is the role, whoever the person is.
    assert!(described("user=bob", &with_socket).contains("dbname=bob user=bob"));
}

#[test]
fn nobody_to_be() {
    let error = error("host=h", &FixedEnv::default());
    assert!(matches!(error, SettingsError::NoUser));
    assert!(error.hint().unwrap().contains("PGUSER"));
}

#[test]
fn the_connection_string_wins_over_the_service_and_that_over_variables() {
    let directory = tempfile::tempdir().unwrap();
    let services = directory.path().join("services");
    std::fs::write(
        &services,
        "# comment\n[other]\nhost=no\n\n[main]\nhost=from-service\nport=2\nuser=from-service\nuser=again\n[main]\ndbname=no\n",
    )
    .unwrap();
    let env = env()
        .with_var("PGSERVICEFILE", services.as_os_str())
        .with_var("PGHOST", "from-variable")
        .with_var("PGPORT", "3")
        .with_var("PGDATABASE", "from-variable")
        .with_var("PGSSLMODE", "require");
    assert_eq!(
        described("service=main port=1", &env),
        "host=from-service port=1 dbname=from-variable user=from-service sslmode=require"
    );
    let by_variable = env.with_var("PGSERVICE", "main");
    assert!(described("", &by_variable).starts_with("host=from-service port=2"));
    // Named twice: the connection string decides.
    let missing = error("service=missing", &by_variable);
    assert!(matches!(&missing, SettingsError::ServiceMissing { name, .. } if name == "missing"));
    assert!(
        missing.to_string().contains(services.to_str().unwrap()),
        "{missing}"
    );
}

#[test]
fn service_files_in_their_places() {
    let home = tempfile::tempdir().unwrap();
    let system = tempfile::tempdir().unwrap();
    let fallback = tempfile::tempdir().unwrap();
    std::fs::write(
        system.path().join("pg_service.conf"),
        "[s]\nhost=system\n[t]\nhost=t\n",
    )
    .unwrap();
    std::fs::write(
        fallback.path().join("pg_service.conf"),
        "[s]\nhost=fallback\n",
    )
    .unwrap();
    let env = env()
        .with_home(home.path())
        .with_system_config_directory("/nonexistent")
        .with_system_config_directory(fallback.path());
    assert!(described("service=s", &env).starts_with("host=fallback"));
    let env = env.with_var("PGSYSCONFDIR", system.path().as_os_str());
    assert!(described("service=s", &env).starts_with("host=system"));
    std::fs::write(home.path().join(".pg_service.conf"), "[s]\nhost=home\n").unwrap();
    assert!(described("service=s", &env).starts_with("host=home"));
    assert!(described("service=t", &env).starts_with("host=t"));
    let missing = error(
        "service=s",
        &env.with_var("PGSERVICEFILE", "/nonexistent/file"),
    );
    assert!(
        matches!(missing, SettingsError::ServiceFile { .. }),
        "{missing:?}"
    );
}

#[test]
fn broken_service_files_name_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("services");
    for (text, expected) in [
        ("[s]\nhost\n", ":2: missing `=` after a keyword"),
        ("[s]\n\nhots=a\n", ":3: unknown keyword `hots`"),
        (
            "[s]\nservice=t\n",
            ":2: a service cannot refer to another service",
        ),
        ("[s]\nldap://x/y\n", ":2: a lookup in LDAP is not supported"),
    ] {
        std::fs::write(&file, text).unwrap();
        let env = env().with_var("PGSERVICEFILE", file.as_os_str());
        let error = error("service=s", &env);
        assert_eq!(error.to_string(), format!("{}{expected}", file.display()));
        assert!(error.hint().is_some());
    }
    // Trouble in another section is not ours.
    std::fs::write(&file, "[t]\nnonsense\n[s]\nhost=a\n").unwrap();
    let env = env().with_var("PGSERVICEFILE", file.as_os_str());
    assert!(described("service=s", &env).starts_with("host=a"));
}

#[test]
fn lists_of_hosts() {
    let options =
        ConnectOptions::resolve(Some("postgresql://u@a,b:2,[::1],%2Frun%2Fx/d"), &env()).unwrap();
    let hosts: Vec<_> = options.hosts().iter().map(ToString::to_string).collect();
    assert_eq!(
        hosts,
        ["a:5432", "b:2", "[::1]:5432", "/run/x/.s.PGSQL.5432"]
    );
    assert_eq!(options.hosts()[0].host, Host::Name("a".to_owned()));

    let env = env();
    assert!(described("host=a,b port=7", &env).contains("port=7,7"));
    for (dsn, key) in [
        ("host=a,b port=1,2,3", "port"),
        ("port=1,2", "port"),
        ("host=a,b hostaddr=127.0.0.1", "hostaddr"),
    ] {
        let error = error(dsn, &env);
        assert!(
            matches!(&error, SettingsError::ListLength { key: at, .. } if *at == key),
            "{error:?}"
        );
    }
    let some = described("host=a,b hostaddr=127.0.0.1,", &env);
    assert!(
        some.starts_with("host=a,b hostaddr=127.0.0.1, port"),
        "{some}"
    );
}

#[test]
fn values_that_do_not_fit() {
    let env = env().with_var("PGCONNECT_TIMEOUT", "soon");
    for (dsn, expected) in [
        (
            "",
            "PGCONNECT_TIMEOUT: the value of `connect_timeout` is not a whole number",
        ),
        (
            "connect_timeout=1 port=0",
            "the connection string: the value of `port` is not between 1 and 65535",
        ),
        (
            "connect_timeout=1 hostaddr=localhost",
            "the connection string: the value of `hostaddr` is not a list of IP addresses",
        ),
        (
            "connect_timeout=1 sslmode=verify_full",
            "the connection string: the value of `sslmode` is not one of `disable`, `allow`, \
             `prefer`, `require`, `verify-ca`, `verify-full`",
        ),
        (
            "connect_timeout=1 sslrootcert=system sslmode=require",
            "the connection string: `sslmode` cannot be combined with `sslrootcert=system`, \
             which needs `sslmode=verify-full`",
        ),
        (
            "connect_timeout=1 sslnegotiation=direct",
            "the connection string: `sslnegotiation` cannot be combined with an `sslmode` weaker \
             than `require`",
        ),
        (
            "connect_timeout=1 load_balance_hosts=random",
            "the connection string: `load_balance_hosts` is not supported with this value",
        ),
    ] {
        assert_eq!(error(dsn, &env).to_string(), expected);
    }
    let no_limit = ConnectOptions::resolve(Some("connect_timeout=0"), &env).unwrap();
    assert_eq!(no_limit.connect_timeout(), None);
}

#[test]
fn what_would_be_ignored_silently_is_refused() {
    for dsn in [
        "requirepeer=postgres",
        "require_auth=scram-sha-256",
        "gssencmode=require",
        "sslcrldir=/x",
        "sslcertmode=require",
        "replication=database",
        "ssl_max_protocol_version=TLSv1.1",
    ] {
        let error = error(dsn, &env());
        assert!(
            matches!(error, SettingsError::Unsupported { .. }),
            "{dsn}: {error:?}"
        );
        assert!(error.hint().is_some(), "{dsn}");
    }
    let fine = "gssencmode=prefer replication=false load_balance_hosts=disable keepalives=0 tty=x";
    assert_eq!(
        ConnectOptions::resolve(Some(fine), &env())
            .unwrap()
            .ssl_mode(),
        SslMode::Prefer
    );
}

#[test]
fn the_platform_s_roots_ask_for_full_verification() {
    let options = ConnectOptions::resolve(Some("sslrootcert=system"), &env()).unwrap();
    assert_eq!(options.ssl_mode(), SslMode::VerifyFull);
}

#[test]
fn no_description_shows_the_password() {
    for dsn in [
        format!("password={SUPERUSER_PASSWORD} host=h"),
        format!("postgresql://u:{SUPERUSER_PASSWORD}@h/d"),
        format!("postgresql://u@h/d?password={SUPERUSER_PASSWORD}"),
    ] {
        let env = env().with_var("PGPASSWORD", SUPERUSER_PASSWORD);
        let options = ConnectOptions::resolve(Some(&dsn), &env).unwrap();
        let shown = format!("{} {options:?}", options.describe());
        assert!(!shown.contains(SUPERUSER_PASSWORD), "{shown}");
        assert!(shown.contains("host=h"), "{shown}");
    }
}

#[test]
fn a_description_is_safe_for_a_terminal() {
    let shown = described("dbname='a\u{1b}[2Jb c' host='x\ny'", &env());
    assert_eq!(
        shown,
        r"host='x\ny' port=5432 dbname='a\u{1b}[2Jb c' user=nobody-in-particular sslmode=prefer"
    );
}
