//! The SOC 2 criteria that checks give evidence for.

use std::fmt;

/// A Trust Services Criterion (2017, revised points of focus 2022). The criteria's text is the AICPA's: only the identifiers
/// and our own one-line paraphrase are kept here.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "the paraphrases are in `paraphrase`")]
pub enum Criterion {
    Cc4_1,
    Cc6_1,
    Cc6_2,
    Cc6_3,
    Cc6_6,
    Cc6_7,
    Cc6_8,
    Cc7_1,
    Cc7_2,
    Cc7_3,
    Cc8_1,
    A1_2,
    C1_1,
    C1_2,
}

impl Criterion {
    /// Every criterion that a check may name, in the framework's order.
    pub const ALL: [Self; 14] = [
        Self::Cc4_1,
        Self::Cc6_1,
        Self::Cc6_2,
        Self::Cc6_3,
        Self::Cc6_6,
        Self::Cc6_7,
        Self::Cc6_8,
        Self::Cc7_1,
        Self::Cc7_2,
        Self::Cc7_3,
        Self::Cc8_1,
        Self::A1_2,
        Self::C1_1,
        Self::C1_2,
    ];

    /// The identifier as the framework writes it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Cc4_1 => "CC4.1",
            Self::Cc6_1 => "CC6.1",
            Self::Cc6_2 => "CC6.2",
            Self::Cc6_3 => "CC6.3",
            Self::Cc6_6 => "CC6.6",
            Self::Cc6_7 => "CC6.7",
            Self::Cc6_8 => "CC6.8",
            Self::Cc7_1 => "CC7.1",
            Self::Cc7_2 => "CC7.2",
            Self::Cc7_3 => "CC7.3",
            Self::Cc8_1 => "CC8.1",
            Self::A1_2 => "A1.2",
            Self::C1_1 => "C1.1",
            Self::C1_2 => "C1.2",
        }
    }

    /// What it asks for, in our words.
    pub const fn paraphrase(self) -> &'static str {
        match self {
            Self::Cc4_1 => "controls are evaluated, and the evaluation can be relied on",
            Self::Cc6_1 => "logical access to information is restricted",
            Self::Cc6_2 => "access is registered, authorised and removed",
            Self::Cc6_3 => "access follows roles and least privilege, with duties separated",
            Self::Cc6_6 => "access from outside the boundary is guarded against",
            Self::Cc6_7 => "information is protected while it moves",
            Self::Cc6_8 => "unauthorised software is prevented or found",
            Self::Cc7_1 => "configuration changes and weaknesses are found",
            Self::Cc7_2 => "anomalies are monitored for",
            Self::Cc7_3 => "security events are evaluated",
            Self::Cc8_1 => "changes are authorised, tested and approved",
            Self::A1_2 => "recovery and environmental protections are in place",
            Self::C1_1 => "confidential information is identified and protected",
            Self::C1_2 => "confidential information is disposed of",
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}
