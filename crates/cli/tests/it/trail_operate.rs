//! `pgattest trail sinks | detect | hold | prune`: what an operator does with a trail, beside a collector that runs or without one.

use crate::trail_desk::{TrailDesk, wait};
use pgattest_evidence::KeyStore;
use pgattest_parse::audit_log::Format;
use pgattest_trail::block::FileId;
use pgattest_trail::{Block, Journal, JournalOptions, Leaf};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SELECT: &str =
    "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.orders,select 1 from orders,<none>";
const SUPERUSER: &str = "AUDIT: SESSION,2,1,ROLE,ALTER ROLE,,,alter role mallory superuser,<none>";

/// A receiver that takes requests up to a size, and counts those that it took.
struct Receiver {
    address: String,
    longest: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl Receiver {
    /// Answers 202 to bodies of at most so many bytes, and 413 to others.
    fn start(longest: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap().to_string(),
            longest: Arc::new(AtomicUsize::new(longest)),
            taken: Arc::default(),
        };
        let (longest, taken) = (Arc::clone(&receiver.longest), Arc::clone(&receiver.taken));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (longest, taken) = (Arc::clone(&longest), Arc::clone(&taken));
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.unwrap());
                    while let Some(length) = request(&mut reader) {
                        let status = if length > longest.load(Ordering::SeqCst) {
                            "413 Payload Too Large"
                        } else {
                            taken.fetch_add(1, Ordering::SeqCst);
                            "202 Accepted"
                        };
                        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}");
                        reader.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        receiver
    }
}

/// Reads a request whole: the length of its body. `None`: there is none any more.
fn request(reader: &mut BufReader<std::net::TcpStream>) -> Option<usize> {
    whole_request(reader).map(|(_, body)| body.len())
}

/// Reads a request: its head in small letters, and its body.
fn whole_request(reader: &mut BufReader<std::net::TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head += &line;
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

#[test]
fn dead_letters_are_told_and_delivered_again() {
    let receiver = Receiver::start(2_000);
    let desk = TrailDesk::new(&format!(
        "[sink.siem]\nkind = \"datadog\"\nurl = \"http://{}\"\napi_key = {{ file = \"{}\" }}\n",
        receiver.address, "api.key"
    ));
    desk.desk.write("api.key", "0123456789abcdef");
    // No two of its words are alike: compression makes it no shorter than the receiver takes.
    let mut noise = String::new();
    for n in 0..4_000_u64 {
        write!(noise, "{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40).unwrap();
    }
    let long = format!("AUDIT: SESSION,2,1,READ,SELECT,,,select '{noise}',<none>");
    desk.log("6b03e095.7", &[SELECT, &long, SELECT]);
    desk.run_once();

    let sinks = desk.trail_ends("sinks", &["--format", "json"], 1);
    let sinks: serde_json::Value = serde_json::from_slice(&sinks.stdout).unwrap();
    assert_eq!(sinks["schema"], "pgattest.trail-sinks/1");
    let sink = &sinks["sinks"][0];
    assert_eq!(
        (&sink["name"], &sink["kind"]),
        (&"siem".into(), &"datadog".into())
    );
    assert_eq!(
        [&sink["next"], &sink["delivered"], &sink["behind_records"]],
        [3, 2, 0]
    );
    assert_eq!([&sink["dead_letters"], &sink["dead_records"]], [1, 1]);
    let text = desk.trail_ends("sinks", &[], 1);
    text.assert_says("1 records in 1 dead letters: `--redeliver siem` sends them again");

    // It is refused once more, stays, and is delivered when the other end takes it.
    let refused = desk.trail_ends("sinks", &["--redeliver", "siem"], 1);
    refused.assert_says("1 records  stays: ");
    receiver.longest.store(usize::MAX, Ordering::SeqCst);
    let delivered = desk.trail_ends("sinks", &["--redeliver", "siem"], 0);
    delivered.assert_says("1 records  delivered");
    let again = desk.trail_ends("sinks", &["--redeliver", "siem"], 0);
    assert!(
        again.stderr.contains("has no dead letters to send"),
        "{again}"
    );
    desk.trail_ends("sinks", &[], 0)
        .assert_says("siem  datadog  stopped");

    let before = receiver.taken.load(Ordering::SeqCst);
    let tried = desk.trail_ends("sinks", &["--test", "siem"], 0);
    tried.assert_says("siem: confirmed; look there for `pgattest canary ");
    assert_eq!(receiver.taken.load(Ordering::SeqCst), before + 1);
    let unknown = desk.trail_ends("sinks", &["--test", "seim"], 2);
    assert!(unknown.stderr.contains("it has: siem"), "{unknown}");
}

#[test]
fn a_sink_that_was_never_run_is_not_well() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    desk.run_once();
    desk.trail_ends("sinks", &[], 0);
    desk.configure("[sink.copy]\nkind = \"file\"\npath = \"copy.jsonl\"\n");
    desk.trail_ends("sinks", &[], 1)
        .assert_says("copy  ?  never ran");
    desk.run_once();
    desk.trail_ends("sinks", &[], 0)
        .assert_says("confirmed   1 records, up to 1 of 1");
}

#[test]
fn a_rule_that_fires_is_alerted_with_a_proof_and_recorded() {
    let desk =
        TrailDesk::new("[detect]\nalert_files = [\"alerts.jsonl\"]\nwithout = [\"new-address\"]\n");
    desk.log("6b03e095.7", &[SELECT, SUPERUSER]);
    desk.run_once();

    let alerts = fs::read_to_string(desk.desk.path("alerts.jsonl")).unwrap();
    let alerts: Vec<serde_json::Value> = alerts
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    assert_eq!(
        (&alert["rule"], &alert["severity"]),
        (&"new-superuser".into(), &"critical".into())
    );
    assert_eq!(alert["records"], serde_json::json!([1]));
    assert_eq!(alert["instance"], "shop");
    // The proof that comes with it is one.
    desk.desk
        .write("alert.proof", alert["proof"].as_str().unwrap());
    let proven = desk.desk.run(&[
        "trail",
        "verify",
        "--proof",
        "alert.proof",
        "--key",
        "keys/pgattest_ed25519.pub",
    ]);
    proven.assert_code(0);
    proven.assert_says("alter role mallory superuser");
    assert_eq!(alert_leaves(&desk), [("new-superuser".to_owned(), vec![1])]);

    // The same over what is there already, by the configuration: the same alert, by its identifier.
    let found = desk.trail_ends("detect", &[], 1);
    let again: serde_json::Value =
        serde_json::from_str(found.text().lines().next().unwrap()).unwrap();
    assert_eq!(again["id"], alert["id"]);
    desk.trail_ends("detect", &["--only", "copy-program"], 0);
    let unknown = desk.trail_ends("detect", &["--only", "new-address"], 2);
    assert!(
        unknown.stderr.contains("there is no rule `new-address`"),
        "{unknown}"
    );
}

#[test]
fn a_test_alert_goes_to_the_places_of_the_configuration_and_is_sealed_by_the_collector() {
    let desk = TrailDesk::new("[detect]\nalert_files = [\"alerts.jsonl\"]\n");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let tested = desk.trail_ends("detect", &["--test"], 0);
    tested.assert_says("alerts.jsonl");
    wait("the leaf of the test alert", || {
        alert_leaves(&desk)
            .iter()
            .any(|(rule, _)| rule.contains("test"))
    });
    collector.stop();
    let alerts = fs::read_to_string(desk.desk.path("alerts.jsonl")).unwrap();
    assert!(alerts.contains("This is a test"), "{alerts}");
    // Where it cannot be delivered, it says so.
    desk.configure("[detect]\nalert_files = [\"log\"]\n");
    desk.trail_ends("detect", &["--test"], 1);
}

/// The head and the body of each request.
type Requests = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A receiver of alerts: fails the first request with 500, and takes the others with 200. What it was sent.
fn receiver_of_alerts() -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen: Requests = Arc::default();
    let kept = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            while let Some(request) = whole_request(&mut reader) {
                let mut kept = kept.lock().unwrap();
                let status = if kept.is_empty() {
                    "500 Internal Server Error"
                } else {
                    "200 OK"
                };
                kept.push(request);
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        }
    });
    (address, seen)
}

/// A header's value.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no {name} in {head}"))
}

#[test]
fn a_webhook_that_fails_first_gets_the_alert_again_signed_and_whole() {
    let (address, seen) = receiver_of_alerts();
    let desk = TrailDesk::new(&format!(
        "[detect]\n[[detect.webhook]]\nname = \"soc\"\nurl = \"http://{address}/in/5ec3e7\"\nsecret = {{ file = \"{}\" }}\n",
        "hook.key"
    ));
    desk.desk.write("hook.key", "shared");
    desk.log("6b03e095.7", &[SELECT, SUPERUSER]);
    desk.run_once();

    let seen = seen.lock().unwrap();
    let [(first_head, first), (head, body)] = seen.as_slice() else {
        panic!("{} requests", seen.len());
    };
    assert!(head.starts_with("post /in/5ec3e7 http/1.1"), "{head}");
    assert_eq!(first, body, "the same alert");
    assert_eq!(
        header(first_head, "idempotency-key"),
        header(head, "idempotency-key")
    );
    let alert: serde_json::Value = serde_json::from_slice(body).unwrap();
    assert_eq!(alert["schema"], "pgattest.alert/1");
    assert_eq!(alert["rule"], "new-superuser");
    assert_eq!(alert["records"], serde_json::json!([1]));
    assert!(alert["proof"].as_str().unwrap().contains("tlog-proof"));
    let signature = header(head, "x-pgattest-signature");
    let (at, _) = signature
        .strip_prefix("t=")
        .unwrap()
        .split_once(',')
        .unwrap();
    assert_eq!(
        signature,
        pgattest_sinks::alert::sign("shared", at.parse().unwrap(), body)
    );
    // The journal says that it was delivered, and nowhere what may be a secret.
    let leaf = desk.leaves().into_iter().find_map(|leaf| match leaf {
        Leaf::Alert { delivered, .. } => Some(delivered),
        _ => None,
    });
    let delivered = leaf.unwrap();
    assert!(
        delivered[0].starts_with("webhook soc: ok: HTTP 200"),
        "{delivered:?}"
    );
    for leaf in desk.leaves() {
        assert!(!serde_json::to_string(&leaf).unwrap().contains("5ec3e7"));
    }
}

#[test]
fn a_hold_is_set_and_lifted_by_the_collector_that_runs() {
    let desk = TrailDesk::new("");
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(1);
    let set = desk.trail_ends("hold", &["set", "matter 7", "--reason", "counsel"], 0);
    assert!(
        set.stderr
            .contains("sealed in the journal, by the collector that runs"),
        "{set}"
    );
    desk.trail_ends("hold", &["list"], 0)
        .assert_says("matter 7");
    let lift = desk.trail_ends("hold", &["lift", "matter 8", "--reason", "settled"], 2);
    assert!(
        lift.stderr.contains("no hold `matter 8` is in force"),
        "{lift}"
    );
    let held = desk.trail_ends("prune", &["--yes"], 2);
    assert!(held.stderr.contains("`matter 7` (counsel)"), "{held}");

    // Whoever can write there may not say anything else.
    desk.desk
        .write("journal/inbox/0-forged.request", "{\"request\":\"drop\"}");
    let answer = desk.desk.path("journal/inbox/0-forged.answer");
    wait("the answer to what is no request", || answer.exists());
    assert!(
        fs::read_to_string(answer)
            .unwrap()
            .contains("it is no request")
    );
    wait("that it is said", || {
        collector
            .said()
            .contains("0-forged.taken` is refused: it is no request")
    });

    desk.trail_ends("hold", &["lift", "matter 7", "--reason", "settled"], 0);
    collector.stop();
    let holds: Vec<bool> = desk
        .leaves()
        .iter()
        .filter_map(|leaf| match leaf {
            Leaf::Hold { name, active, .. } if name == "matter 7" => Some(*active),
            _ => None,
        })
        .collect();
    assert_eq!(holds, [true, false]);
    // Without a collector the command does it itself.
    let own = desk.trail_ends("hold", &["set", "matter 9", "--reason", "counsel"], 0);
    assert!(!own.stderr.contains("by the collector"), "{own}");
    desk.trail_ends("verify", &[], 0);
}

#[test]
fn what_is_old_enough_is_pruned_by_the_collector_that_runs() {
    let desk = TrailDesk::new("[archive]\ndir = \"archive\"\nretention_days = 0\n");
    three_segments(&desk);
    desk.log("6b03e095.7", &[SELECT]);
    let collector = desk.collector();
    desk.wait_for_records(4);
    assert_eq!(segments(&desk), 3);
    // The floor is the collector's, whatever the command is told.
    desk.configure("[archive]\ndir = \"archive\"\nretention_days = 365\n");
    let refused = desk.trail_ends("prune", &["--older-than", "10", "--yes"], 2);
    assert!(
        refused.stderr.contains("`retention_days` is the floor"),
        "{refused}"
    );
    desk.configure("[archive]\ndir = \"archive\"\nretention_days = 0\n");
    let shown = desk.trail_ends("prune", &["--older-than", "0"], 0);
    shown.assert_says("records 0 to 3 were sealed more than 0 days ago");
    let pruned = desk.trail_ends("prune", &["--older-than", "0", "--yes"], 0);
    pruned.assert_says("2 segments");
    assert_eq!(segments(&desk), 1);
    // Capture goes on.
    desk.log("6b03e095.8", &[SELECT]);
    desk.wait_for_records(5);
    collector.stop();
    assert!(desk.leaves().iter().any(|leaf| matches!(
        leaf,
        Leaf::Pruned {
            oldest_record: 2,
            ..
        }
    )));
    let verified = desk.trail_ends("verify", &[], 0);
    verified.assert_says("the payload of 2 blocks was pruned");
    let again = desk.trail_ends("prune", &["--older-than", "0", "--yes"], 0);
    again.assert_says("no whole segment that is old enough");
}

#[test]
fn a_request_below_the_collectors_own_floor_is_refused() {
    let desk = TrailDesk::new("");
    three_segments(&desk);
    let collector = desk.collector();
    wait("the collector", || {
        desk.leaves()
            .iter()
            .any(|leaf| matches!(leaf, Leaf::Start { .. }))
    });
    let refused = desk.trail_ends(
        "prune",
        &["--retention-days", "1", "--older-than", "1", "--yes"],
        2,
    );
    assert!(
        refused
            .stderr
            .contains("the collector refuses it: the collector keeps records 365 days"),
        "{refused}"
    );
    collector.stop();
    assert_eq!(segments(&desk), 3);
}

/// A journal of three records in as many segments, as if the collector had run for long.
fn three_segments(desk: &TrailDesk) {
    let key = KeyStore::new(desk.desk.path("keys"))
        .load_or_create()
        .unwrap()
        .key;
    let options = JournalOptions {
        segment_bytes: 1,
        ..JournalOptions::default()
    };
    let mut journal = Journal::open(&desk.desk.path("journal"), key, options).unwrap();
    for number in 0..3 {
        let bytes = crate::trail_desk::line("6b03e095.1", number + 1, SELECT).into_bytes();
        let length = bytes.len() as u64;
        let file = FileId::new("/old/postgresql.csv", 1, 2, b"");
        let offset = length * number as u64;
        let block = Block::of_records(file, offset, Format::Csvlog { columns: 26 }, [bytes]);
        journal.append(&block).unwrap();
    }
    journal.commit().unwrap();
}

fn segments(desk: &TrailDesk) -> usize {
    fs::read_dir(desk.desk.path("journal/segments"))
        .unwrap()
        .count()
}

/// Rules and records of the alerts in the journal.
fn alert_leaves(desk: &TrailDesk) -> Vec<(String, Vec<u64>)> {
    desk.leaves()
        .into_iter()
        .filter_map(|leaf| match leaf {
            Leaf::Alert { rule, records, .. } => Some((rule, records)),
            _ => None,
        })
        .collect()
}
