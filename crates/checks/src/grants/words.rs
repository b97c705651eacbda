//! Lists in sentences.

/// How many things a sentence names before it counts the rest.
const NAMED: usize = 3;

/// `a`, `a and b`, `a, b and c`, `a, b, c and 7 more`.
pub(crate) fn few<T: AsRef<str>>(items: &[T]) -> String {
    let names: Vec<&str> = items.iter().take(NAMED).map(AsRef::as_ref).collect();
    match (names.split_last(), items.len().saturating_sub(NAMED)) {
        (None, _) => "nothing".to_owned(),
        (Some(_), more @ 1..) => format!("{} and {more} more", names.join(", ")),
        (Some((last, [])), 0) => (*last).to_owned(),
        (Some((last, before)), 0) => format!("{} and {last}", before.join(", ")),
    }
}

/// `1 table`, `2 tables`.
pub(crate) fn count(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// Statements for a person to review, on one line: the first few, and how many there are beyond them.
pub(crate) fn statements<T: AsRef<str>>(all: &[T]) -> String {
    let shown: Vec<&str> = all.iter().take(NAMED).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(NAMED) {
        0 => shown.join(" "),
        more => format!("{} -- and {more} more like these", shown.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{count, few, statements};

    #[test]
    fn the_first_three_are_named_and_the_rest_counted() {
        assert_eq!(few::<&str>(&[]), "nothing");
        assert_eq!(few(&["a"]), "a");
        assert_eq!(few(&["a", "b"]), "a and b");
        assert_eq!(few(&["a", "b", "c"]), "a, b and c");
        assert_eq!(few(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
        assert_eq!(statements(&["x;", "y;"]), "x; y;");
        assert_eq!(
            statements(&["x;", "y;", "z;", "w;"]),
            "x; y; z; -- and 1 more like these"
        );
    }

    #[test]
    fn one_has_no_plural() {
        assert_eq!(count(1, "table"), "1 table");
        assert_eq!(count(0, "table"), "0 tables");
    }
}
