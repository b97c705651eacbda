//! The eight points, as controls.

use crate::criterion::Criterion;

/// One point of the checklist: what the organisation says it does.
#[derive(Debug)]
pub struct Control {
    /// 1 to 8, the order of every report's first page.
    pub number: u8,
    /// Kebab-case name.
    pub name: &'static str,
    /// The statement that has to be true.
    pub statement: &'static str,
    /// Criteria it serves.
    pub criteria: &'static [Criterion],
    /// Checks that must all pass for the control to pass. The first one is what the control is about: where it has no subject,
    /// the control has none, whatever the others passed on.
    pub requires: &'static [&'static str],
    /// For a control that nothing here can assess yet: what would.
    pub assessed_by: Option<&'static str>,
    /// What a pass does not say.
    pub limits: &'static str,
}

/// The conclusion for one control: the same words as for a check.
pub type ControlStatus = crate::verdict::Status;
