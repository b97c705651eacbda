//! Logins whose end has passed, and that get in all the same.

use super::entrances::{Entrance, Entrances};
use super::listing::listed;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

/// Methods for which the server looks at the password it stores, and so at its end.
const BOUND: [&str; 3] = ["password", "md5", "scram-sha-256"];

declare_check! {
    /// ## What it checks
    /// No login role whose `VALID UNTIL` has passed, on the server's own clock when it was asked, is let in by a line of
    /// `pg_hba.conf` with a method that does not look at it: `trust`, `peer`, `ident`, `cert`, `gss`, `sspi`, `ldap`, `radius`, `pam`,
    /// `bsd`, `oauth`. Lines are tried as the server tries them, the first match decides, and a user map (`map=`) that has no entry for
    /// the role lets it in by nothing. High through `trust`, medium through a proof from elsewhere, low through `peer` or `ident`,
    /// where an account of the operating system has to be called so. While the server does not listen to other machines, lines
    /// that only they could use do not count.
    ///
    /// ## Why it matters
    /// `VALID UNTIL` ends a password, not a role. People set it when somebody leaves and take the access for closed, while the
    /// certificate or the directory account opens it still.
    ///
    /// ## How to fix it
    /// `ALTER ROLE alice NOLOGIN;`: it ends every method, keeps what the role owns, and is undone in a second. Then revoke its
    /// memberships, and the certificate.
    ///
    /// ## References
    /// - PostgreSQL documentation, SQL command CREATE ROLE (`VALID UNTIL`)
    /// - PostgreSQL documentation, chapter 21.3, Authentication Methods (numbers of version 15)
    pub ExpiredLogins {
        id: "ROL-20",
        name: "expired-logins",
        title: "No expired login role is let in by a method that does not look at passwords",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_2],
        area: Area::Authentication,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for ExpiredLogins {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let roles = context.facts.roles.here()?;
        let mut expired: Vec<&Role> = roles
            .iter()
            .filter(|role| role.can_login && role.expired)
            .collect();
        if expired.is_empty() {
            return Ok(Verdict::NotApplicable(
                "no login role is past its VALID UNTIL".to_owned(),
            ));
        }
        expired.sort_by(|a, b| a.name.cmp(&b.name));
        let entrances = Entrances::new(context)?;
        let observations = entrances.observations();
        let findings = expired
            .iter()
            .filter_map(|role| finding(role, &entrances, &observations))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: expired.len(),
                of: "login roles past their VALID UNTIL",
            },
            findings,
            not_seen: entrances.not_seen().to_vec(),
        })
    }
}

fn finding(
    role: &Role,
    entrances: &Entrances<'_>,
    observations: &[ObservationId],
) -> Option<Finding> {
    let open: Vec<Entrance<'_>> = entrances
        .of(role)
        .filter(|entrance| !BOUND.contains(&entrance.rule.method()))
        .collect();
    let severity = open.iter().map(severity).max()?;
    let lines: Vec<String> = open.iter().map(Entrance::words).collect();
    let name = quote_ident(&role.name);
    Some(Finding {
        cause: "a login role past its VALID UNTIL is still let in".to_owned(),
        detail: format!(
            "role {name} was valid until {} and is still let in by {}, where no password is looked at",
            role.valid_until,
            listed(&lines)
        ),
        severity,
        observations: observations.to_vec(),
        remediation: format!("ALTER ROLE {name} NOLOGIN;"),
        subject: Subject::cluster(SubjectKind::Role, name),
    })
}

fn severity(entrance: &Entrance<'_>) -> Severity {
    match entrance.rule.method() {
        "trust" if entrance.rule.asks_nothing() => Severity::High,
        "peer" | "ident" => Severity::Low,
        _ => Severity::Medium,
    }
}
