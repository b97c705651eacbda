//! Where the log goes, for how long it stays, and who may read it.

use super::alter::alter;
use super::measured::Measured;
use super::restart::restart;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::logging::destinations::Destinations;
use pgattest_model::plan::{Impact, ImpactKind, Risk, SettingValue, Stage};
use pgattest_model::{Missing, Status};

/// `log_destination`, `logging_collector`, `log_filename`, `log_file_mode`.
#[derive(Clone, Copy, Debug)]
pub struct LogFiles;

/// A name that never comes back.
const FILENAME: &str = "postgresql-%Y-%m-%d_%H%M%S.log";

impl Kind for LogFiles {
    fn name(&self) -> &'static str {
        "log-files"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-12", "LOG-13", "LOG-14"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = destinations(planning)?;
        for problem in planning.open("LOG-13") {
            drafts.push(rotation(planning, &problem)?);
        }
        for problem in planning.open("LOG-14") {
            match problem.finding.subject.name.as_str() {
                "log_file_mode" => drafts.push(mode(planning, &problem)?),
                "log_directory" => drafts.push(Draft::by_hand(
                    "move the log out of the data directory",
                    Stage::Settings,
                    "make a directory on another volume that the server's account alone may write, then ALTER SYSTEM SET log_directory = '/that/directory'; and SELECT pg_reload_conf();",
                    vec![problem.closes()],
                )),
                _ => {}
            }
        }
        Ok(drafts)
    }
}

/// Somebody writes what is asked for: what captures standard error where the policy names it, or else the collector.
fn destinations(planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
    let closes: Vec<_> = planning
        .open("LOG-12")
        .map(|problem| problem.closes())
        .collect();
    if closes.is_empty() {
        return Ok(Vec::new());
    }
    let found = Destinations::of(&planning.context)?;
    let one = |value: &str| SettingValue::One(value.to_owned());
    let is_captured = planning.context.policy.logging.captured_by.is_some();
    let mut drafts = Vec::new();
    if found.listed.is_empty() || (is_captured && !found.collector) {
        let dead = found.dead();
        let alive: Vec<&str> = found
            .listed
            .iter()
            .map(String::as_str)
            .filter(|listed| !dead.contains(listed))
            .collect();
        let value = if found.collector || !is_captured {
            "csvlog".to_owned()
        } else if alive.contains(&"stderr") {
            alive.join(", ")
        } else {
            // What fell back to standard error as text goes on arriving there.
            [&alive[..], &["stderr"]].concat().join(", ")
        };
        drafts.push(alter(planning, "log_destination", one(&value))?);
    }
    if !is_captured && !found.collector {
        let collector = alter(planning, "logging_collector", one("on"))?.note(
            "the server then writes files below log_directory, and nothing deletes them: look at LOG-13 and LOG-14 afterwards",
        );
        if collector.risk != Risk::ByHand {
            drafts.push(restart(planning));
        }
        drafts.push(collector);
    }
    let measured = Measured::of(planning);
    Ok(drafts
        .into_iter()
        .map(|draft| {
            let draft = draft.approval().closing(closes.clone());
            if draft.stage == Stage::Restart {
                return draft;
            }
            draft.affecting([measured.more_logged(
                "records go elsewhere than before, and whoever reads them there has to follow",
            )])
        })
        .collect())
}

fn rotation(planning: &Planning<'_>, problem: &Problem<'_>) -> Result<Draft, Missing> {
    let (_, from) = planning.context.setting("log_filename")?;
    let value = SettingValue::One(FILENAME.to_owned());
    let draft = alter(planning, "log_filename", value)?
        .closing([problem.closes()])
        .affecting([Impact {
            kind: ImpactKind::MoreLogged,
            subject: "the volume of log_directory".to_owned(),
            detail: "files stay until somebody deletes them, where they were overwritten before"
                .to_owned(),
            observations: vec![from.clone()],
        }])
        .note("let whatever ships the log delete what it has delivered, and watch the volume");
    // A log that fills the volume of the data stops the server.
    Ok(if inside_data(planning) {
        draft.approval()
    } else {
        draft
    })
}

/// Whether LOG-14 found the directory inside the data directory, or could not tell.
fn inside_data(planning: &Planning<'_>) -> bool {
    let mut checks = planning.assessment.checks.iter();
    let Some(found) = checks.find(|result| result.meta.id == "LOG-14") else {
        return true;
    };
    let mut findings = found.verdict.findings().iter();
    found.status() == Status::NotAssessed
        || findings.any(|finding| finding.subject.name == "log_directory")
}

/// Nothing for others, no writing for the group; the rest stays.
fn mode(planning: &Planning<'_>, problem: &Problem<'_>) -> Result<Draft, Missing> {
    let (now, from) = planning.context.setting("log_file_mode")?;
    let bits = u32::from_str_radix(&now.value, 8).map_err(|_| {
        Missing::because("log_file_mode is no file mode".to_owned()).seen_in(from.clone())
    })?;
    let value = SettingValue::One(format!("{:04o}", bits & 0o750));
    let draft = alter(planning, "log_file_mode", value)?
        .closing([problem.closes()])
        .note("files that are there keep their mode: chmod o= on each, and g-w where a group may write");
    let others = bits % 0o10;
    if others == 0 {
        return Ok(draft);
    }
    Ok(draft.approval().affecting([Impact {
        kind: ImpactKind::Unknown,
        subject: "readers of log files".to_owned(),
        detail: "a program that reads new log files as another user of the machine can no longer; whether there is one cannot be seen from the database".to_owned(),
        observations: vec![from.clone()],
    }]))
}
