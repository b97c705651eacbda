//! The other forms, from what their documentation and sources say they write.

use super::{pieces, read, text};
use pgattest_parse::audit_log::authentication::{self, Event};
use pgattest_parse::audit_log::cloud_sql::{Chunks, Entry};
use pgattest_parse::audit_log::format::{Detected, detect};
use pgattest_parse::audit_log::pgaudit::{self, ObjectName, Parameter, Said};
use pgattest_parse::audit_log::{Format, Record, TornReason, decode};
use std::borrow::Cow;

fn entry(index: u32, count: u32, statement: &str) -> String {
    format!(
        r#"{{"insertId":"i{index}","logName":"projects/p/logs/cloudaudit.googleapis.com%2Fdata_access","protoPayload":{{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","methodName":"cloudsql.instances.query","request":{{"@type":"type.googleapis.com/google.cloud.sql.audit.v1.PgAuditEntry","auditClass":"READ","auditType":"SESSION","chunkCount":"{count}","chunkIndex":"{index}","command":"SELECT","database":"finance","databaseSessionId":2209692,"object":"public.revenue","objectType":"TABLE","parameter":"[not logged]","statement":{statement:?},"statementId":2,"substatementId":"1","user":"alice"}},"serviceName":"cloudsql.googleapis.com"}},"resource":{{"labels":{{"database_id":"p:db","project_id":"p"}},"type":"cloudsql_database"}},"severity":"INFO","timestamp":"2026-11-23T06:43:33.792123456Z"}}"#
    )
}

#[test]
fn cloud_sql_says_what_pgaudit_said() {
    let line = entry(1, 1, "select \"a\", b\nfrom revenue");
    let log = format!(
        "{line}\n{{\"protoPayload\":{{\"request\":{{\"@type\":\"other\"}}}}}}\nno JSON\n{line}"
    );
    assert_eq!(
        detect(log.as_bytes(), None),
        Detected::Form(Format::CloudSql)
    );
    let (records, torn) = read(&Format::CloudSql, log.as_bytes());
    assert_eq!(records.len(), 2);
    assert_eq!(torn.len(), 2);
    let record = &records[0];
    assert_eq!(
        (
            record.time_ms,
            record.user.as_deref(),
            record.session.as_deref()
        ),
        (
            Some(1_795_416_213_792),
            Some(&b"alice"[..]),
            Some(&b"2209692"[..]),
        )
    );
    let audit = pgaudit::of(record).unwrap();
    assert_eq!(
        (
            audit.statement_id,
            audit.substatement_id,
            text(&audit.object_name)
        ),
        (2, 1, "public.revenue".to_owned())
    );
    assert_eq!(
        audit.statement.text(),
        Some(&b"select \"a\", b\nfrom revenue"[..])
    );
    assert_eq!(audit.parameters, Said::NotLogged);
}

#[test]
fn chunks_come_together_in_any_order() {
    let read = |index, part| Entry::read(entry(index, 3, part).as_bytes()).unwrap();
    let mut chunks = Chunks::default();
    assert_eq!(chunks.add(read(3, "three")), None);
    assert_eq!(chunks.add(read(1, "one ")), None);
    assert_eq!(chunks.add(read(1, "one ")), None);
    let whole = chunks.add(read(2, "two ")).unwrap();
    assert_eq!(whole.statement, "one two three");
    assert_eq!(chunks.add(read(2, "alone")), None);
    let left = chunks.finish();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0][0].statement, "alone");
}

/// The documented prefix of Amazon RDS.
#[test]
fn rds_is_plain_text_with_its_prefix() {
    let log = b"2026-11-23 06:43:33 UTC:10.0.0.7(51234):app@shop:[9318]:LOG:  AUDIT: SESSION,1,1,READ,SELECT,,,\"select 1,\n\t2\",<none>\n\
        2026-11-23 06:43:34 UTC:10.0.0.7(51234):app@shop:[9318]:ERROR:  relation \"x\" does not exist at character 15\n\
        2026-11-23 06:43:34 UTC:10.0.0.7(51234):app@shop:[9318]:STATEMENT:  select * from\n\
        \tx\n\
        2026-11-23 06:43:35 UTC::@:[9309]:LOG:  checkpoint starting: time\n";
    assert_eq!(detect(log, None), Detected::Form(Format::RdsStderr));
    let (records, torn) = read(&Format::RdsStderr, log);
    assert_eq!((records.len(), torn.len()), (3, 0));
    let audit = pgaudit::of(&records[0]).unwrap();
    assert_eq!(audit.statement.text(), Some(&b"select 1,\n2"[..]));
    assert_eq!(
        (records[0].host.as_deref(), records[0].port, records[0].pid),
        (Some(&b"10.0.0.7"[..]), Some(51_234), Some(9_318))
    );
    assert_eq!(
        records[1].statement.as_deref(),
        Some(&b"select * from\nx"[..])
    );
    assert_eq!(
        (records[2].user.as_deref(), records[2].time_ms),
        (None, Some(1_795_416_215_000))
    );
}

#[test]
fn every_escape_of_a_prefix_is_read() {
    let prefix = "%%<%-12u|%10d|%a|%r|%b|%p|%P|%t|%m|%n|%s|%c|%l|%i|%e|%v|%x|%Q|%h> ";
    let line = "%<app         |      shop|x y|10.0.0.7(5)|client backend|12||2026-11-23 06:43:33 UTC|2026-11-23 06:43:33.792 UTC|1795416213.792|2026-11-23 06:43:00 UTC|6b03e095.c|7|SELECT|00000|3/1|42|-9|10.0.0.7> LOG:  said\n";
    let format = Format::Stderr {
        prefix: prefix.to_owned(),
    };
    let (records, torn) = read(&format, line.as_bytes());
    assert_eq!(torn, []);
    let said = |text: &str| Some(Cow::Owned(text.as_bytes().to_vec()));
    assert_eq!(
        records[0],
        Record {
            time: said("2026-11-23 06:43:33.792 UTC").unwrap(),
            time_ms: Some(1_795_416_213_792),
            user: said("app"),
            database: said("shop"),
            pid: Some(12),
            host: said("10.0.0.7"),
            port: Some(5),
            session: said("6b03e095.c"),
            line: Some(7),
            command_tag: said("SELECT"),
            session_start: said("2026-11-23 06:43:00 UTC"),
            virtual_transaction: said("3/1"),
            transaction: Some(42),
            severity: said("LOG"),
            sqlstate: said("00000"),
            message: said("said").unwrap(),
            application_name: said("x y"),
            backend_type: said("client backend"),
            query_id: Some(-9),
            ..Record::default()
        }
    );
}

/// From the extension's sources (1.8): every field a JSON string or nothing, pgaudit's message split at each comma.
#[test]
fn pgauditlogtofile_1_8_is_put_together_again() {
    let head = r#""2026-11-23 07:00:18.748123456 UTC","app","shop","30076","10.0.0.7:5","6b03e482.757c","SELECT","3/2","0","00000","#;
    let audit = r#""SESSION","3","1","READ","SELECT","TABLE","\"public.\"\"a"," b\"\"\",\"select 1,\n2\",<none>",,,,,,,,,"psql",,,,,,,"#;
    let login = r#""connection authorized: user=app database=shop, \"x\"",,,,,,,,,"psql",,,,,,,"#;
    let log = format!("{head}{audit}\n{head}{login}\nstray\n{head}{login}\n");
    assert_eq!(
        detect(log.as_bytes(), None),
        Detected::Form(Format::PgauditlogtofileCsv)
    );
    let (records, torn) = read(&Format::PgauditlogtofileCsv, log.as_bytes());
    assert_eq!(torn, [("stray\n".to_owned(), TornReason::Foreign)]);
    assert_eq!(records.len(), 3);
    let audit = pgaudit::of(&records[0]).unwrap();
    assert_eq!(text(&audit.object_name), "public.\"a, b\"");
    assert_eq!(audit.statement.text(), Some(&b"select 1,\n2"[..]));
    assert_eq!(records[0].time_ms, Some(1_795_417_218_748));
    assert!(matches!(
        authentication::read(&records[1]),
        Some(Event::Authorized { tls: false, .. })
    ));

    let object = r#"{"log.source":"pgauditlogtofile","severity":"audit","timestamp":"2026-11-23 07:00:18.748123456 UTC","db.user":"app","custom.process_id":"30076","net.peer.name":"10.0.0.7","net.peer.port":"5","custom.session_id":"6b03e482.757c","custom.state_code":"00000","custom.audit_type":"SESSION","custom.statement_id":"3","custom.substatement_id":"1","custom.class":"READ","custom.command":"SELECT","custom.object_type":"TABLE","custom.object_name":"public.a","content":"\"select 1,\n2\",<none>"}"#;
    let log = format!("{object}\n{}{object}\n", &object[..200]);
    assert_eq!(
        detect(log.as_bytes(), None),
        Detected::Form(Format::PgauditlogtofileJson)
    );
    let (records, torn) = read(&Format::PgauditlogtofileJson, log.as_bytes());
    assert_eq!(
        (records.len(), torn.len(), torn[0].1),
        (2, 1, TornReason::Glued)
    );
    assert_eq!(
        pgaudit::of(&records[1]).unwrap().statement.text(),
        Some(&b"select 1,\n2"[..])
    );
}

#[test]
fn an_audit_record_is_whole_or_none() {
    let read = |text: &'static str| pgaudit::read(text.as_bytes());
    let audit = read("AUDIT: OBJECT,12,3,WRITE,UPDATE,TABLE,\"public.\"\"weird \"\"\"\"tbl\"\"\"\", x\"\"\",<previously logged>,\"1,,\"\"q\"\"\"\"uo,te\"\"\",7").unwrap();
    assert_eq!(
        (audit.statement_id, audit.substatement_id, audit.rows),
        (12, 3, Some(7))
    );
    assert_eq!(audit.statement, Said::Before);
    let name = ObjectName::read(&audit.object_name).unwrap();
    assert_eq!(
        name.parts.iter().map(|part| text(part)).collect::<Vec<_>>(),
        ["public", "weird \"tbl\", x"]
    );
    let value = |text: &'static str| Parameter::Value(Cow::Borrowed(text.as_bytes()));
    assert_eq!(
        pgaudit::parameters(audit.parameters.text().unwrap()).unwrap(),
        [value("1"), value(""), value("q\"uo,te")]
    );
    assert_eq!(
        pgaudit::parameters(b"1,<long param suppressed>").unwrap(),
        [value("1"), Parameter::TooLong]
    );
    for damaged in [
        "AUDIT: SESSION,1,1,READ,SELECT,,,select 1",
        "AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>,",
        "AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>,1,2",
        "AUDIT: SESSION,1,1,READ,SELECT,,,\"select 1,<none>",
        "AUDIT: SESSION,1,1,READ,SELECT,,,\"select\"1,<none>",
        "AUDIT: SESSION,x,1,READ,SELECT,,,select 1,<none>",
        "AUDIT: OTHER,1,1,READ,SELECT,,,select 1,<none>",
        "audit: SESSION,1,1,READ,SELECT,,,select 1,<none>",
        "AUDIT: ",
        "",
    ] {
        assert_eq!(read(damaged), None, "{damaged}");
    }
}

#[test]
fn names_of_objects_have_parts() {
    let read = |name: &'static str| {
        ObjectName::read(name.as_bytes()).map(|name| {
            let texts = |parts: &[Cow<'_, [u8]>]| {
                parts
                    .iter()
                    .map(|part| text(part))
                    .collect::<Vec<_>>()
                    .join("|")
            };
            (
                texts(&name.parts),
                name.arguments.as_deref().map(text),
                texts(&name.of),
            )
        })
    };
    let some = |parts: &str, arguments: Option<&str>, of: &str| {
        Some((
            parts.to_owned(),
            arguments.map(str::to_owned),
            of.to_owned(),
        ))
    };
    assert_eq!(read("public.account"), some("public|account", None, ""));
    assert_eq!(
        read("public.f_upd(integer, numeric(3,1), \"a)b\".t)"),
        some("public|f_upd", Some("integer, numeric(3,1), \"a)b\".t"), "")
    );
    assert_eq!(
        read("account_pkey on public.account"),
        some("account_pkey", None, "public|account")
    );
    assert_eq!(
        read("for public.account.description"),
        some("", None, "public|account|description")
    );
    assert_eq!(read("\"a\nb\".\"\"\"\""), some("a\nb|\"", None, ""));
    for damaged in ["", "\"a", "a.", ".a", "a(b", "\"\"", "a on ", "for "] {
        assert_eq!(read(damaged), None, "{damaged}");
    }
}

/// The same events in English and in German, as PostgreSQL 15's catalogue has them.
#[test]
fn logins_are_told_in_every_language_as_far_as_that_goes() {
    let record = |tag: &'static str,
                  user: Option<&'static str>,
                  sqlstate: &'static str,
                  message: &'static str| Record {
        command_tag: Some(Cow::Borrowed(tag.as_bytes())),
        user: user.map(|user| Cow::Borrowed(user.as_bytes())),
        host: Some(Cow::Borrowed(b"10.0.0.7")),
        line: Some(if user.is_none() { 1 } else { 2 }),
        sqlstate: Some(Cow::Borrowed(sqlstate.as_bytes())),
        message: Cow::Borrowed(message.as_bytes()),
        ..Record::default()
    };
    let event =
        |record: &Record<'_>| authentication::read(record).map(|event| format!("{event:?}"));
    for (english, german) in [
        (
            record(
                "",
                None,
                "00000",
                "connection received: host=10.0.0.7 port=5",
            ),
            "Verbindung empfangen: Host=10.0.0.7 Port=5",
        ),
        (
            record(
                "authentication",
                Some("a"),
                "00000",
                "connection authenticated: identity=\"a\" method=md5 (/etc/pg_hba.conf:3)",
            ),
            "Verbindung authentifiziert: Identität=»a« Methode=md5 (/etc/pg_hba.conf:3)",
        ),
        (
            record(
                "authentication",
                Some("a"),
                "00000",
                "connection authorized: user=a database=b",
            ),
            "Verbindung autorisiert: Benutzer=a Datenbank=b",
        ),
        (
            record(
                "authentication",
                Some("a"),
                "28P01",
                "password authentication failed for user \"a\"",
            ),
            "Passwort-Authentifizierung für Benutzer »a« fehlgeschlagen",
        ),
        (
            record(
                "idle",
                Some("a"),
                "00000",
                "disconnection: session time: 0:00:00.007 user=a database=b host=[local]",
            ),
            "Verbindungsende: Sitzungszeit: 0:00:00.007 Benutzer=a Datenbank=b Host=[local]",
        ),
    ] {
        let mut translated = english.clone();
        translated.message = Cow::Borrowed(german.as_bytes());
        // German has other quotation marks: who it was is left in the message there.
        if german.contains('»') && english.sqlstate.as_deref() == Some(b"00000") {
            assert_eq!(event(&translated), None);
        } else {
            assert_eq!(event(&english), event(&translated), "{german}");
            assert!(event(&english).is_some(), "{german}");
        }
    }
    let tls = record(
        "authentication",
        Some("a"),
        "00000",
        "connection authorized: user=a database=b SSL enabled (protocol=TLSv1.3, cipher=TLS_AES_256_GCM_SHA384, bits=256)",
    );
    assert_eq!(
        authentication::read(&tls),
        Some(Event::Authorized {
            tls: true,
            replication: false
        })
    );
    let liar = record(
        "authentication",
        Some("x"),
        "00000",
        "connection authenticated: identity=\"x\" method=trust (a:1)\" method=scram-sha-256 (/etc/pg_hba.conf:3)",
    );
    let Some(Event::Authenticated { identity, method }) = authentication::read(&liar) else {
        panic!("an event")
    };
    assert_eq!(
        (text(&identity), text(&method)),
        (
            "x\" method=trust (a:1)".to_owned(),
            "scram-sha-256".to_owned()
        )
    );
}

/// What a full log volume leaves: the head of one record with a whole one behind it on the same line, in every column of the first.
#[test]
fn a_record_glued_to_another_is_found() {
    let first = b"2026-11-23 06:43:33.792 UTC,\"a\"\"b\",\"d\",9,\"[::1]:5\",6b03e095.9,1,\"SELECT\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\"AUDIT: x \"\"y\"\", z\",\"d\",,,,\"c\",\"s\",1,,\"psql\",\"client backend\",,0\n";
    let second = b"2026-11-23 06:43:34.000 UTC,,,7,,6b03e095.7,2,,2026-11-23 06:43:33 UTC,,0,LOG,00000,\"checkpoint starting: time\",,,,,,,,,\"\",\"checkpointer\",,0\n";
    let format = Format::Csvlog { columns: 26 };
    for cut in 1..first.len() {
        let log = [&first[..cut], second].concat();
        let found = pieces(&format, &log);
        assert_eq!(found.last(), Some(&(&second[..], None)), "cut at {cut}");
        assert!(
            found[..found.len() - 1]
                .iter()
                .all(|(_, reason)| reason.is_some()),
            "cut at {cut}"
        );
        let reason = if cut < 28 {
            TornReason::Foreign
        } else {
            TornReason::Glued
        };
        assert_eq!(found[0].1, Some(reason), "cut at {cut}");
    }
    assert_eq!(decode(&format, &[&first[..], b"x"].concat()), None);
}
