//! pgaudit's settings, read the way pgaudit and the server read them.

use super::settings::list_elements;
use pgattest_model::Policy;
use std::collections::BTreeSet;

/// Every class of statements that pgaudit 1.5 (PostgreSQL 13) to 18 knows.
const CLASSES: [&str; 7] = [
    "ddl", "function", "misc", "misc_set", "read", "role", "write",
];

/// What must be recorded when the policy does not say.
const REQUIRED: [&str; 3] = ["ddl", "role", "write"];

/// The four settings that decide which audit records reach the server's log.
pub(super) const DECIDING: [&str; 4] = [
    "pgaudit.log",
    "pgaudit.log_client",
    "pgaudit.log_level",
    "log_min_messages",
];

/// The values of [`DECIDING`] with which one session starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionAudit<'a> {
    /// `pgaudit.log`.
    pub(super) log: &'a str,
    /// `pgaudit.log_client`.
    pub(super) log_client: &'a str,
    /// `pgaudit.log_level`; pgaudit ignores it unless `log_client` is on.
    pub(super) log_level: &'a str,
    /// `log_min_messages`.
    pub(super) log_min_messages: &'a str,
}

/// Why audit records of a session do not reach the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Loss {
    /// These required classes are not recorded.
    Classes(Vec<&'static str>),
    /// Every record is below `log_min_messages`.
    Level,
    /// `pgaudit.log` holds something that no known pgaudit understands.
    NotUnderstood,
}

impl SessionAudit<'_> {
    /// What is lost of the required classes; nothing when all of them reach the log.
    pub(super) fn losses(&self, required: &BTreeSet<&'static str>) -> Vec<Loss> {
        let mut losses = Vec::new();
        match recorded(self.log) {
            None => losses.push(Loss::NotUnderstood),
            Some(recorded) => {
                let missing: Vec<&str> = required.difference(&recorded).copied().collect();
                if !missing.is_empty() {
                    losses.push(Loss::Classes(missing));
                }
            }
        }
        if !reaches_log(self.log_client, self.log_level, self.log_min_messages) {
            losses.push(Loss::Level);
        }
        losses
    }
}

impl Loss {
    /// The settings of [`DECIDING`] that bring this loss about.
    pub(super) const fn settings(&self) -> &'static [&'static str] {
        match self {
            Self::Classes(_) | Self::NotUnderstood => &["pgaudit.log"],
            Self::Level => &[
                "pgaudit.log_client",
                "pgaudit.log_level",
                "log_min_messages",
            ],
        }
    }
}

/// The classes that must be recorded.
pub fn required(policy: &Policy) -> BTreeSet<&'static str> {
    let Some(wanted) = &policy.logging.classes else {
        return REQUIRED.into();
    };
    CLASSES
        .into_iter()
        .filter(|class| wanted.contains(*class) || wanted.contains("all"))
        .collect()
}

/// The classes that a value of `pgaudit.log` records; `None` when it holds an element that is no class.
///
/// Elements count in their order, whatever their case: `all, -ddl` leaves `ddl` out, `-ddl, all` does not. `none` adds nothing
/// and takes nothing away: `ddl, none` records `ddl`.
pub fn recorded(value: &str) -> Option<BTreeSet<&'static str>> {
    let mut recorded = BTreeSet::new();
    for element in list_elements(value) {
        let (name, excluded) = element
            .strip_prefix('-')
            .map_or((element.as_str(), false), |name| (name, true));
        let name = name.to_ascii_lowercase();
        let classes: Vec<&str> = match name.as_str() {
            "none" => Vec::new(),
            "all" => CLASSES.to_vec(),
            other => vec![CLASSES.into_iter().find(|class| *class == other)?],
        };
        if excluded {
            recorded.retain(|class| !classes.contains(class));
        } else {
            recorded.extend(classes);
        }
    }
    Some(recorded)
}

/// Whether pgaudit's records are written to the server's log.
///
/// They are written at level LOG, which only `log_min_messages` of `fatal` and `panic` hold back, unless `pgaudit.log_client`
/// is on: then at `pgaudit.log_level`, which is below LOG.
fn reaches_log(log_client: &str, log_level: &str, log_min_messages: &str) -> bool {
    /// Below `error`, in the order of severity; LOG stands apart.
    const LEVELS: [&str; 8] = [
        "debug5", "debug4", "debug3", "debug2", "debug1", "info", "notice", "warning",
    ];
    let rank = |level: &str| {
        let level = level.to_ascii_lowercase();
        let level = if level == "debug" {
            "debug2"
        } else {
            level.as_str()
        };
        LEVELS.iter().position(|known| *known == level)
    };
    let at_log = !is_true(log_client) || log_level.eq_ignore_ascii_case("log");
    let held_back = log_min_messages.eq_ignore_ascii_case("fatal")
        || log_min_messages.eq_ignore_ascii_case("panic");
    if at_log {
        return !held_back;
    }
    // `error` and `log` as minimum hold back everything below them, as does a level we do not know.
    matches!((rank(log_level), rank(log_min_messages)), (Some(level), Some(minimum)) if level >= minimum)
}

/// Booleans as the server takes them: `on`, `true`, `yes`, `1` and their unambiguous beginnings.
fn is_true(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    value == "1"
        || value == "on"
        || (!value.is_empty() && ("true".starts_with(&value) || "yes".starts_with(&value)))
}

#[cfg(test)]
mod tests {
    use super::{CLASSES, Loss, SessionAudit, recorded, required};
    use pgattest_model::Policy;

    fn classes(value: &str) -> Vec<&'static str> {
        recorded(value).unwrap().into_iter().collect()
    }

    #[test]
    fn classes_add_up_in_their_order() {
        assert_eq!(classes("ddl, write, role"), ["ddl", "role", "write"]);
        assert_eq!(classes("DDL,Write , ROLE"), ["ddl", "role", "write"]);
        assert_eq!(classes("\"ddl\", \"WRITE\""), ["ddl", "write"]);
        assert_eq!(classes("all"), CLASSES);
        assert_eq!(
            classes("all, -ddl, -misc_set"),
            ["function", "misc", "read", "role", "write"]
        );
        assert_eq!(classes("-ddl, all"), CLASSES);
        assert_eq!(classes("ddl, -ddl, ddl"), ["ddl"]);
        assert_eq!(classes("all, -all"), [""; 0]);
    }

    #[test]
    fn none_neither_adds_nor_clears() {
        assert_eq!(classes("none"), [""; 0]);
        assert_eq!(classes(""), [""; 0]);
        assert_eq!(classes("ddl, none"), ["ddl"]);
        assert_eq!(classes("ddl, -none"), ["ddl"]);
    }

    #[test]
    fn what_pgaudit_would_refuse_is_not_understood() {
        for value in [
            "ddl write",
            "- ddl",
            "--ddl",
            "everything",
            "\" ddl\"",
            "дdl",
        ] {
            assert_eq!(recorded(value), None, "{value}");
        }
    }

    #[test]
    fn the_policy_can_ask_for_all() {
        let mut policy = Policy::default();
        assert_eq!(
            required(&policy).into_iter().collect::<Vec<_>>(),
            ["ddl", "role", "write"]
        );
        policy.logging.classes = Some(["all".to_owned()].into());
        assert_eq!(required(&policy).into_iter().collect::<Vec<_>>(), CLASSES);
    }

    #[test]
    fn a_record_below_the_minimum_level_is_lost() {
        let losses = |log_client, log_level, log_min_messages| {
            let session = SessionAudit {
                log: "all",
                log_client,
                log_level,
                log_min_messages,
            };
            session.losses(&required(&Policy::default()))
        };
        for kept in [
            ("off", "log", "warning"),
            ("off", "log", "error"),
            ("off", "log", "log"),
            ("off", "debug1", "warning"),
            ("on", "log", "warning"),
            ("on", "warning", "warning"),
            ("on", "notice", "debug"),
        ] {
            assert_eq!(losses(kept.0, kept.1, kept.2), [], "{kept:?}");
        }
        for lost in [
            ("off", "log", "FATAL"),
            ("off", "log", "panic"),
            ("on", "notice", "warning"),
            ("tru", "debug1", "warning"),
            ("on", "warning", "error"),
            ("on", "warning", "log"),
        ] {
            assert_eq!(losses(lost.0, lost.1, lost.2), [Loss::Level], "{lost:?}");
        }
    }
}
