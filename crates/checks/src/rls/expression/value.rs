//! What a part of an expression can be.

use super::outcomes::Outcomes;
use super::scenario::Tenant;

/// What a part of an expression can be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value {
    /// The statement fails.
    Fails,
    Null,
    Truth(Outcomes),
    /// Exactly this text.
    Text(String),
    /// Exactly this whole number.
    Number(i64),
    /// What names the tenant, whatever its type. Tenants' names differ and are not empty.
    Tenant(Tenant),
    Array(Vec<Self>),
    Unknown(Unknown),
}

/// A value that is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unknown {
    /// Whether it may be NULL.
    pub(super) null: bool,
    /// Whether getting it may fail.
    pub(super) fails: bool,
    /// Whether it comes from something that is not understood, and not only from the row's other columns.
    pub(super) opaque: bool,
}

impl Value {
    /// Anything, from something that is not understood.
    pub(super) const OPAQUE: Self = Self::Unknown(Unknown {
        null: true,
        fails: false,
        opaque: true,
    });

    /// Something of the row or the session that is not NULL.
    pub(super) const SOME: Self = Self::Unknown(Unknown {
        null: false,
        fails: false,
        opaque: false,
    });

    /// Whether it may be NULL, may fail, is opaque. A value that is known is none of these.
    pub(super) fn doubts(&self) -> Unknown {
        match self {
            Self::Unknown(unknown) => *unknown,
            Self::Truth(outcomes) => Unknown {
                null: outcomes.null,
                fails: outcomes.fails,
                opaque: outcomes.opaque,
            },
            Self::Null => Unknown {
                null: true,
                fails: false,
                opaque: false,
            },
            Self::Fails => Unknown {
                null: false,
                fails: true,
                opaque: false,
            },
            Self::Array(items) => Unknown {
                null: false,
                fails: items.iter().any(|item| item.doubts().fails),
                opaque: items.iter().any(|item| item.doubts().opaque),
            },
            Self::Text(_) | Self::Number(_) | Self::Tenant(_) => Unknown {
                null: false,
                fails: false,
                opaque: false,
            },
        }
    }

    /// What is possible when it is one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        if self == other {
            return self;
        }
        let (a, b) = (self.doubts(), other.doubts());
        match (self, other) {
            (Self::Truth(a), Self::Truth(b)) => Self::Truth(a.either(b)),
            (Self::Truth(truth), Self::Null) | (Self::Null, Self::Truth(truth)) => {
                Self::Truth(truth.either(Outcomes::NULL))
            }
            (Self::Truth(truth), Self::Fails) | (Self::Fails, Self::Truth(truth)) => {
                Self::Truth(truth.either(Outcomes::FAILS))
            }
            _ => Self::Unknown(Unknown {
                null: a.null || b.null,
                fails: a.fails || b.fails,
                opaque: a.opaque || b.opaque,
            }),
        }
    }

    /// As a condition.
    pub(super) fn truth(&self) -> Outcomes {
        match self {
            Self::Truth(outcomes) => *outcomes,
            Self::Null => Outcomes::NULL,
            Self::Fails => Outcomes::FAILS,
            other => {
                let doubts = other.doubts();
                Outcomes {
                    yes: true,
                    no: true,
                    null: doubts.null,
                    fails: doubts.fails,
                    opaque: doubts.opaque,
                }
            }
        }
    }

    /// Whether it is NULL, as a condition.
    pub(super) fn is_null(&self) -> Outcomes {
        match self {
            Self::Null => Outcomes::YES,
            Self::Fails => Outcomes::FAILS,
            Self::Unknown(unknown) => Outcomes {
                yes: unknown.null,
                no: true,
                null: false,
                fails: unknown.fails,
                opaque: unknown.opaque && (unknown.null || unknown.fails),
            },
            Self::Truth(outcomes) => Outcomes {
                yes: outcomes.null,
                no: outcomes.yes || outcomes.no,
                null: false,
                fails: outcomes.fails,
                opaque: outcomes.opaque
                    && outcomes.null
                    && (outcomes.yes || outcomes.no || outcomes.fails),
            },
            _ => Outcomes::NO,
        }
    }

    /// What a strict function makes of such arguments when its result is not known: NULL of NULL, failure of failure.
    pub(super) fn of_strict(arguments: &[Self], may_be_null: bool, may_fail: bool) -> Self {
        if arguments.contains(&Self::Fails) {
            return Self::Fails;
        }
        let doubts: Vec<Unknown> = arguments.iter().map(Self::doubts).collect();
        if arguments.contains(&Self::Null) && !doubts.iter().any(|doubt| doubt.fails) {
            return Self::Null;
        }
        Self::Unknown(Unknown {
            null: may_be_null || doubts.iter().any(|doubt| doubt.null),
            fails: may_fail || doubts.iter().any(|doubt| doubt.fails),
            opaque: doubts.iter().any(|doubt| doubt.opaque),
        })
    }
}
