//! Logins and logouts are logged.

use super::alter::{below, cluster_wide};
use super::measured::Measured;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_checks::logging::settings::list_elements;
use pgattest_model::Missing;
use pgattest_model::plan::SettingValue;

/// `log_connections` and `log_disconnections`.
#[derive(Clone, Copy, Debug)]
pub struct Logins;

impl Kind for Logins {
    fn name(&self) -> &'static str {
        "login-log"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-09"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let measured = Measured::of(planning);
        let mut drafts = Vec::new();
        for problem in planning.open("LOG-09") {
            let (name, value, what) = match problem.finding.subject.name.as_str() {
                "log_connections" => (
                    "log_connections",
                    with_stages(below(planning, "log_connections")?.unwrap_or_default()),
                    "two or three lines for every login",
                ),
                "log_disconnections" => (
                    "log_disconnections",
                    "on".to_owned(),
                    "one line for every session that ends",
                ),
                _ => continue,
            };
            let proposed =
                cluster_wide(planning, name, SettingValue::One(value), |_| false)?.into_iter();
            drafts.extend(proposed.map(|draft| {
                draft
                    .closing([problem.closes()])
                    .affecting([measured.more_logged(what)])
            }));
        }
        Ok(drafts)
    }
}

/// `on`, which every major takes; where a list of stages is there (from 18), what it names stays.
fn with_stages(now: &str) -> String {
    const NEEDED: [&str; 2] = ["authentication", "authorization"];
    const STAGES: [&str; 4] = [
        "authentication",
        "authorization",
        "receipt",
        "setup_durations",
    ];
    let mut stages: Vec<String> = list_elements(now)
        .iter()
        .map(|stage| stage.to_ascii_lowercase())
        .collect();
    if stages.is_empty() || !stages.iter().all(|stage| STAGES.contains(&stage.as_str())) {
        return "on".to_owned();
    }
    for needed in NEEDED {
        if !stages.iter().any(|stage| stage == needed) {
            stages.push(needed.to_owned());
        }
    }
    stages.join(", ")
}

#[cfg(test)]
mod tests {
    use super::with_stages;

    #[test]
    fn stages_that_are_there_stay() {
        for (now, value) in [
            ("", "on"),
            ("off", "on"),
            ("no", "on"),
            ("0", "on"),
            (
                "Receipt, setup_durations",
                "receipt, setup_durations, authentication, authorization",
            ),
            ("authorization", "authorization, authentication"),
        ] {
            assert_eq!(with_stages(now), value, "{now}");
        }
    }
}
