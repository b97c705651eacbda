//! Values of settings: what a session gets when nothing overrides it, and how lists are written.

use crate::context::Context;
use pgattest_model::facts::Setting;
use pgattest_model::{Missing, ObservationId};

/// The value of a setting for sessions whose role and database override nothing.
#[derive(Clone, Debug)]
pub(super) struct Baseline<'a> {
    /// The value, as configuration writes it.
    pub(super) value: &'a str,
    /// Where it comes from, for a person: `postgresql.conf`, `ALTER ROLE ALL`, `the default`.
    pub(super) origin: &'static str,
    /// The observations that show it.
    pub(super) seen_in: Vec<ObservationId>,
}

/// The cluster-wide value of a setting. `None` when the server has no such setting.
///
/// The looker's own role or database may override it: then the value in force in its session says nothing about the others,
/// and it takes the configuration files to know.
pub(super) fn baseline<'a>(
    context: &Context<'a>,
    name: &str,
) -> Result<Option<Baseline<'a>>, Missing> {
    let settings = context.facts.settings.here()?;
    let Some(setting) = settings
        .value
        .get(name)
        .map_err(|missing| missing.seen_in(settings.from.clone()))?
    else {
        return Ok(None);
    };
    let overrides = context.facts.role_settings.here()?;
    let for_all = overrides
        .value
        .iter()
        .find(|row| row.database == 0 && row.role == 0 && row.name.eq_ignore_ascii_case(name));
    if let Some(row) = for_all {
        if row.withheld {
            return Err(withheld(name, overrides.from));
        }
        return Ok(Some(Baseline {
            value: &row.value,
            origin: "ALTER ROLE ALL",
            seen_in: vec![overrides.from.clone()],
        }));
    }
    if setting.withheld {
        return Err(withheld(name, settings.from));
    }
    let seen_in = vec![settings.from.clone()];
    Ok(Some(match setting.source.as_str() {
        "database" | "user" | "database user" | "client" | "session" | "interactive" | "test" => {
            return from_files(context, setting, seen_in).map(Some);
        }
        "default" => Baseline {
            value: &setting.reset_value,
            origin: "the default",
            seen_in,
        },
        "command line" => Baseline {
            value: &setting.reset_value,
            origin: "the command line",
            seen_in,
        },
        _ => Baseline {
            value: &setting.reset_value,
            origin: "the configuration files",
            seen_in,
        },
    }))
}

fn from_files<'a>(
    context: &Context<'a>,
    setting: &'a Setting,
    mut seen_in: Vec<ObservationId>,
) -> Result<Baseline<'a>, Missing> {
    let files = context.facts.file_settings.here()?;
    seen_in.push(files.from.clone());
    // The last line of a name is the one that counts.
    let line = files
        .value
        .iter()
        .rev()
        .find(|line| line.name.eq_ignore_ascii_case(&setting.name) && line.error.is_empty());
    match line {
        Some(line) if line.withheld => Err(withheld(&setting.name, files.from)),
        Some(line) => Ok(Baseline {
            value: &line.value,
            origin: "the configuration files",
            seen_in,
        }),
        None => Ok(Baseline {
            value: &setting.boot_value,
            origin: "the default",
            seen_in,
        }),
    }
}

fn withheld(name: &str, from: &ObservationId) -> Missing {
    Missing::because(format!("the value of `{name}` was withheld")).seen_in(from.clone())
}

/// The elements of a list setting: separated by commas outside double quotes, trimmed outside them, quotes taken off.
pub fn list_elements(value: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut element = String::new();
    // Where the trimmed part may end: what stood in quotes keeps its blanks.
    let mut keep = 0;
    let mut quoted = false;
    let mut characters = value.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                element.push('"');
            }
            '"' => {
                quoted = !quoted;
                keep = element.len();
            }
            ',' if !quoted => elements.push(finished(&mut element, &mut keep)),
            c if c.is_whitespace() && !quoted && element.is_empty() => {}
            c => element.push(c),
        }
    }
    elements.push(finished(&mut element, &mut keep));
    elements.retain(|element| !element.is_empty());
    elements
}

fn finished(element: &mut String, keep: &mut usize) -> String {
    let end = element.trim_end().len().max(*keep);
    element.truncate(end);
    *keep = 0;
    std::mem::take(element)
}

/// Whether a value of `shared_preload_libraries` names this library: `pgaudit`, `$libdir/pgaudit`, `/usr/lib/pgaudit.so`.
pub fn preloads(value: &str, library: &str) -> bool {
    list_elements(value).iter().any(|element| {
        let file = element.rsplit('/').next().unwrap_or(element);
        file.strip_suffix(".so").unwrap_or(file) == library
    })
}

#[cfg(test)]
mod tests {
    use super::{list_elements, preloads};

    #[test]
    fn lists_are_split_outside_quotes() {
        assert_eq!(list_elements("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(
            list_elements(" \"a, b\" , \" c \",\"d\"\"e\""),
            ["a, b", " c ", "d\"e"]
        );
        assert_eq!(list_elements(""), [""; 0]);
        assert_eq!(list_elements(" , ,"), [""; 0]);
        assert_eq!(list_elements("\"unclosed, b"), ["unclosed, b"]);
    }

    #[test]
    fn a_library_is_named_exactly() {
        for value in [
            "pgaudit",
            "auto_explain, pgaudit",
            "\"pgaudit\"",
            "$libdir/pgaudit",
            "/usr/lib/postgresql/15/lib/pgaudit.so",
        ] {
            assert!(preloads(value, "pgaudit"), "{value}");
        }
        for value in [
            "",
            "pgauditlogtofile",
            "pgaudit_analyze",
            "auto_explain",
            "pgaudit/other",
            "\"pgaudit, x\"",
            "PGAUDIT",
        ] {
            assert!(!preloads(value, "pgaudit"), "{value}");
        }
    }
}
