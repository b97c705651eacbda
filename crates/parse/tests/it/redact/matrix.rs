//! What real servers write into their logs: which statements leave a secret there, with and without pgaudit, and that none is left
//! after redaction. `docs/trail/secrets-in-logs.md` is made from it: `PGATTEST_BLESS=1` writes it anew.

use pgattest_parse::audit_log::redact::redact;
use pgattest_parse::audit_log::{Cut, Format, Splitter};
use pgattest_testkit::Cluster;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A statement form: its name, and the statement with `SECRET` in it.
const FORMS: [(&str, &str); 18] = [
    (
        "`CREATE ROLE .. PASSWORD`",
        "CREATE ROLE m_role PASSWORD 'SECRET' VALID UNTIL '2030-01-01'",
    ),
    (
        "`ALTER ROLE .. PASSWORD`",
        "ALTER ROLE m_role WITH ENCRYPTED PASSWORD E'SECRET'",
    ),
    (
        "`ALTER ROLE .. PASSWORD`, dollar quoted",
        "ALTER ROLE m_role PASSWORD/* new */$x$SECRET$x$",
    ),
    (
        "`ALTER ROLE .. PASSWORD`, role does not exist",
        "ALTER ROLE m_nosuch PASSWORD 'SECRET'",
    ),
    (
        "`CREATE ROLE .. PASSWORD`, role exists",
        "CREATE ROLE m_role PASSWORD 'SECRET'",
    ),
    (
        "`CREATE ROLE .. PASSWORD`, string not closed",
        "CREATE ROLE m_open PASSWORD 'SECRET",
    ),
    (
        "`CREATE ROLE .. PASSWORD`, not quoted",
        "CREATE ROLE m_bare PASSWORD SECRET",
    ),
    (
        "several statements in one message",
        "SELECT 1; ALTER ROLE m_role PASSWORD 'SECRET'; SELECT 2",
    ),
    (
        "`DO` with `EXECUTE`",
        "DO $$BEGIN EXECUTE 'ALTER ROLE m_role PASSWORD ''SECRET'''; END$$",
    ),
    (
        "`DO` with `format()`",
        "DO $$DECLARE p text := 'SECRET'; BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'm_role', p); END$$",
    ),
    (
        "`DO` that fails within",
        "DO $$BEGIN EXECUTE 'ALTER ROLE m_nosuch PASSWORD ''SECRET'''; END$$",
    ),
    (
        "`CREATE SUBSCRIPTION`",
        "CREATE SUBSCRIPTION m_sub CONNECTION 'host=h password=SECRET' PUBLICATION p WITH (connect = false)",
    ),
    (
        "`CREATE SERVER`, `CREATE USER MAPPING`",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER m_server OPTIONS (user 'u', password 'SECRET')",
    ),
    (
        "`CREATE USER MAPPING`, server does not exist",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER m_nosuch OPTIONS (password 'SECRET')",
    ),
    (
        "`ALTER SYSTEM SET primary_conninfo`",
        "ALTER SYSTEM SET primary_conninfo = 'postgresql://u:SECRET@h/d'",
    ),
    ("`SET` of a key", "SET app.encryption_key = 'SECRET'"),
    (
        "`set_config()` of a key",
        "SELECT set_config('app.key', 'SECRET', false)",
    ),
    (
        "call with a key that fails",
        "SELECT pgp_sym_decrypt('x', 'SECRET')",
    ),
];

/// Of one server: for each form, whether its secret was in its log.
struct Column {
    title: String,
    leaks: Vec<bool>,
}

fn secret(form: usize) -> String {
    format!("zq7{form:02}hunter")
}

async fn run(major: u32, pgaudit: bool) -> Vec<Column> {
    let destinations = if major >= 15 {
        "csvlog,jsonlog,stderr"
    } else {
        "csvlog,stderr"
    };
    let mut builder = Cluster::builder(major)
        .setting("logging_collector", "on")
        .setting("log_destination", destinations)
        .setting("log_line_prefix", "%m [%p] ")
        .setting("wal_level", "logical");
    // Without pgaudit the statements that succeed are logged by the server itself, as a site without pgaudit does it.
    builder = if pgaudit {
        builder
            .preload("pgaudit")
            .extension("pgaudit")
            .setting("pgaudit.log", "all")
            .setting("pgaudit.log_parameter", "on")
    } else {
        builder.setting("log_statement", "all")
    };
    let cluster = builder.start().await.unwrap();
    let setup = "CREATE FOREIGN DATA WRAPPER m_wrapper; CREATE SERVER m_server FOREIGN DATA WRAPPER m_wrapper";
    cluster.execute("postgres", setup).await.unwrap();
    let client = cluster.client("postgres").await.unwrap();
    for (form, (_, sql)) in FORMS.iter().enumerate() {
        // Failing is what some of them are for.
        let _ = client
            .simple_query(&sql.replace("SECRET", &secret(form)))
            .await;
    }
    drop(client);
    cluster.stop().unwrap();
    let server = format!(
        "{major}, {}",
        if pgaudit {
            "pgaudit"
        } else {
            "`log_statement = all`"
        }
    );
    let mut columns = Vec::new();
    for (ending, format) in [
        (
            "csv",
            Format::Csvlog {
                columns: if major == 13 { 24 } else { 26 },
            },
        ),
        ("json", Format::Jsonlog),
        (
            "log",
            Format::Stderr {
                prefix: "%m [%p] ".to_owned(),
            },
        ),
    ] {
        let files = logs(&cluster.data_dir().join("log"), ending);
        if files.is_empty() {
            assert!(ending == "json" && major < 15, "{server}: no {ending}");
            continue;
        }
        let raw: Vec<u8> = files
            .iter()
            .flat_map(|file| std::fs::read(file).unwrap())
            .collect();
        let after = redacted(&format, &raw);
        let holds =
            |bytes: &[u8], form| memchr::memmem::find(bytes, secret(form).as_bytes()).is_some();
        for (form, (name, _)) in FORMS.iter().enumerate() {
            assert!(
                !holds(&after, form),
                "{server}, {ending}: {name} survives\n{}",
                around(&after, &secret(form))
            );
        }
        columns.push(Column {
            title: format!("{server}, {}", format.name()),
            leaks: (0..FORMS.len()).map(|form| holds(&raw, form)).collect(),
        });
    }
    columns
}

fn logs(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    files.sort();
    files
}

/// Every piece redacted; each record is still cut at the same places.
fn redacted(format: &Format, raw: &[u8]) -> Vec<u8> {
    let mut splitter = Splitter::new(format.clone());
    let (mut at, mut out, mut records) = (0, Vec::new(), 0_usize);
    while at < raw.len() {
        let (length, is_record) = match splitter.next(&raw[at..], true) {
            Cut::Record(length) => (length, true),
            Cut::Torn(length, _) => (length, false),
            Cut::More => panic!("more at the end"),
        };
        let (piece, _) = redact(format, &raw[at..at + length]);
        if is_record {
            let mut again = Splitter::new(format.clone());
            assert_eq!(
                again.next(&piece, true),
                Cut::Record(piece.len()),
                "{}",
                String::from_utf8_lossy(&piece)
            );
            records += 1;
        }
        out.extend_from_slice(&piece);
        at += length;
    }
    assert!(records > FORMS.len());
    out
}

fn around(bytes: &[u8], secret: &str) -> String {
    let at = memchr::memmem::find(bytes, secret.as_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes[at.saturating_sub(400)..(at + 200).min(bytes.len())])
        .into_owned()
}

fn page(columns: &[Column]) -> String {
    let mut text = String::from(
        "# Secrets in the server's log\n\nMeasured: each statement was run with a secret of its own on real servers, and their logs were \
         searched. Made by the test `redact::matrix` of `crates/parse`, which also shows that after pgattest's redaction none of them is \
         left, in any of these logs.\n\n**leaks**: the secret stands in the log in clear. **-**: it does not, because pgaudit took it \
         out.\n\n| statement |",
    );
    for column in columns {
        let _ = write!(text, " {} |", column.title);
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(columns.len()));
    for (form, (name, _)) in FORMS.iter().enumerate() {
        let _ = write!(text, "| {name} |");
        for column in columns {
            let said = if column.leaks[form] { "leaks" } else { "-" };
            let _ = write!(text, " {said} |");
        }
        text.push('\n');
    }
    text.push_str(
        "\n## What is taken out\n\n\
         - Passwords of roles, user mappings, servers and subscriptions, however they are quoted; in `DO` blocks and functions, too.\n\
         - Passwords in connection strings and URIs, values of settings, columns, options and keys of JSON whose name means a secret.\n\
         - What is handed to functions of encryption: keys, and the data with them. Their parameters, in pgaudit's and PostgreSQL's lists.\n\
         - Amazon's access keys, bearer tokens, JSON web tokens, private keys, SCRAM and MD5 verifiers.\n\
         - The same secret wherever the record repeats it: `at or near \"..\"`, `invalid input syntax`, `Failing row contains`.\n\n\
         ## What is taken out besides\n\n\
         - Of a text in which a password is put together (`format('.. PASSWORD %L', ..)`) every literal goes: nothing tells which one is \
         the password.\n\
         - Of an INSERT that names a column of secrets, every literal goes; of a call of a cryptographic function, every argument.\n\
         - A statement with one secret parameter loses all its parameters. In a log of lines (stderr) parameters and what is `at or \
         near` always go: their statement is another line.\n\
         - Of bytes that are no record, everything from the first quotation mark on, or up to the last one.\n\
         - A record of csvlog or jsonlog that is longer than `longest_record_mib` is sealed in parts. When no word of it means a secret, \
         all its bytes are kept. Otherwise everything between its first and its last quotation mark goes: no part tells where a literal \
         began. In other forms each part is taken for bytes that are no record.\n\
         - Entries of Cloud SQL that are a part of a longer statement lose the statement.\n\n\
         ## What is not seen\n\n\
         - A secret that no word tells of: `SELECT login('bob', 'hunter2')`.\n\
         - A word that is put together or written in escapes: `'pass' || 'word'`.\n\
         - A part of a PL/pgSQL block that pgaudit logs apart, when the word stands in another part.\n\
         - Of a record longer than `longest_record_mib`: a secret whose word stands more than that many MiB behind it, or that comes from \
         another record of which the server lost the beginning within this one (its volume was full).\n",
    );
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn real_servers_leak_and_nothing_is_left_after_redaction() {
    let mut columns = Vec::new();
    for (major, pgaudit) in [(13, false), (15, true), (15, false), (18, false)] {
        columns.extend(run(major, pgaudit).await);
    }
    let plain = columns
        .iter()
        .find(|column| column.title.starts_with("18"))
        .unwrap();
    assert!(
        plain.leaks.iter().all(|leaks| *leaks),
        "log_statement hides nothing"
    );
    let audited = columns
        .iter()
        .find(|column| column.title.contains("pgaudit"))
        .unwrap();
    assert!(
        !audited.leaks[0] && audited.leaks[3],
        "pgaudit hides what succeeds, not what fails"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/trail/secrets-in-logs.md");
    let wanted = page(&columns);
    if std::env::var_os("PGATTEST_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &wanted).unwrap();
    }
    let present = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        present == wanted,
        "docs/trail/secrets-in-logs.md is not what was measured: run with PGATTEST_BLESS=1\n{wanted}"
    );
}
