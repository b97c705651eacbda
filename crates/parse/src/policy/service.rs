//! `[[service]]`.

use super::PolicyError;
use super::source::Reading;
use super::value::{require, wrong};
use pgattest_model::ObjectPattern;
use pgattest_model::policy::{NamedKind, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

type Names = Vec<Spanned<String>>;

/// A program that logs in, and what it may do. What is not named it may not do.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceEntry {
    /// The role it logs in as: a bare name, one entry a role.
    #[schemars(required, with = "Option<String>", length(min = 1), extend("examples" = ["shop_api"]))]
    role: Option<Spanned<String>>,
    /// Databases it connects to, bare names.
    #[schemars(required, with = "Option<BTreeSet<String>>", length(min = 1), extend("examples" = [["shop"]]))]
    databases: Option<Spanned<Names>>,
    /// Whether it makes temporary tables there.
    #[serde(default)]
    temporary: bool,
    /// Relations it reads: `schema.name`, or `schema.*` for all of a schema, also those made later, without what extensions
    /// brought. With `database.` before it, in that database only. Quoted as SQL would.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["shop.prices"]]), inner(regex(pattern = r"\.")))]
    read: Names,
    /// Relations it inserts into, updates and deletes from; it reads them too, and takes numbers from the sequences that their
    /// columns use. Named like `read`.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["shop.*"]]), inner(regex(pattern = r"\.")))]
    write: Names,
    /// Functions and procedures it calls, by name without arguments. Named like `read`.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>", extend("examples" = [["shop.place_order"]]), inner(regex(pattern = r"\.")))]
    execute: Names,
    /// Statements that must work for it, tried in a transaction that is rolled back.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("examples" = [["SELECT id FROM shop.orders LIMIT 1"]]), inner(length(min = 1)))]
    statements: Names,
}

/// Every service, each with a role of its own.
pub(super) fn all(
    entries: Vec<Spanned<ServiceEntry>>,
    reading: &mut Reading<'_>,
) -> Result<Vec<Service>, PolicyError> {
    let mut services: Vec<(Service, usize)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let line = reading.place(entry.span()).line;
        let span = entry.get_ref().role.as_ref().map(Spanned::span);
        let service = one(entry, reading)?;
        let same = services
            .iter()
            .find(|(other, _)| other.role == service.role);
        if let (Some((_, first)), Some(span)) = (same, span) {
            return Err(wrong(
                span,
                format!("the service on line {first} logs in as the same role"),
                "give each service a role of its own, or make one entry of them",
            ));
        }
        services.push((service, line));
    }
    Ok(services.into_iter().map(|(service, _)| service).collect())
}

fn one(entry: Spanned<ServiceEntry>, reading: &mut Reading<'_>) -> Result<Service, PolicyError> {
    let whole = entry.span();
    let entry = entry.into_inner();
    let Some(role) = entry.role else {
        return Err(wrong(
            whole,
            "a service names the role that it logs in as",
            "role = \"shop_api\"",
        ));
    };
    let role = login(role)?;
    let databases = match entry.databases {
        Some(databases) if !databases.get_ref().is_empty() => databases.into_inner(),
        Some(databases) => {
            return Err(wrong(databases.span(), DATABASES, "databases = [\"shop\"]"));
        }
        None => return Err(wrong(whole, DATABASES, "databases = [\"shop\"]")),
    };
    let databases = databases
        .into_iter()
        .map(|name| require(name, says_something, "a database has a name", "shop"))
        .collect::<Result<_, _>>()?;
    let statements = entry
        .statements
        .into_iter()
        .map(|statement| {
            let example = "SELECT id FROM shop.orders LIMIT 1";
            require(
                statement,
                says_something,
                "nothing is written here",
                example,
            )
            .map(Spanned::into_inner)
        })
        .collect::<Result<_, _>>()?;
    let role = reading.one(NamedKind::Role, "service.role", role);
    let databases = reading.list(NamedKind::Database, "service.databases", databases);
    let mut objects = |kind, key, names| patterns(kind, key, names, &databases, reading);
    Ok(Service {
        read: objects(NamedKind::Relation, "service.read", entry.read)?,
        write: objects(NamedKind::Relation, "service.write", entry.write)?,
        execute: objects(NamedKind::Function, "service.execute", entry.execute)?,
        role,
        databases,
        temporary: entry.temporary,
        statements,
    })
}

const DATABASES: &str = "a service says which databases it connects to";

/// A name that an ordinary role can have.
fn login(role: Spanned<String>) -> Result<Spanned<String>, PolicyError> {
    let name = role.get_ref();
    let is_ordinary =
        says_something(name) && !name.starts_with("pg_") && name != "public" && name != "none";
    if is_ordinary {
        return Ok(role);
    }
    Err(wrong(
        role.span(),
        "a service logs in as a role of its own, not as one of PostgreSQL's",
        "like `shop_api`",
    ))
}

/// Names of objects, each in a database that the service connects to. A whole schema is remembered as the schema's name.
fn patterns(
    kind: NamedKind,
    key: &'static str,
    names: Names,
    databases: &BTreeSet<String>,
    reading: &mut Reading<'_>,
) -> Result<BTreeSet<String>, PolicyError> {
    let mut all = BTreeSet::new();
    for name in names {
        let Some(pattern) = ObjectPattern::parse(name.get_ref()) else {
            return Err(wrong(
                name.span(),
                match kind {
                    NamedKind::Function => {
                        "a function is named with its schema and without its arguments"
                    }
                    _ => "a relation is named with its schema",
                },
                "like `shop.orders`, `shop.*` or `database.shop.orders`",
            ));
        };
        if let Some(database) = &pattern.database
            && !databases.contains(database)
        {
            return Err(wrong(
                name.span(),
                format!("the service does not connect to the database `{database}`"),
                "name it under `databases`",
            ));
        }
        let (kind, named) = match &pattern.name {
            Some(_) => (kind, pattern.to_string()),
            None => (NamedKind::Schema, pattern.schema_name()),
        };
        reading.note(kind, key, named, name.span());
        all.insert(name.into_inner());
    }
    Ok(all)
}

fn says_something(text: &str) -> bool {
    !text.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use pgattest_model::policy::NamedKind;

    #[track_caller]
    fn refuses(text: &str, place: &str, message: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!(error.message, message);
        assert_eq!(&text[error.span.clone()], place);
        assert!(error.help.is_some());
    }

    #[test]
    fn a_service_says_what_it_may_do_and_where() {
        let text = r#"
[[service]]
role = "shop \"api\""
databases = ["shop", "my db"]
temporary = true
read = ["shop.*", '"my db"."Odd"."na.me"']
write = ["shop.orders"]
execute = ["shop.place_order", "shop.*"]
statements = ["SELECT 1"]

[[service]]
role = "reports"
databases = ["shop"]
"#;
        let policy = parse(text).unwrap();
        let [first, second] = policy.services.as_slice() else {
            panic!("{:?}", policy.services)
        };
        assert_eq!(first.role, "shop \"api\"");
        assert!(first.databases.contains("my db") && first.temporary);
        assert!(first.read.contains("\"my db\".\"Odd\".\"na.me\""));
        assert_eq!((first.write.len(), first.execute.len()), (1, 2));
        assert_eq!(first.statements, ["SELECT 1"]);
        assert!(second.read.is_empty() && !second.temporary);
        let names: Vec<_> = policy
            .names
            .iter()
            .map(|named| (named.kind, named.key, named.name.as_str(), named.place.line))
            .collect();
        assert_eq!(
            names,
            [
                (NamedKind::Role, "service.role", "shop \"api\"", 3),
                (NamedKind::Database, "service.databases", "shop", 4),
                (NamedKind::Database, "service.databases", "my db", 4),
                (NamedKind::Schema, "service.read", "shop", 6),
                (
                    NamedKind::Relation,
                    "service.read",
                    "\"my db\".\"Odd\".\"na.me\"",
                    6
                ),
                (NamedKind::Relation, "service.write", "shop.orders", 7),
                (
                    NamedKind::Function,
                    "service.execute",
                    "shop.place_order",
                    8
                ),
                (NamedKind::Schema, "service.execute", "shop", 8),
                (NamedKind::Role, "service.role", "reports", 12),
                (NamedKind::Database, "service.databases", "shop", 13),
            ]
        );
    }

    #[test]
    fn a_service_has_a_role_of_its_own_and_a_database() {
        refuses(
            "# x\n[[service]]\ndatabases = [\"shop\"]\n",
            "[[service]]",
            "a service names the role that it logs in as",
        );
        refuses(
            "[[service]]\nrole = \"pg_monitor\"\ndatabases = [\"shop\"]\n",
            "\"pg_monitor\"",
            "a service logs in as a role of its own, not as one of PostgreSQL's",
        );
        refuses(
            "[[service]]\nrole = \"app\"\n",
            "[[service]]",
            "a service says which databases it connects to",
        );
        refuses(
            "[[service]]\nrole = \"app\"\ndatabases = []\n",
            "[]",
            "a service says which databases it connects to",
        );
        refuses(
            "[[service]]\nrole = \"app\"\ndatabases = [\"a\"]\n[[service]]\nrole = 'app'\ndatabases = [\"b\"]\n",
            "'app'",
            "the service on line 1 logs in as the same role",
        );
    }

    #[test]
    fn objects_are_named_with_their_schema_in_a_database_of_the_service() {
        let with = |line: &str| format!("[[service]]\nrole = \"app\"\ndatabases = [\"a\"]\n{line}");
        refuses(
            &with("read = [\"orders\"]"),
            "\"orders\"",
            "a relation is named with its schema",
        );
        refuses(
            &with("write = [\"shop.ord*\"]"),
            "\"shop.ord*\"",
            "a relation is named with its schema",
        );
        refuses(
            &with("execute = [\"shop.price(int)\"]"),
            "\"shop.price(int)\"",
            "a function is named with its schema and without its arguments",
        );
        refuses(
            &with("read = [\"b.shop.orders\"]"),
            "\"b.shop.orders\"",
            "the service does not connect to the database `b`",
        );
        refuses(
            &with("statements = [\" \"]"),
            "\" \"",
            "nothing is written here",
        );
    }
}
