//! Passwords in subscriptions, and subscriptions that need none.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Database, Oid, Subscription, SubscriptionSecret};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Collected, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility,
    Severity, Subject, SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// The subscriptions of every database. Of medium severity: a connection string with a password in it. Of high severity, from
    /// 16: `password_required = false` with an owner that is no superuser. (Superusers' subscriptions need no password whatever it
    /// says, and before 16 only superusers own them.) The connection string stays in the server; only whether it holds a password
    /// is read.
    ///
    /// ## Why it matters
    /// The password is stored in clear in `pg_subscription`, and in every dump that `pg_dump` makes of the database and every base
    /// backup. It belongs to a login that may read every change of the publishing database. Without a required password an
    /// ordinary role makes the server log in elsewhere as itself, by its account's `.pgpass` or an address that is trusted.
    ///
    /// ## How to fix it
    /// Leave the password out and name a file with it (`passfile`), or use a client certificate: `ALTER SUBSCRIPTION s CONNECTION
    /// 'host=.. passfile=/etc/postgresql/s.pgpass';`. Then change the password. `ALTER SUBSCRIPTION s SET (password_required = true);`.
    ///
    /// ## References
    /// - PostgreSQL documentation, CREATE SUBSCRIPTION; chapter 31.9, Security, of Logical Replication (numbers of version 16)
    pub SubscriptionSecrets {
        id: "SEC-12",
        name: "subscription-secrets",
        title: "No subscription holds a password or lends the server's own identity",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for SubscriptionSecrets {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let subscriptions = context.facts.subscriptions.here()?;
        if subscriptions.is_empty() {
            return Ok(Verdict::NotApplicable("no subscription exists".to_owned()));
        }
        let secrets = context.facts.subscription_secrets.here()?;
        let roles = context.facts.roles.here()?;
        let by_oid: HashMap<Oid, &SubscriptionSecret> =
            secrets.value.iter().map(|row| (row.oid, row)).collect();
        let observations = [
            subscriptions.from.clone(),
            secrets.from.clone(),
            roles.from.clone(),
        ];
        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        for row in subscriptions.iter() {
            match by_oid.get(&row.oid) {
                Some(secret) => findings.extend(judge(context, row, secret, &observations)),
                None => not_seen.push(
                    Missing::because(format!(
                        "the connection string of subscription {} was not among what was read",
                        quote_ident(&row.name)
                    ))
                    .seen_in(secrets.from.clone()),
                ),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: subscriptions.len(),
                of: "subscriptions",
            },
            findings,
            not_seen,
        })
    }
}

fn judge(
    context: &Context<'_>,
    row: &Subscription,
    secret: &SubscriptionSecret,
    observations: &[ObservationId],
) -> Vec<Finding> {
    let name = quote_ident(&row.name);
    let subject = || Subject {
        kind: SubjectKind::Database,
        database: database(context, row.database).map(|database| database.name.clone()),
        name: name.clone(),
    };
    let mut findings = Vec::new();
    if secret.holds_password {
        findings.push(Finding {
            subject: subject(),
            cause: "a password in a subscription".to_owned(),
            detail: format!("subscription {name} stores a password in clear"),
            severity: Severity::Medium,
            observations: observations.to_vec(),
            remediation: format!("ALTER SUBSCRIPTION {name} CONNECTION '..'; -- with passfile or sslcert in place of password"),
        });
    }
    let owner = context.role(row.owner);
    if !secret.password_required && owner.is_some_and(|owner| !owner.superuser) {
        findings.push(Finding {
            subject: subject(),
            cause: "a subscription that needs no password".to_owned(),
            detail: format!(
                "subscription {name} of role {}, which is no superuser, logs in elsewhere as the server itself",
                context.role_name(row.owner)
            ),
            severity: Severity::High,
            observations: observations.to_vec(),
            remediation: format!("ALTER SUBSCRIPTION {name} SET (password_required = true);"),
        });
    }
    findings
}

fn database<'a>(context: &Context<'a>, oid: Oid) -> Option<&'a Database> {
    match &context.facts.databases {
        Collected::Here { value, .. } => value.iter().find(|database| database.oid == oid),
        Collected::Missing(_) => None,
    }
}
