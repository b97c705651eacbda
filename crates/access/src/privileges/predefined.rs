//! Rights that membership in a predefined role gives without an ACL entry.

use super::right::{Right, Rights};
use pgattest_model::facts::AclClass;

/// A predefined role that gives rights by being inherited.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Predefined {
    /// `pg_read_all_data`, 14 and later.
    ReadAllData,
    /// `pg_write_all_data`, 14 and later.
    WriteAllData,
    /// `pg_maintain`, 17 and later.
    Maintain,
}

impl Predefined {
    pub(super) const ALL: [Self; 3] = [Self::ReadAllData, Self::WriteAllData, Self::Maintain];

    /// The role's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadAllData => "pg_read_all_data",
            Self::WriteAllData => "pg_write_all_data",
            Self::Maintain => "pg_maintain",
        }
    }

    /// The first major that has it. A role of this name on an older server is somebody's own.
    pub(super) const fn since(self) -> u32 {
        match self {
            Self::ReadAllData | Self::WriteAllData => 14,
            Self::Maintain => 17,
        }
    }

    /// What it gives on every object of a class. Large objects are not data to these roles.
    pub(super) fn gives(self, class: AclClass) -> Rights {
        use Right as R;
        Rights::of(match (self, class) {
            (Self::ReadAllData, AclClass::Relation) => &[R::Select],
            (Self::WriteAllData, AclClass::Relation) => &[R::Insert, R::Update, R::Delete],
            (Self::Maintain, AclClass::Relation) => &[R::Maintain],
            (Self::ReadAllData | Self::WriteAllData, AclClass::Schema) => &[R::Usage],
            _ => &[],
        })
    }
}
