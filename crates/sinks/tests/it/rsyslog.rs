//! rsyslog, a real receiver: syslog over TLS with certificates on both sides, and RELP plain and over TLS.

use crate::support::{Running, Trail, config, eventually, named};
use pgattest_sinks::config::Opener;
use pgattest_sinks::engine::{Cursor, Standing, dead_letters};
use pgattest_testkit::Authority;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What rsyslog listens for.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    SyslogTls,
    RelpPlain,
    RelpTls,
}

/// A receiver of our own, on loopback, with a configuration of its own.
struct Rsyslog {
    place: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
}

impl Rsyslog {
    fn new(protocol: Protocol) -> Self {
        let place = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let authority = Authority::new("syslog").unwrap();
        let write = |name: &str, text: &str| std::fs::write(place.path().join(name), text).unwrap();
        write("ca.pem", &authority.pem());
        for (name, issued) in [
            ("server", authority.issue_server(&["localhost"]).unwrap()),
            ("client", authority.issue_client("collector").unwrap()),
        ] {
            write(&format!("{name}.pem"), &issued.certificate);
            write(&format!("{name}.key"), &issued.key);
        }
        write("rsyslog.conf", &configuration(place.path(), port, protocol));
        Self {
            place,
            port,
            child: None,
        }
    }

    /// Starts it, and waits until it listens.
    fn start(&mut self) {
        let path = |name: &str| self.place.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "the receiver is a program")]
        let mut command = Command::new("/usr/bin/setpriv");
        let child = command
            .args(["--pdeathsig", "KILL", "--", "/usr/sbin/rsyslogd", "-n"])
            .arg("-f")
            .arg(path("rsyslog.conf"))
            .arg("-i")
            .arg(path("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("rsyslog is installed by script/bootstrap");
        self.child = Some(child);
        eventually("rsyslog listens", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }

    /// Kills it with SIGKILL.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // The new one refuses to start where an old one seems to run.
        let _ = std::fs::remove_file(self.place.path().join("pid"));
    }

    /// What a sink says to reach it.
    fn sink(&self, kind: &str, more: &str) -> pgattest_sinks::Config {
        let path = |name: &str| self.path(name).display().to_string();
        config(&format!(
            "kind = \"{kind}\"\naddress = \"localhost:{}\"\n{more}\n[tls]\nca_file = \"{}\"\ncertificate_file = \"{}\"\nkey_file = \"{}\"\n",
            self.port,
            path("ca.pem"),
            path("client.pem"),
            path("client.key"),
        ))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The numbers of what arrived, in order, with each one's text.
    fn arrived(&self) -> Vec<(u64, String)> {
        let text = std::fs::read(self.path("arrived")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let (_, rest) = line.split_once("seq=\"")?;
                let (number, _) = rest.split_once('"')?;
                Some((number.parse().ok()?, line.to_owned()))
            })
            .collect()
    }

    fn numbers(&self) -> Vec<u64> {
        self.arrived()
            .into_iter()
            .map(|(number, _)| number)
            .collect()
    }

    fn different(&self) -> BTreeSet<u64> {
        self.numbers().into_iter().collect()
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        self.kill();
    }
}

fn configuration(place: &Path, port: u16, protocol: Protocol) -> String {
    let place = place.display();
    let mut text = format!("global(workDirectory=\"{place}\" maxMessageSize=\"64k\"");
    if protocol == Protocol::SyslogTls {
        write!(
            text,
            "\n defaultNetstreamDriver=\"gtls\"\n defaultNetstreamDriverCAFile=\"{place}/ca.pem\"\n defaultNetstreamDriverCertFile=\"{place}/server.pem\"\n defaultNetstreamDriverKeyFile=\"{place}/server.key\""
        )
        .unwrap();
    }
    text.push_str(")\n");
    let input = match protocol {
        Protocol::SyslogTls => {
            text.push_str("module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/name\" permittedPeer=[\"collector\"])\n");
            format!("input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"audit\")")
        }
        Protocol::RelpPlain => {
            text.push_str("module(load=\"imrelp\" ruleset=\"audit\")\n");
            format!(
                "input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" maxDataSize=\"64k\")"
            )
        }
        Protocol::RelpTls => {
            text.push_str("module(load=\"imrelp\" ruleset=\"audit\")\n");
            format!(
                "input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" maxDataSize=\"64k\" tls=\"on\" tls.caCert=\"{place}/ca.pem\" tls.myCert=\"{place}/server.pem\" tls.myPrivKey=\"{place}/server.key\" tls.authMode=\"name\" tls.permittedPeer=[\"collector\"])"
            )
        }
    };
    // A direct queue: what is answered is in the file, not in a queue in memory.
    writeln!(
        text,
        "template(name=\"line\" type=\"string\" string=\"%structured-data% %procid% %msg%\\n\")\n\
         ruleset(name=\"audit\" queue.type=\"direct\") {{\n action(type=\"omfile\" file=\"{place}/arrived\" template=\"line\")\n}}\n{input}"
    )
    .unwrap();
    text
}

/// Seals records until the receiver has been killed in the middle of them; what was sealed in all.
fn killed_in_the_middle(trail: &Trail, receiver: &mut Rsyslog, running: Running) -> u64 {
    eventually("some have arrived", || receiver.numbers().len() > 100);
    receiver.kill();
    trail.many(900, 100);
    eventually("the outage is seen", || {
        trail
            .status("siem")
            .is_some_and(|status| status.standing == Standing::Retrying)
    });
    receiver.start();
    trail.many(100, 50);
    running.drain();
    FIRST as u64 + 1_000
}

/// Records that are sealed before delivery begins.
const FIRST: usize = 5_000;

fn started(protocol: Protocol, kind: &str, more: &str) -> (Trail, Rsyslog, Running) {
    let mut receiver = Rsyslog::new(protocol);
    receiver.start();
    let trail = Trail::new();
    trail.many(FIRST, 1_000);
    let running = trail.deliver("siem", receiver.sink(kind, more));
    (trail, receiver, running)
}

#[test]
fn relp_loses_nothing_when_the_receiver_is_killed() {
    relp(Protocol::RelpPlain, "plain = true");
}

#[test]
fn relp_over_tls_loses_nothing_when_the_receiver_is_killed() {
    relp(Protocol::RelpTls, "");
}

fn relp(protocol: Protocol, more: &str) {
    let (trail, mut receiver, running) = started(protocol, "relp", more);
    let all = killed_in_the_middle(&trail, &mut receiver, running);
    assert_eq!(
        receiver.different(),
        (0..all).collect(),
        "nothing is missing"
    );
    let twice = receiver.numbers().len() as u64 - all;
    // At most the frames that had no answer yet when it was killed.
    assert!(twice <= 1_000, "{twice} came twice");
    let cursor = Cursor::load(&trail.dir(), &named("siem")).unwrap();
    assert_eq!((cursor.next, cursor.dead), (all, 0));
}

#[test]
fn syslog_over_tls_brings_every_record_and_tells_duplicates() {
    let (trail, receiver, running) = started(Protocol::SyslogTls, "syslog", "");
    let long = "x".repeat(30_000);
    trail.records(&["line one\nline two", &long, "a ] \"quoted\" \\ value"]);
    running.drain();
    eventually("all have arrived", || receiver.different().len() == 5_003);
    assert_eq!(receiver.different(), (0..5_003).collect());

    let mut by_number: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (number, line) in receiver.arrived() {
        by_number.entry(number).or_default().push(line);
    }
    assert!(
        by_number[&5_000][0].contains("line one#012line two"),
        "one message, not two: {:?}",
        by_number[&5_000]
    );
    let parts = &by_number[&5_001];
    assert!(parts.len() >= 4);
    let xs: usize = parts.iter().map(|part| part.matches('x').count()).sum();
    assert!(xs >= 30_000, "nothing was cut off");
    assert!(
        parts
            .iter()
            .all(|part| part.contains(&format!("parts=\"{}\"", parts.len())))
    );
    assert!(
        by_number[&0][0].contains(" 6907c5a2.1267 "),
        "the session is PROCID"
    );
}

#[test]
fn syslog_over_tls_comes_again_after_the_receiver_was_killed() {
    let (trail, mut receiver, running) = started(Protocol::SyslogTls, "syslog", "");
    let all = killed_in_the_middle(&trail, &mut receiver, running);
    eventually("the last has arrived", || {
        receiver.different().contains(&(all - 1))
    });
    // No acknowledgement exists: what the receiver's kernel had taken and its process had not read is lost with the process. That is one
    // stretch, never what was sealed after the kill.
    let arrived = receiver.different();
    let missing: Vec<u64> = (0..all)
        .filter(|number| !arrived.contains(number))
        .collect();
    assert!(
        missing.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{missing:?}"
    );
    assert!(missing.iter().all(|number| *number < FIRST as u64));
}

#[test]
fn a_client_without_a_certificate_is_misconfigured_and_loses_nothing() {
    let mut receiver = Rsyslog::new(Protocol::SyslogTls);
    receiver.start();
    let trail = Trail::new();
    trail.many(10, 10);
    let without = config(&format!(
        "kind = \"syslog\"\naddress = \"localhost:{}\"\n[tls]\nca_file = \"{}\"\n",
        receiver.port,
        receiver.path("ca.pem").display()
    ));
    let running = trail.deliver("siem", without);
    eventually("it does not get on", || {
        trail.status("siem").is_some_and(|status| {
            matches!(
                status.standing,
                Standing::Misconfigured | Standing::Retrying
            ) && status.attempts > 2
        })
    });
    running.halt();
    assert_eq!(Cursor::load(&trail.dir(), &named("siem")).unwrap().next, 0);
    trail.drain("siem", receiver.sink("syslog", ""));
    eventually("all have arrived", || receiver.different().len() == 10);
    assert!(
        dead_letters(&trail.dir(), &named("siem"))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_receiver_with_a_certificate_that_is_not_trusted_gets_nothing() {
    let mut receiver = Rsyslog::new(Protocol::RelpTls);
    receiver.start();
    let stranger = Authority::new("stranger").unwrap();
    std::fs::write(receiver.path("ca.pem.other"), stranger.pem()).unwrap();
    let trail = Trail::new();
    trail.many(3, 3);
    let sink = config(&format!(
        "kind = \"relp\"\naddress = \"localhost:{}\"\n[tls]\nca_file = \"{}\"\n",
        receiver.port,
        receiver.path("ca.pem.other").display()
    ));
    assert_eq!(sink.kind(), Opener::kind(&sink));
    let running = trail.deliver("siem", sink);
    eventually("it says why", || {
        trail.status("siem").is_some_and(|status| {
            status.standing == Standing::Misconfigured
                && status
                    .last_error
                    .is_some_and(|error| error.reason.contains("`ca_file`"))
        })
    });
    running.halt();
    assert!(receiver.numbers().is_empty());
}
