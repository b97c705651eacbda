//! Which columns hold data to be protected beyond the rest, by their names and types.

use super::Inferred;
use pgattest_model::Facts;
use pgattest_model::facts::{Column, DatabaseFacts, Relation};
use pgattest_model::ident::quote_ident;
use std::collections::HashMap;

/// Words that a column's name has when it holds such data, as they stand between underscores or capitals. Several words have to
/// follow each other.
const CLASSES: &[(&str, &[&str])] = &[
    (
        "cardholder",
        &[
            "card number",
            "cardnumber",
            "card no",
            "pan",
            "cvv",
            "cvc",
            "card last4",
            "card expiry",
        ],
    ),
    (
        "credentials",
        &[
            "password",
            "passwd",
            "password hash",
            "secret",
            "api key",
            "apikey",
            "access token",
            "refresh token",
            "private key",
            "totp secret",
        ],
    ),
    (
        "health",
        &[
            "diagnosis",
            "icd10",
            "medication",
            "blood type",
            "patient note",
            "allergies",
            "prescription",
        ],
    ),
    (
        "pii",
        &[
            "email",
            "e mail",
            "phone",
            "mobile",
            "ssn",
            "social security number",
            "passport number",
            "passport no",
            "date of birth",
            "birth date",
            "birthdate",
            "birthday",
            "dob",
            "national id",
            "tax id",
            "iban",
            "first name",
            "last name",
            "full name",
            "surname",
            "home address",
            "street address",
            "ip address",
            "driver license",
            "drivers license",
            "aadhaar",
            "pan number",
        ],
    ),
];

/// Adds the columns of every table, by class.
pub(super) fn infer(facts: &Facts, inferred: &mut Inferred) {
    for database in &facts.inside {
        let (Ok(relations), Ok(columns)) = (database.relations.here(), database.columns.here())
        else {
            continue;
        };
        let tables: HashMap<_, _> = relations
            .iter()
            .filter(|relation| {
                relation.can_have_policies() && relation.extension == 0 && !relation.is_partition
            })
            .map(|relation| (relation.oid, relation))
            .collect();
        for column in columns.iter() {
            let Some(table) = tables.get(&column.relation) else {
                continue;
            };
            if let Some(class) = class_of(column) {
                let path = path(database, table, column);
                inferred.classification.entry(class).or_default().push(path);
            }
        }
    }
    for columns in inferred.classification.values_mut() {
        columns.sort();
    }
}

/// `database.schema.table.column`, quoted as SQL would.
fn path(database: &DatabaseFacts, table: &Relation, column: &Column) -> String {
    format!(
        "{}.{}.{}",
        quote_ident(&database.name),
        table.sql_name(),
        quote_ident(&column.name)
    )
}

fn class_of(column: &Column) -> Option<&'static str> {
    if !may_hold_it(&column.type_name) {
        return None;
    }
    let words = words(&column.name);
    let of = |class: &(&'static str, &[&str])| {
        class.1.iter().any(|phrase| {
            let phrase: Vec<&str> = phrase.split(' ').collect();
            words
                .windows(phrase.len())
                .any(|window| window.iter().map(String::as_str).eq(phrase.iter().copied()))
        })
    };
    CLASSES.iter().find(|class| of(class)).map(|class| class.0)
}

/// A flag or a time about such data (`email_verified`, `password_changed_at`) is not the data.
fn may_hold_it(type_name: &str) -> bool {
    let base = type_name
        .split(['(', '['])
        .next()
        .unwrap_or_default()
        .trim();
    !matches!(base, "boolean" | "interval" | "uuid" | "oid")
        && !base.starts_with("timestamp")
        && !base.starts_with("time ")
}

/// The words of a name: parted by anything that is no letter or digit, and by capitals.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            before_was_lower = false;
            continue;
        }
        if c.is_uppercase() && before_was_lower {
            words.push(String::new());
        }
        before_was_lower = c.is_lowercase();
        if let Some(last) = words.last_mut() {
            last.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::{class_of, words};
    use pgattest_model::facts::Column;

    fn column(name: &str, type_name: &str) -> Column {
        Column {
            relation: 1,
            number: 1,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            not_null: false,
            has_default: false,
            generated: String::new(),
            domain_over: String::new(),
        }
    }

    #[test]
    fn names_are_parted_into_words() {
        assert_eq!(words("userEmail_2"), ["user", "email", "2"]);
        assert_eq!(words("SSN"), ["ssn"]);
        assert_eq!(words("__"), [""; 0]);
    }

    #[test]
    fn what_a_column_holds_is_told_by_words_and_type() {
        for (name, type_name, class) in [
            ("email", "text", Some("pii")),
            ("contactEmail", "character varying(80)", Some("pii")),
            ("date_of_birth", "date", Some("pii")),
            ("card_last4", "text", Some("cardholder")),
            ("password_hash", "bytea", Some("credentials")),
            // About it, not it.
            ("email_verified", "boolean", None),
            ("password_changed_at", "timestamp with time zone", None),
            // A part of a word is no word.
            ("company", "text", None),
            ("expansion", "text", None),
        ] {
            assert_eq!(class_of(&column(name, type_name)), class, "{name}");
        }
    }
}
