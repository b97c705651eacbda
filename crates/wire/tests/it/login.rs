//! Logging in, and every way in which a login fails.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use pgattest_testkit::{Cluster, SUPERUSER_PASSWORD};
use pgattest_wire::{ConnectError, Intermediary, PasswordSource};

use crate::support::{failure, tcp, try_connect, value};

#[tokio::test]
async fn over_a_unix_socket() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let dsn = format!("{} sslmode=verify-full", cluster.dsn_socket("postgres"));

    let connection = try_connect(&dsn).await.unwrap();

    assert_eq!(
        value(&connection, "SELECT current_user::text").await,
        "postgres"
    );
    let peer = connection.peer();
    assert!(peer.unix && peer.hostaddr.is_none() && peer.tls.is_none());
    assert_eq!(peer.port, cluster.port());
    assert!(
        connection
            .parameter("server_version")
            .unwrap()
            .starts_with("15")
    );
    assert_eq!(connection.parameter("application_name"), Some("pgattest"));
    assert_eq!(connection.intermediary().await.unwrap(), Intermediary::None);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_closed_is_gone_from_the_server() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let connection = try_connect(&cluster.dsn("postgres")).await.unwrap();
    let pid = connection.announced_pid().unwrap();

    connection.close().await.unwrap();

    // The backend has the terminate message by now; wait for it to act on it, not for a time.
    let gone = format!(
        "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid}) LOOP \
         PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
    );
    cluster.execute("postgres", &gone).await.unwrap();
}

#[tokio::test]
async fn notices_are_kept() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let connection = try_connect(&cluster.dsn("postgres")).await.unwrap();
    let raise = "DO $$ BEGIN RAISE NOTICE E'bad \\x1b[31m news'; END $$";
    connection.client().batch_execute(raise).await.unwrap();

    let notices = connection.take_notices();

    assert_eq!(notices.messages.len(), 1);
    assert_eq!(notices.messages[0].message(), "bad \u{1b}[31m news");
    assert_eq!(
        notices.messages[0].to_string(),
        "bad \\u{1b}[31m news [00000]"
    );
    assert!(connection.take_notices().messages.is_empty());
}

#[tokio::test]
async fn another_database_has_a_hostile_name() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let name = "it's a \"db\" \\ = %41?x=1";
    let create = format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\""));
    cluster.execute("postgres", &create).await.unwrap();
    let options = crate::support::resolve(&cluster.dsn("postgres")).with_database(name);

    let connection = pgattest_wire::connect(&options).await.unwrap();

    let database = value(&connection, "SELECT current_database()::text").await;
    assert_eq!(database, name);
}

#[tokio::test]
async fn passwords() {
    let cluster = Cluster::builder(15)
        .hba("local all all trust\nhost all legacy all md5\nhost all all all scram-sha-256\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute(
            "postgres",
            "SET password_encryption = 'md5'; CREATE ROLE legacy LOGIN PASSWORD 'old one';",
        )
        .await
        .unwrap();
    let scram = tcp(&cluster, "postgres");
    let md5 = tcp(&cluster, "legacy");

    let good = format!("{scram} password={SUPERUSER_PASSWORD}");
    try_connect(&good).await.unwrap();
    try_connect(&format!("{md5} password='old one'"))
        .await
        .unwrap();

    for (dsn, wanted) in [(&scram, "postgres"), (&md5, "legacy")] {
        match failure(dsn).await {
            ConnectError::PasswordRequired { role, .. } => assert_eq!(role, wanted),
            other => panic!("{other:?}"),
        }
        let wrong = format!("{dsn} password=wrong-secret");
        let error = failure(&wrong).await;
        assert!(!format!("{error} {error:?}").contains("wrong-secret"));
        match error {
            ConnectError::PasswordWrong { role, used, .. } => {
                assert_eq!(role, wanted);
                assert_eq!(used, PasswordSource::Given);
            }
            other => panic!("{other:?}"),
        }
    }
    // With scram the server does not say that there is no such role.
    let nobody = format!("{} password=x", tcp(&cluster, "nobody"));
    let error = failure(&nobody).await;
    assert!(
        matches!(error, ConnectError::PasswordWrong { .. }),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("does not exist"));
}

#[tokio::test]
async fn pg_hba_says_no() {
    let cluster = Cluster::builder(15)
        .hba("local all all trust\nhost all barred all reject\n")
        .start()
        .await
        .unwrap();
    cluster
        .execute("postgres", "CREATE ROLE barred LOGIN")
        .await
        .unwrap();
    for (role, words) in [
        ("barred", "rejects connection"),
        ("postgres", "no pg_hba.conf entry"),
    ] {
        let error = failure(&tcp(&cluster, role)).await;
        let ConnectError::HbaRejected { server, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(server.message().contains(words), "{error}");
        assert!(error.to_string().contains("127.0.0.1"), "{error}");
        assert!(error.hint().unwrap().contains("pg_hba.conf"), "{error}");
    }
}

#[tokio::test]
async fn roles_and_databases_that_do_not_let_anybody_in() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    cluster
        .execute(
            "postgres",
            "CREATE ROLE asleep; CREATE ROLE guest LOGIN; CREATE ROLE few LOGIN CONNECTION LIMIT 0;
             CREATE DATABASE closed ALLOW_CONNECTIONS false;
             CREATE DATABASE private; REVOKE CONNECT ON DATABASE private FROM PUBLIC;",
        )
        .await
        .unwrap();
    let with = |role: &str, database: &str| {
        format!(
            "host=127.0.0.1 port={} user={role} dbname={database}",
            cluster.port()
        )
    };

    let error = failure(&with("nobody", "postgres")).await;
    assert!(
        matches!(&error, ConnectError::RoleMissing { role, .. } if role == "nobody"),
        "{error:?}"
    );
    let error = failure(&with("asleep", "postgres")).await;
    assert!(
        matches!(&error, ConnectError::RoleCannotLogIn { .. }),
        "{error:?}"
    );
    let error = failure(&with("guest", "missing")).await;
    assert!(
        matches!(&error, ConnectError::DatabaseMissing { database, .. } if database == "missing"),
        "{error:?}"
    );
    for database in ["closed", "private"] {
        let error = failure(&with("guest", database)).await;
        assert!(
            matches!(&error, ConnectError::DatabaseNotAllowed { .. }),
            "{error:?}"
        );
    }
    let error = failure(&with("few", "postgres")).await;
    assert!(
        matches!(&error, ConnectError::TooManyConnections { .. }),
        "{error:?}"
    );
    let error = failure(&format!(
        "{} options='-c no_such=1'",
        with("guest", "postgres")
    ))
    .await;
    assert!(
        matches!(&error, ConnectError::ParameterRefused { .. }),
        "{error:?}"
    );
}

/// A server that answers every login with this error.
fn refusing_server(code: &str, routine: &str, message: &str) -> u16 {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0R{routine}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
    let answer = [b"E".as_slice(), &length, fields.as_bytes()].concat();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut startup = vec![0; u32::from_be_bytes(length) as usize - 4];
        stream.read_exact(&mut startup).unwrap();
        stream.write_all(&answer).unwrap();
    });
    port
}

#[tokio::test]
async fn the_codes_decide_whatever_language_the_server_speaks() {
    type Expected = fn(&ConnectError) -> bool;
    let cases: [(&str, &str, Expected); 9] = [
        ("28000", "ClientAuthentication", |e| {
            matches!(e, ConnectError::HbaRejected { .. })
        }),
        ("28000", "auth_failed", |e| {
            matches!(e, ConnectError::AuthRejected { .. })
        }),
        // Missing or not permitted: without English it cannot be told, so it is not claimed.
        ("28000", "InitializeSessionUserId", |e| {
            matches!(e, ConnectError::AuthRejected { .. })
        }),
        ("28P01", "auth_failed", |e| {
            matches!(e, ConnectError::PasswordWrong { .. })
        }),
        ("3D000", "InitPostgres", |e| {
            matches!(e, ConnectError::DatabaseMissing { .. })
        }),
        ("42501", "CheckMyDatabase", |e| {
            matches!(e, ConnectError::DatabaseNotAllowed { .. })
        }),
        ("53300", "InitProcess", |e| {
            matches!(e, ConnectError::TooManyConnections { .. })
        }),
        ("57P03", "ProcessStartupPacket", |e| {
            matches!(e, ConnectError::StartingUp { .. })
        }),
        ("XX000", "\u{1b}[31m", |e| {
            matches!(e, ConnectError::Server { .. })
        }),
    ];
    for (code, routine, expected) in cases {
        let port = refusing_server(code, routine, "Zutritt verweigert \u{1b}[2J");
        let dsn = format!("host=127.0.0.1 port={port} user=u password=p sslmode=disable");
        let error = failure(&dsn).await;
        assert!(expected(&error), "{code} {routine}: {error:?}");
        assert!(
            error.to_string().contains(r"Zutritt verweigert \u{1b}[2J"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn connecting_can_move_between_threads() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let options = crate::support::resolve(&cluster.dsn("postgres"));
    let task = tokio::spawn(async move { pgattest_wire::connect(&options).await });
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn hostile_names_are_escaped_in_messages() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let dsn = format!(
        "host=127.0.0.1 port={} user=postgres dbname='a\u{1b}[2J\u{202e}\nb'",
        cluster.port()
    );
    let error = failure(&dsn).await;
    assert!(
        error.to_string().contains(r"`a\u{1b}[2J\u{202e}\nb`"),
        "{error}"
    );
    assert!(!error.to_string().contains('\u{202e}'), "{error}");
}

#[tokio::test]
async fn a_query_is_cancelled() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let connection = try_connect(&cluster.dsn("postgres")).await.unwrap();
    let token = connection.cancel_token();
    let pid = connection.announced_pid().unwrap();
    let sleep = connection.client().batch_execute("SELECT pg_sleep(600)");
    let cancel = async {
        let sleeping = format!(
            "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = {pid} \
             AND wait_event = 'PgSleep') LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
        );
        cluster.execute("postgres", &sleeping).await.unwrap();
        token.cancel().await.unwrap();
    };
    let (outcome, ()) = tokio::join!(sleep, cancel);
    assert_eq!(outcome.unwrap_err().code().unwrap().code(), "57014");
}
