//! Settings with which a session fires no event triggers: pgaudit's are what puts the object's name into a DDL record.

use crate::context::Context;
use pgattest_model::Missing;
use pgattest_model::facts::{Oid, RoleSetting};
use std::collections::BTreeMap;

/// The settings that decide it. `event_triggers` is there from PostgreSQL 17.
pub(super) const SILENCING: [&str; 2] = ["event_triggers", "session_replication_role"];

/// The databases in which the setting makes a difference: `ENABLE ALWAYS` makes an event trigger fire for replicated changes too.
/// And why that is not known of others.
pub(super) fn affected(context: &Context<'_>, name: &str) -> (Vec<Oid>, Vec<Missing>) {
    let (mut affected, mut not_seen) = (Vec::new(), Vec::new());
    for database in &context.facts.inside {
        match database.event_triggers.here() {
            Ok(triggers) => {
                let is_silenced = triggers.iter().any(|trigger| {
                    trigger.name.starts_with("pgaudit_")
                        && (trigger.enabled == "O"
                            || (name == "event_triggers" && trigger.enabled == "A"))
                });
                if is_silenced {
                    affected.push(database.oid);
                }
            }
            Err(missing) => not_seen.push(missing),
        }
    }
    (affected, not_seen)
}

/// Whether a session with this value fires no event trigger that is enabled in the ordinary way.
pub(super) fn silences(name: &str, value: &str) -> bool {
    if name.eq_ignore_ascii_case("session_replication_role") {
        value.eq_ignore_ascii_case("replica")
    } else {
        matches!(
            value.to_ascii_lowercase().as_str(),
            "off" | "of" | "false" | "fals" | "fal" | "fa" | "f" | "no" | "n" | "0"
        )
    }
}

/// The rows for some roles or databases that do so, each with whether any login role starts with it in any database. A setting
/// for all roles in all databases is no exemption: it counts for everybody. `databases`: where the setting makes a difference.
pub(super) fn exempting<'a>(
    name: &str,
    rows: &'a [RoleSetting],
    logins: &[Oid],
    databases: &[Oid],
) -> Vec<(&'a RoleSetting, bool)> {
    let all: BTreeMap<(Oid, Oid), &RoleSetting> = rows
        .iter()
        .filter(|row| row.role != 0 || row.database != 0)
        .filter(|row| row.name.eq_ignore_ascii_case(name))
        .map(|row| ((row.role, row.database), row))
        .collect();
    let wins = |role: Oid, database: Oid, row: &RoleSetting| {
        [(role, database), (role, 0), (0, database)]
            .into_iter()
            .find_map(|scope| all.get(&scope))
            .is_some_and(|winner| std::ptr::eq(*winner, row))
    };
    let of = |wanted: Oid, all: &[Oid]| -> Vec<Oid> {
        all.iter()
            .copied()
            .filter(|oid| wanted == 0 || wanted == *oid)
            .collect()
    };
    all.iter()
        .filter(|(_, row)| silences(name, &row.value))
        .filter_map(|((role, database), row)| {
            let databases = of(*database, databases);
            let is_used = of(*role, logins)
                .into_iter()
                .any(|role| databases.iter().any(|database| wins(role, *database, row)));
            (!databases.is_empty()).then_some((*row, is_used))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SILENCING, exempting, silences};
    use pgattest_model::facts::{KeyKind, RoleSetting, Shape};

    fn row(role: u32, database: u32, name: &str, value: &str) -> RoleSetting {
        RoleSetting {
            database,
            role,
            name: name.to_owned(),
            value: value.to_owned(),
            withheld: false,
            shape: Shape::Word,
            key_kind: KeyKind::Plain,
        }
    }

    #[test]
    fn only_replica_and_off_silence() {
        assert!(silences("session_replication_role", "Replica"));
        assert!(silences("event_triggers", "off"));
        assert!(!silences("session_replication_role", "origin"));
        assert!(!silences("session_replication_role", "local"));
        assert!(!silences("event_triggers", "on"));
    }

    #[test]
    fn the_narrowest_setting_wins() {
        let rows = [
            row(0, 0, "session_replication_role", "replica"),
            row(0, 5, "event_triggers", "off"),
            row(7, 0, "event_triggers", "on"),
            row(8, 0, "SESSION_REPLICATION_ROLE", "replica"),
        ];
        let found = |logins: &[u32]| -> Vec<(String, bool)> {
            SILENCING
                .into_iter()
                .flat_map(|name| exempting(name, &rows, logins, &[5, 6]))
                .map(|(row, is_used)| (row.name.clone(), is_used))
                .collect()
        };
        let named = |first: bool, second: bool| {
            [
                ("event_triggers".to_owned(), first),
                ("SESSION_REPLICATION_ROLE".to_owned(), second),
            ]
        };
        assert_eq!(found(&[7]), named(false, false));
        assert_eq!(found(&[7, 8]), named(true, true));
        assert!(exempting("session_replication_role", &rows, &[7, 8], &[]).is_empty());
    }
}
