//! The same connection strings, read by libpq itself (through psql).

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgattest_testkit::{Cluster, Tls};
use pgattest_wire::{ConnectError, ConnectOptions, connect};
use proptest::prelude::*;
use proptest::string::string_regex;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{env, hand_to_server, openssl};

/// The message with which psql fails to connect.
fn psql(dsn: &str) -> String {
    psql_outcome(dsn).expect_err("psql connected")
}

/// Whether psql connects, or its message.
fn psql_outcome(dsn: &str) -> Result<(), String> {
    let output = Command::new("/usr/lib/postgresql/15/bin/psql")
        .args(["-X", "-w", "-c", "SELECT 1", "-d", dsn])
        .env_clear()
        .env("PGUSER", "nobody-in-particular")
        .env("PGHOST", "/nonexistent")
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What the server calls the database that a connection string names tells how it was read.
#[tokio::test]
async fn values_are_read_alike() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let socket = cluster.socket_dir().to_str().unwrap().to_owned();
    let port = cluster.port();
    let encoded = socket.replace('/', "%2F");
    let pairs = [
        r"'a b'",
        r"a\ b",
        r"a\\b",
        r"'a\\b'",
        r"'it\'s'",
        r"it\'s",
        r"a'b",
        r"\a\b",
        r"'a'application_name=x",
        r"a\",
        "' a '",
        "a=b",
        "'a=b c=d'",
        "x%41",
        "é",
        "'\t'",
        "a\tuser=postgres",
    ]
    .map(|value| format!("host={socket} port={port} user=postgres dbname={value}"));
    let paths = [
        "x%41",
        "a+b",
        "a%2Bb",
        "a%20b",
        "a/b",
        "%C3%A9",
        "é",
        "a:b",
        "a,b",
        "a[b]",
        "a'b",
        "a%5Cb",
        "a?application_name=x",
        "a?",
        "a#b",
        "a?dbname=b%26c",
        "a?dbname=b&dbname=c",
        "a%40b",
    ]
    .map(|path| format!("postgresql://postgres@{encoded}:{port}/{path}"));

    for dsn in pairs.iter().chain(&paths) {
        let theirs = psql(dsn);
        let options = ConnectOptions::resolve(Some(dsn), &env()).unwrap();
        let error = connect(&options).await.unwrap_err();
        let ConnectError::DatabaseMissing { database, .. } = error else {
            panic!("{dsn:?}: {error:?} but libpq says {theirs}");
        };
        let expected = format!("database \"{database}\" does not exist");
        assert!(
            theirs.contains(&expected),
            "{dsn:?}: we read {database:?}, libpq says {theirs}"
        );
    }
}

/// libpq and we agree on which strings are connection strings at all, but for what is listed.
#[test]
fn the_same_strings_are_refused() {
    let known = r"port|user|dbname|sslmode|hots|options";
    let value = r"(a|7|require|'a b'|'a|a\\\\ b|\\\\|%41|%4|%00|'')";
    let pair = format!(r"({known}) ?(=|==|)? ?{value}");
    let word = r"(u|%41|%4g|p:w|a b|)";
    let strategy = prop_oneof![
        string_regex(&format!("({pair} ){{1,3}}")).unwrap(),
        string_regex(&format!(
            r"postgres(ql)?://({word}(:{word})?@)?(\[::1\]|\[::1|\[\]|%2Fnonexistent|)(:7|:)?(,%2Fx)?(/{word})?(\?(({known})=(7|require|%41|)|&|=|dbname|port=7=8)(&dbname=x)?)?"
        ))
        .unwrap(),
    ];
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let counts = [const { AtomicUsize::new(0) }; 2];
    let outcome = runner.run(&strategy, |dsn| {
        // Nothing may be looked up or reached, so that psql fails at once: no server is at these.
        let ours = ConnectOptions::resolve(Some(&dsn), &env().with_var("PGHOST", "/nonexistent"));
        let theirs = psql(&dsn);
        let parsed =
            theirs.contains("connection to server") || theirs.contains("could not translate host");
        counts[usize::from(parsed)].fetch_add(1, Ordering::Relaxed);
        match ours {
            Ok(_) => prop_assert!(parsed, "{:?}: only libpq refuses: {}", dsn, theirs),
            Err(error) => prop_assert!(
                !parsed,
                "{:?}: only we refuse ({}); libpq says {}",
                dsn,
                error,
                theirs
            ),
        }
        Ok(())
    });
    outcome.unwrap();
    let [refused, accepted] = counts.map(AtomicUsize::into_inner);
    assert!(
        refused > 20 && accepted > 20,
        "{refused} refused, {accepted} accepted"
    );
}

/// A server certificate: its subject, its extensions (none makes it version 1), and what it is.
struct Certificate {
    subject: &'static str,
    extensions: &'static str,
}

const CERTIFICATES: [Certificate; 11] = [
    certificate("db.example.com", ""),
    certificate("127.0.0.1", ""),
    certificate("db.example.com", "basicConstraints=CA:FALSE"),
    certificate("other.example.com", "subjectAltName=DNS:db.example.com"),
    certificate("other.example.com", "subjectAltName=DNS:*.example.com"),
    certificate("*.example.com", "basicConstraints=CA:FALSE"),
    certificate("db.example.com", "subjectAltName=IP:127.0.0.1"),
    certificate(
        "db.example.com",
        "subjectAltName=IP:127.0.0.2,DNS:x.example.com",
    ),
    certificate("db.example.com", "subjectAltName=email:dba@example.com"),
    certificate("db.example.com", "extendedKeyUsage=clientAuth"),
    certificate("db.example.com", "extendedKeyUsage=serverAuth,clientAuth"),
];

const fn certificate(subject: &'static str, extensions: &'static str) -> Certificate {
    Certificate {
        subject,
        extensions,
    }
}

/// Whether a certificate is good for a host, we and libpq agree.
#[tokio::test]
async fn certificates_are_judged_alike() {
    let cluster = Cluster::builder(15).tls(Tls::new()).start().await.unwrap();
    let place = cluster.scratch_dir();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    openssl(
        place,
        "req -x509 -subj /CN=root -newkey rsa:2048 -nodes -keyout ca.key -out root.crt",
    );
    openssl(place, "genpkey -algorithm RSA -out server.key");
    hand_to_server(&cluster, &place.join("server.key"));
    cluster
        .append_conf("ssl_cert_file", &path("server.crt"))
        .unwrap();
    cluster
        .append_conf("ssl_key_file", &path("server.key"))
        .unwrap();

    let mut good = 0;
    let mut bad = 0;
    for Certificate {
        subject,
        extensions,
    } in CERTIFICATES
    {
        openssl(
            place,
            &format!("req -new -subj /CN={subject} -key server.key -out server.csr"),
        );
        std::fs::write(path("extensions"), extensions).unwrap();
        let with = if extensions.is_empty() {
            ""
        } else {
            " -extfile extensions"
        };
        openssl(
            place,
            &format!(
                "x509 -req -in server.csr -CA root.crt -CAkey ca.key -CAcreateserial -out server.crt{with}"
            ),
        );
        cluster.reload().unwrap();
        for host in [
            "db.example.com",
            "other.example.com",
            "a.b.example.com",
            "127.0.0.1",
        ] {
            for mode in ["verify-ca", "verify-full"] {
                let dsn = format!(
                    "host={host} hostaddr=127.0.0.1 port={} user=postgres sslmode={mode} sslrootcert='{}'",
                    cluster.port(),
                    path("root.crt")
                );
                let theirs = psql_outcome(&dsn);
                let ours = connect(&ConnectOptions::resolve(Some(&dsn), &env()).unwrap()).await;
                assert_eq!(
                    ours.is_ok(),
                    theirs.is_ok(),
                    "{mode} {host} of {subject} {extensions}: {ours:?} but libpq says {theirs:?}"
                );
                *(if ours.is_ok() { &mut good } else { &mut bad }) += 1;
            }
        }
    }
    assert!(good > 20 && bad > 20, "{good} good, {bad} bad");
}
