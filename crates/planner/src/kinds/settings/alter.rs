//! One setting of the cluster's given another value: the one way every kind here proposes it, and what stands in that way.

use super::manager::Manager;
use crate::draft::Draft;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::facts::{FileSetting, Setting};
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{Action, Need, SettingValue, Stage, Undo};
use std::fmt::Write as _;

/// Settings whose value in a file is a list of quoted names, which `ALTER SYSTEM` takes one by one.
const LISTS: [&str; 3] = [
    "local_preload_libraries",
    "session_preload_libraries",
    "shared_preload_libraries",
];

/// Gives a setting a value for the whole cluster, where `ALTER ROLE ALL` does not decide it: [`cluster_wide`] sees to that, too.
///
/// A change where `ALTER SYSTEM` puts it in force; by hand, with the line and the place it belongs in, where it does not. A
/// setting that the server does not know belongs to a library that a restart loads: it is set after that.
pub(super) fn alter(
    planning: &Planning<'_>,
    name: &str,
    value: SettingValue,
) -> Result<Draft, Missing> {
    let settings = planning.context.facts.settings.here()?;
    let known = settings
        .value
        .get(name)
        .map_err(|missing| missing.seen_in(settings.from.clone()))?;
    let stage = match known.map(|setting| setting.context.as_str()) {
        None => Stage::SettingsAfterRestart,
        Some("postmaster") => Stage::RestartSettings,
        Some(_) => Stage::Settings,
    };
    let title = format!("set {name} to {}", line_value(&value));
    let before = standing(planning, name)?;
    if let Some(why) = hindrance(planning, name, &value, known, before)? {
        return Ok(Draft::by_hand(title, stage, why, Vec::new()));
    }
    let undo = before.map(|line| parsed(name, &line.value));
    let action = |value| Action::Setting {
        name: name.to_owned(),
        value,
    };
    let draft = Draft::new(title, stage, action(Some(value)), Undo::By(action(undo)));
    Ok(match known.map(|setting| setting.context.as_str()) {
        Some("postmaster") => draft.needing(Need::Restart),
        Some("backend" | "superuser-backend") => {
            draft.needing(Need::Reload).needing(Need::NewSessions)
        }
        _ => draft.needing(Need::Reload),
    })
}

/// The same where `ALTER ROLE ALL` may decide the value for everybody: that is taken away, and the value below it is changed
/// unless it is right already.
pub(super) fn cluster_wide(
    planning: &Planning<'_>,
    name: &str,
    value: SettingValue,
    is_right: impl Fn(&str) -> bool,
) -> Result<Vec<Draft>, Missing> {
    let overrides = planning.context.facts.role_settings.here()?;
    let for_all = overrides
        .value
        .iter()
        .find(|row| row.database == 0 && row.role == 0 && row.name.eq_ignore_ascii_case(name));
    let Some(row) = for_all else {
        return Ok(vec![alter(planning, name, value)?]);
    };
    let taken_away = super::overrides::reset(planning, row)?;
    if below(planning, name)?.is_some_and(is_right) {
        return Ok(vec![taken_away]);
    }
    let mut below = alter(planning, name, value)?;
    // With the wrong value below it, what is taken away closes nothing.
    if let Action::ByHand(what) = &mut below.action {
        let _ = write!(what, "; then ALTER ROLE ALL RESET {name};");
        return Ok(vec![below]);
    }
    Ok(vec![below, taken_away])
}

/// The value that files and defaults give a setting, whatever roles and databases have of their own. `None`: no file names it
/// and the server does not know it.
pub(super) fn below<'a>(planning: &Planning<'a>, name: &str) -> Result<Option<&'a str>, Missing> {
    let files = planning.context.facts.file_settings.here()?;
    let settings = planning.context.facts.settings.here()?;
    // The last line of a name is the one that counts.
    let line = files
        .value
        .iter()
        .rev()
        .find(|line| line.name.eq_ignore_ascii_case(name));
    if let Some(line) = line {
        if line.withheld {
            let why = format!("the value of `{name}` was withheld");
            return Err(Missing::because(why).seen_in(files.from.clone()));
        }
        return Ok(Some(&line.value));
    }
    let known = settings
        .value
        .get(name)
        .map_err(|missing| missing.seen_in(settings.from.clone()))?;
    Ok(known.map(|setting| setting.boot_value.as_str()))
}

/// What `ALTER SYSTEM` set before.
fn standing<'a>(planning: &Planning<'a>, name: &str) -> Result<Option<&'a FileSetting>, Missing> {
    let files = planning.context.facts.file_settings.here()?;
    Ok(files.value.iter().rev().find(|line| {
        let file = line.file.rsplit(['/', '\\']).next();
        file == Some("postgresql.auto.conf") && line.name.eq_ignore_ascii_case(name)
    }))
}

/// A value as a file has it, as `ALTER SYSTEM` takes it.
fn parsed(name: &str, value: &str) -> SettingValue {
    if LISTS.contains(&name) {
        SettingValue::List(pgattest_checks::logging::settings::list_elements(value))
    } else {
        SettingValue::One(value.to_owned())
    }
}

/// Why `ALTER SYSTEM` would not do, and what does. One sentence without a period.
fn hindrance(
    planning: &Planning<'_>,
    name: &str,
    value: &SettingValue,
    known: Option<&Setting>,
    before: Option<&FileSetting>,
) -> Result<Option<String>, Missing> {
    let shown = line_value(value);
    if let Some(manager) = Manager::of(planning)? {
        return Ok(Some(manager.instead(name, &shown)));
    }
    if known.is_some_and(|setting| setting.source == "command line") {
        return Ok(Some(format!(
            "the server is started with {name} on its command line, which wins over ALTER SYSTEM: start it with -c {name}={shown}"
        )));
    }
    let settings = planning.context.facts.settings.here()?;
    let files = planning.context.facts.file_settings.here()?;
    // A role that may not see it is told by the server when it applies the plan.
    let allows = settings.value.get("allow_alter_system").ok().flatten();
    if allows.is_some_and(|setting| !setting.is_on()) {
        let file = known
            .map(|setting| setting.source_file.as_str())
            .filter(|file| !file.is_empty())
            .unwrap_or("postgresql.conf");
        return Ok(Some(format!(
            "allow_alter_system is off: put the line {name} = {shown} into {}, where the configuration is kept, and {}",
            visible(file),
            if known.is_some_and(|setting| setting.context == "postmaster") {
                "restart the server"
            } else {
                "reload"
            }
        )));
    }
    // The server reads on past a value that it cannot apply, and stops at a line that it does not understand.
    let broken = files
        .value
        .iter()
        .find(|line| !line.error.is_empty() && line.error != "setting could not be applied");
    if let Some(line) = broken {
        return Ok(Some(format!(
            "line {} of {} is wrong ({}), and the server reads no file again until it is repaired; then ALTER SYSTEM SET {name} = {shown};",
            line.line,
            visible(&line.file),
            visible(&line.error)
        )));
    }
    if before.is_some_and(|line| line.withheld) {
        return Ok(Some(format!(
            "postgresql.auto.conf holds a value of {name} that was withheld, so it could not be taken back: ALTER SYSTEM SET {name} = {shown};"
        )));
    }
    Ok(None)
}

/// A value as a line of a configuration file has it. Backslashes mean there what they mean in an `E''` literal.
fn line_value(value: &SettingValue) -> String {
    let text = match value {
        SettingValue::One(value) => value.clone(),
        SettingValue::List(values) => values
            .iter()
            .map(|value| {
                let is_plain = value
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                if is_plain && !value.is_empty() {
                    value.clone()
                } else {
                    format!("\"{}\"", value.replace('"', "\"\""))
                }
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    let quoted = quote_literal(&text);
    visible(quoted.strip_prefix(" E").unwrap_or(&quoted))
}

#[cfg(test)]
mod tests {
    use super::{line_value, parsed};
    use pgattest_model::plan::SettingValue;

    #[test]
    fn a_line_quotes_what_a_file_would_read_otherwise() {
        let one = |value: &str| line_value(&SettingValue::One(value.to_owned()));
        assert_eq!(one("on"), "'on'");
        assert_eq!(one("it's \\N"), "'it''s \\\\N'");
        let list = SettingValue::List(vec!["pgaudit".to_owned(), "$libdir/a\"b".to_owned()]);
        assert_eq!(line_value(&list), "'pgaudit, \"$libdir/a\"\"b\"'");
    }

    #[test]
    fn a_list_is_taken_back_element_by_element() {
        assert_eq!(
            parsed("shared_preload_libraries", "a, \"b, c\""),
            SettingValue::List(vec!["a".to_owned(), "b, c".to_owned()])
        );
        assert_eq!(
            parsed("shared_preload_libraries", ""),
            SettingValue::List(Vec::new())
        );
        assert_eq!(
            parsed("log_line_prefix", "a, b"),
            SettingValue::One("a, b".to_owned())
        );
    }
}
