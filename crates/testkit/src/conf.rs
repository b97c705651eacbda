//! Lines of `postgresql.conf`.

use anyhow::{Result, bail};

/// One line `name = 'value'` that the server reads back as exactly `value`.
///
/// Refuses what cannot be written: a name that is none, and a NUL.
pub(crate) fn line(name: &str, value: &str) -> Result<String> {
    if !is_name(name) {
        bail!("{name:?} is no name of a PostgreSQL setting");
    }
    if value.contains('\0') {
        bail!("the value of {name} contains a NUL, which PostgreSQL cannot hold");
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    for char in value.chars() {
        match char {
            '\'' => quoted.push_str("''"),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            other => quoted.push(other),
        }
    }
    Ok(format!("{name} = '{quoted}'\n"))
}

/// A plain name, or one with a prefix as extensions have: `pgaudit.log`.
fn is_name(name: &str) -> bool {
    name.split('.').all(|part| {
        let mut chars = part.chars();
        chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|rest| rest.is_ascii_alphanumeric() || rest == '_' || rest == '$')
    })
}
