//! Row-level security is enabled and forced, with a policy for the tenant where there is none.

use super::audience::Audience;
use super::targets::{CHECKS, Steps, Target, new_findings, targets};
use super::views;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_checks::rls::Bound;
use pgattest_model::Missing;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};

/// `CREATE POLICY`, `ENABLE` and `FORCE ROW LEVEL SECURITY`.
#[derive(Clone, Copy, Debug)]
pub struct RowSecurity;

/// Checks that see a way round the policies only when there are policies to go round.
const WAYS_ROUND: [&str; 5] = ["RLS-15", "RLS-16", "RLS-18", "RLS-20", "RLS-21"];

impl Kind for RowSecurity {
    fn name(&self) -> &'static str {
        "row-security"
    }

    fn closes(&self) -> &'static [&'static str] {
        &CHECKS
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let bound = Bound::new(&planning.context)?;
        let targets = targets(planning);
        let ways_round = new_findings(planning, &targets, &WAYS_ROUND);
        let mut drafts = Vec::new();
        for target in &targets {
            let mut draft = draft(planning, &bound, target)?;
            if target.steps.is_ok() {
                let name = target.relation.sql_name();
                for ((check, _), finding) in ways_round
                    .iter()
                    .filter(|(_, finding)| finding.detail.contains(&name))
                {
                    draft = draft.note(format!(
                        "{check} will see a way round its policies: {}",
                        finding.detail
                    ));
                }
            }
            drafts.push(draft);
        }
        drafts.extend(views::to_come(planning, &targets)?);
        Ok(drafts)
    }
}

fn draft(
    planning: &Planning<'_>,
    bound: &Bound<'_>,
    target: &Target<'_>,
) -> Result<Draft, Missing> {
    let name = target.relation.sql_name();
    let steps = match &target.steps {
        Ok(steps) => steps,
        Err(why) => {
            return Ok(Draft::by_hand(
                format!("put policies in force on {}", visible(&name)),
                Stage::Isolation,
                why.clone(),
                target.closes.clone(),
            ));
        }
    };
    let audience = Audience::join(planning.context.facts, bound, target.database)?;
    let (statements, undo) = statements(steps, &name);
    let title = match (&steps.policy, steps.enable) {
        (Some(_), _) => format!(
            "enable and force row-level security on {}, with a policy for the tenant",
            visible(&name)
        ),
        (None, true) => format!("enable and force row-level security on {}", visible(&name)),
        (None, false) => format!(
            "force row-level security on the owner of {}",
            visible(&name)
        ),
    };
    let rows = steps.policy.as_ref().map_or_else(
        || "only those rows that its policies let through".to_owned(),
        |(_, condition)| format!("only rows of the tenant that {} names", condition.setting),
    );
    let mut draft = Draft::sql(
        title,
        Stage::Isolation,
        Some(&target.database.name),
        statements,
        undo,
    )
    .closing(target.closes.iter().cloned())
    .needing(Need::Lock {
        mode: "ACCESS EXCLUSIVE".to_owned(),
        on: name.clone(),
    })
    .affecting(audience.of(target.relation, steps.enable, &rows));
    if steps.enable || audience.owner_is_reached(target.relation) {
        draft = draft
            .approval()
            .note("jobs that work across tenants need a role with BYPASSRLS of their own, and so does a dump: pg_dump stops with an error for a role that policies bind");
    }
    if let Some((_, condition)) = &steps.policy {
        draft = draft.note(format!(
            "the application names the tenant in every transaction, with SET LOCAL {setting} or set_config('{setting}', .., true); where it does not, it sees no row and writes none",
            setting = condition.setting
        ));
        if let Some(column) = target.tenant.and_then(|tenant| tenant.column)
            && !column.not_null
        {
            draft = draft.affecting([Impact {
                kind: ImpactKind::RowsHidden,
                subject: name.clone(),
                detail: format!(
                    "rows of {name} whose {} is NULL are visible to no tenant",
                    quote_ident(&column.name)
                ),
                observations: vec![target.database.columns.here()?.from.clone()],
            }]);
        }
    }
    if target.closes.is_empty() {
        draft = draft.note("forced on the owner of the table above, its policies could be gone round through this one");
    }
    Ok(draft)
}

/// The policy comes first: enabled without one, the table shows nothing.
fn statements(steps: &Steps, name: &str) -> (Vec<String>, Vec<String>) {
    let mut statements = Vec::new();
    let mut undo = Vec::new();
    if let Some((policy, condition)) = &steps.policy {
        let policy = quote_ident(policy);
        statements.push(format!(
            "CREATE POLICY {policy} ON {name} AS PERMISSIVE FOR ALL TO PUBLIC USING ({0}) WITH CHECK ({0});",
            condition.sql
        ));
        undo.push(format!("DROP POLICY {policy} ON {name};"));
    }
    if steps.enable {
        statements.push(format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"));
        undo.push(format!("ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;"));
    }
    if steps.force {
        statements.push(format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"));
        undo.push(format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;"));
    }
    undo.reverse();
    (statements, undo)
}
