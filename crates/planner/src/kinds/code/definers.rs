//! Functions that lend a superuser's rights are closed to everyone.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::kinds::grants::place::Place;
use crate::kinds::grants::proposal::{Proposal, drafts};
use crate::kinds::grants::public::in_database;
use crate::kinds::grants::taking::Take;
use crate::planning::{Planning, Problem};
use pgattest_checks::functions::privileged_definers::callers;
use pgattest_model::Missing;
use pgattest_model::facts::{AclClass, Function, PUBLIC};
use pgattest_model::ident::visible;
use pgattest_model::plan::Stage;

/// `REVOKE EXECUTE ON FUNCTION .. FROM PUBLIC`, where nobody else may execute it. Where a role was granted EXECUTE, somebody meant it:
/// then the function needs another owner, and a person.
#[derive(Clone, Copy, Debug)]
pub struct CloseDefiners;

impl Kind for CloseDefiners {
    fn name(&self) -> &'static str {
        "close-definers"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["FUN-03"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let mut all = Vec::new();
        for database in &planning.context.facts.inside {
            let problems = in_database(planning, "FUN-03", database);
            if problems.is_empty() {
                continue;
            }
            let functions = database.functions.here()?;
            let found: Vec<&Function> = functions
                .value
                .iter()
                .filter(|function| function.security_definer && function.extension == 0)
                .filter(|function| problems.contains_key(&function.sql_name()))
                .collect();
            let callers = callers(&planning.context, database, &found)?;
            let place = Place::inside(planning, database)?;
            let mut proposals = Vec::new();
            for function in found {
                let name = function.sql_name();
                let closes: Vec<_> = problems
                    .get(&name)
                    .into_iter()
                    .flatten()
                    .map(Problem::closes)
                    .collect();
                let others = callers.get(&function.oid).map_or(&[][..], Vec::as_slice);
                let title = format!(
                    "take {} {} from PUBLIC",
                    function.sql_kind().to_lowercase(),
                    visible(&name)
                );
                if let Some(other) = others.first() {
                    let what = format!(
                        "{} was granted EXECUTE on {} besides: let a role own the function that has only what it needs, or take EXECUTE away after finding out who calls it",
                        visible(&planning.context.role_name(*other)),
                        visible(&name)
                    );
                    all.push(Draft::by_hand(title, Stage::Revokes, what, closes));
                    continue;
                }
                let takes = place
                    .on(AclClass::Function, function.oid)
                    .iter()
                    .filter(|acl| acl.grantee == PUBLIC)
                    .filter_map(|acl| Take::some(acl, |name| name == "EXECUTE"))
                    .collect();
                let mut proposal = Proposal::new(title, Stage::Revokes, takes)
                    .approval()
                    .closing(closes);
                proposal.notes.push(
                    "triggers that run it go on firing: they ask for EXECUTE only when they are made. Grant EXECUTE to whoever calls it, and better give it an owner with fewer rights"
                        .to_owned(),
                );
                proposals.push(proposal);
            }
            all.extend(drafts(planning, &place, proposals));
        }
        Ok(all)
    }
}
