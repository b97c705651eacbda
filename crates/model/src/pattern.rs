//! Names of objects as the policy file writes them: `shop.orders`, `shop.*`, `db.shop.orders`.

use crate::ident::quote_ident;
use std::fmt;

/// One object, or everything in one schema; in one database, or in every one that is meant. Displays as SQL would write it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectPattern {
    /// The database; `None`: each that the key is about.
    pub database: Option<String>,
    /// The schema.
    pub schema: String,
    /// The object; `None`: everything in the schema, also what is made later.
    pub name: Option<String>,
}

impl ObjectPattern {
    /// `schema.name`, `schema.*`, or either with `database.` before it. A part is quoted as SQL would, or bare and then taken as it
    /// stands: it is not folded to lower case. An asterisk by itself is everything, `"*"` a name. `None`: not of this form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = part(rest)?;
            parts.push(part);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return None,
            }
        }
        let name = match parts.pop()? {
            Part::Name(name) => Some(name),
            Part::Everything => None,
        };
        let mut names = parts.into_iter().map(|part| match part {
            Part::Name(name) => Some(name),
            Part::Everything => None,
        });
        let (first, second, none) = (names.next()??, names.next(), names.next());
        match (second, none) {
            (None, _) => Some(Self {
                database: None,
                schema: first,
                name,
            }),
            (Some(schema), None) => Some(Self {
                database: Some(first),
                schema: schema?,
                name,
            }),
            (Some(_), Some(_)) => None,
        }
    }

    /// Whether it is about objects of this database.
    pub fn is_in(&self, database: &str) -> bool {
        self.database.as_deref().is_none_or(|own| own == database)
    }

    /// Whether it names the object or everything beside it. The database is not looked at.
    pub fn covers(&self, schema: &str, name: &str) -> bool {
        self.schema == schema && self.name.as_deref().is_none_or(|own| own == name)
    }

    /// The schema, as `schema` or `database.schema`.
    pub fn schema_name(&self) -> String {
        let schema = quote_ident(&self.schema);
        match &self.database {
            Some(database) => format!("{}.{schema}", quote_ident(database)),
            None => schema,
        }
    }
}

impl fmt::Display for ObjectPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.as_deref().map_or("*".to_owned(), quote_ident);
        write!(f, "{}.{name}", self.schema_name())
    }
}

enum Part {
    Name(String),
    Everything,
}

/// The first part, and what follows it.
fn part(text: &str) -> Option<(Part, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut chars = quoted.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != '"' {
                name.push(c);
            } else if chars.next_if(|(_, next)| *next == '"').is_some() {
                name.push('"');
            } else {
                let rest = quoted.get(at + 1..).unwrap_or_default();
                return (!name.is_empty()).then_some((Part::Name(name), rest));
            }
        }
        return None;
    }
    let (bare, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    if bare == "*" {
        return Some((Part::Everything, rest));
    }
    // What looks like a pattern or a list of arguments is not a name that somebody meant.
    let is_name = !bare.is_empty() && bare.trim() == bare && !bare.contains(['"', '*', '(', ')']);
    is_name.then(|| (Part::Name(bare.to_owned()), rest))
}

#[cfg(test)]
mod tests {
    use super::ObjectPattern;

    #[test]
    fn names_are_read_as_sql_would_but_not_folded() {
        for (text, database, schema, name) in [
            ("shop.orders", None, "shop", Some("orders")),
            ("shop.*", None, "shop", None),
            ("db.shop.orders", Some("db"), "shop", Some("orders")),
            (
                "\"my db\".\"we\"\"ird.one\".*",
                Some("my db"),
                "we\"ird.one",
                None,
            ),
            ("Shop.Orders", None, "Shop", Some("Orders")),
            ("shop.\"*\"", None, "shop", Some("*")),
            ("shop.\"a\nb\"", None, "shop", Some("a\nb")),
        ] {
            let pattern = ObjectPattern::parse(text).unwrap();
            assert_eq!(
                (
                    pattern.database.as_deref(),
                    pattern.schema.as_str(),
                    pattern.name.as_deref()
                ),
                (database, schema, name),
                "{text}"
            );
            assert_eq!(
                ObjectPattern::parse(&pattern.to_string()),
                Some(pattern),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_such_a_name_is_refused() {
        for text in [
            "",
            "orders",
            "*",
            ".orders",
            "shop.",
            "shop..orders",
            "*.orders",
            "db.*.orders",
            "*.shop.orders",
            "a.b.c.d",
            "shop.ord*",
            "shop.price(int)",
            "shop.\"open",
            "shop.\"a\"b",
            "shop.\"\"",
            " shop.orders",
            "shop.or\"ders",
        ] {
            assert_eq!(ObjectPattern::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_it_names() {
        let one = ObjectPattern::parse("db.shop.orders").unwrap();
        assert!(one.is_in("db") && !one.is_in("other"));
        assert!(one.covers("shop", "orders") && !one.covers("shop", "parts"));
        let all = ObjectPattern::parse("shop.*").unwrap();
        assert!(all.is_in("other") && all.covers("shop", "parts") && !all.covers("own", "parts"));
    }
}
