//! Tables as people name them, in what pgaudit writes and in statements.

use crate::error::ArchiveError;
use pgattest_model::ident::{qualified, quote_ident};
use regex::bytes::Regex;

/// A table that is asked about, with or without its schema.
#[derive(Clone, Debug)]
pub struct TableName {
    schema: Option<String>,
    name: String,
    /// Finds it in a statement.
    mention: Mention,
}

impl TableName {
    /// Reads `orders`, `public.orders`, `"Odd".orders`: a part is quoted as SQL would, or bare and then taken as it stands.
    pub fn parse(text: &str) -> Result<Self, ArchiveError> {
        let wrong = || {
            ArchiveError::Question(format!(
                "`{text}` does not name a table: write `orders`, `public.orders`, or quote a part as SQL does"
            ))
        };
        let mut parts = dotted(text).map_err(|_| wrong())?;
        match (parts.pop(), parts.pop(), parts.is_empty()) {
            (Some(name), schema, true) => Self::new(schema, name),
            _ => Err(wrong()),
        }
    }

    /// A table by its parts.
    pub fn new(schema: Option<String>, name: String) -> Result<Self, ArchiveError> {
        let mention = Mention::of(&name)?;
        Ok(Self {
            schema,
            name,
            mention,
        })
    }

    /// The name as SQL writes it.
    pub fn sql(&self) -> String {
        match &self.schema {
            Some(schema) => qualified(schema, &self.name),
            None => quote_ident(&self.name),
        }
    }

    /// Tells whether what pgaudit calls an object is this table, or hangs on it: a constraint is `c on public.orders`.
    pub(crate) fn object_test(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static + use<> {
        let name = self.sql();
        let end = match self.schema {
            Some(_) => format!(" on {name}"),
            None => format!(".{name}"),
        };
        move |object: &str| object == name || object.ends_with(&end)
    }

    /// Tells whether a statement names it, with or without its schema.
    pub(crate) fn statement_test(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static + use<> {
        let mention = self.mention.clone();
        move |statement: &str| mention.is_in(statement)
    }
}

/// A name within a statement: a word, whatever its case; or, where it needs quotes, the name in quotes.
#[derive(Clone, Debug)]
pub(crate) struct Mention(Regex);

impl Mention {
    pub(crate) fn of(name: &str) -> Result<Self, ArchiveError> {
        let folded = name.to_ascii_lowercase();
        let quoted = regex::escape(&format!("\"{}\"", name.replace('"', "\"\"")));
        let is_plain = quote_ident(&folded) == folded
            || folded
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80);
        // Bytes of other alphabets are letters to PostgreSQL. An upper-case name must be quoted in SQL; that it is written without
        // quotes in a statement that failed is what one wants to see.
        let pattern = if is_plain {
            let word = r"[^a-z0-9_$\x80-\xff]";
            let name = regex::escape(&folded);
            format!("(?i-u)(?:^|{word}){name}(?:$|{word})")
        } else {
            quoted
        };
        Regex::new(&pattern)
            .map(Self)
            .map_err(|_| ArchiveError::Question(format!("`{name}` is too long for a name")))
    }

    pub(crate) fn is_in(&self, statement: &str) -> bool {
        self.0.is_match(statement.as_bytes())
    }
}

/// The parts of a dotted name: each quoted as SQL would, or bare and then taken as it stands.
pub fn dotted(text: &str) -> Result<Vec<String>, ArchiveError> {
    let wrong = || ArchiveError::Question(format!("`{text}` is no name"));
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = part(rest).ok_or_else(wrong)?;
        parts.push(part);
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(parts),
            None => return Err(wrong()),
        }
    }
}

/// The first part of a dotted name, and what follows.
fn part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        let is_bare = !part.is_empty() && !part.contains(['"', '\0']);
        return is_bare.then(|| (part.to_owned(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (before, after) = rest.split_once('"')?;
        name.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                name.push('"');
                rest = next;
            }
            None => return (!name.is_empty()).then_some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TableName;

    fn mentions(name: &str, statement: &str) -> bool {
        TableName::parse(name).unwrap().statement_test()(statement)
    }

    #[test]
    fn an_object_is_the_table_or_hangs_on_it() {
        let full = TableName::parse("public.orders").unwrap().object_test();
        assert!(full("public.orders"));
        assert!(full("orders_pkey on public.orders"));
        assert!(!full("shop.orders"));
        assert!(!full("public.orders_old"));
        let bare = TableName::parse("orders").unwrap().object_test();
        assert!(bare("shop.orders"));
        assert!(bare("c on shop.orders"));
        assert!(!bare("shop.my_orders"));
    }

    #[test]
    fn names_are_read_as_sql_writes_them() {
        let odd = TableName::parse(r#"public."weird ""tbl"", x""#).unwrap();
        assert_eq!(odd.sql(), r#"public."weird ""tbl"", x""#);
        assert!(odd.object_test()(r#"public."weird ""tbl"", x""#));
        for wrong in ["", ".", "a.", "a.b.c", "\"a", "a\"b", "\"\""] {
            assert!(TableName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_statement_names_a_table_as_a_word() {
        assert!(mentions("public.orders", "select * from ORDERS"));
        assert!(mentions("orders", "delete from public.\"orders\";"));
        assert!(mentions("orders", "orders"));
        assert!(!mentions("orders", "select * from orders_old"));
        assert!(!mentions("orders", "select * from myorders"));
        assert!(!mentions("orders", "select * from ordersé"));
        assert!(mentions("größe", "select größe from x"));
        assert!(mentions("\"a b\"", "select * from \"a b\""));
        assert!(!mentions("\"a b\"", "select a b"));
    }
}
