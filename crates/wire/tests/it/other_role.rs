//! The same target as another role.

use pgattest_wire::{ConnectOptions, FixedEnv, SslMode};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_given_password_stays_with_its_role_and_the_file_knows_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pass");
    fs::write(&file, "*:*:shop:app:of-app\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let dsn = format!(
        "host=db user=admin password=of-admin dbname=shop passfile={}",
        file.display()
    );
    let admin = ConnectOptions::resolve(Some(&dsn), &FixedEnv::for_user("me")).unwrap();
    assert!(admin.has_password());
    assert!(admin.as_user("app").has_password());
    assert!(!admin.as_user("app").with_database("other").has_password());
    assert!(!admin.as_user("somebody").has_password());
}

#[test]
fn tls_is_asked_for_and_never_less_than_before() {
    for (given, then) in [
        ("disable", SslMode::Require),
        ("prefer", SslMode::Require),
        ("verify-full", SslMode::VerifyFull),
    ] {
        let dsn = format!("host=db user=app sslmode={given} sslrootcert=/nowhere");
        let options = ConnectOptions::resolve(Some(&dsn), &FixedEnv::for_user("me")).unwrap();
        assert_eq!(options.requiring_tls().ssl_mode(), then, "{given}");
    }
}
