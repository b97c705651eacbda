//! What the tests share.

use std::path::Path;
use std::process::Command;

use pgattest_testkit::{Cluster, SUPERUSER_PASSWORD};
use pgattest_wire::{ConnectError, ConnectOptions, Connection, FixedEnv, connect};

/// An environment with nothing in it that could help or disturb.
pub(crate) fn env() -> FixedEnv {
    FixedEnv::for_user("nobody-in-particular")
}

#[track_caller]
pub(crate) fn resolve(dsn: &str) -> ConnectOptions {
    ConnectOptions::resolve(Some(dsn), &env()).unwrap()
}

pub(crate) async fn try_connect(dsn: &str) -> Result<Connection, ConnectError> {
    connect(&resolve(dsn)).await
}

/// The error of a connection that must fail. Checks what holds for every error: one line of
/// message for each attempt, no password, nothing that acts on a terminal.
pub(crate) async fn failure(dsn: &str) -> ConnectError {
    let error = try_connect(dsn).await.expect_err("no connection");
    check_error(&error);
    error
}

#[track_caller]
pub(crate) fn check_error(error: &ConnectError) {
    let shown = format!("{error}\n{}", error.hint().unwrap_or_default());
    assert!(!shown.contains(SUPERUSER_PASSWORD), "{shown}");
    assert!(
        !shown.chars().any(|c| c.is_control() && c != '\n'),
        "{shown:?}"
    );
}

/// A keyword string for a role over TCP.
pub(crate) fn tcp(cluster: &Cluster, role: &str) -> String {
    format!(
        "host=127.0.0.1 port={} user={role} dbname=postgres",
        cluster.port()
    )
}

/// The one value of a query.
pub(crate) async fn value(connection: &Connection, query: &str) -> String {
    let row = connection.client().query_one(query, &[]).await.unwrap();
    row.get::<_, String>(0)
}

/// Runs openssl in a directory; no argument holds a space.
pub(crate) fn openssl(directory: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(directory)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Makes a key readable for the server's account alone.
pub(crate) fn hand_to_server(cluster: &Cluster, key: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    set_mode(key, 0o600);
    let owner = std::fs::metadata(cluster.data_dir()).unwrap();
    std::os::unix::fs::chown(key, Some(owner.uid()), Some(owner.gid())).unwrap();
}
