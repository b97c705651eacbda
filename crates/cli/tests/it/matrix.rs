//! A fresh cluster of every major version, and what the checks say of it: `matrix.txt`.
//!
//! Run with `PGATTEST_UPDATE=1` to write the file anew, then judge every changed cell as an expert would. Why the cells that
//! may surprise are right:
//!
//! - GRN-02 fails on 13 and 14 only: until 15, `initdb` let everybody create in `public`. `template1` counts as much as
//!   `postgres`: every new database is a copy of it.
//! - ROL-02, ROL-03 and ROL-06 do not apply as long as every login role is a superuser; ROL-01 judges those. With `anybody`
//!   there is a population, and they pass.
//! - GRN-04, GRN-05, RLS-01 to RLS-15, FUN-01, SEC-08: a fresh cluster has no table, policy, view, function or stored setting.
//!   "Does not apply" is not "pass": there was nothing to look at.
//! - HBA-07 passes with `host` lines, as they are for the loopback, which nobody can listen to from another machine.
//! - TLS-01 and TLS-02 fail with severity medium without TLS: the server listens on the loopback only. The last column is
//!   Debian's way, with a certificate that proves nothing but encrypts: its strength is another check's business.
//! - TLS-08 does not apply: the only client is the audit itself.
//! - SEC-01 passes on 13 too, although MD5 is the default there: the superuser's password was stored as SCRAM.
//! - LOG-01 fails once for the server and once for each database that people use (`template1` is a template).
//! - LOG-03 does not apply without pgaudit: there is no audit log that a role could be exempt from. LOG-01 says the rest.
//!
//! A role without privileges sees no `pg_hba_file_rules`, `pg_authid` or sessions of others, and, of the settings, neither
//! `shared_preload_libraries`, `pgaudit.log` nor `ssl_min_protocol_version`, which only superusers and members of
//! `pg_read_all_settings` may read. Those checks are unknown, never passed. What it may see is judged as for everybody: `ssl`
//! is off (then no floor guards anything, hence TLS-02), and nobody's logins are logged.

use crate::support::{Desk, Report, repository, subject, text};
use pgattest_testkit::{Cluster, ClusterBuilder, Login, SUPERUSER, SUPERUSER_PASSWORD, Tls};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const GOLDEN: &str = include_str!("matrix.txt");

/// What Debian's `pg_createcluster` writes.
const DEBIAN_HBA: &str = "\
local all postgres peer
local all all peer
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
local replication all peer
host replication all 127.0.0.1/32 scram-sha-256
host replication all ::1/128 scram-sha-256
";

/// A column: how it is headed, and its cluster.
fn columns() -> Vec<(String, ClusterBuilder)> {
    let mut columns: Vec<(String, ClusterBuilder)> = (13..=18)
        .map(|major| (major.to_string(), Cluster::builder(major).hba(DEBIAN_HBA)))
        .collect();
    // Debian's own packages turn TLS on, with a certificate that only says "snakeoil".
    columns.push((
        "15 Debian".to_owned(),
        Cluster::builder(15)
            .hba(DEBIAN_HBA)
            .tls(Tls::new())
            .setting("log_line_prefix", "%m [%p] %q%u@%d "),
    ));
    columns
}

#[tokio::test]
async fn fresh_clusters_of_every_major_are_judged_as_an_expert_would() {
    let mut as_superuser = Table::default();
    let mut as_anybody = Table::default();
    for (name, builder) in columns() {
        let cluster = builder.start().await.unwrap();
        let desk = Desk::new();
        as_superuser.add(&name, &desk.audit(&cluster.dsn("postgres")));
        let login = Login::new(SUPERUSER).password(SUPERUSER_PASSWORD).tcp();
        cluster
            .execute_as(
                &login,
                // 13 would store it as MD5, and that is a finding of its own.
                "SET password_encryption = 'scram-sha-256'; CREATE ROLE anybody LOGIN PASSWORD 'test-only'",
            )
            .await
            .unwrap();
        let desk = Desk::new().with("PGPASSWORD", "test-only");
        as_anybody.add(&name, &desk.audit(&cluster.dsn_as("anybody", "postgres")));
    }
    let found = format!(
        "As the superuser\n\n{}\nAs a login role without any privilege\n\n{}",
        as_superuser.render(),
        as_anybody.render()
    );
    if std::env::var_os("PGATTEST_UPDATE").is_some() {
        std::fs::write(repository("crates/cli/tests/it/matrix.txt"), &found).unwrap();
        return;
    }
    assert_eq!(found, GOLDEN, "see the head of this file");
}

/// Rows are checks, columns clusters.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: BTreeMap<(usize, String), Row>,
}

#[derive(Default)]
struct Row {
    cells: Vec<String>,
    /// Why, and for which columns.
    reasons: Vec<(String, Vec<String>)>,
}

impl Table {
    fn add(&mut self, column: &str, report: &Report) {
        for (place, check) in report.checks().iter().enumerate() {
            let row = self
                .rows
                .entry((place, text(&check["id"]).to_owned()))
                .or_default();
            let findings = check["findings"].as_array().unwrap();
            let cell = match text(&check["verdict"]) {
                "fail" => format!("fail {}", findings.len()),
                "not_assessed" => "unknown".to_owned(),
                "not_applicable" => "n/a".to_owned(),
                verdict => verdict.to_owned(),
            };
            row.cells.push(cell);
            let mut note =
                |reason: String| match row.reasons.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, columns)) => columns.push(column.to_owned()),
                    None => row.reasons.push((reason, vec![column.to_owned()])),
                };
            if let Some(reason) = check["reason"].as_str() {
                note(reason.to_owned());
            }
            for finding in findings {
                note(format!(
                    "{} {}",
                    text(&finding["severity"]),
                    subject(finding)
                ));
            }
        }
        self.columns.push(column.to_owned());
    }

    fn render(&self) -> String {
        let mut out = String::from("        ");
        for column in &self.columns {
            let _ = write!(out, "{column:<10}");
        }
        end_line(&mut out);
        for ((_, id), row) in &self.rows {
            let _ = write!(out, "{id:<8}");
            for cell in &row.cells {
                let _ = write!(out, "{cell:<10}");
            }
            end_line(&mut out);
        }
        out.push('\n');
        for ((_, id), row) in &self.rows {
            for (reason, columns) in &row.reasons {
                let whose = if *columns == self.columns {
                    "all".to_owned()
                } else {
                    columns.join(", ")
                };
                let _ = writeln!(out, "{id}  {whose}: {reason}");
            }
        }
        out
    }
}

fn end_line(out: &mut String) {
    let end = out.trim_end().len();
    out.truncate(end);
    out.push('\n');
}
