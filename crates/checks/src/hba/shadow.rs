//! The rules that leave a later one nothing to decide.

use super::engine::{Engine, place};
use pgattest_access::hba::{Reach, Rule, Unreachable};

/// Names listed one by one; more are counted.
const NAMED: usize = 3;

/// Rules before a rule that, together, decide everything that would match it.
pub(super) struct Shadow<'a> {
    rules: Vec<&'a Rule>,
}

impl<'a> Shadow<'a> {
    /// The shadow over a rule with this reach; `None` when it is reached, or unreachable for another reason.
    pub(super) fn over(reach: &Reach, engine: &'a Engine) -> Option<Self> {
        let Reach::Nothing(Unreachable::Shadowed(by)) = reach else {
            return None;
        };
        let rules: Vec<&Rule> = by.iter().filter_map(|&at| engine.rule(at)).collect();
        (!rules.is_empty()).then_some(Self { rules })
    }

    /// The rules, in the order of the file.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().copied()
    }

    /// The first of them, for a person: `pg_hba.conf:3`.
    pub(super) fn first(&self) -> String {
        self.rules
            .first()
            .map(|rule| place(rule.source()))
            .unwrap_or_default()
    }

    /// `pg_hba.conf:3 decides`, `pg_hba.conf:3 and pg_hba.conf:5 decide`.
    pub(super) fn decides(&self) -> String {
        let places: Vec<String> = self.rules().map(|rule| place(rule.source())).collect();
        match places.as_slice() {
            [] => String::new(),
            [only] => format!("{only} decides"),
            [first @ .., last] if places.len() <= NAMED => {
                format!("{} and {last} decide", first.join(", "))
            }
            [first, ..] => format!("{first} and {} other rules decide", places.len() - 1),
        }
    }
}
