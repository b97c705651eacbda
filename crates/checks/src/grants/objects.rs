//! What grants are on: names, owners, and the statement that takes a grant back.

use crate::context::Context;
use pgattest_model::facts::{Acl, AclClass, DatabaseFacts, Oid, RelationKind};
use pgattest_model::ident::{quote_ident, quote_parameter};
use std::collections::{HashMap, HashSet};

/// Objects of one database, or those that the cluster shares: only the ones that were asked for.
pub(crate) struct Objects {
    known: HashMap<(AclClass, Oid), Object>,
}

/// One object as `GRANT` and `REVOKE` name it.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// `TABLE`, `FUNCTION`, `FOREIGN SERVER` ...
    pub(crate) kind: &'static str,
    /// Name as SQL.
    pub(crate) name: String,
    /// Owner; `None` where the facts do not have it.
    pub(crate) owner: Option<Oid>,
}

/// A column's grant is a grant on its table.
const fn key(acl: &Acl) -> (AclClass, Oid) {
    match acl.class {
        AclClass::Column => (AclClass::Relation, acl.object),
        class => (class, acl.object),
    }
}

impl Objects {
    /// The objects of one database that these grants are on. A group of facts that is missing leaves its objects nameless.
    pub(crate) fn inside(database: &DatabaseFacts, grants: &[&Acl]) -> Self {
        let wanted: HashSet<(AclClass, Oid)> = grants.iter().map(|acl| key(acl)).collect();
        let mut objects = Builder::new(&wanted);
        for relation in database
            .relations
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            let kind = match relation.kind {
                RelationKind::Sequence => "SEQUENCE",
                _ => "TABLE",
            };
            objects.add(
                AclClass::Relation,
                relation.oid,
                kind,
                relation.owner,
                || relation.sql_name(),
            );
        }
        for function in database
            .functions
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            let kind = match function.kind.as_str() {
                "p" => "PROCEDURE",
                _ => "FUNCTION",
            };
            objects.add(
                AclClass::Function,
                function.oid,
                kind,
                function.owner,
                || function.sql_name(),
            );
        }
        for function in database
            .restricted_functions
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            let (class, oid) = (AclClass::Function, function.oid);
            objects.add(class, oid, "FUNCTION", function.owner, || {
                function.sql_name()
            });
        }
        for relation in database
            .restricted_relations
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            let (class, oid) = (AclClass::Relation, relation.oid);
            objects.add(class, oid, "TABLE", relation.owner, || relation.sql_name());
        }
        macro_rules! named {
            ($group:ident, $class:ident, $kind:literal) => {
                for row in database.$group.here().iter().flat_map(|rows| rows.iter()) {
                    objects.add(AclClass::$class, row.oid, $kind, row.owner, || {
                        quote_ident(&row.name)
                    });
                }
            };
        }
        named!(schemas, Schema, "SCHEMA");
        named!(languages, Language, "LANGUAGE");
        named!(
            foreign_data_wrappers,
            ForeignDataWrapper,
            "FOREIGN DATA WRAPPER"
        );
        named!(foreign_servers, ForeignServer, "FOREIGN SERVER");
        objects.done()
    }

    /// Databases and tablespaces that these grants are on.
    pub(crate) fn shared(context: &Context<'_>, grants: &[&Acl]) -> Self {
        let wanted: HashSet<(AclClass, Oid)> = grants.iter().map(|acl| key(acl)).collect();
        let mut objects = Builder::new(&wanted);
        for row in context
            .facts
            .databases
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            objects.add(AclClass::Database, row.oid, "DATABASE", row.owner, || {
                quote_ident(&row.name)
            });
        }
        for row in context
            .facts
            .tablespaces
            .here()
            .iter()
            .flat_map(|rows| rows.iter())
        {
            objects.add(
                AclClass::Tablespace,
                row.oid,
                "TABLESPACE",
                row.owner,
                || quote_ident(&row.name),
            );
        }
        objects.done()
    }

    /// What the grant is on.
    pub(crate) fn of(&self, acl: &Acl) -> Object {
        let (class, oid) = key(acl);
        if class == AclClass::Parameter {
            return Object {
                kind: "PARAMETER",
                name: quote_parameter(&acl.name),
                owner: None,
            };
        }
        self.known
            .get(&(class, oid))
            .cloned()
            .unwrap_or_else(|| Object {
                kind: match class {
                    AclClass::Type => "TYPE",
                    AclClass::LargeObject => "LARGE OBJECT",
                    AclClass::Function => "FUNCTION",
                    AclClass::Schema => "SCHEMA",
                    _ => "TABLE",
                },
                name: oid.to_string(),
                owner: None,
            })
    }
}

/// Taking privileges back from a role. `REVOKE` takes back only what its own role granted, and a superuser's counts as the
/// owner's: what somebody else granted has to be revoked as them.
pub(crate) fn revoke(
    context: &Context<'_>,
    acl: &Acl,
    object: &Object,
    privileges: &str,
) -> String {
    let statement = format!(
        "REVOKE {privileges} ON {} {} FROM {};",
        object.kind,
        object.name,
        context.role_name(acl.grantee)
    );
    let foreign = object.owner.is_some_and(|owner| owner != acl.grantor);
    if foreign && context.role(acl.grantor).is_some() {
        format!(
            "SET ROLE {}; {statement} RESET ROLE;",
            context.role_name(acl.grantor)
        )
    } else {
        statement
    }
}

struct Builder<'a> {
    wanted: &'a HashSet<(AclClass, Oid)>,
    known: HashMap<(AclClass, Oid), Object>,
}

impl<'a> Builder<'a> {
    fn new(wanted: &'a HashSet<(AclClass, Oid)>) -> Self {
        Self {
            wanted,
            known: HashMap::new(),
        }
    }

    fn add(
        &mut self,
        class: AclClass,
        oid: Oid,
        kind: &'static str,
        owner: Oid,
        name: impl FnOnce() -> String,
    ) {
        if self.wanted.contains(&(class, oid)) {
            let object = Object {
                kind,
                name: name(),
                owner: Some(owner),
            };
            self.known.insert((class, oid), object);
        }
    }

    fn done(self) -> Objects {
        Objects { known: self.known }
    }
}
