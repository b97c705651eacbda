//! What connection strings mean, as a table. `tests/it/libpq.rs` asks libpq itself.

use proptest::prelude::*;

use super::parse;

/// The settings of a connection string as `key=value` lines, or the error with its hint.
#[track_caller]
fn read(text: &str) -> Result<String, String> {
    match parse(text) {
        Ok(values) => {
            let lines = values.iter().map(|given| {
                let value = String::from_utf8_lossy(given.value.expose()).into_owned();
                format!("{}={value}", given.keyword.name)
            });
            Ok(lines.collect::<Vec<_>>().join("\n"))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(read(text), Ok(expected.join("\n")), "{text}");
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    assert_eq!(read(text), Err(expected.to_owned()), "{text}");
}

#[test]
fn a_bare_word_is_a_database_as_in_psql() {
    check("shop", &["dbname=shop"]);
    check("two words", &["dbname=two words"]);
    check("", &[]);
}

#[test]
fn keyword_and_value_pairs() {
    check("host=a port=1", &["host=a", "port=1"]);
    check("  host = a\tport\n=\r\n1  ", &["host=a", "port=1"]);
    check("host=a host=b", &["host=b"]);
    check("host= port=1", &["host=port=1"]);
    check("dbname=", &["dbname="]);
    check("dbname='' user=u", &["dbname=", "user=u"]);
}

#[test]
fn quotes_and_backslashes_in_values() {
    check(r"password='a b'", &["password=a b"]);
    check(r"password='it\'s'", &["password=it's"]);
    check(r"password=it\'s", &["password=it's"]);
    check(r"password=a\ b", &["password=a b"]);
    check(r"password=a\\b", &[r"password=a\b"]);
    check(r"password=a'b", &["password=a'b"]);
    // A backslash at the end stands for nothing; a quote need not be followed by a space.
    check(r"password=a\", &["password=a"]);
    check("password='a'user=u", &["password=a", "user=u"]);
    check("password='a=b c'", &["password=a=b c"]);
}

#[test]
fn broken_pairs_say_where_and_never_show_a_value() {
    check_error(
        "host=a secret",
        "connection string: missing `=` after a keyword at character 8",
    );
    check_error(
        "password='secret",
        "connection string: unterminated quoted value at character 10",
    );
    check_error(
        "password='secret\\'",
        "connection string: unterminated quoted value at character 10",
    );
    check_error(
        "é=1",
        "the connection string: unknown keyword `é` at character 1",
    );
    check_error(
        "host=é hots=b",
        "the connection string: unknown keyword `hots` at character 8",
    );
    check_error(
        "=x",
        "connection string: missing keyword before `=` at character 1",
    );
    // The rest of a password with a space in it.
    check_error(
        "password=top secret=x",
        "the connection string: unknown keyword at character 14",
    );
}

#[test]
fn uris() {
    check("postgresql://", &[]);
    check("postgres://localhost", &["host=localhost"]);
    check(
        "postgresql://u:p@h:1/d?sslmode=require&application_name=x%20y",
        &[
            "user=u",
            "password=p",
            "host=h",
            "port=1",
            "dbname=d",
            "sslmode=require",
            "application_name=x y",
        ],
    );
    check("postgresql://u@/d", &["user=u", "dbname=d"]);
    check("postgresql:///d?host=/run/x", &["dbname=d", "host=/run/x"]);
    check("postgresql://%2Frun%2Fx/d", &["host=/run/x", "dbname=d"]);
    check(
        "postgresql://h1:1,h2,[::1]:3/d",
        &["host=h1,h2,::1", "port=1,,3", "dbname=d"],
    );
    check("postgresql://:1", &["port=1"]);
    check("postgresql://,", &[]);
    check("postgresql://[::1]", &["host=::1"]);
    check("postgresql://h?", &["host=h"]);
    check("postgresql://h/?ssl=true", &["host=h", "sslmode=require"]);
    check(
        "postgresql://u:a%40b%2Fc%3Ad%25@h",
        &["user=u", "password=a@b/c:d%", "host=h"],
    );
    check(
        "postgresql://u:a:b?c@h",
        &["user=u", "password=a:b?c", "host=h"],
    );
    check("postgresql://h/a/b", &["host=h", "dbname=a/b"]);
    check("postgresql://h/d+e", &["host=h", "dbname=d+e"]);
}

#[test]
fn broken_uris_say_where_and_never_show_a_value() {
    for (text, problem, position) in [
        ("postgresql://[::1", "missing `]` after an IPv6 address", 14),
        ("postgresql://[]", "empty IPv6 address", 14),
        (
            "postgresql://[::1]x",
            "unexpected character after an IPv6 address",
            19,
        ),
        (
            "postgresql://h/%zz",
            "`%` without two hexadecimal digits",
            16,
        ),
        (
            "postgresql://h/a%4",
            "`%` without two hexadecimal digits",
            17,
        ),
        ("postgresql://h/%00", "a NUL byte, which is not allowed", 16),
        (
            "postgresql://h?port",
            "missing `=` in a query parameter",
            16,
        ),
        (
            "postgresql://h?port=1=2",
            "extra `=` in a query parameter",
            22,
        ),
        (
            "jdbc:postgresql://h/d",
            "this is not a `postgresql://` URL",
            1,
        ),
        (
            "postgresql+psycopg2://h/d",
            "this is not a `postgresql://` URL",
            1,
        ),
    ] {
        check_error(
            text,
            &format!("connection string: {problem} at character {position}"),
        );
    }
    check_error(
        "postgresql://h?tiemout=1",
        "the connection string: unknown keyword `tiemout` at character 16",
    );
}

#[test]
fn an_unencoded_password_is_caught_before_it_is_looked_up() {
    for text in [
        "postgresql://u:hunter@2@h/d",
        "postgresql://u:hunter/2@h/d",
        "postgresql://u:1/hunter@h/d",
        "postgresql://hunter/2@h",
    ] {
        let error = read(text).unwrap_err();
        assert!(error.contains("unexpected `@`"), "{error}");
        assert!(!error.contains("hunter"), "{error}");
    }
    check_error(
        "postgresql://u:/?hunter=2@h/d",
        "the connection string: unknown keyword at character 18",
    );
}

proptest! {
    #[test]
    fn no_string_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn no_string_that_looks_like_a_connection_string_panics(
        text in r"(postgresql://)?[a-z:@/?&=%0-9',\\ \[\]é]{0,40}"
    ) {
        let _ = parse(&text);
    }

    #[test]
    fn a_quoted_value_comes_back_unchanged(value in any::<String>()) {
        let text = format!("dbname={}", crate::text::quote_value(&value));
        let values = parse(&text).unwrap();
        let dbname = values.iter().next().unwrap();
        prop_assert_eq!(dbname.value.expose(), value.as_bytes());
    }

    /// Whatever surrounds it, the word `Zq7Zq7Zq7` in a password shows up nowhere.
    #[test]
    fn a_password_in_a_uri_never_shows(
        before in r"[a-z0-9@/:?&=%#+,\[\]]{0,6}",
        after in r"[a-z0-9@/:?&=%#+,\[\]]{0,6}",
    ) {
        let text = format!("postgresql://u:{before}Zq7Zq7Zq7{after}@localhost/db");
        if let Err(error) = parse(&text) {
            let shown = format!("{error} {error:?} {:?}", error.hint());
            prop_assert!(!shown.contains("Zq7"), "{}", shown);
        }
    }
}
