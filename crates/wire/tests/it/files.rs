//! Password files.

use std::os::unix::fs::PermissionsExt as _;

use pgattest_testkit::{Cluster, SUPERUSER_PASSWORD};
use pgattest_wire::{ConnectError, ConnectOptions, PasswordSource, Warning, connect};

use crate::support::{check_error, env, tcp};

async fn cluster() -> Cluster {
    Cluster::builder(15)
        .hba("local all all scram-sha-256\nhost all all all scram-sha-256\n")
        .start()
        .await
        .unwrap()
}

fn write(path: &std::path::Path, text: &str, mode: u32) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn the_file_in_the_home_directory_gives_the_password() {
    let cluster = cluster().await;
    let home = tempfile::tempdir().unwrap();
    let port = cluster.port();
    write(
        &home.path().join(".pgpass"),
        &format!(
            "127.0.0.1:{port}:postgres:postgres:{SUPERUSER_PASSWORD}\n*:*:template1:*:wrong\n"
        ),
        0o600,
    );
    let env = env().with_home(home.path());
    let options = ConnectOptions::resolve(Some(&tcp(&cluster, "postgres")), &env).unwrap();
    assert_eq!(options.warnings(), []);
    connect(&options).await.unwrap();

    // The lines are asked again for another database.
    let error = connect(&options.with_database("template1"))
        .await
        .unwrap_err();
    check_error(&error);
    match &error {
        ConnectError::PasswordWrong { used, .. } => {
            assert_eq!(used, &PasswordSource::File(home.path().join(".pgpass")));
        }
        other => panic!("{other:?}"),
    }
    let error = connect(&options.with_database("template0"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectError::PasswordRequired { .. }),
        "{error:?}"
    );

    // A password that is given wins.
    let wrong = env.with_var("PGPASSWORD", "wrong");
    let options = ConnectOptions::resolve(Some(&tcp(&cluster, "postgres")), &wrong).unwrap();
    let error = connect(&options).await.unwrap_err();
    assert!(
        matches!(
            error,
            ConnectError::PasswordWrong {
                used: PasswordSource::Given,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_socket_is_named_by_its_directory() {
    let cluster = cluster().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    let socket = cluster.socket_dir().display();
    write(
        &file,
        &format!("{socket}:*:*:*:{SUPERUSER_PASSWORD}\n"),
        0o400,
    );
    let dsn = format!(
        "host={socket} port={} user=postgres passfile={}",
        cluster.port(),
        file.display()
    );
    let options = ConnectOptions::resolve(Some(&dsn), &env()).unwrap();
    connect(&options).await.unwrap();
}

#[test]
fn a_file_that_others_can_read_is_ignored_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    write(&file, "*:*:*:*:secret\n", 0o640);
    let dsn = format!("host=h passfile={}", file.display());
    let options = ConnectOptions::resolve(Some(&dsn), &env()).unwrap();
    let expected = Warning::PassfileExposed {
        path: file.clone(),
        mode: 0o640,
    };
    assert_eq!(options.warnings(), [expected]);
    assert_eq!(
        options.warnings()[0].to_string(),
        format!(
            "password file `{}` was ignored: its mode is 0640 and must be 0600 or less",
            file.display()
        )
    );
}

#[test]
fn a_missing_file_is_told_only_when_it_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let env = env().with_home(home.path());
    let quiet = ConnectOptions::resolve(Some("host=h"), &env).unwrap();
    assert_eq!(quiet.warnings(), []);
    let asked = env.clone().with_var("PGPASSFILE", "/nonexistent/passwords");
    let options = ConnectOptions::resolve(Some("host=h"), &asked).unwrap();
    assert!(matches!(
        options.warnings(),
        [Warning::PassfileUnreadable { .. }]
    ));
    let directory = env.with_var("PGPASSFILE", home.path().as_os_str());
    let options = ConnectOptions::resolve(Some("host=h"), &directory).unwrap();
    assert!(matches!(
        options.warnings(),
        [Warning::PassfileNotAFile { .. }]
    ));
}
