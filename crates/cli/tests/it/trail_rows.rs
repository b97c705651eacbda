//! Rows changed since an earlier audit, against what the trail holds of them: a real server, its collector, two audits.

use crate::support::{Desk, text};
use crate::trail_desk::{TrailDesk, wait};
use pgattest_testkit::{Cluster, SUPERUSER, SUPERUSER_PASSWORD};
use std::fs;

const TRAIL: [&str; 4] = [
    "--trail",
    "journal",
    "--trail-key",
    "keys/pgattest_ed25519.pub",
];

struct Room {
    cluster: Cluster,
    desk: TrailDesk,
    connection: String,
}

impl Room {
    /// A hardened cluster whose log is captured into a trail that is tied to it.
    fn new() -> (Self, crate::trail_desk::Collector) {
        let cluster = Cluster::hardened(15)
            .setting("pgaudit.log_rows", "on")
            .start_blocking()
            .unwrap();
        let (desk, collector) = TrailDesk::beside(Desk::new(), &cluster, "text_logs = false\n");
        let connection = cluster.dsn_tls(SUPERUSER, SUPERUSER_PASSWORD, "postgres");
        let logs = desk.desk.path("log").display().to_string();
        let proven = desk.desk.run(&[
            "prove",
            "logging",
            &connection,
            "--yes",
            "--logs",
            &logs,
            "--trail",
            "journal",
        ]);
        proven.assert_code(0);
        wait("the canaries in the tree", || {
            let leaves = desk.leaves();
            let mut leaves = leaves.iter();
            leaves.any(|leaf| matches!(leaf, pgattest_trail::Leaf::Canary { .. }))
        });
        let room = Self {
            cluster,
            desk,
            connection,
        };
        (room, collector)
    }

    fn sql(&self, sql: &str) {
        self.cluster.execute_blocking("postgres", sql).unwrap();
    }

    fn audit_since(&self, package: &str) -> crate::support::Report {
        let more = [&TRAIL[..], &["--since", package]].concat();
        self.desk.desk.audit_with(&self.connection, &more)
    }
}

#[test]
fn what_a_superuser_changed_with_auditing_off_shows_in_the_counters() {
    let (room, collector) = Room::new();
    // What is audited in the minute before the earlier audit counts, too: its rows may have been counted late. So these are not.
    room.sql(
        "SET pgaudit.log = 'none'; CREATE TABLE seen (id int PRIMARY KEY); CREATE TABLE \"un\"\"seen\" (id int);
         CREATE TABLE parts (id int) PARTITION BY RANGE (id);
         CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (100);
         INSERT INTO seen SELECT generate_series(1, 20); INSERT INTO \"un\"\"seen\" VALUES (0)",
    );
    let package = room.desk.desk.seal(&room.connection);
    let package = package.to_str().unwrap();

    let before = room.audit_since(package);
    assert_eq!(
        before.verdict("LOG-20"),
        "pass",
        "{}",
        before.check("LOG-20")
    );

    room.sql("UPDATE seen SET id = id + 100 WHERE id < 4; INSERT INTO parts VALUES (1), (2)");
    let audited = room.audit_since(package);
    let check = audited.check("LOG-20");
    assert_eq!(audited.verdict("LOG-20"), "pass", "{check}");
    assert_eq!(check["population"]["count"], 2, "{check}");

    // The session leaves no record of this: its own setting, and the rows.
    room.sql("SET pgaudit.log = 'none'; INSERT INTO \"un\"\"seen\" VALUES (1), (2), (3); DELETE FROM seen WHERE id > 110");
    room.sql("SET pgaudit.log = 'none'; DELETE FROM seen WHERE id IN (10, 11)");
    let after = room.audit_since(package);
    let check = after.check("LOG-20");
    assert_eq!(after.verdict("LOG-20"), "fail", "{check}");
    let found: Vec<_> = check["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            (
                text(&finding["subject"]["name"]),
                text(&finding["severity"]),
            )
        })
        .collect();
    assert_eq!(
        found,
        [("public.\"un\"\"seen\"", "high"), ("public.seen", "medium")],
        "{check}"
    );
    collector.stop();
}

#[test]
fn a_package_that_says_nothing_of_this_cluster_is_refused() {
    let (room, collector) = Room::new();
    let package = room.desk.desk.seal(&room.connection);
    let audit = |more: &[&str]| {
        let arguments = [&["audit", &room.connection][..], &TRAIL, more].concat();
        let answer = room.desk.desk.run(&arguments);
        answer.assert_code(2);
        answer.stderr
    };

    let mut bytes = fs::read(&package).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    room.desk.desk.write("changed.zip", bytes);
    let said = audit(&["--since", "changed.zip"]);
    assert!(said.contains("changed.zip is not to be believed"), "{said}");

    // Test clusters of one major are copies of one, and have its identifier.
    let other = Cluster::builder(16).start_blocking().unwrap();
    let elsewhere = Desk::new();
    let of_another = elsewhere.seal(&other.dsn("postgres"));
    // Whoever signed it is not known here.
    let said = audit(&["--since", of_another.to_str().unwrap()]);
    assert!(said.contains("no key that is trusted signed it"), "{said}");
    let key = elsewhere.key_file("openssh");
    let said = audit(&[
        "--since",
        of_another.to_str().unwrap(),
        "--since-key",
        key.to_str().unwrap(),
    ]);
    assert!(said.contains("is of another cluster"), "{said}");
    collector.stop();
}
