//! Policies that open when the tenant's setting is the empty string.

use super::expression::{Session, State};
use super::fails_open::{self, Kind};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{Area, Criterion, Meta, Missing, Responsibility, Severity, Verdict};

declare_check! {
    /// ## What it checks
    /// In a session whose tenant is the empty string, no permissive policy shows a row that it would hide from another tenant's
    /// session. The expressions are evaluated as in RLS-07, with the settings that the tenant column is compared with empty. An
    /// empty string denies by itself where it is cast to a number or `uuid` (the cast fails) or made NULL by `nullif(.., '')`. What
    /// opens are `= '' OR ..`, `coalesce(.., '') IN ('', ..)`, `tenant LIKE setting || '%'`, and helper functions that return NULL for
    /// it before an `IS NULL`.
    ///
    /// What is not known, and what is left out, is as in RLS-07.
    ///
    /// ## Why it matters
    /// A setting with a dot in its name that was ever set in a session does not go back to NULL: when the transaction of a
    /// `SET LOCAL` or `set_config(.., true)` has ended, and after `RESET`, it is the empty string until the session ends. Behind
    /// a pooler that is the state of nearly every connection between two transactions, so a policy that was tested with a fresh
    /// connection meets another one in production.
    ///
    /// ## How to fix it
    /// Turn the empty string into NULL and compare: `USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 20.16, Customized Options; chapter 9.27.1, Configuration Settings Functions; SQL
    ///   command SET (numbers of version 15)
    pub OpenWhenEmptied {
        id: "RLS-08",
        name: "open-when-emptied",
        title: "No policy takes an empty tenant for every tenant",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_1],
        area: Area::TenantIsolation,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

const KIND: Kind = Kind {
    // The application's other settings may have been set in that transaction too.
    sessions: &[
        Session::EMPTIED,
        Session {
            tenant: State::Empty,
            others: State::Empty,
        },
    ],
    cause: "a policy opens when the tenant's setting is empty",
    when: |settings| format!("{settings} is the empty string, as SET LOCAL leaves it behind"),
    undecided: "when the tenant's setting is the empty string",
};

impl Check for OpenWhenEmptied {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        fails_open::assess(context, &KIND)
    }
}
