//! The object that `--on` names.

use super::names::Named;
use crate::failure::{Failure, fail};
use pgattest_model::facts::AclClass;

/// A name as SQL, with the kind of object where it was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Wanted {
    pub(super) text: String,
    /// `None` is every kind but columns.
    pub(super) class: Option<AclClass>,
    parts: Vec<String>,
    /// What stands in parentheses after a function's name.
    arguments: Option<String>,
}

/// Words that may stand before a name. Longer ones come before those they end or begin with.
const KINDS: [(&str, AclClass); 20] = [
    ("materialized view", AclClass::Relation),
    ("partitioned table", AclClass::Relation),
    ("foreign table", AclClass::Relation),
    ("foreign-data wrapper", AclClass::ForeignDataWrapper),
    ("foreign data wrapper", AclClass::ForeignDataWrapper),
    ("foreign server", AclClass::ForeignServer),
    ("large object", AclClass::LargeObject),
    ("relation", AclClass::Relation),
    ("table", AclClass::Relation),
    ("view", AclClass::Relation),
    ("sequence", AclClass::Relation),
    ("column", AclClass::Column),
    ("function", AclClass::Function),
    ("procedure", AclClass::Function),
    ("schema", AclClass::Schema),
    ("type", AclClass::Type),
    ("language", AclClass::Language),
    ("database", AclClass::Database),
    ("tablespace", AclClass::Tablespace),
    ("parameter", AclClass::Parameter),
];

/// Reads `public.orders`, `"a b"."C"`, `schema app`, `function app.f(integer)`.
pub(super) fn parse(text: &str) -> Result<Wanted, Failure> {
    let trimmed = text.trim();
    let (class, name) = KINDS
        .iter()
        .find_map(|(word, class)| {
            let (before, after) = trimmed.split_at_checked(word.len())?;
            let rest = after.trim_start();
            (before.eq_ignore_ascii_case(word) && rest.len() < after.len() && !rest.is_empty())
                .then_some((Some(*class), rest))
        })
        .unwrap_or((None, trimmed));
    let (parts, arguments) = split(name).ok_or_else(|| {
        fail(format!("`{text}` is not a name as SQL has it")).hint(
            "for example: public.orders, '\"My Schema\".\"My Table\"', 'schema app', 'function app.total(integer)'",
        )
    })?;
    Ok(Wanted {
        text: trimmed.to_owned(),
        class,
        parts,
        arguments,
    })
}

impl Wanted {
    /// Whether this is the object, by its whole name.
    pub(super) fn is(&self, class: AclClass, named: &Named) -> bool {
        self.matches(class, named, |parts| parts == self.parts)
    }

    /// Whether this is the object when the beginning of its name is left out.
    pub(super) fn ends(&self, class: AclClass, named: &Named) -> bool {
        self.matches(class, named, |parts| parts.ends_with(&self.parts))
    }

    /// The parameter that was asked for by name.
    pub(super) fn parameter(&self) -> Option<String> {
        (self.class == Some(AclClass::Parameter)).then(|| self.parts.join(".").to_lowercase())
    }

    fn matches(&self, class: AclClass, named: &Named, same: impl Fn(&[String]) -> bool) -> bool {
        let asked = match self.class {
            Some(asked) => asked == class,
            None => class != AclClass::Column,
        };
        asked
            && split(&named.sql).is_some_and(|(parts, arguments)| {
                same(&parts)
                    && self
                        .arguments
                        .as_ref()
                        .is_none_or(|wanted| Some(wanted) == arguments.as_ref())
            })
    }
}

/// The parts of a name, folded as the server folds them, and the arguments with their spaces evened out.
fn split(name: &str) -> Option<(Vec<String>, Option<String>)> {
    let mut parts = vec![String::new()];
    let mut quoted_part = false;
    let mut chars = name.char_indices().peekable();
    let mut in_quotes = false;
    while let Some((at, c)) = chars.next() {
        let part = parts.last_mut()?;
        if in_quotes {
            match c {
                '"' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    chars.next();
                    part.push('"');
                }
                '"' => in_quotes = false,
                c => part.push(c),
            }
            continue;
        }
        match c {
            '"' if part.is_empty() && !quoted_part => {
                in_quotes = true;
                quoted_part = true;
            }
            '"' => return None,
            '.' => {
                if part.is_empty() && !quoted_part {
                    return None;
                }
                parts.push(String::new());
                quoted_part = false;
            }
            '(' => {
                let inner = name.get(at + 1..)?.trim_end().strip_suffix(')')?;
                let arguments = inner.split_whitespace().collect::<Vec<_>>().join(" ");
                return (!part.is_empty() || quoted_part).then_some((parts, Some(arguments)));
            }
            c if quoted_part || c.is_whitespace() => return None,
            c => part.extend(c.to_lowercase()),
        }
    }
    let whole = !in_quotes && (quoted_part || parts.last().is_some_and(|part| !part.is_empty()));
    whole.then_some((parts, None))
}

#[cfg(test)]
mod tests {
    use super::{AclClass, Named, parse};

    #[track_caller]
    fn finds(text: &str, class: AclClass, sql: &str) -> bool {
        let named = Named {
            kind: "",
            sql: sql.to_owned(),
            schema: None,
        };
        parse(text).expect("a name").is(class, &named)
    }

    #[test]
    fn a_name_is_read_as_the_server_reads_it() {
        assert!(finds("Public.Orders", AclClass::Relation, "public.orders"));
        assert!(!finds(
            "\"Public\".orders",
            AclClass::Relation,
            "public.orders"
        ));
        assert!(finds(
            "\"a.\"\"b\".\" \"",
            AclClass::Relation,
            "\"a.\"\"b\".\" \""
        ));
        assert!(finds(
            "table public.orders",
            AclClass::Relation,
            "public.orders"
        ));
        assert!(!finds("schema orders", AclClass::Relation, "orders"));
        // A table may have the name of a kind.
        assert!(finds("table", AclClass::Relation, "\"table\""));
        assert!(finds("public.orders", AclClass::Relation, "public.orders"));
        assert!(!finds("orders.id", AclClass::Column, "orders.id"));
        assert!(finds("column orders.id", AclClass::Column, "orders.id"));
    }

    #[test]
    fn a_function_may_be_named_without_its_arguments() {
        let sql = "app.f(a integer, b text)";
        assert!(finds("app.f", AclClass::Function, sql));
        assert!(finds("app.f(a  integer, b text)", AclClass::Function, sql));
        assert!(!finds("app.f()", AclClass::Function, sql));
    }

    #[test]
    fn what_is_no_name_is_said_to_be_none() {
        for text in [
            "", "a..b", ".a", "a.", "\"a", "a b", "a\"b\"", "f(", "\"a\"b",
        ] {
            let read = parse(text);
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn the_beginning_of_a_name_may_be_left_out() {
        let named = Named {
            kind: "table",
            sql: "app.orders".to_owned(),
            schema: None,
        };
        let wanted = parse("orders").expect("a name");
        assert!(wanted.ends(AclClass::Relation, &named));
        assert!(!wanted.is(AclClass::Relation, &named));
    }
}
