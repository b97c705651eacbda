//! `createrole_self_grant`: what a role that makes a role is granted of it (PostgreSQL 16 and later).

use crate::context::Context;
use pgattest_model::facts::{Oid, RoleSetting};
use pgattest_model::{Missing, ObservationId};

const NAME: &str = "createrole_self_grant";

/// Sources that stand above the configuration files: what the files say is then not shown.
const OVERRIDES: [&str; 6] = [
    "global",
    "database",
    "user",
    "database user",
    "client",
    "session",
];

/// The setting as it is for each role.
pub(super) struct SelfGrant<'a> {
    /// Of the configuration files and the command line; `None` when the session that looked has another one.
    configured: Option<&'a str>,
    stored: Vec<&'a RoleSetting>,
    /// What it was read from.
    pub(super) observations: Vec<ObservationId>,
}

impl<'a> SelfGrant<'a> {
    /// From settings and role settings.
    pub(super) fn read(context: &Context<'a>) -> Result<Self, Missing> {
        let (setting, settings) = context.setting(NAME)?;
        let stored = context.facts.role_settings.here()?;
        Ok(Self {
            configured: (!OVERRIDES.contains(&setting.source.as_str()))
                .then_some(setting.value.as_str()),
            stored: stored
                .value
                .iter()
                .filter(|row| row.name.eq_ignore_ascii_case(NAME))
                .collect(),
            observations: vec![settings.clone(), stored.from.clone()],
        })
    }

    /// Whether the role, in some database, inherits what it makes. `None` when that cannot be seen.
    pub(super) fn inherits(&self, role: Oid) -> Option<bool> {
        let inherits = |value: &str| words(value).any(|word| word.eq_ignore_ascii_case("inherit"));
        let of = |role: Oid, everywhere: bool| {
            self.stored
                .iter()
                .filter(move |row| row.role == role && (row.database == 0) == everywhere)
        };
        if of(role, false).any(|row| inherits(&row.value)) {
            return Some(true);
        }
        // The role's own setting stands above those of databases and of all roles.
        if let Some(own) = of(role, true).next() {
            return Some(inherits(&own.value));
        }
        if of(0, false).any(|row| inherits(&row.value)) {
            return Some(true);
        }
        if let Some(all) = of(0, true).next() {
            return Some(inherits(&all.value));
        }
        self.configured.map(inherits)
    }
}

/// The elements of the list: `set, inherit`.
fn words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(|word| word.trim().trim_matches('"'))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::SelfGrant;
    use pgattest_model::facts::{KeyKind, Oid, RoleSetting, Shape};

    const HELPDESK: Oid = 20_001;
    const SHOP: Oid = 30_001;

    fn row(role: Oid, database: Oid, value: &str) -> RoleSetting {
        RoleSetting {
            database,
            role,
            name: "createrole_self_grant".to_owned(),
            value: value.to_owned(),
            withheld: false,
            shape: Shape::Word,
            key_kind: KeyKind::Plain,
        }
    }

    #[track_caller]
    fn check(configured: Option<&str>, rows: &[RoleSetting], expected: Option<bool>) {
        let self_grant = SelfGrant {
            configured,
            stored: rows.iter().collect(),
            observations: Vec::new(),
        };
        assert_eq!(self_grant.inherits(HELPDESK), expected);
    }

    #[test]
    fn the_nearest_setting_counts() {
        check(Some(""), &[], Some(false));
        check(Some("set, INHERIT"), &[], Some(true));
        check(Some("set"), &[], Some(false));
        check(None, &[], None);
        check(None, &[row(HELPDESK, 0, "")], Some(false));
        check(Some("inherit"), &[row(HELPDESK, 0, "set")], Some(false));
        check(Some("inherit"), &[row(0, 0, "")], Some(false));
        check(Some(""), &[row(0, 0, "inherit")], Some(true));
        check(Some(""), &[row(0, SHOP, "inherit")], Some(true));
        check(
            Some(""),
            &[row(0, SHOP, "inherit"), row(HELPDESK, 0, "")],
            Some(false),
        );
        check(
            Some(""),
            &[row(HELPDESK, 0, ""), row(HELPDESK, SHOP, "\"inherit\"")],
            Some(true),
        );
        check(Some(""), &[row(HELPDESK + 1, 0, "inherit")], Some(false));
    }
}
