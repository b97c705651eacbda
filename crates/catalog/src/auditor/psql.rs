//! Text that psql reads before the server does.

/// `\connect` to a database on the server, as the user and by the way of the connection that is there.
///
/// Three readers, one inside the other: the lexer of psql's commands (single quotes, with escapes, because a command ends with its
/// line), then psql's rule for names of databases (double quotes, doubled where they are meant), then libpq (`dbname='..'`).
pub fn connect(database: &str) -> String {
    let conninfo = format!("dbname='{}'", escaped(database));
    let name = format!("\"{}\"", conninfo.replace('"', "\"\""));
    let argument = escaped(&name).replace('\n', "\\n").replace('\r', "\\r");
    format!("\\connect -reuse-previous=on '{argument}'")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' | '\'' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// The setting by which a quoted string means the same on every server.
pub(super) const fn set_literal() -> &'static str {
    "SET LOCAL standard_conforming_strings = on;"
}

/// The text in dollar quotes that do not occur in it.
pub(super) fn dollar_quoted(text: &str) -> String {
    let mut tag = "$pgattest$".to_owned();
    let mut number = 0;
    while text.contains(&tag) {
        number += 1;
        tag = format!("$pgattest{number}$");
    }
    format!("{tag}{text}{tag}")
}

#[cfg(test)]
mod tests {
    use super::{connect, dollar_quoted};

    #[test]
    fn a_database_name_stays_one_name() {
        assert_eq!(
            connect("shop"),
            r#"\connect -reuse-previous=on '"dbname=\'shop\'"'"#
        );
        // Once for libpq, once for psql.
        assert_eq!(
            connect(r#"it's "a" \ here"#),
            r#"\connect -reuse-previous=on '"dbname=\'it\\\'s ""a"" \\\\ here\'"'"#
        );
        assert!(!connect("a\nb\rc").contains(['\n', '\r']));
    }

    #[test]
    fn no_text_ends_its_own_quotes() {
        assert_eq!(dollar_quoted("x"), "$pgattest$x$pgattest$");
        assert_eq!(
            dollar_quoted("x$pgattest$y"),
            "$pgattest1$x$pgattest$y$pgattest1$"
        );
    }
}
