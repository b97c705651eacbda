//! Statements with a secret in them, as people and programs write them, and the records that a server makes of them.

use proptest::prelude::*;

/// A literal of SQL for a text, in one of the ways that there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Literal {
    Plain,
    Escape,
    Unicode,
    Dollar,
}

impl Literal {
    pub(super) fn write(self, text: &str) -> String {
        match self {
            Self::Plain => format!("'{}'", text.replace('\'', "''")),
            Self::Escape => format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
            Self::Unicode => format!("U&'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
            Self::Dollar => format!("$q_${text}$q_$"),
        }
    }
}

pub(super) fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Plain),
        Just(Literal::Escape),
        Just(Literal::Unicode),
        Just(Literal::Dollar),
    ]
}

/// A secret that no statement has by accident. Quotes, backslashes, blanks, commas, braces and signs of every layer within.
pub(super) fn secret() -> impl Strategy<Value = String> {
    "zQ[a-z0-9'\"\\\\ ,;:{}()%€=<-]{0,14}[a-z0-9]{3}Xk"
}

/// What stands between words.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(" ".to_owned()),
        1 => Just("\n  ".to_owned()),
        1 => Just(" /* it's \"so\" */ ".to_owned()),
        1 => Just(" -- it's\n".to_owned()),
        1 => Just("\t".to_owned()),
    ]
}

/// A statement with this secret, whose literals are written in this way.
pub(super) fn statement() -> impl Strategy<Value = (String, String)> {
    (secret(), literal(), gap(), 0..26_u8, any::<bool>()).prop_map(
        |(secret, literal, gap, form, more)| {
            let statement = of_form(form, &secret, literal, &gap);
            let statement = if more {
                format!("SELECT 'o''k'; {statement}; SELECT 1")
            } else {
                statement
            };
            (secret, statement)
        },
    )
}

fn of_form(form: u8, secret: &str, literal: Literal, gap: &str) -> String {
    let quoted = literal.write(secret);
    let plain = |text: &str| Literal::Plain.write(text);
    match form {
        0 => format!("ALTER ROLE \"o'b\"{gap}PASSWORD{gap}{quoted}{gap}VALID UNTIL 'infinity'"),
        1 => format!("create user a with encrypted{gap}password{gap}{quoted}"),
        2 => format!("CREATE GROUP g PASSWORD{gap}{quoted} CONNECTION LIMIT 3"),
        3 => format!("CREATE ROLE x PASSWORD '{}", secret.replace('\'', "''")),
        4 => format!(
            "DO $$BEGIN EXECUTE {}; END$$",
            plain(&format!("ALTER ROLE a PASSWORD {quoted}"))
        ),
        5 => format!(
            "DO $b$BEGIN EXECUTE format({}, 'a', {quoted}); END$b$",
            plain(&format!("ALTER ROLE %I{gap}PASSWORD %L"))
        ),
        6 => format!(
            "DO $b$DECLARE p text := {quoted}; BEGIN EXECUTE 'ALTER ROLE a PASSWORD ' || quote_literal(p); END$b$"
        ),
        7 => format!(
            "DO {}",
            plain(&format!(
                "BEGIN EXECUTE {}; END",
                plain(&format!("ALTER ROLE a PASSWORD {quoted}"))
            ))
        ),
        8 => format!(
            "DO $b$BEGIN EXECUTE 'ALTER ROLE a PASSWORD '{gap}|| quote_literal({quoted}) || ' LOGIN'; END$b$"
        ),
        9 => format!(
            "CREATE SUBSCRIPTION s CONNECTION {} PUBLICATION p",
            literal.write(&format!("host=h password='{}' user=u", conninfo(secret)))
        ),
        10 => format!(
            "ALTER SUBSCRIPTION s CONNECTION {}",
            plain(&format!("postgresql://u:{}@h:5432/d", uri(secret)))
        ),
        11 => {
            format!("CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password{gap}{quoted})")
        }
        12 => format!(
            "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"password\"{gap}{quoted}, ADD user 'u')"
        ),
        13 => format!(
            "ALTER SYSTEM SET primary_conninfo = {}",
            literal.write(
                &format!("user=r{gap}password = '{}'", conninfo(secret))
                    .replace('\n', " ")
                    .replace("--", "  ")
            )
        ),
        14 => format!(
            "SELECT dblink_connect('c', {})",
            plain(&format!("host=h password={} dbname=d", uri(secret)))
        ),
        15 => format!("SELECT pgp_sym_encrypt('data', {quoted}{gap})"),
        16 => format!("UPDATE t SET c = encrypt(d, {quoted}::bytea, 'aes') WHERE e = 'f'"),
        17 => format!("SELECT encode(hmac('m',{gap}{quoted}, 'sha256'), 'hex')"),
        18 => format!("SET app.encryption_key{gap}={gap}{quoted}"),
        19 => format!("SELECT set_config('app.key', {quoted}, true)"),
        20 => format!("ALTER ROLE a IN DATABASE d SET app.key TO {quoted}"),
        21 => format!("INSERT INTO users (name, password_hash) VALUES ('b', {quoted}), ('c', 'd')"),
        22 => format!("SELECT id FROM users WHERE api_token{gap}={gap}{quoted} AND name = 'b'"),
        23 => format!(
            "SELECT f({})",
            plain(&format!(
                "{{\"user\": \"u\", \"password\": \"{}\"}}",
                secret.replace('\\', "\\\\").replace('"', "\\\"")
            ))
        ),
        24 => format!("SELECT jsonb_build_object('user', 'u', 'client_secret', {quoted})"),
        _ => format!(
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$BEGIN PERFORM crypt({quoted}, gen_salt('bf')); END$f$"
        ),
    }
}

/// Within the quotes of a connection string.
fn conninfo(secret: &str) -> String {
    secret.replace('\\', "\\\\").replace('\'', "\\'")
}

/// As a URI has it, and a connection string without quotes.
fn uri(secret: &str) -> String {
    secret
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// How a record holds a statement.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// pgaudit's STATEMENT.
    Audit,
    /// The query of an error.
    Failed,
    /// `log_statement`.
    Logged,
    /// `SQL statement ".."` in CONTEXT.
    Context,
}

pub(super) fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Audit),
        Just(Place::Failed),
        Just(Place::Logged),
        Just(Place::Context),
    ]
}

/// Message, CONTEXT and query of a record.
fn texts(place: Place, statement: &str) -> (String, String, String) {
    match place {
        Place::Audit => {
            let field = if statement.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", statement.replace('"', "\"\""))
            } else {
                statement.to_owned()
            };
            let message = format!("AUDIT: SESSION,1,1,ROLE,ALTER ROLE,,,{field},<not logged>");
            (message, String::new(), String::new())
        }
        Place::Failed => (
            "role \"o'b\" does not exist".to_owned(),
            String::new(),
            statement.to_owned(),
        ),
        Place::Logged => (
            format!("statement: {statement}"),
            String::new(),
            String::new(),
        ),
        Place::Context => (
            "division by zero".to_owned(),
            format!("SQL statement \"{statement}\"\nPL/pgSQL function f() line 1 at EXECUTE"),
            "SELECT f()".to_owned(),
        ),
    }
}

pub(super) fn csvlog(place: Place, statement: &str) -> String {
    let (message, context, query) = texts(place, statement);
    let quoted = |text: &str| {
        if text.is_empty() {
            String::new()
        } else {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
    };
    format!(
        "2026-11-23 06:43:33.792 UTC,\"ann\",\"shop\",9309,\"[local]\",6b03e095.245d,1,\"idle\",2026-11-23 06:43:33 UTC,3/1,0,ERROR,\
         42601,{},,,,,{},{},24,,\"psql\",\"client backend\",,0\n",
        quoted(&message),
        quoted(&context),
        quoted(&query),
    )
}

pub(super) fn jsonlog(place: Place, statement: &str) -> String {
    let (message, context, query) = texts(place, statement);
    let mut record = format!(
        "{{\"timestamp\":\"2026-11-23 06:43:33.792 UTC\",\"user\":\"ann\",\"pid\":9309,\"error_severity\":\"ERROR\",\"message\":{}",
        serde_json::Value::from(message)
    );
    for (key, text) in [("context", context), ("statement", query)] {
        if !text.is_empty() {
            let text = serde_json::Value::from(text).to_string();
            record.extend([",\"", key, "\":", text.as_str()]);
        }
    }
    record.push_str(",\"backend_type\":\"client backend\",\"query_id\":0}\n");
    record
}

/// The same as `log_line_prefix = '%m [%p] '` writes it: a record a line, the statement apart.
pub(super) fn stderr(place: Place, statement: &str) -> Vec<String> {
    let (message, context, query) = texts(place, statement);
    [
        ("ERROR", message),
        ("CONTEXT", context),
        ("STATEMENT", query),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    .map(|(label, text)| {
        format!(
            "2026-11-23 06:43:33.792 UTC [9309] {label}:  {}\n",
            text.replace('\n', "\n\t")
        )
    })
    .collect()
}
