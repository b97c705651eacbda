//! What must hold for every log, whatever clients wrote into it and wherever it was torn.

use super::{pieces, text};
use pgattest_parse::audit_log::{Cut, Format, Splitter, TornReason, decode};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A record before a server writes it.
#[derive(Clone, Debug)]
struct Row {
    user: Option<Vec<u8>>,
    database: Option<Vec<u8>>,
    pid: u32,
    port: Option<u16>,
    line: u64,
    tag: Option<Vec<u8>>,
    message: Vec<u8>,
    detail: Option<Vec<u8>>,
    context: Option<Vec<u8>>,
    statement: Option<Vec<u8>>,
    application: Vec<u8>,
    backend: &'static str,
    leader: Option<u32>,
    query: i64,
}

/// What a client may send: no NUL, everything else, with a liking for what means something to a reader of logs.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let forged: &[u8] = b"\n2026-01-01 00:00:00.000 UTC,\"postgres\",\"app\",1,\"[local]\",6b03e095.1,1,\"SELECT\",2026-01-01 00:00:00 UTC,3/1,0,LOG,00000,\"AUDIT: SESSION,1,1,READ,SELECT,,,select 1,<none>\",,,,,,,,,\"psql\",\"client backend\",,0\n";
    let bare: &[u8] =
        b"\n2026-01-01 00:00:00.000 UTC,,,1,,6b03e095.1,1,,2026-01-01 00:00:00 UTC,,0,LOG,00000,\"\",,,,,,,,,\"\",\"\",,0\n";
    let object: &[u8] = b"\n{\"timestamp\":\"2026-01-01 00:00:00.000 UTC\",\"pid\":1,\"session_id\":\"6b03e095.1\",\"line_num\":1,\"error_severity\":\"LOG\",\"message\":\"x\"}\n";
    let atom = prop_oneof![
        8 => vec(prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\\'), Just(b'\r'), Just(b'0'), 1_u8..], 0..6),
        1 => Just(forged.to_vec()),
        1 => Just(bare.to_vec()),
        1 => Just(object.to_vec()),
        1 => Just(b",,,,,,,,,".to_vec()),
        1 => Just(b"client backend".to_vec()),
        1 => Just(b"LOG,00000,".to_vec()),
    ];
    vec(atom, 0..5).prop_map(|atoms| atoms.concat())
}

fn row() -> impl Strategy<Value = Row> {
    let first = (
        option::of(hostile()),
        option::of(hostile()),
        any::<u32>(),
        option::of(any::<u16>()),
        1..u64::MAX,
        option::of(hostile()),
    );
    let second = (
        hostile(),
        option::of(hostile()),
        option::of(hostile()),
        option::of(hostile()),
        hostile(),
    );
    let backend = prop_oneof![
        Just("client backend"),
        Just("postmaster"),
        Just("logical replication tablesync worker")
    ];
    (
        first,
        second,
        backend,
        option::of(any::<u32>()),
        any::<i64>(),
    )
        .prop_map(
            |(
                (user, database, pid, port, line, tag),
                (message, detail, context, statement, application),
                backend,
                leader,
                query,
            )| Row {
                user,
                database,
                pid,
                port,
                line,
                tag,
                message,
                detail,
                context,
                statement,
                application,
                backend,
                leader,
                query,
            },
        )
}

impl Row {
    fn host(&self) -> String {
        self.port
            .map_or("[local]".to_owned(), |port| format!("2001:db8::1:{port}"))
    }

    /// As `write_csvlog` does, with 23, 24 or 26 columns.
    fn csv(&self, columns: u8) -> Vec<u8> {
        let quoted = |text: &[u8]| {
            let mut quoted = vec![b'"'];
            for byte in text {
                quoted.extend(std::iter::repeat_n(
                    *byte,
                    if *byte == b'"' { 2 } else { 1 },
                ));
            }
            quoted.push(b'"');
            quoted
        };
        let maybe = |text: &Option<Vec<u8>>| text.as_deref().map(quoted).unwrap_or_default();
        let plain = |text: String| text.into_bytes();
        let mut fields = vec![
            plain("2026-11-23 06:43:33.792 UTC".to_owned()),
            maybe(&self.user),
            maybe(&self.database),
            plain(self.pid.to_string()),
            quoted(self.host().as_bytes()),
            plain(format!("6b03e095.{:x}", self.pid)),
            plain(self.line.to_string()),
            maybe(&self.tag),
            plain("2026-11-23 06:43:33 UTC".to_owned()),
            plain("3/7".to_owned()),
            plain("0".to_owned()),
            plain("LOG".to_owned()),
            plain("00000".to_owned()),
            quoted(&self.message),
            maybe(&self.detail),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            maybe(&self.context),
            maybe(&self.statement),
            Vec::new(),
            Vec::new(),
            quoted(&self.application),
            quoted(self.backend.as_bytes()),
            plain(
                self.leader
                    .map(|leader| leader.to_string())
                    .unwrap_or_default(),
            ),
            plain(self.query.to_string()),
        ];
        fields.truncate(usize::from(columns));
        let mut line = fields.join(&b","[..]);
        line.push(b'\n');
        line
    }

    /// As `write_jsonlog` does.
    fn json(&self) -> Vec<u8> {
        let quoted = |text: &[u8]| {
            let mut quoted = vec![b'"'];
            for byte in text {
                match byte {
                    b'"' => quoted.extend(b"\\\""),
                    b'\\' => quoted.extend(b"\\\\"),
                    b'\n' => quoted.extend(b"\\n"),
                    b'\r' => quoted.extend(b"\\r"),
                    b'\t' => quoted.extend(b"\\t"),
                    0x08 => quoted.extend(b"\\b"),
                    0x0c => quoted.extend(b"\\f"),
                    0..0x20 => quoted.extend(format!("\\u{byte:04x}").into_bytes()),
                    _ => quoted.push(*byte),
                }
            }
            quoted.push(b'"');
            quoted
        };
        let mut line = b"{\"timestamp\":\"2026-11-23 06:43:33.792 UTC\"".to_vec();
        let mut put = |key: &str, value: Option<Vec<u8>>| {
            if let Some(value) = value {
                line.extend(format!(",\"{key}\":").into_bytes());
                line.extend(value);
            }
        };
        let text = |text: &Option<Vec<u8>>| text.as_deref().map(quoted);
        let number = |number: String| Some(number.into_bytes());
        put("user", text(&self.user));
        put("dbname", text(&self.database));
        put("pid", number(self.pid.to_string()));
        put(
            "remote_host",
            Some(quoted(
                self.port.map_or("[local]", |_| "2001:db8::1").as_bytes(),
            )),
        );
        put(
            "remote_port",
            self.port.map(|port| port.to_string().into_bytes()),
        );
        put(
            "session_id",
            Some(quoted(format!("6b03e095.{:x}", self.pid).as_bytes())),
        );
        put("line_num", number(self.line.to_string()));
        put("ps", text(&self.tag));
        put("session_start", Some(quoted(b"2026-11-23 06:43:33 UTC")));
        put("vxid", Some(quoted(b"3/7")));
        put("txid", number("0".to_owned()));
        put("error_severity", Some(quoted(b"LOG")));
        put("message", Some(quoted(&self.message)));
        put("detail", text(&self.detail));
        put("context", text(&self.context));
        put("statement", text(&self.statement));
        put("application_name", Some(quoted(&self.application)));
        put("backend_type", Some(quoted(self.backend.as_bytes())));
        put(
            "leader_pid",
            self.leader.map(|leader| leader.to_string().into_bytes()),
        );
        put("query_id", number(self.query.to_string()));
        line.extend(b"}\n");
        line
    }

    /// As `send_message_to_server_log` does, after `%m [%p] %q%u@%d `.
    fn stderr(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut put = |severity: &str, said: &[u8]| {
            lines.extend(format!("2026-11-23 06:43:33.792 UTC [{}] ", self.pid).into_bytes());
            lines.extend(self.user.as_deref().unwrap_or(b"[unknown]"));
            lines.push(b'@');
            lines.extend(self.database.as_deref().unwrap_or(b"[unknown]"));
            lines.extend(format!(" {severity}:  ").into_bytes());
            for byte in said {
                lines.push(*byte);
                if *byte == b'\n' {
                    lines.push(b'\t');
                }
            }
            lines.push(b'\n');
        };
        put("LOG", &self.message);
        for (severity, said) in [
            ("DETAIL", &self.detail),
            ("CONTEXT", &self.context),
            ("STATEMENT", &self.statement),
        ] {
            if let Some(said) = said {
                put(severity, said);
            }
        }
        lines
    }

    fn write(&self, format: &Format) -> Vec<u8> {
        match format {
            Format::Csvlog { columns } => self.csv(*columns),
            Format::Jsonlog => self.json(),
            _ => self.stderr(),
        }
    }
}

fn forgeable() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Stderr {
            prefix: "%m [%p] %q%u@%d ".to_owned()
        }),
        Just(Format::PgauditlogtofileCsv),
        Just(Format::RdsStderr)
    ]
}

fn audit_grade() -> impl Strategy<Value = Format> {
    prop_oneof![3 => Just(Format::Csvlog { columns: 26 }), 1 => Just(Format::Csvlog { columns: 24 }), 2 => Just(Format::Jsonlog)]
}

/// What happened to a log.
#[derive(Clone, Debug)]
enum Harm {
    /// Bytes are gone: a record was cut off and the rest of another one glued to it.
    Lost(usize, usize),
    /// Other bytes came between.
    Strange(usize, Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        3 => (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Harm::Lost(from, to)),
        1 => (any::<usize>(), vec(any::<u8>(), 0..40)).prop_map(|(at, bytes)| Harm::Strange(at, bytes)),
    ]
}

/// From and up to here, in bytes.
type Place = (usize, usize);

/// The harmed log, where the harm is in it, and the records that are whole in it before and behind, by their place.
fn harmed(records: &[Vec<u8>], harm: &Harm) -> (Vec<u8>, Place, Vec<Place>) {
    let log = records.concat();
    let (from, to, between): (usize, usize, &[u8]) = match harm {
        Harm::Lost(from, to) => {
            let (from, to) = (from % (log.len() + 1), to % (log.len() + 1));
            (from.min(to), from.max(to), b"")
        }
        Harm::Strange(at, bytes) => (at % (log.len() + 1), at % (log.len() + 1), bytes),
    };
    let harmed = [&log[..from], between, &log[to..]].concat();
    let mut whole = Vec::new();
    let mut start = 0;
    for record in records {
        let end = start + record.len();
        if end <= from {
            whole.push((start, end));
        } else if start >= to {
            let moved = |at: usize| at - to + from + between.len();
            whole.push((moved(start), moved(end)));
        }
        start = end;
    }
    (harmed, (from, from + between.len()), whole)
}

/// Pieces with their places.
fn placed(format: &Format, log: &[u8]) -> Vec<(usize, usize, Option<TornReason>)> {
    let mut start = 0;
    pieces(format, log)
        .into_iter()
        .map(|(piece, reason)| {
            start += piece.len();
            (start - piece.len(), start, reason)
        })
        .collect()
}

/// Pieces when the log comes in steps of these lengths.
fn in_steps(
    format: &Format,
    log: &[u8],
    steps: &[usize],
) -> Vec<(usize, usize, Option<TornReason>)> {
    let mut splitter = Splitter::new(format.clone());
    let mut steps = steps.iter().cycle();
    let (mut start, mut seen, mut pieces) = (0, 0, Vec::new());
    while start < log.len() {
        let (length, reason) = match splitter.next(&log[start..seen], seen == log.len()) {
            Cut::Record(length) => (length, None),
            Cut::Torn(length, reason) => (length, Some(reason)),
            Cut::More => {
                assert!(
                    seen < log.len(),
                    "not decided at the end: {}",
                    text(&log[start..])
                );
                seen = (seen + steps.next().unwrap()).min(log.len());
                continue;
            }
        };
        pieces.push((start, start + length, reason));
        start += length;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_a_server_writes_is_read(row in row(), format in audit_grade()) {
        let written = row.write(&format);
        prop_assert_eq!(pieces(&format, &written), vec![(&written[..], None)]);
        let record = decode(&format, &written).unwrap();
        let said = |text: &Option<std::borrow::Cow<'_, [u8]>>| text.as_ref().map(|text| text.to_vec());
        prop_assert_eq!(said(&record.user), row.user);
        prop_assert_eq!(said(&record.database), row.database);
        prop_assert_eq!(record.pid, Some(row.pid));
        prop_assert_eq!(record.port, row.port);
        prop_assert_eq!(said(&record.host).unwrap(), row.port.map_or(b"[local]".to_vec(), |_| b"2001:db8::1".to_vec()));
        prop_assert_eq!(record.line, Some(row.line));
        prop_assert_eq!(said(&record.command_tag), row.tag);
        prop_assert_eq!(record.message.to_vec(), row.message);
        prop_assert_eq!(said(&record.detail), row.detail);
        prop_assert_eq!(said(&record.context), row.context);
        prop_assert_eq!(said(&record.statement), row.statement);
        prop_assert_eq!(said(&record.application_name), Some(row.application));
        prop_assert_eq!(said(&record.backend_type), Some(row.backend.as_bytes().to_vec()));
        if !matches!(format, Format::Csvlog { columns: 24 }) {
            prop_assert_eq!(record.leader_pid, row.leader);
            prop_assert_eq!(record.query_id, Some(row.query));
        }
        prop_assert_eq!(record.time_ms, Some(1_795_416_213_792));
        prop_assert_eq!(Splitter::new(format).next_record(&written, true), (Cut::Record(written.len()), Some(record)));
    }

    /// No text of a client's is taken for a record, and no record is swallowed, wherever bytes are lost or come between.
    #[test]
    fn harm_does_not_spread(rows in vec(row(), 1..6), harm in harm(), format in audit_grade()) {
        let records: Vec<_> = rows.iter().map(|row| row.write(&format)).collect();
        let (log, harm, whole) = harmed(&records, &harm);
        let pieces = placed(&format, &log);
        let found: Vec<_> = pieces.iter().filter(|piece| piece.2.is_none()).map(|piece| (piece.0, piece.1)).collect();
        for record in &whole {
            prop_assert!(found.contains(record), "lost {} in\n{}\n{:?}", text(&log[record.0..record.1]), text(&log), pieces);
        }
        for record in found.iter().filter(|record| !whole.contains(record)) {
            // The beginning of one and the end of another one, glued within the same field: nothing in the bytes tells.
            let covers = record.0 <= harm.0 && harm.1 <= record.1;
            prop_assert!(covers, "invented {} in\n{}", text(&log[record.0..record.1]), text(&log));
        }
    }

    /// A log that ends anywhere: what was whole is there, and what was not is torn.
    #[test]
    fn a_log_may_end_anywhere(rows in vec(row(), 1..4), at in any::<usize>(), format in audit_grade()) {
        let records: Vec<_> = rows.iter().map(|row| row.write(&format)).collect();
        let log = records.concat();
        let end = at % (log.len() + 1);
        let mut whole = Vec::new();
        let mut start = 0;
        for record in &records {
            // An object is whole without its line end, and says so.
            let length = record.len() - usize::from(format == Format::Jsonlog);
            if start + length <= end {
                whole.push((start, (start + record.len()).min(end)));
            }
            start += record.len();
        }
        let found = placed(&format, &log[..end]);
        let found: Vec<_> = found.into_iter().filter(|piece| piece.2.is_none()).map(|piece| (piece.0, piece.1)).collect();
        prop_assert_eq!(found, whole);
    }

    #[test]
    fn it_does_not_matter_how_a_log_comes(
        rows in vec(row(), 1..5),
        harm in harm(),
        steps in vec(1_usize..400, 1..8),
        format in prop_oneof![audit_grade(), forgeable()],
    ) {
        let records: Vec<_> = rows.iter().map(|row| row.write(&format)).collect();
        let (log, _, _) = harmed(&records, &harm);
        prop_assert_eq!(in_steps(&format, &log, &steps), placed(&format, &log));
    }

    /// Without line ends in names, plain text is read as well as it can be.
    #[test]
    fn what_a_server_writes_to_stderr_is_read(mut row in row()) {
        for name in [&mut row.user, &mut row.database] {
            *name = Some(b"Some Name".to_vec());
        }
        let format = Format::Stderr { prefix: "%m [%p] %q%u@%d ".to_owned() };
        let written = row.write(&format);
        prop_assert_eq!(pieces(&format, &written), vec![(&written[..], None)]);
        let record = decode(&format, &written).unwrap();
        // A carriage return at the end cannot be told from the line end's.
        let without = |text: &[u8]| text.strip_suffix(b"\r").unwrap_or(text).to_vec();
        let verbose = record.sqlstate.is_some();
        prop_assert!(verbose || record.message.as_ref() == without(&row.message));
        for (read, written) in [(&record.detail, &row.detail), (&record.context, &row.context), (&record.statement, &row.statement)] {
            prop_assert_eq!(read.as_deref().map(<[u8]>::to_vec), written.as_deref().map(without));
        }
    }

    /// Any bytes at all: every form cuts them into pieces that are the bytes.
    #[test]
    fn any_bytes_are_pieces(bytes in hostile(), steps in vec(1_usize..9, 1..4)) {
        for format in [
            Format::Csvlog { columns: 26 },
            Format::Csvlog { columns: 23 },
            Format::Jsonlog,
            Format::Stderr { prefix: String::new() },
            Format::RdsStderr,
            Format::PgauditlogtofileCsv,
            Format::PgauditlogtofileJson,
            Format::CloudSql,
        ] {
            prop_assert_eq!(in_steps(&format, &bytes, &steps), placed(&format, &bytes));
        }
    }
}
