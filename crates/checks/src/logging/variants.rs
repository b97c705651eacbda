//! Every value with which sessions start: the cluster's, and those that roles and databases have of their own.

use super::settings::baseline;
use crate::context::Context;
use pgattest_model::facts::{Oid, RoleSetting};
use pgattest_model::{Missing, ObservationId, Seen};
use std::collections::BTreeSet;

/// One value of a setting, and where it is in force.
#[derive(Clone, Debug)]
pub struct Variant<'a> {
    /// The value, as configuration writes it.
    pub value: &'a str,
    /// The setting for the cluster's value, `ALTER ROLE app SET log_statement` for another.
    pub subject: String,
    /// Where the value comes from, for a person: `the default`, `ALTER ROLE app`.
    pub origin: String,
    /// The statement that takes it away; `None` for the cluster's value, which has to be set to another.
    pub reset: Option<String>,
    /// Whether some session starts with it: no role that can log in, or no database that accepts connections, has the others.
    pub used: bool,
    /// The observations that show it.
    pub seen_in: Vec<ObservationId>,
}

/// The values of one setting, the cluster's first. `None` when the server has no such setting.
///
/// What a role or database sets is judged by itself, not by what another override does to the same session.
pub fn variants<'a>(
    context: &Context<'a>,
    name: &str,
) -> Result<Option<Vec<Variant<'a>>>, Missing> {
    let Some(found) = baseline(context, name)? else {
        return Ok(None);
    };
    let rows = context.facts.role_settings.here()?;
    let mut variants = vec![Variant {
        value: found.value,
        subject: name.to_owned(),
        origin: found.origin.to_owned(),
        reset: (found.origin == "ALTER ROLE ALL").then(|| format!("ALTER ROLE ALL RESET {name};")),
        used: true,
        seen_in: found.seen_in,
    }];
    let overrides = rows
        .value
        .iter()
        .filter(|row| row.name.eq_ignore_ascii_case(name) && (row.role != 0 || row.database != 0));
    let overrides: Vec<&RoleSetting> = overrides.collect();
    if overrides.is_empty() {
        return Ok(Some(variants));
    }
    let starting = Starting::of(context)?;
    for row in overrides {
        variants.push(starting.variant(row, name, &rows)?);
    }
    Ok(Some(variants))
}

/// The same of a setting that a library brings. None of those that are asked for here is hidden from anybody, so one that is
/// not listed does not exist: the library is not loaded.
pub fn variants_of_library<'a>(
    context: &Context<'a>,
    name: &str,
) -> Result<Vec<Variant<'a>>, Missing> {
    let settings = context.facts.settings.here()?;
    if settings.iter().all(|setting| setting.name != name) {
        return Ok(Vec::new());
    }
    Ok(variants(context, name)?.unwrap_or_default())
}

/// Who can start a session, and where.
struct Starting<'a, 'b> {
    context: &'b Context<'a>,
    logins: BTreeSet<Oid>,
    databases: BTreeSet<Oid>,
    seen_in: Vec<ObservationId>,
}

impl<'a, 'b> Starting<'a, 'b> {
    fn of(context: &'b Context<'a>) -> Result<Self, Missing> {
        let roles = context.facts.roles.here()?;
        let databases = context.facts.databases.here()?;
        Ok(Self {
            context,
            logins: roles
                .iter()
                .filter(|role| role.can_login)
                .map(|role| role.oid)
                .collect(),
            databases: context
                .connectable()?
                .into_iter()
                .map(|database| database.oid)
                .collect(),
            seen_in: vec![roles.from.clone(), databases.from.clone()],
        })
    }

    fn variant(
        &self,
        row: &'a RoleSetting,
        name: &str,
        rows: &Seen<'a, Vec<RoleSetting>>,
    ) -> Result<Variant<'a>, Missing> {
        let roles = self.context.facts.roles.here()?;
        let databases = self.context.facts.databases.here()?;
        let statement = row.statement(roles.value, databases.value);
        if row.withheld {
            let why = format!("the value of `{statement} SET {name}` was withheld");
            return Err(Missing::because(why).seen_in(rows.from.clone()));
        }
        let mut seen_in = vec![rows.from.clone()];
        seen_in.extend(self.seen_in.iter().cloned());
        Ok(Variant {
            value: &row.value,
            subject: format!("{statement} SET {name}"),
            reset: Some(format!("{statement} RESET {name};")),
            used: (row.role == 0 || self.logins.contains(&row.role))
                && (row.database == 0 || self.databases.contains(&row.database)),
            origin: statement,
            seen_in,
        })
    }
}

impl Variant<'_> {
    /// What to do about it, when the cluster's value is to be this one.
    pub fn remedy(&self, name: &str, wanted: &str) -> String {
        self.reset.clone().unwrap_or_else(|| {
            format!(
                "ALTER SYSTEM SET {name} = {};",
                pgattest_model::ident::quote_literal(wanted)
            )
        })
    }
}
