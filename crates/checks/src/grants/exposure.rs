//! How bad it is that everyone holds a privilege.

use pgattest_model::Severity;
use std::collections::BTreeSet;

/// What a set of privileges lets everyone do, by the worst of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Exposure {
    /// What everyone may do, in words that findings are grouped by.
    pub(super) cause: &'static str,
    /// How bad that is.
    pub(super) severity: Severity,
    /// Whether rows or objects can be changed by it.
    pub(super) writes: bool,
}

impl Exposure {
    /// One step less severe: something else still stands in the way.
    #[must_use]
    pub(super) const fn one_less(self) -> Self {
        let severity = match self.severity {
            Severity::Critical => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium | Severity::Low => Severity::Low,
        };
        Self { severity, ..self }
    }
}

/// Privileges on a table, view, materialized view, foreign table or (the flag) sequence. `None`: there are none.
pub(super) fn of_relation(sequence: bool, privileges: &BTreeSet<&str>) -> Option<Exposure> {
    if sequence {
        let ranks = [
            (
                &["UPDATE"][..],
                "everyone may set a sequence",
                Severity::Medium,
                true,
            ),
            (&[], "everyone may use a sequence", Severity::Low, false),
        ];
        return worst(privileges, &ranks);
    }
    let ranks = [
        (
            &["INSERT", "UPDATE", "DELETE", "TRUNCATE"][..],
            "everyone may change rows",
            Severity::High,
            true,
        ),
        // A trigger's function runs as whoever changes the table next.
        (
            &["TRIGGER"],
            "everyone may attach triggers",
            Severity::High,
            true,
        ),
        (
            &["SELECT"],
            "everyone may read rows",
            Severity::Medium,
            false,
        ),
        // REFERENCES blocks other people's deletions and tells which keys exist; MAINTAIN takes locks.
        (
            &[],
            "everyone may refer to or maintain a table",
            Severity::Low,
            false,
        ),
    ];
    worst(privileges, &ranks)
}

/// The first rank that holds one of the privileges; a rank that names none takes what is left.
fn worst(
    privileges: &BTreeSet<&str>,
    ranks: &[(&[&str], &'static str, Severity, bool)],
) -> Option<Exposure> {
    if privileges.is_empty() {
        return None;
    }
    ranks
        .iter()
        .find(|(names, ..)| names.is_empty() || names.iter().any(|name| privileges.contains(name)))
        .map(|&(_, cause, severity, writes)| Exposure {
            cause,
            severity,
            writes,
        })
}

#[cfg(test)]
mod tests {
    use super::of_relation;
    use pgattest_model::Severity;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(sequence: bool, privileges: &[&str], expected: Option<(Severity, bool)>) {
        let found = of_relation(
            sequence,
            &privileges.iter().copied().collect::<BTreeSet<_>>(),
        );
        assert_eq!(
            found.map(|found| (found.severity, found.writes)),
            expected,
            "{privileges:?}"
        );
    }

    #[test]
    fn the_worst_privilege_decides() {
        check(false, &[], None);
        check(false, &["REFERENCES"], Some((Severity::Low, false)));
        check(
            false,
            &["SELECT", "REFERENCES"],
            Some((Severity::Medium, false)),
        );
        check(false, &["SELECT", "DELETE"], Some((Severity::High, true)));
        check(false, &["TRIGGER"], Some((Severity::High, true)));
        check(true, &["USAGE", "SELECT"], Some((Severity::Low, false)));
        check(true, &["USAGE", "UPDATE"], Some((Severity::Medium, true)));
    }

    #[test]
    fn a_privilege_of_a_later_version_still_counts() {
        check(false, &["SOMETHING NEW"], Some((Severity::Low, false)));
    }
}
