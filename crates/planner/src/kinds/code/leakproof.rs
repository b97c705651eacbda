//! Functions are no longer trusted with rows that policies hide.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::kinds::grants::public::in_database;
use crate::planning::{Planning, Problem};
use pgattest_model::Missing;
use pgattest_model::ident::visible;
use pgattest_model::plan::{Impact, ImpactKind, Stage};

/// `ALTER FUNCTION .. NOT LEAKPROOF`.
#[derive(Clone, Copy, Debug)]
pub struct NotLeakproof;

impl Kind for NotLeakproof {
    fn name(&self) -> &'static str {
        "leakproof"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["RLS-14"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut drafts = Vec::new();
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "RLS-14", database);
            if problems.is_empty() {
                continue;
            }
            let functions = database.functions.here()?;
            for function in functions
                .iter()
                .filter(|function| function.leakproof && function.extension == 0)
            {
                let name = function.sql_name();
                let Some(problems) = problems.get(&name) else {
                    continue;
                };
                let draft = Draft::sql(
                    format!("take LEAKPROOF from function {}", visible(&name)),
                    Stage::Code,
                    Some(&database.name),
                    vec![format!("ALTER FUNCTION {name} NOT LEAKPROOF;")],
                    vec![format!("ALTER FUNCTION {name} LEAKPROOF;")],
                )
                .closing(problems.iter().map(Problem::closes))
                .affecting([Impact {
                    kind: ImpactKind::Slowed,
                    subject: name.clone(),
                    detail: format!(
                        "below row-level security and security_barrier views, {name} is evaluated after the policy's condition: an index that a query reached through it is no longer used there"
                    ),
                    observations: vec![functions.from.clone()],
                }]);
                drafts.push(draft);
            }
        }
        Ok(drafts)
    }
}
