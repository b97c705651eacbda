//! Partitions and children are reached through the table above them, whose policies bind.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::rls::{Bound, Grants};
use pgattest_model::Missing;
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Relation};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Stage};
use std::collections::BTreeSet;

/// `REVOKE SELECT, .. ON events_2026_03 FROM app`.
#[derive(Clone, Copy, Debug)]
pub struct ChildGrants;

/// Privileges that read or write rows.
const ON_ROWS: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "DELETE"];

impl Kind for ChildGrants {
    fn name(&self) -> &'static str {
        "child-grants"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["RLS-18"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let bound = Bound::new(&planning.context)?;
        let mut drafts = Vec::new();
        for problem in planning.open("RLS-18") {
            let subject = &problem.finding.subject;
            let Some(database) = planning
                .context
                .facts
                .inside
                .iter()
                .find(|row| subject.database.as_deref() == Some(row.name.as_str()))
            else {
                continue;
            };
            let relations = database.relations.here()?.value;
            let Some(child) = relations
                .iter()
                .find(|relation| relation.sql_name() == subject.name)
            else {
                continue;
            };
            drafts.push(draft(&bound, database, child, &problem)?);
        }
        Ok(drafts)
    }
}

fn draft(
    bound: &Bound<'_>,
    database: &DatabaseFacts,
    child: &Relation,
    problem: &Problem<'_>,
) -> Result<Draft, Missing> {
    let name = child.sql_name();
    let title = format!("take direct access to {} away", visible(&name));
    let acls = database.acls.here()?;
    let grants = Grants::new(acls.value);
    let holders: BTreeSet<String> = grants
        .of(child)
        .filter(|(grantee, _)| bound.is_live(*grantee))
        .map(|(grantee, _)| bound.name(grantee))
        .collect();
    let others: Vec<String> = bound
        .users(child, &grants)
        .into_iter()
        .filter(|user| !holders.contains(user))
        .collect();
    if !others.is_empty() {
        return Ok(Draft::by_hand(
            title,
            Stage::Revokes,
            format!(
                "enable row-level security on {name} with policies of its own, or take {} away from those who log in: it reads every table, whatever is revoked on this one",
                others.join(", ")
            ),
            vec![problem.closes()],
        ));
    }
    let given: Vec<&Acl> = acls
        .iter()
        .filter(|acl| {
            matches!(acl.class, AclClass::Relation | AclClass::Column)
                && acl.object == child.oid
                && acl.grantee != child.owner
                && bound.is_live(acl.grantee)
        })
        .collect();
    let mut statements = Vec::new();
    let mut undo = Vec::new();
    let mut impact = Vec::new();
    for acl in given {
        let on_rows: Vec<_> = acl
            .privileges
            .iter()
            .filter(|given| ON_ROWS.contains(&given.name.as_str()))
            .collect();
        if on_rows.is_empty() {
            continue;
        }
        if acl.grantor != child.owner || acl.privileges.iter().any(|given| given.grantable) {
            // What others passed on would go with it, or stay behind.
            return Ok(Draft::by_hand(
                title,
                Stage::Revokes,
                format!(
                    "take the privileges on {name} away by hand, those that were passed on first: REVOKE ALL ON {name} FROM {}",
                    bound.name(acl.grantee)
                ),
                vec![problem.closes()],
            ));
        }
        let column = match acl.class {
            AclClass::Column => match column(database, child, acl.column)? {
                Some(column) => format!(" ({column})"),
                None => continue,
            },
            _ => String::new(),
        };
        let privileges = on_rows
            .iter()
            .map(|given| format!("{}{column}", given.name))
            .collect::<Vec<_>>()
            .join(", ");
        let grantee = bound.name(acl.grantee);
        statements.push(format!("REVOKE {privileges} ON {name} FROM {grantee};"));
        undo.push(format!("GRANT {privileges} ON {name} TO {grantee};"));
        impact.push(Impact {
            kind: ImpactKind::RightLost,
            subject: grantee.clone(),
            detail: format!(
                "{grantee} loses {privileges} on {name}, which using the table above does not need; the catalogs do not say whether it was used directly"
            ),
            observations: vec![acls.from.clone()],
        });
    }
    Ok(Draft::sql(
        title,
        Stage::Revokes,
        Some(&database.name),
        statements,
        undo,
    )
    .closing([problem.closes()])
    .approval()
    .affecting(impact)
    .note(
        "default privileges, or the job that makes partitions, may give it again on the next one",
    ))
}

fn column(
    database: &DatabaseFacts,
    table: &Relation,
    number: i16,
) -> Result<Option<String>, Missing> {
    let columns = database.columns.here()?.value;
    let column = columns
        .iter()
        .find(|column| column.relation == table.oid && column.number == number);
    Ok(column.map(|column| quote_ident(&column.name)))
}
