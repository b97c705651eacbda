use super::{Row, fault_of, found};
use crate::wrapper::{WRAPPERS, Wrapper};
use pgattest_model::ServerVersion;

const VERSION: ServerVersion = ServerVersion(150_018);

fn verifiers() -> &'static Wrapper {
    WRAPPERS
        .iter()
        .find(|wrapper| wrapper.group == "verifiers")
        .unwrap()
}

fn sound() -> Row {
    let columns = verifiers()
        .columns
        .iter()
        .map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned(), "t".to_owned()));
    Row {
        oid: 20_000,
        name: "verifiers".to_owned(),
        arguments: 0,
        kind: "f".to_owned(),
        language: "sql".to_owned(),
        owner_is_superuser: true,
        security_definer: true,
        settings: vec![("search_path".to_owned(), "pg_catalog, pg_temp".to_owned())],
        columns: columns.collect(),
        body_sha256: verifiers().digest(VERSION),
        may_execute: true,
        executable_by: vec![20_001],
        schema_owner_is_superuser: true,
        schema_creators: Vec::new(),
    }
}

#[track_caller]
fn assert_fault(tamper: impl FnOnce(&mut Row), words: &str) {
    let mut row = sound();
    tamper(&mut row);
    let fault = fault_of(verifiers(), &row, VERSION);
    assert!(
        fault.as_ref().is_some_and(|fault| fault.contains(words)),
        "{fault:?}"
    );
}

#[test]
fn what_pgattest_prints_is_trusted() {
    assert_eq!(fault_of(verifiers(), &sound(), VERSION), None);
}

#[test]
fn whatever_differs_is_not() {
    assert_fault(|row| row.owner_is_superuser = false, "owner");
    assert_fault(|row| row.security_definer = false, "SECURITY DEFINER");
    assert_fault(|row| row.settings.clear(), "search_path");
    assert_fault(
        |row| "public".clone_into(&mut row.settings[0].1),
        "search_path",
    );
    assert_fault(
        |row| row.settings.push(("role".to_owned(), String::new())),
        "search_path",
    );
    assert_fault(|row| "p".clone_into(&mut row.kind), "text");
    assert_fault(|row| "plpgsql".clone_into(&mut row.language), "text");
    assert_fault(|row| row.body_sha256 = "0".repeat(64), "text");
    assert_fault(|row| row.columns.swap(0, 2), "text");
    assert_fault(|row| "o".clone_into(&mut row.columns[0].2), "text");
    assert_fault(|row| row.columns.truncate(2), "text");
    assert_fault(|row| row.executable_by.push(0), "PUBLIC");
    assert_fault(
        |row| row.schema_owner_is_superuser = false,
        "owner of schema",
    );
    assert_fault(|row| row.schema_creators.push(20_002), "create objects");
}

#[test]
fn a_text_for_another_server_is_another_text() {
    let hba = WRAPPERS
        .iter()
        .find(|wrapper| wrapper.group == "hba-rules")
        .unwrap();
    assert_ne!(hba.digest(VERSION), hba.digest(ServerVersion(160_000)));
    assert_eq!(
        hba.digest(VERSION),
        hba.digest(ServerVersion(150_001)),
        "a minor release is no other server"
    );
}

#[test]
fn a_function_with_arguments_is_not_the_one_that_is_called() {
    let mut row = sound();
    row.arguments = 1;
    assert!(found(verifiers(), &[row]).is_none());
    assert!(found(verifiers(), &[sound()]).is_some());
}
