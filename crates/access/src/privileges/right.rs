//! The fifteen privileges, and sets of them.

use pgattest_model::facts::{AclClass, Privilege};
use std::fmt;

/// One privilege.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[allow(missing_docs, reason = "each is the privilege it names")]
pub enum Right {
    Select,
    Insert,
    Update,
    Delete,
    Truncate,
    References,
    Trigger,
    Maintain,
    Usage,
    Execute,
    Create,
    Temporary,
    Connect,
    Set,
    AlterSystem,
}

impl Right {
    /// Every privilege.
    pub const ALL: [Self; 15] = [
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::Truncate,
        Self::References,
        Self::Trigger,
        Self::Maintain,
        Self::Usage,
        Self::Execute,
        Self::Create,
        Self::Temporary,
        Self::Connect,
        Self::Set,
        Self::AlterSystem,
    ];

    /// As GRANT writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Maintain => "MAINTAIN",
            Self::Usage => "USAGE",
            Self::Execute => "EXECUTE",
            Self::Create => "CREATE",
            Self::Temporary => "TEMPORARY",
            Self::Connect => "CONNECT",
            Self::Set => "SET",
            Self::AlterSystem => "ALTER SYSTEM",
        }
    }

    /// The privilege with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.name() == name)
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of privileges, each with or without the option to grant it. The option does not imply the privilege: an owner that
/// revoked its own privileges keeps every option.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Rights {
    held: u16,
    grantable: u16,
}

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self {
        held: 0,
        grantable: 0,
    };

    /// Without the options to grant them.
    pub fn of(rights: &[Right]) -> Self {
        rights.iter().fold(Self::NONE, |all, right| Self {
            held: all.held | bit(*right),
            ..all
        })
    }

    /// The privileges that objects of a class have. A table's and a sequence's are not told apart.
    pub fn of_class(class: AclClass, major: u32) -> Self {
        use Right as R;
        Self::of(match class {
            AclClass::Relation if major < MAINTAIN => &[
                R::Select,
                R::Insert,
                R::Update,
                R::Delete,
                R::Truncate,
                R::References,
                R::Trigger,
                R::Usage,
            ],
            AclClass::Relation => &[
                R::Select,
                R::Insert,
                R::Update,
                R::Delete,
                R::Truncate,
                R::References,
                R::Trigger,
                R::Maintain,
                R::Usage,
            ],
            AclClass::Column => &COLUMN,
            AclClass::Function => &[R::Execute],
            AclClass::Schema => &[R::Usage, R::Create],
            AclClass::Type
            | AclClass::Language
            | AclClass::ForeignDataWrapper
            | AclClass::ForeignServer => &[R::Usage],
            AclClass::LargeObject => &[R::Select, R::Update],
            AclClass::Database => &[R::Create, R::Connect, R::Temporary],
            AclClass::Tablespace => &[R::Create],
            AclClass::Parameter => &[R::Set, R::AlterSystem],
        })
    }

    /// What one ACL entry gives. A privilege this program has never heard of is left out.
    pub fn given(privileges: &[Privilege]) -> Self {
        let mut rights = Self::NONE;
        for given in privileges {
            let Some(right) = Right::named(&given.name) else {
                continue;
            };
            rights.held |= bit(right);
            if given.grantable {
                rights.grantable |= bit(right);
            }
        }
        rights
    }

    /// Whether the privilege is held.
    pub const fn contains(self, right: Right) -> bool {
        self.held & bit(right) != 0
    }

    /// Whether the privilege may be granted to others.
    pub const fn may_grant(self, right: Right) -> bool {
        self.grantable & bit(right) != 0
    }

    /// Whether there is neither a privilege nor an option.
    pub const fn is_empty(self) -> bool {
        self.held == 0 && self.grantable == 0
    }

    /// The privileges held.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL
            .into_iter()
            .filter(move |right| self.contains(*right))
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            held: self.held | other.held,
            grantable: self.grantable | other.grantable,
        }
    }

    /// Those in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self {
            held: self.held & other.held,
            grantable: self.grantable & other.grantable,
        }
    }

    /// Without the privileges of the other; options to grant stay.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            held: self.held & !other.held,
            ..self
        }
    }

    /// Only the options to grant these privileges.
    #[must_use]
    pub const fn only_options(self) -> Self {
        Self {
            held: 0,
            grantable: self.held,
        }
    }
}

/// The first version with MAINTAIN.
const MAINTAIN: u32 = 17;

/// Privileges that one column can have.
pub(super) const COLUMN: [Right; 4] = [
    Right::Select,
    Right::Insert,
    Right::Update,
    Right::References,
];

const fn bit(right: Right) -> u16 {
    1 << right as u16
}

/// `SELECT*, INSERT, (UPDATE*)`: a star is the option to grant, parentheses an option without the privilege.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for right in Right::ALL {
            let text = match (self.contains(right), self.may_grant(right)) {
                (true, false) => right.name().to_owned(),
                (true, true) => format!("{right}*"),
                (false, true) => format!("({right}*)"),
                (false, false) => continue,
            };
            if !std::mem::take(&mut first) {
                f.write_str(", ")?;
            }
            f.write_str(&text)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}
