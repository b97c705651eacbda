//! What the configuration says of a setting, apart from what is stored for roles and databases.

use crate::context::Context;
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, PUBLIC};

/// The value that the configuration gives sessions whose role and database have none of their own; `None` when it is the
/// built-in default.
///
/// The looking session shows it, unless something is stored for the role or database of that session: then it takes the
/// configuration files.
pub fn configured<'a>(context: &Context<'a>, name: &str) -> Result<Option<&'a str>, Missing> {
    let settings = context.facts.settings.here()?;
    let Some(setting) = settings
        .value
        .get(name)
        .map_err(|missing| missing.seen_in(settings.from.clone()))?
    else {
        return Ok(None);
    };
    let (role, database) = looker(context)?;
    let stored = context.facts.role_settings.here()?;
    let is_overridden = stored.iter().any(|row| {
        row.name.eq_ignore_ascii_case(name)
            && (row.role == 0 || row.role == role)
            && (row.database == 0 || row.database == database)
    });
    if !is_overridden {
        let value = setting.reset_value.as_str();
        return Ok((value != setting.boot_value).then_some(value));
    }
    let files = context.facts.file_settings.here()?;
    Ok(files
        .value
        .iter()
        .rev()
        .find(|line| line.name.eq_ignore_ascii_case(name) && line.error.is_empty())
        .map(|line| line.value.as_str()))
}

/// The role and the database of the looking session.
fn looker(context: &Context<'_>) -> Result<(Oid, Oid), Missing> {
    let own = context.facts.own_session.here()?;
    let roles = context.facts.roles.here()?;
    let databases = context.facts.databases.here()?;
    let role = roles.iter().find(|role| role.name == own.login_role);
    let database = databases.iter().find(|row| row.name == own.database);
    Ok((
        role.map_or(PUBLIC, |role| role.oid),
        database.map_or(PUBLIC, |row| row.oid),
    ))
}
