//! A collector that may not do what it has to: as an account with no rights, which root becomes for it.

use super::scene::{Collector, wait_until};
use super::sealed::holds;
use crate::support::{Desk, start};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// `nobody` of Debian.
const NOBODY: u32 = 65_534;

const RECORD: &str = "2026-11-23 06:43:33.792 UTC,\"app\",\"shop\",9309,\"[local]\",6b03e095.245d,1,\"SELECT\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\"the record\",,,,,,,,,\"psql\",\"client backend\",,0\n";

/// A desk that the account may write to, with the program on it: where it was built the account may not reach.
fn desk() -> Desk {
    let desk = Desk::new();
    let program = desk.command(&[]).get_program().to_owned();
    fs::copy(program, desk.path("pgattest")).unwrap();
    give(&desk.path(""));
    fs::create_dir(desk.path("log")).unwrap();
    desk
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// Nobody but the account of the test may use it; where that is the collector's own, nobody at all.
fn refuse(path: &Path) {
    let mode = if is_root() { 0o700 } else { 0o000 };
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn allow(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// The collector, as an account that is not root.
fn collector(desk: &Desk) -> Command {
    let like = desk.command(&[]);
    let mut command = start(&desk.path("pgattest"));
    command
        .args(["trail", "run", "--logs", "log", "--journal", "journal"])
        .current_dir(desk.path(""))
        .env_clear();
    for (name, value) in like.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

#[test]
fn a_file_that_may_not_be_read_is_told_and_read_once_it_may_be() {
    let desk = desk();
    let log = desk.write("log/a.csv", RECORD);
    refuse(&log);
    let mut collector = Collector::of(&desk, collector(&desk));
    wait_until("a word on it", || {
        collector.has_said("cannot be read: Permission denied")
    });
    assert!(!holds(&desk, "the record"));
    allow(&log);
    wait_until("the record", || holds(&desk, "the record"));
    collector.kill();
}

#[test]
fn a_directory_that_may_not_be_listed_is_told_and_read_once_it_may_be() {
    let desk = desk();
    let log = desk.write("log/a.csv", RECORD);
    allow(&log);
    refuse(&desk.path("log"));
    let mut collector = Collector::of(&desk, collector(&desk));
    wait_until("a word on it", || {
        collector.has_said("cannot be listed: Permission denied")
    });
    allow(&desk.path("log"));
    wait_until("the record", || holds(&desk, "the record"));
    collector.kill();
}

#[test]
fn a_journal_that_may_not_be_written_is_an_error_that_names_it() {
    let desk = desk();
    fs::create_dir(desk.path("journal")).unwrap();
    refuse(&desk.path("journal"));
    let output = collector(&desk).output().unwrap();
    allow(&desk.path("journal"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("journal") && said.contains("Permission denied"),
        "{said}"
    );
}
