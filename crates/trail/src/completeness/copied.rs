//! Which table a `COPY FROM` writes to, by the statement's text: with `pgaudit.log_rows` pgaudit records it without its table, and
//! with 0 for its rows.

/// The table's name in a statement that begins with `COPY`, with its parts quoted. `None` where the text does not tell.
pub(super) fn target(statement: &[u8]) -> Option<String> {
    let text = blank(std::str::from_utf8(statement).ok()?)?;
    let (word, rest) = text.split_at_checked(4)?;
    if !word.eq_ignore_ascii_case("copy") || !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let (parts, rest) = path(blank(rest)?)?;
    // A list of columns, or the way; anything else is a form that is not known here.
    let rest = blank(rest)?;
    let way = rest
        .get(..4)
        .is_some_and(|way| way.eq_ignore_ascii_case("from"));
    (rest.starts_with('(') || way).then(|| join(&parts))
}

/// What a copy may have called a table of this qualified name, as the server quotes it: with its schema, and without.
pub(super) fn names(qualified: &str) -> Vec<String> {
    match path(qualified) {
        Some((parts, "")) => (0..parts.len())
            .filter_map(|from| parts.get(from..).map(join))
            .collect(),
        _ => Vec::new(),
    }
}

/// What comes after white space and comments. `None`: a comment does not end.
fn blank(text: &str) -> Option<&str> {
    let mut rest = text.trim_start();
    loop {
        if let Some(line) = rest.strip_prefix("--") {
            rest = line.split_once('\n')?.1.trim_start();
        } else if let Some(inside) = rest.strip_prefix("/*") {
            rest = comment(inside)?.trim_start();
        } else {
            return Some(rest);
        }
    }
}

/// What comes after the end of a comment that has begun; comments nest.
fn comment(inside: &str) -> Option<&str> {
    let (mut rest, mut depth) = (inside, 1_u32);
    while depth > 0 {
        let at = rest.find("*/").into_iter().chain(rest.find("/*")).min()?;
        let (mark, after) = rest.get(at..)?.split_at_checked(2)?;
        depth = if mark == "/*" { depth + 1 } else { depth - 1 };
        rest = after;
    }
    Some(rest)
}

fn join(parts: &[String]) -> String {
    let quoted = parts
        .iter()
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")));
    quoted.collect::<Vec<_>>().join(".")
}

/// Identifiers with points between, and what follows.
fn path(text: &str) -> Option<(Vec<String>, &str)> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = identifier(rest)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None => return Some((parts, after)),
        }
    }
}

fn identifier(text: &str) -> Option<(String, &str)> {
    if let Some(mut rest) = text.strip_prefix('"') {
        let mut name = String::new();
        loop {
            let (part, after) = rest.split_once('"')?;
            name.push_str(part);
            match after.strip_prefix('"') {
                Some(next) => {
                    name.push('"');
                    rest = next;
                }
                None => return (!name.is_empty()).then_some((name, after)),
            }
        }
    }
    let end = text
        .find(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '$')))
        .unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    // Letters beyond ASCII are folded by the server's own rules, which are not known here; as they are is what most servers do.
    (!name.is_empty()).then(|| (name.to_ascii_lowercase(), after))
}

#[cfg(test)]
mod tests {
    use super::{names, target};

    #[test]
    fn the_table_of_a_copy_is_what_its_text_says() {
        for (statement, name) in [
            ("copy t from stdin", Some("\"t\"")),
            (
                " COPY\n Public.\"T\"\"x\" (a, b) FROM PROGRAM 'seq 3'",
                Some("\"public\".\"T\"\"x\""),
            ),
            ("copy t(a) from stdin", Some("\"t\"")),
            ("copy Über FROM stdin", Some("\"Über\"")),
            ("copy (select 1) to stdout", None),
            ("copy t to stdout", None),
            (
                "-- why\n/* a /* nested */ one */ copy /* x */ t/**/from stdin",
                Some("\"t\""),
            ),
            ("copy /* x t from stdin", None),
            ("-- copy t from stdin", None),
            ("copying t from stdin", None),
            ("insert into t values (1); copy t from stdin", None),
            ("copy \"t from stdin", None),
            ("copy \"\" from stdin", None),
            ("copy t. from stdin", None),
            ("cop", None),
            ("<previously logged>", None),
        ] {
            assert_eq!(target(statement.as_bytes()).as_deref(), name, "{statement}");
        }
        assert_eq!(target(b"copy \xff from stdin"), None);
    }

    #[test]
    fn a_table_has_a_name_with_its_schema_and_one_without() {
        assert_eq!(
            names("public.\"T\"\"x.y\""),
            ["\"public\".\"T\"\"x.y\"", "\"T\"\"x.y\""]
        );
        assert_eq!(names("public.t from"), [""; 0]);
    }
}
