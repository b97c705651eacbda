#![no_main]
//! The redactor: what it gives is the piece with the spans it names taken out, and a password is never in it.

use libfuzzer_sys::fuzz_target;
use pgattest_parse::audit_log::Format;
use pgattest_parse::audit_log::redact::{MARK, redact};

const SECRET: &str = "hunter2-hunter2";

fn has(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|part| part == word.as_bytes())
}

/// A record of a csvlog, 26 columns, whose message is this text.
fn record(message: &str) -> Vec<u8> {
    let message = message.replace('"', "\"\"");
    format!(
        "2026-11-23 06:43:33.792 UTC,\"app\",\"shop\",9309,\"[local]\",6b03e1.245d,1,\"ALTER ROLE\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\"{message}\",,,,,,,,,\"psql\",\"client backend\",,0\n"
    )
    .into_bytes()
}

fuzz_target!(|bytes: &[u8]| {
    for format in [
        Format::Csvlog { columns: 26 },
        Format::Jsonlog,
        Format::Stderr {
            prefix: "%m [%p] %q%u@%d ".to_owned(),
        },
        Format::PgauditlogtofileCsv,
        Format::CloudSql,
    ] {
        let (clean, spans) = redact(&format, bytes);
        let mut wanted = Vec::new();
        let mut kept_to = 0;
        for span in &spans {
            assert!(kept_to <= span.start && span.start < span.end && span.end <= bytes.len());
            wanted.extend_from_slice(&bytes[kept_to..span.start]);
            wanted.extend_from_slice(MARK);
            kept_to = span.end;
        }
        wanted.extend_from_slice(&bytes[kept_to..]);
        assert_eq!(clean, wanted);
    }

    let text = String::from_utf8_lossy(bytes).replace('\0', "");
    if text.contains("hunter") {
        return;
    }
    // Whatever a client puts before and behind: in a string of its own, in a comment, as the role's name.
    let string = text.replace('\'', "''");
    let comment = text.replace(['*', '/'], "");
    let name = text.replace('"', "\"\"");
    for statement in [
        format!("ALTER ROLE \"{name}\" PASSWORD '{SECRET}'"),
        format!("ALTER ROLE app/*{comment}*/PASSWORD/*{comment}*/'{SECRET}'"),
        format!("SELECT $q${}$q$; ALTER ROLE app PASSWORD '{SECRET}'", text.replace('$', "")),
        format!("COMMENT ON TABLE t IS '{string}'; CREATE USER app PASSWORD '{SECRET}' VALID UNTIL '{string}'"),
    ] {
        let quoted = statement.replace('"', "\"\"");
        for message in [
            format!("statement: {statement}"),
            format!("AUDIT: SESSION,1,1,ROLE,ALTER ROLE,,,\"{quoted}\",<not logged>"),
        ] {
            let line = record(&message);
            let (clean, _) = redact(&Format::Csvlog { columns: 26 }, &line);
            assert!(!has(&clean, SECRET), "{}", String::from_utf8_lossy(&clean));
        }
    }
});
