//! Values of their own that roles and databases have, where the check that finds them is about the value and not about the
//! exemption: those are taken away, and the cluster's value counts.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::facts::RoleSetting;
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, SubjectKind};

/// `ALTER ROLE .. RESET`.
#[derive(Clone, Copy, Debug)]
pub struct Overrides;

/// The checks whose findings name such a value as `ALTER ROLE app SET log_statement`.
const CHECKS: &[&str] = &["LOG-07", "LOG-08", "LOG-10"];

impl Kind for Overrides {
    fn name(&self) -> &'static str {
        "setting-overrides"
    }

    fn closes(&self) -> &'static [&'static str] {
        CHECKS
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let rows = planning.context.facts.role_settings.here()?;
        let mut drafts = Vec::new();
        for row in rows.iter().filter(|row| row.role != 0 || row.database != 0) {
            let prefix = format!("{} SET ", statement(planning, row)?);
            let problems: Vec<_> = CHECKS
                .iter()
                .flat_map(|check| planning.open(check))
                .filter(|problem| {
                    let subject = &problem.finding.subject;
                    // The checks write the setting's name as they know it.
                    let name = subject.name.strip_prefix(&prefix);
                    subject.kind == SubjectKind::Setting
                        && name.is_some_and(|name| name.eq_ignore_ascii_case(&row.name))
                })
                .map(|problem| problem.closes())
                .collect();
            if !problems.is_empty() {
                drafts.push(reset(planning, row)?.closing(problems));
            }
        }
        Ok(drafts)
    }
}

/// Takes away what one row of `pg_db_role_setting` says of one setting.
pub(super) fn reset(planning: &Planning<'_>, row: &RoleSetting) -> Result<Draft, Missing> {
    let rows = planning.context.facts.role_settings.here()?;
    let statement = statement(planning, row)?;
    let name = &row.name;
    let title = visible(&format!("{statement} RESET {name}"));
    if row.withheld {
        return Ok(Draft::by_hand(
            title,
            Stage::Powers,
            format!(
                "its value was withheld, so it could not be taken back: {statement} RESET {name};"
            ),
            Vec::new(),
        ));
    }
    let draft = Draft::sql(
        title,
        Stage::Powers,
        None,
        vec![format!("{statement} RESET {name};")],
        vec![format!(
            "{statement} SET {name} = {};",
            quote_literal(&row.value).trim_start()
        )],
    );
    Ok(draft
        .approval()
        .needing(Need::NewSessions)
        .affecting([Impact {
            kind: ImpactKind::Unknown,
            subject: statement,
            detail: format!(
                "sessions start with the cluster's {name} in place of '{}'; the catalogs do not say why somebody set it",
                visible(&row.value)
            ),
            observations: vec![rows.from.clone()],
        }]))
}

fn statement(planning: &Planning<'_>, row: &RoleSetting) -> Result<String, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let databases = planning.context.facts.databases.here()?;
    Ok(row.statement(roles.value, databases.value))
}
