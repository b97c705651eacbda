//! Regular expressions for names (16 and later), as far as they can be read without PostgreSQL's own engine.

use super::matching::Matching;
use pgattest_parse::are::{Are, Breadth};

/// `/pattern` in a database or user list. What the dialects of PostgreSQL and of our library do not read alike may match any name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pattern {
    /// `None` when it is broken: the server does not load a file with it.
    are: Option<Are>,
}

impl Pattern {
    /// Reads the text after the slash.
    pub(super) fn new(text: &str) -> Self {
        Self {
            are: Are::new(text).ok(),
        }
    }

    /// Whether a name matches.
    pub(super) fn matches(&self, name: &str) -> Matching {
        self.are
            .as_ref()
            .and_then(|are| are.matches(name))
            .map_or(Matching::Maybe, Matching::from)
    }

    /// Whether every name matches.
    pub(super) fn takes_everything(&self) -> bool {
        self.are
            .as_ref()
            .is_some_and(|are| are.breadth() == Breadth::Everything)
    }
}

#[cfg(test)]
mod tests {
    use super::{Matching, Pattern};
    use rstest::rstest;

    #[rstest]
    #[case("^db\\d{2,4}$", "db12", Matching::Yes)]
    #[case("^db\\d{2,4}$", "db1", Matching::No)]
    #[case("^tenant_.*$", "tenant_7", Matching::Yes)]
    #[case("^tenant_.*$", "my_tenant_7", Matching::No)]
    #[case("tenant", "my_tenant_7", Matching::Yes)]
    #[case("_ro$", "app_ro", Matching::Yes)]
    #[case("_ro$", "app_row", Matching::No)]
    #[case("^a.*b.*c$", "aXbYc", Matching::Yes)]
    #[case("^a.*b.*c$", "acb", Matching::No)]
    #[case("^exact$", "exactly", Matching::No)]
    #[case("^v1\\.2$", "v1x2", Matching::No)]
    #[case("^v1.2$", "v1x2", Matching::Yes)]
    #[case("^(a|b)$", "a", Matching::Yes)]
    #[case("^ab*$", "a", Matching::Yes)]
    #[case("^.*$", "anything", Matching::Yes)]
    #[case("été", "été", Matching::Yes)]
    #[case("***a", "***a", Matching::Maybe)]
    #[case("(?i)A", "a", Matching::Maybe)]
    #[case("(a)\\1", "aa", Matching::Maybe)]
    #[case("a\\", "a\\", Matching::Maybe)]
    #[case("a(", "a(", Matching::Maybe)]
    fn decides_what_both_dialects_read_alike_and_never_guesses(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] expected: Matching,
    ) {
        assert_eq!(Pattern::new(pattern).matches(name), expected);
    }
}
