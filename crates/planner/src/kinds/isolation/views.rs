//! Views read their tables with the rights of whoever uses them, and are barriers where they are all that filters.

use super::targets::{Target, once_done};
use super::what_if::{WhatIf, findings};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_checks::Context;
use pgattest_checks::rls::{Bound, Grants, view_leaks};
use pgattest_model::facts::{DatabaseFacts, Oid, PUBLIC, Relation, RelationKind};
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{Closes, Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, Subject, SubjectKind};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// `ALTER VIEW .. SET (security_invoker = true)` and `security_barrier`.
#[derive(Clone, Copy, Debug)]
pub struct Views;

const INVOKER: &str = "security_invoker";
const BARRIER: &str = "security_barrier";

impl Kind for Views {
    fn name(&self) -> &'static str {
        "view-options"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["RLS-15", "RLS-17"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = invokers(planning, WhatIf::new(planning.context.facts))?;
        drafts.extend(barriers(planning));
        Ok(drafts)
    }
}

/// Views that would show every row of tables that are to get row-level security. They are dealt with at the same time, unless
/// whoever asked for the plan leaves RLS-15 alone.
pub(super) fn to_come(
    planning: &Planning<'_>,
    targets: &[Target<'_>],
) -> Result<Vec<Draft>, Missing> {
    let options = planning.options;
    let is_wanted = options
        .only
        .as_ref()
        .is_none_or(|only| only.contains("RLS-15"))
        && !options.except.contains("RLS-15");
    if !is_wanted {
        return Ok(Vec::new());
    }
    let mut drafts = invokers(planning, once_done(planning, targets))?;
    // What is by hand is said by the finding, once there is one.
    drafts.retain(|draft| draft.risk != pgattest_model::plan::Risk::ByHand);
    Ok(drafts)
}

/// Which views have to run as their users so that none leaks, and for which views' sake.
fn invokers(planning: &Planning<'_>, mut then: WhatIf) -> Result<Vec<Draft>, Missing> {
    let policy = planning.context.policy;
    let waived: BTreeSet<(String, String)> = waived(planning);
    // By database and view that is to be changed: the views that are reported because of it.
    let mut changes: BTreeMap<(Oid, Oid), BTreeSet<Oid>> = BTreeMap::new();
    let mut stuck: BTreeSet<(Oid, Oid)> = BTreeSet::new();
    let invoker_exists = planning.context.version()?.major() >= 15;
    loop {
        if !invoker_exists {
            break;
        }
        let leaks = view_leaks(&Context::new(&then.facts, policy))?;
        let mut moved = false;
        for leak in leaks {
            if stuck.contains(&(leak.database, leak.view))
                || is_waived(&then, &waived, leak.database, leak.view)
            {
                continue;
            }
            if leak.at_partition {
                stuck.insert((leak.database, leak.view));
                continue;
            }
            let for_sake_of = changes.entry((leak.database, leak.reader)).or_default();
            if !for_sake_of.insert(leak.view) {
                // It leaks in spite of it.
                stuck.insert((leak.database, leak.view));
                continue;
            }
            then.change_relation(leak.database, leak.reader, |view| {
                view.options.retain(|option| !is_option(option, INVOKER));
                view.options.push(format!("{INVOKER}=true"));
            });
            moved = true;
        }
        if !moved {
            break;
        }
    }
    let after = then.findings(policy, &["RLS-15"]);
    let bound = Bound::new(&planning.context)?;
    let mut drafts = Vec::new();
    let mut claimed = BTreeSet::new();
    for ((database, reader), sake) in &changes {
        let Some(database) = inside(planning, *database) else {
            continue;
        };
        let Some(view) = relation(database, *reader) else {
            continue;
        };
        let closes: Vec<Closes> = planning
            .open("RLS-15")
            .filter(|problem| {
                let subject = &problem.finding.subject;
                !after.contains_key(&("RLS-15", subject.clone()))
                    && sake.iter().any(|oid| {
                        relation(database, *oid)
                            .is_some_and(|view| *subject == named(database, view))
                    })
            })
            .map(|problem| problem.closes())
            .collect();
        claimed.extend(closes.iter().map(|closes| closes.fingerprint.clone()));
        drafts.push(
            option_draft(database, view, INVOKER)
                .closing(closes)
                .approval()
                .affecting(who_reads(planning, &bound, database, view)?)
                .note("what uses the view needs privileges on everything that it reads"),
        );
    }
    drafts.extend(
        planning
            .open("RLS-15")
            .filter(|problem| !claimed.contains(problem.fingerprint))
            .map(|problem| {
                Draft::by_hand(
                    format!(
                        "let view {} be bound by policies",
                        visible(&problem.finding.subject.name)
                    ),
                    Stage::Code,
                    problem.finding.remediation.clone(),
                    vec![problem.closes()],
                )
            }),
    );
    Ok(drafts)
}

/// Subjects, by database and name, that are reported and that nobody asked to close.
fn waived(planning: &Planning<'_>) -> BTreeSet<(String, String)> {
    let open: BTreeSet<Subject> = planning
        .open("RLS-15")
        .map(|problem| problem.finding.subject.clone())
        .collect();
    findings(&planning.context, &["RLS-15"])
        .into_keys()
        .map(|(_, subject)| subject)
        .filter(|subject| !open.contains(subject))
        .map(|subject| (subject.database.unwrap_or_default(), subject.name))
        .collect()
}

fn is_waived(then: &WhatIf, waived: &BTreeSet<(String, String)>, database: Oid, view: Oid) -> bool {
    then.facts
        .inside
        .iter()
        .find(|row| row.oid == database)
        .and_then(|database| Some((database.name.clone(), relation(database, view)?.sql_name())))
        .is_some_and(|subject| waived.contains(&subject))
}

/// Views that are all that keeps tenants apart.
fn barriers(planning: &Planning<'_>) -> Vec<Draft> {
    planning
        .open("RLS-17")
        .filter_map(|problem| {
            let subject = &problem.finding.subject;
            let database = planning
                .context
                .facts
                .inside
                .iter()
                .find(|row| subject.database.as_deref() == Some(row.name.as_str()))?;
            let view = database
                .relations
                .here()
                .ok()?
                .value
                .iter()
                .find(|view| view.kind == RelationKind::View && *subject == named(database, view))?;
            let name = view.sql_name();
            Some(
                option_draft(database, view, BARRIER)
                    .closing([problem.closes()])
                    .affecting([Impact {
                        kind: ImpactKind::Slowed,
                        subject: name.clone(),
                        detail: format!(
                            "conditions on {name} that are not leakproof are tried after its own, so that an index may no longer serve them"
                        ),
                        observations: problem.finding.observations.clone(),
                    }]),
            )
        })
        .collect()
}

/// Sets an option of a view; taken back, it is what it was.
fn option_draft(database: &DatabaseFacts, view: &Relation, option: &str) -> Draft {
    let name = view.sql_name();
    let before = view
        .options
        .iter()
        .find(|stored| is_option(stored, option))
        .and_then(|stored| stored.split_once('='))
        .map(|(_, value)| value);
    let undo = match before {
        None => format!("ALTER VIEW {name} RESET ({option});"),
        Some(value) => format!(
            "ALTER VIEW {name} SET ({option} = {});",
            quote_literal(value).trim_start()
        ),
    };
    Draft::sql(
        match option {
            INVOKER => format!(
                "let view {} read with the rights of its user",
                visible(&name)
            ),
            _ => format!("make view {} a security barrier", visible(&name)),
        },
        Stage::Code,
        Some(&database.name),
        vec![format!("ALTER VIEW {name} SET ({option} = true);")],
        vec![undo],
    )
    .needing(Need::Lock {
        mode: "ACCESS EXCLUSIVE".to_owned(),
        on: name,
    })
}

/// Who reads the view, itself or through the owner of a view above it, and what each of them lacks below it.
fn who_reads(
    planning: &Planning<'_>,
    bound: &Bound<'_>,
    database: &DatabaseFacts,
    view: &Relation,
) -> Result<Vec<Impact>, Missing> {
    let relations = database.relations.here()?;
    let acls = database.acls.here()?;
    let dependencies = database.view_dependencies.here()?;
    let grants = Grants::new(acls.value);
    let by_oid: HashMap<Oid, &Relation> = relations.iter().map(|row| (row.oid, row)).collect();
    let below: Vec<&Relation> = dependencies
        .iter()
        .filter(|row| row.view == view.oid)
        .filter_map(|row| by_oid.get(&row.reads).copied())
        .collect();
    let mut users: BTreeSet<Oid> = grants.of(view).map(|(grantee, _)| grantee).collect();
    users.extend(
        dependencies
            .iter()
            .filter(|row| row.reads == view.oid)
            .filter_map(|row| by_oid.get(&row.view))
            .filter(|above| !above.option_is_on(INVOKER))
            .map(|above| bound.owner(above, database)),
    );
    users.insert(bound.owner(view, database));
    let name = view.sql_name();
    let observations = vec![
        relations.from.clone(),
        acls.from.clone(),
        dependencies.from.clone(),
    ];
    let mut impact = Vec::new();
    for user in users {
        if planning
            .context
            .role(user)
            .is_some_and(|role| role.superuser)
        {
            continue;
        }
        let who = bound.name(user);
        let lacking: Vec<String> = below
            .iter()
            .filter(|table| {
                let owns = user != PUBLIC && bound.inherits(user, bound.owner(table, database));
                !owns
                    && !grants.of(table).any(|(holder, held)| {
                        held.contains("SELECT") && bound.applies(&[holder], user)
                    })
            })
            .map(|table| table.sql_name())
            .collect();
        impact.push(if lacking.is_empty() {
            Impact {
                kind: ImpactKind::RowsHidden,
                subject: who.clone(),
                detail: format!("{who} reads through {name} only what policies let it read itself"),
                observations: observations.clone(),
            }
        } else {
            Impact {
                kind: ImpactKind::RightLost,
                subject: who.clone(),
                detail: format!(
                    "{who} has no SELECT on {}, which {name} reads: using the view will fail",
                    lacking.join(", ")
                ),
                observations: observations.clone(),
            }
        });
    }
    Ok(impact)
}

fn is_option(stored: &str, option: &str) -> bool {
    stored.split('=').next() == Some(option)
}

fn named(database: &DatabaseFacts, view: &Relation) -> Subject {
    Subject::in_database(SubjectKind::View, database.name.clone(), view.sql_name())
}

fn inside<'a>(planning: &Planning<'a>, oid: Oid) -> Option<&'a DatabaseFacts> {
    let facts = planning.context.facts;
    facts.inside.iter().find(|database| database.oid == oid)
}

fn relation(database: &DatabaseFacts, oid: Oid) -> Option<&Relation> {
    database
        .relations
        .here()
        .ok()?
        .value
        .iter()
        .find(|relation| relation.oid == oid)
}
