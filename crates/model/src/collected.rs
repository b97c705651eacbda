//! Facts that are here, and facts that could not be read.

use crate::observation::ObservationId;

/// A fact group: what was read and from which observation, or why it could not be.
///
/// A check can reach the value only by going through the case where it is missing, so no check can pass on what nobody saw.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Collected<T> {
    /// It was read.
    Here {
        /// The decoded facts.
        value: T,
        /// The observation they were decoded from.
        from: ObservationId,
    },
    /// It was not read.
    Missing(Missing),
}

/// A borrowed fact group with the observation that shows it.
#[derive(Debug)]
pub struct Seen<'a, T> {
    /// The decoded facts.
    pub value: &'a T,
    /// The observation they were decoded from.
    pub from: &'a ObservationId,
}

impl<T> Clone for Seen<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Seen<'_, T> {}

impl<T> std::ops::Deref for Seen<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value
    }
}

/// Why a fact is not known, and what would make it known.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Missing {
    /// One sentence, without a period.
    pub why: String,
    /// The statement that would open it, where there is one.
    pub grant: Option<String>,
    /// The observation that failed, where one was made.
    pub observation: Option<ObservationId>,
}

impl Missing {
    /// A reason without a remedy.
    pub fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            grant: None,
            observation: None,
        }
    }

    /// The same reason with the statement that would open it.
    #[must_use]
    pub fn opened_by(mut self, grant: impl Into<String>) -> Self {
        self.grant = Some(grant.into());
        self
    }

    /// The same reason with the observation that shows it.
    #[must_use]
    pub fn seen_in(mut self, observation: ObservationId) -> Self {
        self.observation = Some(observation);
        self
    }
}

impl<T> Collected<T> {
    /// The facts, or why they are not here. Made for `?`.
    pub fn here(&self) -> Result<Seen<'_, T>, Missing> {
        match self {
            Self::Here { value, from } => Ok(Seen { value, from }),
            Self::Missing(missing) => Err(missing.clone()),
        }
    }

    /// A missing group with a reason only.
    pub fn missing(why: impl Into<String>) -> Self {
        Self::Missing(Missing::because(why))
    }

    /// Whether the facts are here.
    pub const fn is_here(&self) -> bool {
        matches!(self, Self::Here { .. })
    }
}
