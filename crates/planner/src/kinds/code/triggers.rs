//! Triggers fire again.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::kinds::grants::public::in_database;
use crate::planning::{Planning, Problem};
use pgattest_checks::functions::disabled_triggers::cause;
use pgattest_model::facts::{DatabaseFacts, Function, Oid, Relation, RelationKind, Trigger};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, ObservationId, SubjectKind};
use std::collections::HashMap;

/// `ALTER TABLE ONLY .. ENABLE TRIGGER`. One that fires for replicated changes is made to fire for all: `ENABLE TRIGGER` would take it
/// away from the replicated ones.
#[derive(Clone, Copy, Debug)]
pub struct Triggers;

impl Kind for Triggers {
    fn name(&self) -> &'static str {
        "triggers"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["FUN-09"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = Vec::new();
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "FUN-09", database);
            if problems.is_empty() {
                continue;
            }
            let relations = database.relations.here()?;
            let off = Off::new(database)?;
            for relation in relations.iter().filter(|row| has_triggers(row)) {
                let name = relation.sql_name();
                for problem in problems
                    .get(&name)
                    .into_iter()
                    .flatten()
                    .filter(|problem| problem.finding.subject.kind == SubjectKind::Relation)
                {
                    let triggers = off.of(relation.oid, &problem.finding.cause);
                    if !triggers.is_empty() {
                        drafts.push(draft(database, &name, &triggers, problem, &off.from));
                    }
                }
            }
        }
        Ok(drafts)
    }
}

/// As FUN-09 looks at them.
fn has_triggers(relation: &Relation) -> bool {
    relation.extension == 0
        && !matches!(
            relation.kind,
            RelationKind::Sequence | RelationKind::MaterializedView
        )
}

/// Triggers that do not fire, by relation.
struct Off<'a> {
    triggers: HashMap<Oid, Vec<&'a Trigger>>,
    functions: HashMap<Oid, &'a Function>,
    from: ObservationId,
}

impl<'a> Off<'a> {
    fn new(database: &'a DatabaseFacts) -> Result<Self, Missing> {
        let all = database.triggers.here()?;
        let mut triggers: HashMap<Oid, Vec<&Trigger>> = HashMap::new();
        for trigger in all
            .value
            .iter()
            .filter(|trigger| matches!(trigger.enabled.as_str(), "D" | "R"))
        {
            triggers.entry(trigger.relation).or_default().push(trigger);
        }
        let functions = database.functions.here()?.value.iter();
        Ok(Self {
            triggers,
            functions: functions.map(|row| (row.oid, row)).collect(),
            from: all.from.clone(),
        })
    }

    fn of(&self, relation: Oid, wanted: &str) -> Vec<&'a Trigger> {
        let all = self.triggers.get(&relation).into_iter().flatten();
        all.copied()
            .filter(|trigger| {
                let function = self.functions.get(&trigger.function);
                cause(trigger, function.map(|function| function.name.as_str())) == wanted
            })
            .collect()
    }
}

fn draft(
    database: &DatabaseFacts,
    table: &str,
    triggers: &[&Trigger],
    problem: &Problem<'_>,
    from: &ObservationId,
) -> Draft {
    let alter = |how: &str, trigger: &Trigger| {
        // ONLY: what partitions have is theirs, and is found by itself.
        format!(
            "ALTER TABLE ONLY {table} {how} TRIGGER {};",
            quote_ident(&trigger.name)
        )
    };
    let statements = triggers
        .iter()
        .map(|trigger| {
            let how = if trigger.enabled == "R" {
                "ENABLE ALWAYS"
            } else {
                "ENABLE"
            };
            alter(how, trigger)
        })
        .collect();
    let undo = triggers
        .iter()
        .rev()
        .map(|trigger| {
            let how = if trigger.enabled == "R" {
                "ENABLE REPLICA"
            } else {
                "DISABLE"
            };
            alter(how, trigger)
        })
        .collect();
    let mut draft = Draft::sql(
        format!("let the triggers of {} fire", visible(table)),
        Stage::Code,
        Some(&database.name),
        statements,
        undo,
    )
    .approval()
    .closing([problem.closes()])
    .needing(Need::Lock {
        mode: "SHARE ROW EXCLUSIVE".to_owned(),
        on: table.to_owned(),
    })
    .affecting([Impact {
        kind: ImpactKind::Unknown,
        subject: table.to_owned(),
        detail: format!(
            "whoever changes {table} runs {} triggers more: what they refuse or write was neither refused nor written until now, and since when the catalogs do not say",
            triggers.len()
        ),
        observations: vec![from.clone()],
    }]);
    if triggers.iter().any(|trigger| trigger.is_constraint) {
        draft = draft.note(
            "rows that break the constraint stay: nothing looks at what came in while its triggers were off; look for it",
        );
    }
    if triggers.iter().any(|trigger| trigger.enabled == "R") {
        draft = draft.note(
            "a trigger that was made for replicated changes only may do its work twice when the publisher does it, too",
        );
    }
    draft
}
