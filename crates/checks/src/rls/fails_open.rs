//! Policies that open in a session without a tenant: what RLS-07 and RLS-08 have in common.

use super::expression::{Outcomes, Session};
use super::grants::Bound;
use super::in_each;
use super::policy_set::{Door, PolicySet, ReadPolicy, Table, Trouble, openness};
use crate::context::Context;
use pgattest_model::{Finding, Missing, Population, Verdict};

/// A kind of session without a tenant.
pub(super) struct Kind {
    /// The sessions of this kind.
    pub(super) sessions: &'static [Session],
    /// The cause of every finding.
    pub(super) cause: &'static str,
    /// What the session is like, for the end of a sentence: "when {} ..".
    pub(super) when: fn(&str) -> String,
    /// Follows "does not tell what happens".
    pub(super) undecided: &'static str,
}

/// Assesses every permissive policy in sessions of one kind.
pub(super) fn assess(context: &Context<'_>, kind: &Kind) -> Result<Verdict, Missing> {
    let bound = Bound::new(context)?;
    let (databases, mut not_seen) =
        in_each(context, |database| PolicySet::join(context, database))?;
    let mut findings = Vec::new();
    let mut count = 0;
    for set in &databases {
        count += set.count();
        let mut undecided = Vec::new();
        for (table, read) in set.permissive(context, &bound) {
            match judge(set, &bound, table, read, kind) {
                Judged::Opens(door) => findings.push(finding(set, &bound, table, read, door, kind)),
                Judged::Undecided => undecided.push((table, read)),
                Judged::Holds => {}
            }
        }
        not_seen.extend(set.undecided(&undecided, kind.undecided));
    }
    if count == 0 && not_seen.is_empty() {
        return Ok(Verdict::NotApplicable(
            "no table with row-level security has a permissive policy".to_owned(),
        ));
    }
    Ok(Verdict::Assessed {
        population: Population {
            count,
            of: "permissive policies",
        },
        findings,
        not_seen,
    })
}

enum Judged {
    Opens(Door),
    Undecided,
    Holds,
}

fn judge(
    set: &PolicySet<'_>,
    bound: &Bound<'_>,
    table: &Table<'_>,
    read: &ReadPolicy<'_>,
    kind: &Kind,
) -> Judged {
    let mut undecided = false;
    for (door, commands, side) in Door::ALL {
        for command in commands {
            let outcomes = |session| set.outcomes(bound, table, read, *command, side, session);
            let Some(with_tenant) = outcomes(Session::TENANT) else {
                continue;
            };
            for without in kind
                .sessions
                .iter()
                .filter_map(|session| outcomes(*session))
            {
                if opens_more(with_tenant, without) {
                    return Judged::Opens(door);
                }
                undecided |= without.yes && without.opaque;
            }
        }
    }
    if undecided {
        Judged::Undecided
    } else {
        Judged::Holds
    }
}

/// Whether a session without a tenant gets at rows that a tenant's session does not.
fn opens_more(with_tenant: Outcomes, without: Outcomes) -> bool {
    let is_understood = without.is_certain() || !without.opaque;
    is_understood && openness(without) > openness(with_tenant)
}

fn finding(
    set: &PolicySet<'_>,
    bound: &Bound<'_>,
    table: &Table<'_>,
    read: &ReadPolicy<'_>,
    door: Door,
    kind: &Kind,
) -> Finding {
    let says = format!(
        "lets a session {} rows of every tenant when {}: its {} condition comes out true then",
        door.verb(),
        (kind.when)(&read.settings(&set.sources)),
        door.clause(),
    );
    let trouble = Trouble {
        severity: set.severity(bound, table, read.policy, door),
        cause: kind.cause,
        says,
        remediation: set.repaired(table, read.policy, door),
    };
    set.finding(bound, table, read.policy, trouble)
}
