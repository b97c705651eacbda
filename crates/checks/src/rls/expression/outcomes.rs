//! Sets of outcomes, and SQL's three-valued logic over them.

use std::fmt;

/// What a condition can come out as.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a set of four, each asked for by name"
)]
pub struct Outcomes {
    /// True: the row is let through.
    pub yes: bool,
    /// False.
    pub no: bool,
    /// NULL, which lets no row through.
    pub null: bool,
    /// The statement fails.
    pub fails: bool,
    /// Whether it depends on something that is not understood, and not only on the row's other columns.
    pub opaque: bool,
}

impl Outcomes {
    pub(super) const YES: Self = Self::only(true, false, false, false);
    pub(super) const NO: Self = Self::only(false, true, false, false);
    pub(super) const NULL: Self = Self::only(false, false, true, false);
    pub(super) const FAILS: Self = Self::only(false, false, false, true);

    #[allow(clippy::fn_params_excessive_bools, reason = "a set of four, spelt out")]
    const fn only(yes: bool, no: bool, null: bool, fails: bool) -> Self {
        Self {
            yes,
            no,
            null,
            fails,
            opaque: false,
        }
    }

    /// Whether the row is let through for certain.
    pub const fn is_certain(self) -> bool {
        self.yes && !self.no && !self.null && !self.fails
    }

    /// Whether no row is let through, for certain.
    pub const fn is_refused(self) -> bool {
        !self.yes
    }

    /// Both conditions hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.paired(other, |a, b| match (a, b) {
            (Outcome::No, _) | (_, Outcome::No) => Outcome::No,
            (Outcome::Null, _) | (_, Outcome::Null) => Outcome::Null,
            _ => Outcome::Yes,
        })
        .settled(Self::NO, self, other)
    }

    /// One of the conditions holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.paired(other, |a, b| match (a, b) {
            (Outcome::Yes, _) | (_, Outcome::Yes) => Outcome::Yes,
            (Outcome::Null, _) | (_, Outcome::Null) => Outcome::Null,
            _ => Outcome::No,
        })
        .settled(Self::YES, self, other)
    }

    #[must_use]
    pub(super) const fn negated(self) -> Self {
        Self {
            yes: self.no,
            no: self.yes,
            ..self
        }
    }

    /// What is possible when it is one or the other.
    #[must_use]
    pub(super) const fn either(self, other: Self) -> Self {
        Self {
            yes: self.yes || other.yes,
            no: self.no || other.no,
            null: self.null || other.null,
            fails: self.fails || other.fails,
            opaque: self.opaque || other.opaque,
        }
    }

    /// Nothing is possible: the start of a union.
    pub(super) const fn none() -> Self {
        Self::only(false, false, false, false)
    }

    const fn count(self) -> u8 {
        self.yes as u8 + self.no as u8 + self.null as u8 + self.fails as u8
    }

    fn has(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Yes => self.yes,
            Outcome::No => self.no,
            Outcome::Null => self.null,
        }
    }

    fn paired(self, other: Self, join: impl Fn(Outcome, Outcome) -> Outcome) -> Self {
        let mut joined = Self::none();
        for a in OUTCOMES.into_iter().filter(|a| self.has(*a)) {
            for b in OUTCOMES.into_iter().filter(|b| other.has(*b)) {
                match join(a, b) {
                    Outcome::Yes => joined.yes = true,
                    Outcome::No => joined.no = true,
                    Outcome::Null => joined.null = true,
                }
            }
        }
        joined.opaque = self.opaque || other.opaque;
        joined
    }

    /// A side that fails: the statement does, unless the other side decides before it is asked. Which comes first is for the
    /// planner to say, so both are possible.
    fn settled(mut self, decides: Self, left: Self, right: Self) -> Self {
        let decided = |side: Self| (decides.yes && side.yes) || (decides.no && side.no);
        for (one, other) in [(left, right), (right, left)] {
            if one.fails {
                self.fails = true;
                if decided(other) {
                    self.yes |= decides.yes;
                    self.no |= decides.no;
                }
            }
        }
        // What comes out the same in any case does not depend on what is not known.
        self.opaque &= self.count() > 1;
        self
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Yes,
    No,
    Null,
}

const OUTCOMES: [Outcome; 3] = [Outcome::Yes, Outcome::No, Outcome::Null];

impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            (self.yes, "true"),
            (self.no, "false"),
            (self.null, "null"),
            (self.fails, "fails"),
            (self.opaque, "opaque"),
        ];
        let possible: Vec<&str> = words
            .iter()
            .filter(|(possible, _)| *possible)
            .map(|(_, word)| *word)
            .collect();
        write!(f, "{}", possible.join("|"))
    }
}

#[cfg(test)]
mod tests {
    use super::Outcomes;

    const ANY: Outcomes = Outcomes {
        yes: true,
        no: true,
        null: true,
        fails: false,
        opaque: true,
    };

    #[track_caller]
    fn check(outcomes: Outcomes, expected: &str) {
        assert_eq!(outcomes.to_string(), expected);
    }

    #[test]
    fn null_is_neither_true_nor_false() {
        check(Outcomes::NULL.or(Outcomes::YES), "true");
        check(Outcomes::NULL.or(Outcomes::NO), "null");
        check(Outcomes::NULL.and(Outcomes::NO), "false");
        check(Outcomes::NULL.and(Outcomes::YES), "null");
        check(Outcomes::NULL.negated(), "null");
    }

    #[test]
    fn a_failure_fails_unless_the_other_side_may_come_first() {
        check(Outcomes::FAILS.or(Outcomes::NO), "fails");
        check(Outcomes::FAILS.or(Outcomes::YES), "true|fails");
        check(Outcomes::FAILS.and(Outcomes::YES), "fails");
        check(Outcomes::FAILS.and(Outcomes::NO), "false|fails");
    }

    #[test]
    fn what_is_not_known_matters_only_where_it_decides() {
        check(ANY.or(Outcomes::YES), "true");
        check(ANY.and(Outcomes::NO), "false");
        check(ANY.or(Outcomes::NO), "true|false|null|opaque");
    }
}
