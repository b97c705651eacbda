//! Policies that open when the session has named no tenant.

use super::expression::Session;
use super::fails_open::{self, Kind};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// In a session that has set nothing, no permissive policy shows a row that it would hide from another tenant's session. The
    /// expressions are evaluated, in SQL's three-valued logic, with every setting of the application's own unset: `current_setting(x)`
    /// then fails, which denies; `current_setting(x, true)` is NULL, and a comparison with NULL denies too. What opens are
    /// `.. IS NULL OR ..`, `coalesce(current_setting(x, true), tenant_id)`, a wildcard as the default of a `LIKE`, and negations
    /// (`IS NOT FALSE`). Restrictive policies that deny, for the same roles and command, keep it shut; so does another permissive
    /// policy whose expression fails.
    ///
    /// A function without arguments that does nothing but read a setting is followed. Of any other function, and of queries of
    /// other tables whose condition does not decide, the answer is not known: the policy is then listed as not seen. A setting
    /// that the configuration file or the database gives a value is never unset. Left out are policies approved as in RLS-05.
    ///
    /// ## Why it matters
    /// A connection that comes out of the pool before the application has said who asks is ordinary: a health check, a background
    /// job, a handler that forgot, an exception between two statements. A policy that fails closed turns that into an error or an
    /// empty list; one that fails open turns it into every tenant's rows on one screen.
    ///
    /// ## How to fix it
    /// Compare and do nothing else: `USING (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid))`. Jobs that need
    /// every tenant get a role of their own, approved in `access.bypass_rls`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.8, Row Security Policies; chapter 9.27.1, Configuration Settings Functions; chapter
    ///   9.1, Logical Operators (numbers of version 15)
    pub OpenWhenUnset {
        id: "RLS-07",
        name: "open-when-unset",
        title: "No policy opens in a session that has named no tenant",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const KIND: Kind = Kind {
    sessions: &[Session::UNSET],
    cause: "a policy opens when no tenant is set",
    when: |settings| format!("{settings} was never set"),
    undecided: "in a session that has set nothing",
};

impl Check for OpenWhenUnset {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        fails_open::assess(context, &KIND)
    }
}
