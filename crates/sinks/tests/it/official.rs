//! Clients that are not ours get the same answers from the stubs, and Datadog's own model reads what we send.

use crate::datadog;
use crate::stub::datadog::{Datadog, KEY};
use crate::stub::splunk::{Splunk, TOKEN};
use crate::support::Trail;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Runs `official.py`; what it prints. Fails when it does.
fn official(arguments: &[&str], input: &[u8]) -> String {
    let tools = std::env::var_os("PGATTEST_TOOLS")
        .map_or_else(|| PathBuf::from("/var/cache/pgattest-tools"), PathBuf::from);
    let python = tools.join("python-sinks/bin/python3");
    #[expect(clippy::disallowed_methods, reason = "the clients are Python programs")]
    let mut child = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/official.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("script/bootstrap installs the Python packages of script/requirements-sinks.txt");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn datadogs_own_client_and_model_agree_with_the_stub_and_with_us() {
    let ours = Datadog::start();
    let trail = Trail::new();
    trail.many(1_200, 400);
    trail.torn(b"half \xff\n");
    let url = format!("http://{}", ours.server.address);
    trail.drain("dd", datadog::sink(&trail, &url, KEY, ""));
    let mut bodies = Vec::new();
    for body in &ours.intake.lock().unwrap().bodies {
        bodies.extend_from_slice(body);
        bodies.push(b'\n');
    }

    let theirs = Datadog::start();
    let read = official(
        &["datadog", &theirs.server.address.to_string(), KEY],
        &bodies,
    );
    assert_eq!(read, "1201", "the official model reads every log of ours");
    let intake = theirs.intake.lock().unwrap();
    assert_eq!(intake.violations, Vec::<String>::new());
    assert_eq!(intake.requests, 3);
    assert_eq!(intake.logs.len(), 3);
}

#[test]
fn a_client_of_splunk_that_is_not_ours_agrees_with_the_stub() {
    let stub = Splunk::start();
    let url = official(&["splunk", &stub.server.address.to_string(), TOKEN], b"");
    assert!(url.ends_with("/services/collector/event"), "{url}");
    assert_eq!(stub.collector.lock().unwrap().requests, 3);
    // Without acknowledgement the events are there at once.
    let stub = Splunk::start();
    stub.collector.lock().unwrap().acknowledges = false;
    official(&["splunk", &stub.server.address.to_string(), TOKEN], b"");
    assert_eq!(stub.numbers(), [0, 1, 2]);
}
