//! Reaching a host, or not.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use pgattest_testkit::Cluster;
use pgattest_wire::{ConnectError, Stage};

use crate::support::{failure, try_connect, value};

/// A server that accepts one connection and does something strange with it.
fn stranger(behaviour: impl FnOnce(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        if let Ok((stream, _)) = listener.accept() {
            behaviour(stream);
        }
    });
    port
}

/// A port that nothing listens on: bound, so that nobody else takes it, and not listening.
fn silent_port() -> (socket2::Socket, u16) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    let port = socket.local_addr().unwrap().as_socket().unwrap().port();
    (socket, port)
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let error = failure("host=pgattest.invalid user=u").await;
    match &error {
        ConnectError::Dns { host, .. } => assert_eq!(host, "pgattest.invalid"),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        error.to_string(),
        "the host name `pgattest.invalid` could not be resolved"
    );
}

#[tokio::test]
async fn nothing_listens() {
    let (_socket, port) = silent_port();
    let error = failure(&format!("host=127.0.0.1 port={port} user=u")).await;
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("127.0.0.1:{port}: the connection was refused")
    );
    assert!(error.hint().unwrap().contains("listen_addresses"));
}

#[tokio::test]
async fn no_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().display();
    let error = failure(&format!("host={path} port=5433 user=u")).await;
    assert!(
        matches!(&error, ConnectError::SocketMissing { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(".s.PGSQL.5433"), "{error}");

    drop(std::os::unix::net::UnixListener::bind(directory.path().join(".s.PGSQL.5433")).unwrap());
    let error = failure(&format!("host={path} port=5433 user=u")).await;
    assert!(
        matches!(&error, ConnectError::SocketRefused { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nobody_answers_within_the_limit() {
    // The kernel accepts for a listener that never does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (mode, expected) in [("disable", Stage::LoggingIn), ("require", Stage::Securing)] {
        let dsn = format!("host=127.0.0.1 port={port} user=u sslmode={mode} connect_timeout=1");
        match failure(&dsn).await {
            ConnectError::Timeout { stage, limit, .. } => {
                assert_eq!(stage, expected);
                assert_eq!(limit.as_secs(), 1);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_other_end_hangs_up() {
    for mode in ["disable", "require"] {
        let port = stranger(drop);
        let error = failure(&format!("host=127.0.0.1 port={port} user=u sslmode={mode}")).await;
        assert!(
            matches!(&error, ConnectError::ClosedEarly { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_other_end_is_no_postgresql() {
    for mode in ["disable", "require"] {
        let port = stranger(|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        let error = failure(&format!("host=127.0.0.1 port={port} user=u sslmode={mode}")).await;
        assert!(
            matches!(&error, ConnectError::NotPostgres { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_error_before_tls_is_not_believed() {
    let port = stranger(|mut stream| {
        let _ = stream.write_all(b"E\0\0\0\x20SFATAL\0Mtype your password\0\0");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let error = failure(&format!(
        "host=127.0.0.1 port={port} user=u sslmode=require"
    ))
    .await;
    assert!(!format!("{error:?}").contains("type your password"));
    assert!(
        matches!(&error, ConnectError::ClosedEarly { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn hosts_are_tried_in_order_and_each_failure_is_told() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let (_socket, silent) = silent_port();
    let good = cluster.port();

    let dsn =
        format!("host=pgattest.invalid,127.0.0.1,127.0.0.1 port=1,{silent},{good} user=postgres");
    let connection = try_connect(&dsn).await.unwrap();
    assert_eq!(connection.peer().port, good);
    assert_eq!(
        value(&connection, "SELECT current_user::text").await,
        "postgres"
    );

    let dsn = format!("host=pgattest.invalid,127.0.0.1 port=1,{silent} user=postgres");
    let error = failure(&dsn).await;
    assert_eq!(error.attempts().len(), 2, "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains("pgattest.invalid"), "{shown}");
    assert!(
        shown.contains(&format!("127.0.0.1:{silent}: the connection was refused")),
        "{shown}"
    );
}

#[tokio::test]
async fn a_server_that_refuses_the_login_ends_the_search() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let port = cluster.port();
    let dsn = format!("host=127.0.0.1,127.0.0.1 port={port},{port} user=nobody dbname=postgres");
    let error = failure(&dsn).await;
    assert!(
        matches!(error, ConnectError::RoleMissing { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_address_replaces_the_lookup_of_the_name() {
    let cluster = Cluster::builder(15).start().await.unwrap();
    let dsn = format!(
        "host=db.pgattest.invalid hostaddr=127.0.0.1 port={} user=postgres",
        cluster.port()
    );
    let connection = try_connect(&dsn).await.unwrap();
    assert_eq!(connection.peer().hostaddr, Some([127, 0, 0, 1].into()));
}
