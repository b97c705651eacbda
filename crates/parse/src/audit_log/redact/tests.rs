//! What goes and what stays, by example. `tests/it/redact` throws random statements at it.

use super::{MARK, redact};
use crate::audit_log::Format;
use rstest::rstest;

const CSV: Format = Format::Csvlog { columns: 26 };

/// An ERROR record of csvlog with this statement as its query.
fn failed(message: &str, statement: &str) -> String {
    let quote = |text: &str| text.replace('"', "\"\"");
    format!(
        "2026-11-23 06:43:33.792 UTC,\"postgres\",\"postgres\",9309,\"[local]\",6b03e095.245d,1,\"idle\",2026-11-23 06:43:33 UTC,3/1,0,\
         ERROR,42601,\"{}\",,,,,,\"{}\",24,,\"psql\",\"client backend\",,0\n",
        quote(message),
        quote(statement)
    )
}

fn after(format: &Format, piece: &str) -> String {
    let (bytes, ranges) = redact(format, piece.as_bytes());
    let again = redact(format, &bytes);
    assert_eq!(
        String::from_utf8_lossy(&again.0),
        String::from_utf8_lossy(&bytes),
        "doing it again changes nothing"
    );
    assert_eq!(bytes.as_ref() == piece.as_bytes(), ranges.is_empty());
    String::from_utf8(bytes.into_owned()).unwrap()
}

/// What is left of a statement in an ERROR record.
fn statement(text: &str) -> String {
    let record = after(&CSV, &failed("role \"nosuch\" does not exist", text));
    let start = record
        .find("not exist\",,,,,,\"")
        .expect("the message stays")
        + 16;
    let end = record
        .find("\",24,,\"psql\"")
        .expect("the fields after it stay");
    record[start + 1..end].replace("\"\"", "\"")
}

#[rstest]
#[case::role(
    "ALTER ROLE nosuch PASSWORD 'hunter2' VALID UNTIL '2030-01-01'",
    "ALTER ROLE nosuch PASSWORD '<redacted>' VALID UNTIL '2030-01-01'"
)]
#[case::encrypted(
    "create user a with encrypted password e'hun\\'ter2' login",
    "create user a with encrypted password e'<redacted>' login"
)]
#[case::comment_between(
    "ALTER ROLE a PASSWORD/* it's */ -- new\n 'hunter2'; select 'x'",
    "ALTER ROLE a PASSWORD/* it's */ -- new\n '<redacted>'; select 'x'"
)]
#[case::dollar(
    "ALTER ROLE a PASSWORD $x$hunter2$x$",
    "ALTER ROLE a PASSWORD $x$<redacted>$x$"
)]
#[case::unicode(
    "ALTER ROLE a PASSWORD U&'\\0068unter2' UESCAPE '\\'",
    "ALTER ROLE a PASSWORD U&'<redacted>' UESCAPE '\\'"
)]
#[case::unterminated(
    "create role x password 'hunter2",
    "create role x password '<redacted>"
)]
#[case::in_two_parts(
    "ALTER ROLE a PASSWORD 'hunter'\n  '2' LOGIN",
    "ALTER ROLE a PASSWORD '<redacted>'\n  '<redacted>' LOGIN"
)]
#[case::bare(
    "ALTER ROLE a PASSWORD hunter2 LOGIN; SELECT 'b'",
    "ALTER ROLE a PASSWORD <redacted>; SELECT 'b'"
)]
#[case::none("ALTER ROLE a PASSWORD NULL", "ALTER ROLE a PASSWORD NULL")]
#[case::pgaudits_own(
    "create role a login password <REDACTED>",
    "create role a login password <REDACTED>"
)]
#[case::quote_in_a_name(
    "ALTER ROLE \"o'brien\" PASSWORD 'hunter2' VALID UNTIL '2030'",
    "ALTER ROLE \"o'brien\" PASSWORD '<redacted>' VALID UNTIL '2030'"
)]
#[case::do_block(
    "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''hunter2'' LOGIN'; PERFORM f('x'); END $$",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''<redacted>'' LOGIN'; PERFORM f('x'); END $$"
)]
#[case::put_together(
    "DO $$ DECLARE p text := 'hunter2'; BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', 'bob', p); END $$",
    "DO $$ DECLARE p text := '<redacted>'; BEGIN EXECUTE format('ALTER ROLE %I PASSWORD %L', '<redacted>', p); END $$"
)]
#[case::concatenated(
    "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''' || 'hunter2' || ''''; END $$",
    "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''' || '<redacted>' || '<redacted>'; END $$"
)]
#[case::using(
    "DO $$ BEGIN EXECUTE 'SELECT crypt($1, ''salt'')' USING 'hunter2'; END $$",
    "DO $$ BEGIN EXECUTE 'SELECT crypt($1, ''<redacted>'')' USING '<redacted>'; END $$"
)]
#[case::subscription(
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2 user=u' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password=<redacted> user=u' PUBLICATION p"
)]
#[case::quoted_in_a_connection(
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password = ''hunter 2'' user=u' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'host=h password = ''<redacted>'' user=u' PUBLICATION p"
)]
#[case::uri(
    "ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:hunter2@h:5432/db?sslmode=require'",
    "ALTER SUBSCRIPTION s CONNECTION 'postgresql://u:<redacted>@h:5432/db?sslmode=require'"
)]
#[case::user_mapping(
    "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'hunter2', sslpassword 'x1', passfile '/p')",
    "CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password '<redacted>', sslpassword '<redacted>', passfile '<redacted>')"
)]
#[case::quoted_option(
    "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"password\" 'hunter2')",
    "ALTER USER MAPPING FOR a SERVER s OPTIONS (SET \"password\" '<redacted>')"
)]
#[case::primary_conninfo(
    "ALTER SYSTEM SET primary_conninfo = 'host=h password=hunter2'",
    "ALTER SYSTEM SET primary_conninfo = 'host=h password=<redacted>'"
)]
#[case::dblink(
    "SELECT * FROM dblink_connect('c', 'dbname=x password=hunter2')",
    "SELECT * FROM dblink_connect('c', 'dbname=x password=<redacted>')"
)]
#[case::pgcrypto(
    "UPDATE t SET a = pgp_sym_encrypt('4111', 'hunter2') WHERE b = 'c'",
    "UPDATE t SET a = pgp_sym_encrypt('<redacted>', '<redacted>') WHERE b = 'c'"
)]
#[case::setting(
    "SET app.encryption_key TO hunter2",
    "SET app.encryption_key TO <redacted>"
)]
#[case::setting_local(
    "SET LOCAL app.key = 'hunter2'; SELECT 'x'",
    "SET LOCAL app.key = '<redacted>'; SELECT 'x'"
)]
#[case::set_config(
    "SELECT set_config('app.key', 'hunter2', false), 'x'",
    "SELECT set_config('app.key', '<redacted>', false), 'x'"
)]
#[case::column(
    "UPDATE users SET password = 'hunter2', name = 'bob' WHERE id = 1",
    "UPDATE users SET password = '<redacted>', name = 'bob' WHERE id = 1"
)]
#[case::inserted(
    "INSERT INTO users (name, password) VALUES ('bob', 'hunter2')",
    "INSERT INTO users (name, password) VALUES ('<redacted>', '<redacted>')"
)]
#[case::json(
    "SELECT f('{\"user\": \"u\", \"password\": \"hunter2\"}')",
    "SELECT f('{\"user\": \"u\", \"password\": \"<redacted>\"}')"
)]
#[case::aws(
    "SELECT aws_commons.create_aws_credentials('AKIAIOSFODNN7EXAMPLE', 'wJalr', '')",
    "SELECT aws_commons.create_aws_credentials('<redacted>', '<redacted>', '')"
)]
#[case::bearer(
    "SELECT http('Authorization: Bearer abc.def-ghi')",
    "SELECT http('Authorization: <redacted>')"
)]
#[case::pem(
    "SELECT f('-----BEGIN EC PRIVATE KEY-----\nabcd+/\n-----END EC PRIVATE KEY-----')",
    "SELECT f('-----BEGIN EC PRIVATE KEY-----<redacted>-----END EC PRIVATE KEY-----')"
)]
#[case::verifier(
    "SELECT 'SCRAM-SHA-256$4096:c2FsdA==$a=:b='",
    "SELECT 'SCRAM-SHA-256$<redacted>'"
)]
#[case::nothing_to_hide(
    "SELECT password, token FROM users WHERE name = 'bob' ORDER BY 1",
    "SELECT password, token FROM users WHERE name = 'bob' ORDER BY 1"
)]
#[case::no_secret(
    "SET password_encryption = 'scram-sha-256'",
    "SET password_encryption = 'scram-sha-256'"
)]
#[case::table(
    "CREATE TABLE secrets (id int, password text)",
    "CREATE TABLE secrets (id int, password text)"
)]
fn a_statement(#[case] before: &str, #[case] expected: &str) {
    assert_eq!(statement(before), expected);
}

#[rstest]
#[case(
    "unterminated quoted string at or near \"'hunter2\"",
    "create role x password 'hunter2"
)]
#[case("syntax error at or near \"hunter2\"", "alter role x password hunter2")]
#[case(
    "invalid input syntax for type integer: \"hunter2\"",
    "select crypt('hunter2'::int::text, 'a')"
)]
fn an_error_does_not_repeat_it(#[case] message: &str, #[case] statement: &str) {
    let record = after(&CSV, &failed(message, statement));
    assert!(!record.contains("hunter2"), "{record}");
    assert!(record.contains("<redacted>\"\"\",,,,,,"), "{record}");
}

#[test]
fn the_name_of_a_failed_login_stays() {
    let record = failed("password authentication failed for user \"o'brien\"", "");
    assert_eq!(after(&CSV, &record), record);
}

#[test]
fn a_statement_quoted_in_a_context() {
    let record = "2026-11-23 06:43:33.792 UTC,\"a\",\"b\",9309,\"[local]\",6b03e095.245d,1,\"DO\",2026-11-23 06:43:33 UTC,3/1,0,ERROR,42704,\
                  \"role \"\"x\"\" does not exist\",,,,,\"SQL statement \"\"ALTER ROLE x PASSWORD 'a\"\"hunter2'\"\"\nPL/pgSQL function\",\
                  \"DO 'x'\",,,\"psql\",\"client backend\",,0\n";
    let after = after(&CSV, record);
    assert!(!after.contains("hunter2"), "{after}");
    assert!(after.contains(",\"DO 'x'\",,,\"psql\""), "{after}");
}

#[test]
fn parameters_of_a_secret_statement() {
    let statement = "execute <unnamed>: SELECT pgp_sym_decrypt($1, $2)";
    let record = format!(
        "2026-11-23 06:43:33.792 UTC,\"a\",\"b\",9309,\"[local]\",6b03e095.245d,1,\"SELECT\",2026-11-23 06:43:33 UTC,3/1,0,LOG,00000,\
         \"{statement}\",\"parameters: $1 = 'data', $2 = 'hunter2'\",,,,,,,,\"psql\",\"client backend\",,0\n"
    );
    let after = after(&CSV, &record);
    assert!(
        after.contains("\"parameters: $1 = <redacted>\",,,,,,,,\"psql\""),
        "{after}"
    );
}

#[test]
fn pgaudits_parameter_goes_with_its_statement() {
    let record = "{\"timestamp\":\"2026-11-23 06:48:19.697 UTC\",\"pid\":1,\"message\":\"AUDIT: SESSION,4,1,READ,SELECT,,,\
                  \\\"select pgp_sym_decrypt($1,$2)\\\",\\\"a,hunter2\\\"\",\"backend_type\":\"client backend\"}\n";
    let after = after(&Format::Jsonlog, record);
    assert_eq!(after, record.replace("a,hunter2", "<redacted>"));
}

#[test]
fn pgaudits_statement_in_three_layers() {
    let record = "2026-11-23 06:48:19.697 UTC,\"p\",\"p\",20883,\"[local]\",6b03e1b3.5193,6,\"DO\",2026-11-23 06:48:19 UTC,3/55,740,LOG,\
                  00000,\"AUDIT: SESSION,4,1,FUNCTION,DO,,,\"\"do $$begin execute 'alter role \"\"\"\"a\"\"\"\" password ''hun\"\"\"\"ter2''';\
                  end$$\"\",<none>\",,,,,,,,,\"\",\"client backend\",,-68\n";
    let after = after(&CSV, record);
    assert_eq!(after, record.replace("hun\"\"\"\"ter2", "<redacted>"));
}

#[test]
fn a_log_of_lines_has_the_parts_of_a_record_apart() {
    let format = Format::Stderr {
        prefix: "%m [%p] ".to_owned(),
    };
    for (before, expected) in [
        (
            "2026-11-23 06:50:02.328 UTC [29518] ERROR:  unterminated quoted string at or near \"'leak3\" at character 24\n",
            "2026-11-23 06:50:02.328 UTC [29518] ERROR:  unterminated quoted string at or near \"<redacted>\" at character 24\n",
        ),
        (
            "2026-11-23 06:50:02.328 UTC [29518] STATEMENT:  create role x\n\tpassword 'le\n\tak3' login\n",
            "2026-11-23 06:50:02.328 UTC [29518] STATEMENT:  create role x\n\tpassword '<redacted>' login\n",
        ),
        (
            "2026-11-23 06:50:02.328 UTC [29518] DETAIL:  Parameters: $1 = 'leak3'\n",
            "2026-11-23 06:50:02.328 UTC [29518] DETAIL:  Parameters: $1 = <redacted>\n",
        ),
    ] {
        assert_eq!(after(&format, before), expected);
    }
}

#[rstest]
#[case::its_end(
    "ter2' VALID UNTIL '2030'\",24,,\"psql\",\"client backend\",,0\n",
    "<redacted>,,0\n"
)]
#[case::its_beginning(
    "2026-11-23 06:43:33.792 UTC,\"a\",\"b\",1,\"[local]\",6b.24,1,\"DO\",2026-11-23 06:43:33 UTC,3/1,0,ERROR,42704,\"x\",,,,,,\"DO \
     $$declare p text := 'hunter2",
    "2026-11-23 06:43:33.792 UTC,\"a\",\"b\",1,\"[local]\",6b.24,1,\"DO\",2026-11-23 06:43:33 UTC,3/1,0,ERROR,42704,\"x\",,,,,,\"DO \
     <redacted>"
)]
#[case::not_of_the_server("sh: 1: pg_standby: not found\n", "sh: 1: pg_standby: not found\n")]
fn what_is_torn(#[case] before: &str, #[case] expected: &str) {
    assert_eq!(after(&CSV, before), expected);
}

#[test]
fn a_chunk_of_a_statement_goes_as_a_whole() {
    let entry = "{\"protoPayload\":{\"request\":{\"@type\":\"x\",\"chunkCount\":\"2\",\"chunkIndex\":\"2\",\"parameter\":\"[none]\",\
                 \"statement\":\"ter2' login\"}}}\n";
    let after = after(&Format::CloudSql, entry);
    assert!(!after.contains("ter2"), "{after}");
    assert_eq!(after.matches("<redacted>").count(), 2);
    assert_eq!(MARK, b"<redacted>");
}
