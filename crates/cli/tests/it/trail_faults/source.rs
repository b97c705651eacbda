//! The server killed, its logger killed, its log files deleted.

use super::loss::{End, SESSIONS, assert_loss_is_told, load, records_lost};
use super::scene::{
    Collector, catch_up, configure, csv_files, rotate, server, server_that_logs, statement,
    wait_until,
};
use super::sealed::{assert_bytes_are_the_log, assert_verified, holds, sealed};
use crate::support::Desk;
use pgattest_testkit::Cluster;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;

/// Killed with its children in the orderly way of a crash, and by itself, so that nobody tells the children.
#[test]
fn a_server_killed_under_load_leaves_no_hole_and_every_session_it_cut_off_is_told() {
    let (desk, cluster) = (Desk::new(), server_that_logs("1MB"));
    configure(&desk, &cluster);
    let mut collector = Collector::start(&desk);
    let rounds = [Signal::QUIT, Signal::KILL, Signal::KILL];
    for signal in rounds {
        let mut load = load(&desk, &cluster);
        let before = bytes_logged(&cluster);
        wait_until("a megabyte of the load", || {
            bytes_logged(&cluster) > before + (1 << 20)
        });
        kill_server(&cluster, signal);
        assert!(!load.wait().unwrap().success(), "the load was over before");
    }
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk);
    assert_bytes_are_the_log(&desk, &cluster);
    assert_verified(&desk);
    let sessions = rounds.len() * SESSIONS;
    let (missing, unfinished) = assert_loss_is_told(&desk, &cluster, sessions, &End::CutOff);
    assert_eq!(missing, 0);
    // Without the main process a session may notice by itself, and then says that it ends.
    assert!(unfinished >= SESSIONS, "{unfinished}");
}

#[test]
fn what_a_killed_logger_of_the_server_takes_with_it_is_told_line_by_line() {
    let (desk, cluster) = (Desk::new(), server_that_logs("1MB"));
    configure(&desk, &cluster);
    let mut collector = Collector::start(&desk);
    let (mut kills, mut loads) = (0, 0);
    // Only what the logger has read and not written is lost with it: a kill may come when that is nothing.
    while loads < 30 && (loads == 0 || records_lost(&cluster) == 0) {
        loads += 1;
        let mut load = load(&desk, &cluster);
        while load.try_wait().unwrap().is_none() {
            kill_logger(&cluster);
            kills += 1;
            let before = bytes_logged(&cluster);
            wait_until("more of the load, or its end", || {
                bytes_logged(&cluster) > before + (256 << 10) || load.try_wait().unwrap().is_some()
            });
        }
        assert!(load.wait().unwrap().success(), "pgbench failed");
    }
    // Whoever was alive before a restart is not any more.
    cluster.restart().unwrap();
    statement(&cluster, "select 'after it'");
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk);
    assert_bytes_are_the_log(&desk, &cluster);
    assert_verified(&desk);
    let (missing, _) = assert_loss_is_told(&desk, &cluster, loads * SESSIONS, &End::OfItself);
    println!("{kills} kills during {loads} loads");
    assert!(missing > 0, "{kills} kills of a busy logger lost nothing");
}

#[test]
fn a_log_file_deleted_while_it_is_read_is_read_to_its_end() {
    let (desk, cluster) = (Desk::new(), server("100MB"));
    configure(&desk, &cluster);
    let mut collector = Collector::start(&desk);
    statement(&cluster, "CREATE TABLE before_it ()");
    wait_until("the first table", || holds(&desk, "TABLE before_it"));
    let files = csv_files(&cluster);
    for file in &files {
        fs::remove_file(file).unwrap();
    }
    // The server does not notice, and goes on writing to it.
    statement(&cluster, "CREATE TABLE into_nothing ()");
    let all = rotate(&cluster);
    assert!(files.is_disjoint(&all), "a file came back");
    statement(&cluster, "CREATE TABLE after_it ()");
    cluster.stop().unwrap();
    wait_until("the last table", || holds(&desk, "TABLE after_it"));
    assert!(holds(&desk, "TABLE into_nothing"));
    collector.kill();
    catch_up(&desk);
    assert_eq!(sealed(&desk, |_, _| {}).gaps, Vec::<String>::new());
    assert_complete(&desk);
    assert_verified(&desk);
}

/// Made, filled and deleted while the collector does not run for a moment: it never saw a name of it.
#[test]
fn a_log_file_deleted_before_anybody_saw_it_is_told_line_by_line() {
    let (desk, cluster) = (Desk::new(), server_that_logs("100MB"));
    configure(&desk, &cluster);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut collector = Collector::start(&desk);
    let client = runtime.block_on(cluster.client("postgres")).unwrap();
    let select = |text: &str| {
        let sql = format!("select '{text}'");
        runtime.block_on(client.simple_query(&sql)).unwrap();
    };
    // Three records of the connection, then line 4.
    select("is seen");
    wait_until("the first statement", || holds(&desk, "is seen"));
    collector.signal(Signal::STOP);
    let before = rotate(&cluster);
    for line in 5..10 {
        select(&format!("is line {line}"));
    }
    let after = rotate(&cluster);
    let deleted: Vec<PathBuf> = before.intersection(&after).cloned().collect();
    let text = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let deleted: Vec<&PathBuf> = deleted
        .iter()
        .filter(|path| text(path).contains("is line 9"))
        .collect();
    assert_eq!(deleted.len(), 1);
    fs::remove_file(deleted[0]).unwrap();
    collector.signal(Signal::CONT);
    select("is line 10");
    drop(client);
    drop(runtime);
    cluster.stop().unwrap();
    collector.kill();
    catch_up(&desk);
    assert!(holds(&desk, "is line 10") && !holds(&desk, "is line 7"));
    let arguments = ["trail", "completeness", "--journal", "journal"];
    let answer = desk.run(&arguments);
    answer.assert_code(1);
    answer.assert_says("lines 5 to 9 of session ");
    assert_verified(&desk);
}

#[test]
fn a_log_file_deleted_while_nobody_collects_is_a_gap_in_the_journal() {
    let (desk, cluster) = (Desk::new(), server("1MB"));
    configure(&desk, &cluster);
    statement(&cluster, "CREATE TABLE seen ()");
    catch_up(&desk);
    statement(&cluster, "CREATE TABLE lost ()");
    cluster.stop().unwrap();
    for path in sealed(&desk, |_, _| {}).files.keys() {
        fs::remove_file(path).unwrap();
    }
    cluster.start().unwrap();
    statement(&cluster, "CREATE TABLE after_it ()");
    cluster.stop().unwrap();
    catch_up(&desk);

    let gaps = sealed(&desk, |_, _| {}).gaps;
    assert!(gaps.iter().any(|gap| gap.contains("deleted")), "{gaps:?}");
    assert_eq!(
        ["seen", "lost", "after_it"].map(|table| holds(&desk, &format!("CREATE TABLE {table}"))),
        [true, false, true],
        "{gaps:?}"
    );
    assert_verified(&desk);
}

/// Nothing is missing: what is said beside that is of the collector, which was killed.
#[track_caller]
fn assert_complete(desk: &Desk) {
    let arguments = ["trail", "completeness", "--journal", "journal"];
    let answer = desk.run(&[&arguments[..], &["--format", "json"]].concat());
    let said: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    let of_the_collector = ["collector-down", "heartbeat-missing", "torn"];
    for finding in said["findings"].as_array().unwrap() {
        let kind = finding["kind"].as_str().unwrap();
        assert!(of_the_collector.contains(&kind), "{finding}");
    }
}

fn bytes_logged(cluster: &Cluster) -> u64 {
    csv_files(cluster)
        .iter()
        .filter_map(|path| fs::metadata(path).ok())
        .map(|metadata| metadata.len())
        .sum()
}

/// Sends a signal to the server's main process, waits until it and all its children are gone, and starts it again.
#[track_caller]
fn kill_server(cluster: &Cluster, signal: Signal) {
    let server = cluster.pid().unwrap();
    let children = children(server);
    send(i32::try_from(server).unwrap(), signal);
    let gone = |pid: &i32| !PathBuf::from(format!("/proc/{pid}/cmdline")).exists();
    wait_until("the end of the server's processes", || {
        children.iter().all(gone)
    });
    cluster.stop_immediately().unwrap();
    cluster.start().unwrap();
}

/// SIGKILL to the server's process that writes the log; waits until the server has started another one.
#[track_caller]
fn kill_logger(cluster: &Cluster) {
    let killed = logger(cluster).expect("the server has a logger");
    send(killed, Signal::KILL);
    wait_until("a new logger", || {
        logger(cluster).is_some_and(|now| now != killed)
    });
}

/// The child of the server that calls itself the logger.
fn logger(cluster: &Cluster) -> Option<i32> {
    children(cluster.pid()?).into_iter().find(|pid| {
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|title| String::from_utf8_lossy(&title).contains(": logger"))
    })
}

fn children(process: u32) -> Vec<i32> {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[track_caller]
fn send(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
}
