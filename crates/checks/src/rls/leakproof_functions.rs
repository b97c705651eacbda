//! Functions that somebody declared to leak nothing.

use super::grants::Bound;
use super::{in_each, is_protected};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{AclClass, Oid, Relation, RelationKind};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Population, Responsibility, Severity, Subject,
    SubjectKind, Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// No function is `LEAKPROOF` that neither PostgreSQL nor an extension brought. Operators are looked at through their functions.
    /// High in a database with row-level security or `security_barrier` views, when somebody besides the owner may execute the
    /// function; low otherwise. Functions of extensions are left out: their authors declared them, and an update puts them back.
    ///
    /// ## Why it matters
    /// Before a policy's condition only leakproof functions are evaluated: the server trusts the label and hands such a function
    /// rows that the policy hides. A function in SQL or PL/pgSQL that is labelled so can raise an error with the row's contents,
    /// write them to a table, or just take long on some values. Only a superuser can set the label, and it is mostly set to make
    /// an index usable under row-level security.
    ///
    /// ## How to fix it
    /// `ALTER FUNCTION shop.fold(text) NOT LEAKPROOF;`. Where a plan needs it, put an index on a column instead.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 41.5, Rules and Privileges; SQL command CREATE FUNCTION (number of version 15)
    pub LeakproofFunctions {
        id: "RLS-14",
        name: "leakproof-functions",
        title: "No function of your own is trusted with rows that policies hide",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for LeakproofFunctions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let bound = Bound::new(context)?;
        let (databases, not_seen) = in_each(context, |database| {
            Ok((
                database,
                database.functions.here()?,
                database.relations.here()?,
                database.acls.here()?,
            ))
        })?;
        let mut count = 0;
        let mut findings = Vec::new();
        for (database, functions, relations, acls) in databases {
            let has_barriers = relations.iter().any(is_barrier);
            let callable: BTreeSet<Oid> = acls
                .iter()
                .filter(|acl| acl.class == AclClass::Function && acl.has("EXECUTE"))
                .filter(|acl| bound.is_live(acl.grantee))
                .map(|acl| acl.object)
                .collect();
            for function in functions.iter().filter(|function| function.extension == 0) {
                count += 1;
                if !function.leakproof {
                    continue;
                }
                let (severity, so) = match (has_barriers, callable.contains(&function.oid)) {
                    (true, true) => (
                        Severity::High,
                        "it is handed rows that policies hide, and others may execute it",
                    ),
                    (true, false) => (
                        Severity::Low,
                        "nobody but exempt roles may execute it today",
                    ),
                    (false, _) => (
                        Severity::Low,
                        "no table of this database has row-level security today",
                    ),
                };
                let name = function.sql_name();
                findings.push(Finding {
                    cause: "a function is declared LEAKPROOF".to_owned(),
                    detail: format!(
                        "function {name} in the language {} is declared LEAKPROOF; {so}",
                        pgattest_model::ident::quote_ident(&function.language)
                    ),
                    severity,
                    observations: vec![
                        functions.from.clone(),
                        relations.from.clone(),
                        acls.from.clone(),
                    ],
                    remediation: format!("ALTER FUNCTION {name} NOT LEAKPROOF;"),
                    subject: Subject::in_database(
                        SubjectKind::Function,
                        database.name.clone(),
                        name,
                    ),
                });
            }
        }
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "there are no functions besides those of PostgreSQL and of extensions".to_owned(),
            ));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "functions of your own",
            },
            findings,
            not_seen,
        })
    }
}

/// Whether conditions stand before other conditions on this relation.
fn is_barrier(relation: &Relation) -> bool {
    is_protected(relation)
        || (relation.kind == RelationKind::View && relation.option_is_on("security_barrier"))
}
