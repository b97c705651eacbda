//! Memberships that lead too far, and the right to grant them on, are revoked.
//!
//! A path ends when any of its memberships is gone. The last one that may go is taken: it is what gives the power, and whoever is
//! in the group before it keeps everything else that the group gives. What others need stays: a membership is not revoked when
//! somebody about whom the checks have nothing to say would lose a way by it. Last, those that turn out to be one too many are
//! left alone.

mod cut;
mod goals;
mod script;

use super::people::{counted, is_own, listed, role_called, sessions};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use cut::Edge;
use pgattest_access::RoleGraph;
use pgattest_checks::roles::unapproved_admin_options;
use pgattest_model::facts::{Membership, Oid};
use pgattest_model::ident::visible;
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use pgattest_model::{Missing, ObservationId};
use script::{Script, Step};
use std::collections::BTreeSet;

/// `REVOKE .. FROM ..`.
#[derive(Clone, Copy, Debug)]
pub struct Memberships;

impl Kind for Memberships {
    fn name(&self) -> &'static str {
        "role-memberships"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-02", "ROL-03", "ROL-07", "ROL-10", "ROL-12", "ROL-13"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let memberships = planning.context.facts.memberships.here()?;
        let mut drafts = Vec::new();
        let goals = goals::of(planning)?;
        let cut = cut::choose(planning, &goals)?;
        let mut wishes = Vec::new();
        for (at, goal) in goals.iter().enumerate() {
            if cut.unreached.contains(&at) {
                drafts.push(by_hand(&goal.problem));
                continue;
            }
            let edges = goal.relevant(planning.context.role_graph()?, &cut.edges);
            let steps = memberships
                .value
                .iter()
                .filter(|row| edges.contains(&(row.member, row.role)))
                .map(|row| Step::new(row, true))
                .collect();
            wishes.push((goal.problem, steps));
        }
        let gone = |row: &Membership| cut.edges.contains(&(row.member, row.role));
        drafts.extend(admin_options(
            planning,
            memberships.value,
            &gone,
            &mut wishes,
        )?);
        for (problems, steps) in grouped(wishes, memberships.value) {
            drafts.push(draft(
                planning,
                memberships.value,
                memberships.from,
                &problems,
                &steps,
            )?);
        }
        Ok(drafts)
    }
}

/// One finding, and the steps that close it.
type Wish<'a> = (Problem<'a>, BTreeSet<Step>);

/// What ROL-10 finds: the right to grant goes, unless the whole membership does. What nobody but a person can decide comes back.
fn admin_options<'a>(
    planning: &Planning<'a>,
    memberships: &[Membership],
    gone: &dyn Fn(&Membership) -> bool,
    wishes: &mut Vec<Wish<'a>>,
) -> Result<Vec<Draft>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let unapproved = unapproved_admin_options(&planning.context, memberships);
    let mut drafts = Vec::new();
    for problem in planning.open("ROL-10") {
        let Some(member) = role_called(roles.value, &problem.finding.subject.name) else {
            continue;
        };
        if is_own(planning, member) {
            drafts.push(by_hand(&problem));
            continue;
        }
        let steps: BTreeSet<Step> = unapproved
            .get(&member.oid)
            .into_iter()
            .flatten()
            .map(|row| Step::new(row, gone(row)))
            .collect();
        if !steps.is_empty() {
            wishes.push((problem, steps));
        }
    }
    Ok(drafts)
}

/// Findings that share a step are closed together, and steps that depend on one another are done together: memberships of one
/// role, when a member of it granted one of them.
fn grouped<'a>(
    wishes: Vec<Wish<'a>>,
    memberships: &[Membership],
) -> Vec<(Vec<Problem<'a>>, BTreeSet<Step>)> {
    let granting: BTreeSet<(Oid, Oid)> = memberships
        .iter()
        .map(|row| (row.role, row.grantor))
        .collect();
    // Roles whose memberships hang on one another.
    let chained: BTreeSet<Oid> = memberships
        .iter()
        .filter(|row| granting.contains(&(row.role, row.member)))
        .map(|row| row.role)
        .collect();
    let meet = |a: &BTreeSet<Step>, b: &BTreeSet<Step>| {
        a.iter().any(|step| {
            b.contains(step)
                || (chained.contains(&step.role) && b.iter().any(|other| other.role == step.role))
        })
    };
    let mut groups: Vec<(Vec<Problem<'a>>, BTreeSet<Step>)> = Vec::new();
    for (problem, steps) in wishes {
        let mut joined = (vec![problem], steps);
        let mut apart = Vec::new();
        for group in groups {
            if meet(&group.1, &joined.1) {
                let (mut problems, steps) = group;
                problems.append(&mut joined.0);
                joined.0 = problems;
                joined.1.extend(steps);
            } else {
                apart.push(group);
            }
        }
        groups = apart;
        groups.push(joined);
    }
    groups
}

fn draft(
    planning: &Planning<'_>,
    memberships: &[Membership],
    from: &ObservationId,
    problems: &[Problem<'_>],
    steps: &BTreeSet<Step>,
) -> Result<Draft, Missing> {
    let context = &planning.context;
    let name = |oid: Oid| context.role_name(oid);
    let mut script = Script::new(context, memberships)?;
    for step in steps {
        script.add(*step);
    }
    let pairs: BTreeSet<(bool, Edge)> = steps
        .iter()
        .map(|step| (step.whole, (step.member, step.role)))
        .collect();
    let what: Vec<String> = pairs
        .iter()
        .map(|(whole, (member, role))| {
            let option = if *whole { "" } else { "ADMIN OPTION on " };
            format!("{option}{} from {}", name(*role), name(*member))
        })
        .collect();
    let cut: BTreeSet<Edge> = pairs
        .iter()
        .filter(|(whole, _)| *whole)
        .map(|(_, edge)| *edge)
        .collect();
    let admin = pairs
        .iter()
        .filter(|(whole, _)| !whole)
        .map(|(_, (member, role))| Impact {
            kind: ImpactKind::RightLost,
            subject: name(*member),
            detail: format!(
                "role {} no longer grants {} to others; its own membership stays, and so do those that it granted",
                name(*member),
                name(*role)
            ),
            observations: vec![from.clone()],
        });
    let (statements, undo) = script.done();
    Ok(Draft::sql(
        format!("revoke {}", visible(&listed(&what))),
        Stage::Powers,
        None,
        statements,
        undo,
    )
    .closing(problems.iter().map(Problem::closes))
    .affecting(losses(planning, memberships, &cut, from)?)
    .affecting(admin)
    .note("a session that has done SET ROLE already stays what it is until it ends")
    .approval())
}

/// Which login roles no longer act as which roles.
fn losses(
    planning: &Planning<'_>,
    memberships: &[Membership],
    cut: &BTreeSet<Edge>,
    from: &ObservationId,
) -> Result<Vec<Impact>, Missing> {
    if cut.is_empty() {
        return Ok(Vec::new());
    }
    let context = &planning.context;
    let before = context.role_graph()?;
    let after = without(planning, memberships, cut)?;
    let touched: BTreeSet<Oid> = cut
        .iter()
        .flat_map(|(member, _)| before.all_members(*member).oids().collect::<Vec<_>>())
        .collect();
    let mut impacts = Vec::new();
    for login in before.logins().filter(|login| touched.contains(&login.oid)) {
        let left = after.reaches(login.oid);
        let lost: Vec<String> = before
            .reaches(login.oid)
            .oids()
            .filter(|oid| !left.contains(*oid))
            .map(|oid| context.role_name(oid))
            .collect();
        if lost.is_empty() || login.superuser {
            continue;
        }
        let live = match sessions(planning, login.oid) {
            Ok(live) if live.is_empty() => "it has no live session".to_owned(),
            Ok(live) => format!("it has {}", counted(live.len(), "live session")),
            Err(_) => "whether it has live sessions is not known".to_owned(),
        };
        let name = context.role_name(login.oid);
        impacts.push(Impact {
            kind: ImpactKind::RightLost,
            detail: format!(
                "role {name} no longer acts as {}; {live}, and the catalogs do not say when it last did",
                listed(&lost)
            ),
            subject: name,
            observations: vec![from.clone()],
        });
    }
    Ok(impacts)
}

/// The graph without some memberships.
fn without(
    planning: &Planning<'_>,
    memberships: &[Membership],
    cut: &BTreeSet<Edge>,
) -> Result<RoleGraph, Missing> {
    let left: Vec<Membership> = memberships
        .iter()
        .filter(|row| !cut.contains(&(row.member, row.role)))
        .cloned()
        .collect();
    Ok(RoleGraph::new(
        planning.context.facts.roles.here()?.value,
        &left,
        planning.context.version()?,
    ))
}

fn by_hand(problem: &Problem<'_>) -> Draft {
    let name = &problem.finding.subject.name;
    Draft::by_hand(
        format!("decide on the memberships of {}", visible(name)),
        Stage::Powers,
        format!(
            "every membership that gives {name} this is needed by an approved role, the server or the login that the plan is made with: give the approved ones a membership of their own, or approve {name}"
        ),
        vec![problem.closes()],
    )
}
