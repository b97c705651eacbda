//! Yes, no, and what the facts cannot tell.

/// Whether something matches. Ordered, so that `max` is "or" and `min` is "and".
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum Matching {
    No,
    /// Nobody can tell without asking the server or a resolver.
    Maybe,
    Yes,
}

impl From<bool> for Matching {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}

/// "Or" over many: no when there is none.
pub(super) fn any(all: impl IntoIterator<Item = Matching>) -> Matching {
    all.into_iter().max().unwrap_or(Matching::No)
}
