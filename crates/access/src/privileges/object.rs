//! What a privilege is on.

use pgattest_model::facts::{Acl, AclClass, Oid};

/// One object that privileges are on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Object<'n> {
    /// Its kind.
    pub class: AclClass,
    /// Its identifier; 0 for a parameter, the relation's for a column.
    pub oid: Oid,
    /// Column number, negative for a system column; 0 unless it is a column.
    pub column: i16,
    /// A parameter's name, as `pg_parameter_acl` has it (lower case); empty otherwise.
    pub parameter: &'n str,
}

impl<'n> Object<'n> {
    /// An object that is neither a column nor a parameter.
    pub const fn new(class: AclClass, oid: Oid) -> Self {
        Self {
            class,
            oid,
            column: 0,
            parameter: "",
        }
    }

    /// A table, view or sequence.
    pub const fn relation(oid: Oid) -> Self {
        Self::new(AclClass::Relation, oid)
    }

    /// A column of a relation, by number.
    pub const fn column(relation: Oid, number: i16) -> Self {
        Self {
            column: number,
            ..Self::new(AclClass::Column, relation)
        }
    }

    /// A parameter, by its name in lower case.
    pub const fn parameter(name: &'n str) -> Self {
        Self {
            parameter: name,
            ..Self::new(AclClass::Parameter, 0)
        }
    }

    /// The object that a row is about.
    pub fn of(acl: &'n Acl) -> Self {
        let parameter = if acl.class == AclClass::Parameter {
            acl.name.as_str()
        } else {
            ""
        };
        Self {
            class: acl.class,
            oid: acl.object,
            column: acl.column,
            parameter,
        }
    }

    /// Whether it is a catalog table, which nobody but a superuser writes, whatever was granted on the whole table. (The
    /// server's own views have identifiers from 12,000.)
    pub(super) fn is_catalog(self) -> bool {
        self.class == AclClass::Relation && self.oid < 12_000
    }
}
