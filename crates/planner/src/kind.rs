//! What a kind of change is.

use crate::draft::Draft;
use crate::planning::Planning;
use pgattest_model::Missing;

/// A kind of change, as a pure function of facts, policy and open findings.
pub trait Kind: Sync {
    /// Kebab-case, never reused: it stands in plan files.
    fn name(&self) -> &'static str;

    /// The checks whose findings it may close.
    fn closes(&self) -> &'static [&'static str];

    /// Whether it has to look although none of those findings is open: it closes none itself, and gives what the changes that
    /// close others would otherwise take from somebody.
    fn is_needed(&self, _planning: &Planning<'_>) -> bool {
        false
    }

    /// What to change so that those findings are gone. A fact group that is missing ends it with `?`: nothing is then proposed,
    /// and the plan says why.
    ///
    /// A draft claims a finding only when it is certain that the check no longer reports it afterwards: applying a plan ends with
    /// an audit that holds it to that.
    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing>;
}
