//! Which schemas are on somebody's search path without that somebody's doing.

use crate::context::Context;
use pgattest_model::facts::{Setting, Settings};
use pgattest_model::{Missing, ObservationId};
use std::collections::BTreeSet;

/// Schemas that unqualified names are looked up in by default, for some role in some database.
pub(crate) struct DefaultPath {
    schemas: BTreeSet<String>,
    /// The observations it was read from.
    pub(crate) observations: Vec<ObservationId>,
}

impl DefaultPath {
    /// From the configuration in force, the settings stored for roles and databases, and the built-in default.
    ///
    /// The value in the looking session is left out: the one who looks may have set it for itself.
    pub(crate) fn read(context: &Context<'_>) -> Result<Self, Missing> {
        let settings = context.facts.settings.here()?;
        let stored = context.facts.role_settings.here()?;
        let roles = context.facts.roles.here()?;
        let configured = configured(settings.value);
        let values = configured.iter().copied().chain(
            stored
                .iter()
                .filter(|row| row.name.eq_ignore_ascii_case("search_path"))
                .map(|row| row.value.as_str()),
        );
        // `pg_catalog` is searched first whether or not it is named.
        let mut schemas = BTreeSet::from(["pg_catalog".to_owned(), "public".to_owned()]);
        let mut own = false;
        for name in values.flat_map(elements) {
            own |= name == "$user";
            schemas.insert(name);
        }
        if own {
            schemas.extend(
                roles
                    .iter()
                    .filter(|role| role.can_login)
                    .map(|role| role.name.clone()),
            );
        }
        let observations = vec![
            settings.from.clone(),
            stored.from.clone(),
            roles.from.clone(),
        ];
        Ok(Self {
            schemas,
            observations,
        })
    }

    /// Whether the schema is among them.
    pub(crate) fn contains(&self, schema: &str) -> bool {
        self.schemas.contains(schema)
    }
}

fn configured(settings: &Settings) -> Vec<&str> {
    settings
        .iter()
        .filter(|setting| setting.name == "search_path")
        .flat_map(|setting: &Setting| [setting.reset_value.as_str(), setting.boot_value.as_str()])
        .collect()
}

/// The elements of a list of identifiers, as the server splits it: double quotes keep case and commas, everything else is
/// folded to lower case. A list that is not well formed yields what can be read of it.
pub fn elements(list: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                current.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => found.push(std::mem::take(&mut current)),
            space if !quoted && space.is_ascii_whitespace() => {}
            other if quoted => current.push(other),
            other => current.push(other.to_ascii_lowercase()),
        }
    }
    found.push(current);
    found.retain(|name| !name.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[track_caller]
    fn check(list: &str, expected: &[&str]) {
        assert_eq!(elements(list), expected, "{list}");
    }

    #[test]
    fn a_list_is_split_as_the_server_splits_it() {
        check(r#""$user", public"#, &["$user", "public"]);
        check("App , PUBLIC", &["app", "public"]);
        check(r#""Weird, ""name""",x"#, &["Weird, \"name\"", "x"]);
    }

    #[test]
    fn empty_and_broken_lists_yield_what_can_be_read() {
        check("", &[]);
        check(r#""""#, &[]);
        check(r#"a,"b"#, &["a", "b"]);
        check(",,", &[]);
    }
}
