//! What is granted to PUBLIC, gathered by object.

use crate::context::Context;
use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC};
use pgattest_model::ident::quote_ident;
use std::collections::{BTreeMap, BTreeSet};

/// Everything PUBLIC was given on one object, whoever gave it.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    /// Privileges on the whole object.
    pub(super) privileges: BTreeSet<&'a str>,
    /// Privileges on single columns: their numbers.
    pub(super) columns: BTreeMap<&'a str, BTreeSet<i16>>,
    grantors: BTreeSet<Oid>,
}

/// The grants to PUBLIC on objects of these classes, by object.
pub(super) fn to_public<'a>(acls: &'a [Acl], classes: &[AclClass]) -> BTreeMap<Oid, Given<'a>> {
    let mut given: BTreeMap<Oid, Given<'a>> = BTreeMap::new();
    for acl in acls
        .iter()
        .filter(|acl| acl.grantee == PUBLIC && classes.contains(&acl.class))
    {
        let entry = given.entry(acl.object).or_default();
        entry.grantors.insert(acl.grantor);
        for privilege in &acl.privileges {
            if acl.column == 0 {
                entry.privileges.insert(&privilege.name);
            } else {
                entry
                    .columns
                    .entry(&privilege.name)
                    .or_default()
                    .insert(acl.column);
            }
        }
    }
    given
}

impl<'a> Given<'a> {
    /// Every privilege, on the whole object or on a column of it.
    pub(super) fn all(&self) -> BTreeSet<&'a str> {
        self.privileges
            .iter()
            .chain(self.columns.keys())
            .copied()
            .collect()
    }

    /// The privileges as SQL lists them: `INSERT, SELECT (id, "Name")`.
    pub(super) fn list(&self, column_name: impl Fn(i16) -> String) -> String {
        let whole = self
            .privileges
            .iter()
            .map(|privilege| (*privilege).to_owned());
        let columns = self.columns.iter().map(|(privilege, numbers)| {
            let names: Vec<String> = numbers.iter().map(|number| column_name(*number)).collect();
            format!("{privilege} ({})", names.join(", "))
        });
        whole.chain(columns).collect::<Vec<_>>().join(", ")
    }

    /// The statements that take the privileges back: `on` is the object as `REVOKE` wants it (`TABLE public.orders`).
    ///
    /// A `REVOKE` takes back only what its own role granted, and a superuser's counts as the owner's: what others granted
    /// has to be revoked as them.
    pub(super) fn revoke(
        &self,
        context: &Context<'_>,
        privileges: &str,
        on: &str,
        owner: Oid,
    ) -> String {
        self.revoke_as(
            |oid| context.role(oid).map(|role| quote_ident(&role.name)),
            privileges,
            on,
            owner,
        )
    }

    fn revoke_as(
        &self,
        role: impl Fn(Oid) -> Option<String>,
        privileges: &str,
        on: &str,
        owner: Oid,
    ) -> String {
        let statement = format!("REVOKE {privileges} ON {on} FROM PUBLIC;");
        let statements: Vec<String> = self
            .grantors
            .iter()
            .map(
                |&grantor| match (grantor != owner).then(|| role(grantor)).flatten() {
                    Some(name) => format!("SET ROLE {name}; {statement} RESET ROLE;"),
                    None => statement.clone(),
                },
            )
            .collect();
        statements.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::to_public;
    use pgattest_model::facts::{Acl, AclClass, Oid, PUBLIC, Privilege};

    const OWNER: Oid = 20_001;
    const DELEGATE: Oid = 20_002;

    fn acl(
        class: AclClass,
        column: i16,
        (grantor, grantee): (Oid, Oid),
        privileges: &[&str],
    ) -> Acl {
        let privileges = privileges
            .iter()
            .map(|name| Privilege {
                name: (*name).to_owned(),
                grantable: false,
            })
            .collect();
        Acl {
            class,
            object: 7,
            column,
            name: String::new(),
            owner: 10,
            grantor,
            grantee,
            privileges,
            is_default: false,
        }
    }

    #[test]
    fn grants_on_the_whole_and_on_columns_are_gathered_and_those_to_others_are_not() {
        let acls = [
            acl(
                AclClass::Relation,
                0,
                (OWNER, PUBLIC),
                &["SELECT", "INSERT"],
            ),
            acl(AclClass::Relation, 0, (OWNER, DELEGATE), &["DELETE"]),
            acl(AclClass::Column, 2, (OWNER, PUBLIC), &["UPDATE"]),
            acl(AclClass::Column, 1, (OWNER, PUBLIC), &["UPDATE"]),
            acl(AclClass::Function, 0, (OWNER, PUBLIC), &["EXECUTE"]),
        ];
        let given = to_public(&acls, &[AclClass::Relation, AclClass::Column]);
        assert_eq!(
            given[&7].list(|number| format!("c{number}")),
            "INSERT, SELECT, UPDATE (c1, c2)"
        );
        assert_eq!(
            given[&7].all().into_iter().collect::<Vec<_>>(),
            ["INSERT", "SELECT", "UPDATE"]
        );
        assert_eq!(given.len(), 1);
    }

    #[test]
    fn what_somebody_else_granted_is_revoked_as_them() {
        let acls = [
            acl(AclClass::Relation, 0, (OWNER, PUBLIC), &["SELECT"]),
            acl(AclClass::Relation, 0, (DELEGATE, PUBLIC), &["SELECT"]),
        ];
        let given = to_public(&acls, &[AclClass::Relation]);
        let names = |oid: Oid| (oid == DELEGATE).then(|| "\"the delegate\"".to_owned());
        assert_eq!(
            given[&7].revoke_as(names, "SELECT", "TABLE public.t", OWNER),
            "REVOKE SELECT ON TABLE public.t FROM PUBLIC; \
             SET ROLE \"the delegate\"; REVOKE SELECT ON TABLE public.t FROM PUBLIC; RESET ROLE;"
        );
    }
}
