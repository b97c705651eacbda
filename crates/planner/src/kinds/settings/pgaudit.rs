//! pgaudit: its library, its extension in every database, and the classes it records.

use super::alter::{alter, below, cluster_wide};
use super::measured::Measured;
use super::restart::restart;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::logging::pgaudit::{recorded, required};
use pgattest_checks::logging::settings::{list_elements, preloads};
use pgattest_checks::logging::variants::variants;
use pgattest_model::facts::{DatabaseFacts, EventTrigger};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Action, Closes, Risk, SettingValue, Stage, Undo};
use pgattest_model::{Missing, SubjectKind};

/// `shared_preload_libraries`, `CREATE EXTENSION pgaudit`, `pgaudit.log`.
#[derive(Clone, Copy, Debug)]
pub struct Pgaudit;

const LIBRARIES: &str = "shared_preload_libraries";
const LOG: &str = "pgaudit.log";

impl Kind for Pgaudit {
    fn name(&self) -> &'static str {
        "pgaudit"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-01", "LOG-02"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let (libraries, from) = planning.context.setting(LIBRARIES)?;
        if libraries.withheld {
            let why = format!("the value of `{LIBRARIES}` was withheld");
            return Err(Missing::because(why).seen_in(from.clone()));
        }
        let is_loaded = preloads(&libraries.value, "pgaudit");
        let mut drafts = Vec::new();
        if is_loaded {
            if let Some(problem) = about(planning, LIBRARIES) {
                // In force, and gone after the next restart: no restart is needed to keep it.
                drafts.push(preload(planning)?.closing([problem.closes()]));
            }
        } else {
            match load(planning)? {
                Ok(loading) => drafts.extend(loading),
                Err(by_hand) => return Ok(vec![by_hand]),
            }
        }
        for problem in planning.open("LOG-01") {
            match problem.finding.subject.kind {
                SubjectKind::Database => {
                    drafts.extend(in_database(planning, &problem, is_loaded)?);
                }
                _ => drafts.extend(firing(planning, &problem)?),
            }
        }
        drafts.extend(classes(planning, is_loaded)?);
        Ok(drafts)
    }
}

/// The finding of LOG-01 about one setting.
fn about<'a>(planning: &Planning<'a>, name: &str) -> Option<Problem<'a>> {
    planning.open("LOG-01").find(|problem| {
        problem.finding.subject.kind == SubjectKind::Setting && problem.finding.subject.name == name
    })
}

/// The library and the restart that loads it; or, where pgattest cannot do that, what a person has to do first, with every
/// finding that waits for it.
fn load(planning: &Planning<'_>) -> Result<Result<Vec<Draft>, Draft>, Missing> {
    let closes: Vec<Closes> = about(planning, LIBRARIES)
        .iter()
        .map(Problem::closes)
        .collect();
    let waiting = || -> Vec<Closes> {
        let all = planning.open("LOG-01").chain(planning.open("LOG-02"));
        all.map(|problem| problem.closes()).collect()
    };
    let by_hand =
        |what: String| Draft::by_hand("load pgaudit", Stage::RestartSettings, what, waiting());
    let available = planning.context.facts.available_extensions.here()?;
    if available
        .iter()
        .all(|extension| extension.name != "pgaudit")
    {
        let major = planning.context.version()?.major();
        return Ok(Err(by_hand(format!(
            "pgaudit does not lie on the server, which would not start if it were to load it: install it (Debian and Ubuntu: postgresql-{major}-pgaudit) on this server and every standby, then make a new plan"
        ))));
    }
    let after = below(planning, LIBRARIES)?.unwrap_or_default();
    let restart = restart(planning).closing(closes.clone());
    if preloads(after, "pgaudit") {
        // The setting is there and waits.
        let mut restart = restart;
        restart.undo = Undo::None(format!("{LIBRARIES} named pgaudit in the files before"));
        return Ok(Ok(vec![restart]));
    }
    let preload = preload(planning)?;
    if let Action::ByHand(what) = preload.action {
        return Ok(Err(by_hand(format!(
            "{what}; restart, and then make a new plan"
        ))));
    }
    Ok(Ok(vec![preload.closing(closes), restart]))
}

/// What the files name, and pgaudit.
fn preload(planning: &Planning<'_>) -> Result<Draft, Missing> {
    let mut libraries = list_elements(below(planning, LIBRARIES)?.unwrap_or_default());
    libraries.push("pgaudit".to_owned());
    Ok(alter(planning, LIBRARIES, SettingValue::List(libraries))?
        .approval()
        .note("a standby has its own postgresql.auto.conf: load pgaudit there, too, before it is promoted"))
}

/// The extension with its event triggers in one database.
fn in_database(
    planning: &Planning<'_>,
    problem: &Problem<'_>,
    is_loaded: bool,
) -> Result<Vec<Draft>, Missing> {
    let named = problem.finding.subject.database.as_deref();
    let Some(database) = planning
        .context
        .facts
        .inside
        .iter()
        .find(|database| Some(database.name.as_str()) == named)
    else {
        return Ok(Vec::new());
    };
    let extensions = database.extensions.here()?;
    if extensions.iter().all(|row| row.name != "pgaudit") {
        return Ok(vec![
            create(database, is_loaded)?.closing([problem.closes()]),
        ]);
    }
    let triggers = database.event_triggers.here()?;
    let ours: Vec<&EventTrigger> = triggers
        .iter()
        .filter(|trigger| {
            matches!(
                trigger.name.as_str(),
                "pgaudit_ddl_command_end" | "pgaudit_sql_drop"
            )
        })
        .collect();
    let silent: Vec<&EventTrigger> = ours
        .iter()
        .copied()
        .filter(|trigger| !matches!(trigger.enabled.as_str(), "O" | "A"))
        .collect();
    // With one missing, or one that is somebody else's, the extension has to be made anew: what depends on it goes with it.
    let title = format!("let pgaudit's event triggers fire in {}", shown(database));
    let is_whole = ours.len() == 2
        && problem.finding.cause != "an event trigger is called as pgaudit's and is not";
    if !is_whole || silent.is_empty() {
        return Ok(vec![Draft::by_hand(
            title,
            Stage::Code,
            format!(
                "pgaudit's event triggers in {} are not those that its extension made: look who changed them, then DROP EXTENSION pgaudit; CREATE EXTENSION pgaudit;",
                shown(database)
            ),
            vec![problem.closes()],
        )]);
    }
    let statement = |trigger: &&EventTrigger, how: &str| {
        format!("ALTER EVENT TRIGGER {} {how};", quote_ident(&trigger.name))
    };
    let draft = Draft::sql(
        title,
        Stage::Code,
        Some(&database.name),
        silent.iter().map(|one| statement(one, "ENABLE")).collect(),
        silent
            .iter()
            .map(|one| {
                let before = if one.enabled == "R" {
                    "ENABLE REPLICA"
                } else {
                    "DISABLE"
                };
                statement(one, before)
            })
            .collect(),
    );
    Ok(vec![draft.closing([problem.closes()])])
}

fn shown(database: &DatabaseFacts) -> String {
    visible(&quote_ident(&database.name))
}

/// `CREATE EXTENSION`, in a schema that is there: where a session's `search_path` would put it is not known.
fn create(database: &DatabaseFacts, is_loaded: bool) -> Result<Draft, Missing> {
    let schemas = database.schemas.here()?;
    let has = |name: &str| schemas.iter().any(|schema| schema.name == name);
    let drop = "DROP EXTENSION pgaudit;".to_owned();
    let make = |schema: &str| format!("CREATE EXTENSION pgaudit SCHEMA {schema};");
    let (statements, undo) = if has("public") {
        (vec![make("public")], vec![drop])
    } else if has("pgaudit") {
        (vec![make("pgaudit")], vec![drop])
    } else {
        (
            vec!["CREATE SCHEMA pgaudit;".to_owned(), make("pgaudit")],
            vec![drop, "DROP SCHEMA pgaudit;".to_owned()],
        )
    };
    let stage = if is_loaded {
        Stage::Code
    } else {
        Stage::AfterRestart
    };
    Ok(Draft::sql(
        format!("create extension pgaudit in {}", shown(database)),
        stage,
        Some(&database.name),
        statements,
        undo,
    )
    .approval())
}

/// A setting with which no session fires event triggers.
fn firing(planning: &Planning<'_>, problem: &Problem<'_>) -> Result<Vec<Draft>, Missing> {
    let (name, value) = match problem.finding.subject.name.as_str() {
        "session_replication_role" => ("session_replication_role", "origin"),
        "event_triggers" => ("event_triggers", "on"),
        _ => return Ok(Vec::new()),
    };
    let right = |now: &str| match name {
        "event_triggers" => matches!(now, "on" | "true" | "yes" | "1"),
        _ => matches!(now, "origin" | "local"),
    };
    let proposed = cluster_wide(planning, name, SettingValue::One(value.to_owned()), right)?;
    Ok(proposed
        .into_iter()
        .map(|draft| {
            draft.approval().closing([problem.closes()]).note(
                "ordinary triggers, rules and foreign keys work again in sessions that had them off: a job that relies on that sets it for itself",
            )
        })
        .collect())
}

/// `pgaudit.log` with every required class, and the level at which the records reach the log.
fn classes(planning: &Planning<'_>, is_loaded: bool) -> Result<Vec<Draft>, Missing> {
    let mut drafts = Vec::new();
    for problem in planning.open("LOG-02") {
        match problem.finding.subject.name.as_str() {
            LOG => drafts.extend(required_classes(planning, &problem, is_loaded)?),
            "log_min_messages" => drafts.extend(level(planning, &problem)?),
            _ => {}
        }
    }
    Ok(drafts)
}

fn required_classes(
    planning: &Planning<'_>,
    problem: &Problem<'_>,
    is_loaded: bool,
) -> Result<Vec<Draft>, Missing> {
    let required = required(planning.context.policy);
    let found = if is_loaded {
        variants(&planning.context, LOG)?.unwrap_or_default()
    } else {
        Vec::new()
    };
    let now = match found.first() {
        Some(cluster) => cluster.value,
        // What a file says comes into force with the library.
        None => below(planning, LOG)?.unwrap_or_default(),
    };
    let recorded_now = recorded(now).unwrap_or_default();
    let added: Vec<&str> = required.difference(&recorded_now).copied().collect();
    let mut all = recorded_now.clone();
    all.extend(&required);
    let value = all.into_iter().collect::<Vec<_>>().join(", ");
    let right = |now: &str| recorded(now).is_some_and(|classes| classes.is_superset(&required));
    // Not loaded, and what a file says is enough: the restart alone closes it.
    if !is_loaded && right(now) && !for_all(planning)? {
        return Ok(vec![restart(planning).closing([problem.closes()])]);
    }
    let proposed = cluster_wide(planning, LOG, SettingValue::One(value), right)?;
    let measured = Measured::of(planning);
    Ok(proposed
        .into_iter()
        .map(|mut draft| {
            if !is_loaded && draft.stage < Stage::SettingsAfterRestart {
                draft.stage = Stage::SettingsAfterRestart;
            }
            draft
                .approval()
                .closing([problem.closes()])
                .affecting([measured.more_logged(&format!(
                    "one record for every statement of {}",
                    if added.is_empty() {
                        "the required classes".to_owned()
                    } else {
                        added.join(", ")
                    }
                ))])
        })
        .collect())
}

/// Whether `ALTER ROLE ALL` has a value of `pgaudit.log`.
fn for_all(planning: &Planning<'_>) -> Result<bool, Missing> {
    let rows = planning.context.facts.role_settings.here()?;
    Ok(rows
        .iter()
        .any(|row| row.role == 0 && row.database == 0 && row.name.eq_ignore_ascii_case(LOG)))
}

/// Records are written at level LOG, and that is not held back.
fn level(planning: &Planning<'_>, problem: &Problem<'_>) -> Result<Vec<Draft>, Missing> {
    const HOLDING: [&str; 2] = ["fatal", "panic"];
    let holds_back = |value: &str| {
        HOLDING
            .iter()
            .any(|level| level.eq_ignore_ascii_case(value))
    };
    let cluster = |name: &str| -> Result<String, Missing> {
        let found = variants(&planning.context, name)?.unwrap_or_default();
        Ok(found
            .first()
            .map(|variant| variant.value.to_owned())
            .unwrap_or_default())
    };
    let mut drafts = Vec::new();
    if holds_back(&cluster("log_min_messages")?) {
        let value = SettingValue::One("warning".to_owned());
        let right = |now: &str| !holds_back(now);
        drafts.extend(cluster_wide(planning, "log_min_messages", value, right)?);
    }
    if !cluster("pgaudit.log_level")?.eq_ignore_ascii_case("log") {
        let value = SettingValue::One("log".to_owned());
        let right = |now: &str| now.eq_ignore_ascii_case("log");
        drafts.extend(cluster_wide(planning, "pgaudit.log_level", value, right)?);
    }
    let measured = Measured::of(planning);
    // Where a person has to do one half, the other closes nothing by itself.
    let needs_a_hand = drafts.iter().any(|draft| draft.risk == Risk::ByHand);
    Ok(drafts
        .into_iter()
        .map(|draft| {
            let is_by_hand = draft.risk == Risk::ByHand;
            let draft = if is_by_hand == needs_a_hand {
                draft.closing([problem.closes()])
            } else {
                draft
            };
            match draft.risk {
                Risk::ByHand => draft,
                _ => draft
                    .approval()
                    .affecting([measured.more_logged("every audit record reaches the log")]),
            }
        })
        .collect())
}
