//! Logs that real servers write while clients misbehave: read by us, by the `csv` crate, and in several forms at once.

use super::{assert_equal, pieces, read, text};
use anyhow::{Context, Result};
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::format::{Detected, detect};
use pgattest_parse::audit_log::{Format, Record, pgaudit};
use pgattest_testkit::{Cluster, Login, available_majors};
use std::collections::BTreeMap;
use std::path::Path;

const PREFIX: &str = "%m [%p] %q%u@%d ";

/// A role's name that would be a record if it stood at the beginning of a line.
const FORGER: &str = "x\n2026-01-01 00:00:00.000 UTC,\"a\",,1,,1.1,1,\"";

const SETUP: &str = r#"
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE app LOGIN PASSWORD 'spec-only';
    CREATE ROLE "a, ""b"" [é" LOGIN;
    CREATE DATABASE "d, ""e""
f";
    CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
    CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
"#;

const HBA: &str = "\
local all all trust
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
";

/// What nobody but pgaudit may say, said by a function: alone, and with everything a function can add.
const FORGERY: &str = r#"
    DO $$ BEGIN
        RAISE LOG 'AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.x,select 1,<none>';
        RAISE LOG 'disconnection: session time: 0:00:00.001 user=x database=y host=[local]';
        RAISE LOG E'a\r\n2026-01-01 00:00:00.000 UTC,"",,1,,1.1,1,,2026-01-01 00:00:00 UTC,,0,LOG,00000,' USING DETAIL = E',,,,,,,,,\n', HINT = ',';
        RAISE LOG '%', repeat('""', 1000) || E'\\\t\x01\x7f';
    END $$;
"#;

#[test]
fn real_servers_and_hostile_clients() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    for major in available_majors()
        .into_iter()
        .filter(|major| [13, 15, 18].contains(major))
    {
        runtime
            .block_on(one_server(major))
            .with_context(|| format!("PostgreSQL {major}"))?;
    }
    Ok(())
}

async fn one_server(major: u32) -> Result<()> {
    let audited = major == 15;
    let mut builder = Cluster::builder(major)
        .hba(HBA)
        .setting("logging_collector", "on")
        .setting(
            "log_destination",
            if major < 15 {
                "csvlog,stderr"
            } else {
                "csvlog,jsonlog,stderr"
            },
        )
        .setting("log_line_prefix", PREFIX)
        .setting("log_timezone", "UTC")
        .setting("log_connections", "on")
        .setting("log_disconnections", "on")
        .setting("log_statement", "all")
        .setting("log_error_verbosity", "verbose");
    if audited {
        builder = builder
            .preload("pgaudit")
            .extension("pgaudit")
            .setting("pgaudit.log", "all")
            .setting("pgaudit.log_parameter", "on");
    }
    let cluster = builder.start().await?;
    misbehave(&cluster).await?;
    cluster.stop()?;

    let log = cluster.data_dir().join("log");
    let format = Format::Csvlog {
        columns: if major == 13 { 24 } else { 26 },
    };
    let csv = collected(&log, ".csv")?;
    assert_eq!(detect(&csv, None), Detected::Form(format.clone()));
    let (records, torn) = read(&format, &csv);
    assert_eq!(torn, []);
    as_the_csv_crate_reads(&csv, &records)?;
    if major >= 15 {
        let json = collected(&log, ".json")?;
        assert_eq!(detect(&json, None), Detected::Form(Format::Jsonlog));
        let (objects, torn) = read(&Format::Jsonlog, &json);
        assert_eq!(torn, []);
        let key = |record: &Record<'_>| (record.session.as_deref().map(text), record.line);
        let by_key: BTreeMap<_, _> = objects.iter().map(|record| (key(record), record)).collect();
        assert_eq!(
            (objects.len(), by_key.len()),
            (records.len(), records.len())
        );
        for record in &records {
            assert_equal(
                record,
                by_key
                    .get(&key(record))
                    .context("a record that jsonlog has not")?,
            );
        }
    }
    plain_text(&collected(&log, ".log")?, &records);
    outcomes(&records, major);
    forgeries(&records, audited);
    torn_anywhere(&format, &csv);
    Ok(())
}

async fn misbehave(cluster: &Cluster) -> Result<()> {
    cluster.execute("postgres", SETUP).await?;
    cluster.execute("postgres", FORGERY).await?;
    cluster
        .execute("d, \"e\"\nf", "SET application_name = 'x\",\n,é'; SELECT 1")
        .await?;
    cluster.execute("latin", "SELECT 'é', E'\\t'").await?;
    cluster
        .execute("bytes", "DO $$ BEGIN RAISE LOG 'bytes: %', convert_from('\\xe9ff22fe'::bytea, 'SQL_ASCII'); END $$")
        .await?;
    let large = format!(
        "SELECT length('{}\n2026-01-01 00:00:00.000 UTC,')",
        "\"\",\n".repeat(800_000)
    );
    cluster
        .client("postgres")
        .await?
        .batch_execute(&large)
        .await?;
    let odd = cluster.client_as("a, \"b\" [é", "postgres").await?;
    odd.batch_execute("SELECT 1/0").await.unwrap_err();
    drop(odd);
    cluster
        .connect(&Login::new("app").password("spec-only").tcp())
        .await?;
    for login in [
        Login::new("app").password("wrong").tcp(),
        Login::new(FORGER).password("wrong").tcp(),
        Login::new("app")
            .password("spec-only")
            .database("no such")
            .tcp(),
    ] {
        assert!(cluster.connect(&login).await.is_err());
    }
    Ok(())
}

/// The log's files of one ending, in order.
fn collected(log: &Path, ending: &str) -> Result<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(log)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let mut bytes = Vec::new();
    for file in files
        .iter()
        .filter(|file| file.to_string_lossy().ends_with(ending))
    {
        bytes.extend(std::fs::read(file)?);
    }
    Ok(bytes)
}

fn as_the_csv_crate_reads(log: &[u8], records: &[Record<'_>]) -> Result<()> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(log);
    let rows = reader.byte_records().collect::<Result<Vec<_>, _>>()?;
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        let some = |text: &Option<std::borrow::Cow<'_, [u8]>>| {
            text.as_ref().map(|text| text.to_vec()).unwrap_or_default()
        };
        let number = |number: Option<u64>| {
            number
                .map(|number| number.to_string())
                .unwrap_or_default()
                .into_bytes()
        };
        let client = match record.port {
            Some(port) => format!("{}:{port}", text(&some(&record.host))).into_bytes(),
            None => some(&record.host),
        };
        let mut read = vec![
            record.time.to_vec(),
            some(&record.user),
            some(&record.database),
            number(record.pid.map(u64::from)),
            client,
            some(&record.session),
            number(record.line),
            some(&record.command_tag),
            some(&record.session_start),
            some(&record.virtual_transaction),
            number(record.transaction),
            some(&record.severity),
            some(&record.sqlstate),
            record.message.to_vec(),
            some(&record.detail),
            some(&record.hint),
            some(&record.internal_query),
            row.get(17).unwrap_or_default().to_vec(),
            some(&record.context),
            some(&record.statement),
            row.get(20).unwrap_or_default().to_vec(),
            some(&record.location),
            some(&record.application_name),
            some(&record.backend_type),
            number(record.leader_pid.map(u64::from)),
            record
                .query_id
                .map(|id| id.to_string())
                .unwrap_or_default()
                .into_bytes(),
        ];
        read.truncate(row.len());
        assert_eq!(row.iter().map(<[u8]>::to_vec).collect::<Vec<_>>(), read);
    }
    Ok(())
}

/// Whatever the same server writes as plain text is read, but for what is named with a line end.
fn plain_text(log: &[u8], records: &[Record<'_>]) {
    let format = Format::Stderr {
        prefix: PREFIX.to_owned(),
    };
    let (lines, _) = read(&format, log);
    let said = |record: &Record<'_>| {
        let said = |text: &Option<std::borrow::Cow<'_, [u8]>>| {
            text.as_deref().map(text_of).filter(|text| !text.is_empty())
        };
        (
            text(&record.time),
            record.pid,
            text_of(&record.message),
            said(&record.detail),
            said(&record.context),
            said(&record.statement),
        )
    };
    let lines: Vec<_> = lines.iter().map(said).collect();
    let names_a_line_end = |record: &Record<'_>| {
        [&record.user, &record.database]
            .into_iter()
            .flatten()
            .any(|name| name.contains(&b'\n'))
    };
    for record in records.iter().filter(|record| !names_a_line_end(record)) {
        assert!(
            lines.contains(&said(record)),
            "{}",
            text(&record.message).chars().take(200).collect::<String>()
        );
    }
}

/// A message with a carriage return at its end loses it in plain text.
fn text_of(bytes: &[u8]) -> String {
    text(bytes.strip_suffix(b"\r").unwrap_or(bytes))
}

fn outcomes(records: &[Record<'_>], major: u32) {
    let events: Vec<_> = records.iter().filter_map(authentication::read).collect();
    let count = |of: fn(&Event<'_>) -> bool| events.iter().filter(|event| of(event)).count();
    assert_eq!(
        count(|event| *event
            == Event::Refused {
                role_exists: Some(false)
            }),
        1,
        "the forger"
    );
    assert_eq!(
        count(|event| *event
            == Event::Refused {
                role_exists: Some(true)
            }),
        2,
        "a wrong password, an unknown database"
    );
    let authorized = count(|event| {
        matches!(
            event,
            Event::Authorized {
                tls: false,
                replication: false
            }
        )
    });
    assert!(authorized >= 7);
    // The one that asked for an unknown database was authorized, too, and is disconnected like every other.
    let received = count(|event| *event == Event::Received);
    assert_eq!(received, authorized + 2);
    let disconnected = count(|event| *event == Event::Disconnected);
    assert!(
        disconnected <= received && disconnected + 3 >= authorized,
        "{disconnected} of {authorized}"
    );
    let identities: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Authenticated { identity, method } => Some((text(identity), text(method))),
            _ => None,
        })
        .collect();
    let app = ("app".to_owned(), "scram-sha-256".to_owned());
    let scram = identities
        .iter()
        .filter(|identity| **identity == app)
        .count();
    assert_eq!(scram, if major == 13 { 0 } else { 2 });
    let trusted = ("a, \"b\" [é".to_owned(), "trust".to_owned());
    assert_eq!(identities.contains(&trusted), major >= 16);
}

fn forgeries(records: &[Record<'_>], audited: bool) {
    let forged: Vec<_> = records
        .iter()
        .filter(|record| record.message.starts_with(b"AUDIT: ") && record.context.is_some())
        .collect();
    assert_eq!(forged.len(), 1);
    assert!(pgaudit::read(&forged[0].message).is_some() && pgaudit::of(forged[0]).is_none());
    assert!(
        records
            .iter()
            .filter_map(pgaudit::of)
            .all(|audit| audit.object_name.as_ref() != b"public.x")
    );
    let audits: Vec<_> = records.iter().filter_map(pgaudit::of).collect();
    assert_eq!(!audits.is_empty(), audited);
    if audited {
        assert!(audits.iter().any(|audit| {
            audit
                .statement
                .text()
                .is_some_and(|text| text.len() > 3_000_000)
        }));
        assert!(
            records
                .iter()
                .all(|record| !record.message.starts_with(b"AUDIT: ")
                    || pgaudit::read(&record.message).is_some())
        );
    }
}

/// The log volume was full: something is missing between any two places. What is whole outside of them is there, and nothing else
/// but what both places are in.
fn torn_anywhere(format: &Format, log: &[u8]) {
    let mut ends = vec![0];
    for (piece, _) in pieces(format, log) {
        ends.push(ends.last().unwrap() + piece.len());
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..12 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let from = usize::try_from(random >> 16).unwrap() % log.len();
        let to = (from + usize::try_from(random >> 40).unwrap() % 4_000).min(log.len());
        let torn = [&log[..from], &log[to..]].concat();
        let mut whole: Vec<_> = ends
            .windows(2)
            .filter(|ends| ends[1] <= from || ends[0] >= to)
            .map(|ends| {
                if ends[1] <= from {
                    (ends[0], ends[1])
                } else {
                    (ends[0] - to + from, ends[1] - to + from)
                }
            })
            .collect();
        let mut at = 0;
        for (piece, reason) in pieces(format, &torn) {
            let place = (at, at + piece.len());
            at = place.1;
            if reason.is_none() {
                match whole.iter().position(|record| *record == place) {
                    Some(found) => drop(whole.remove(found)),
                    None => assert!(
                        place.0 <= from && from <= place.1,
                        "invented: {}",
                        text(piece)
                    ),
                }
            }
        }
        assert_eq!(whole, [], "lost when {from} to {to} is");
    }
}
