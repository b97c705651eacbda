//! Roles and databases whose sessions are audited less.

use super::event_triggers;
use super::pgaudit::{DECIDING, Loss, SessionAudit, required};
use super::pgaudit_classes::{AuditBaseline, are};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{Database, Oid, Role, RoleSetting};
use pgattest_model::ident::quote_literal;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

declare_check! {
    /// ## What it checks
    /// For every pair of a login role and a database: the settings with which a session starts, after `ALTER ROLE .. SET`,
    /// `ALTER DATABASE .. SET` and `ALTER ROLE .. IN DATABASE .. SET` have had their say, still let every required class of
    /// statements reach the log (see `pgaudit-classes`). It looks at `pgaudit.log`, `pgaudit.log_client`, `pgaudit.log_level` and
    /// `log_min_messages`. A setting of a role in a database wins over the role's, that over the database's, that over the
    /// cluster's. Sessions that fire no event triggers (`session_replication_role = replica`, from 17 `event_triggers = off`) are
    /// of medium severity: their DDL is recorded, but without the object's name. A setting of a role that cannot log in has no effect, not even after `SET ROLE`, and is of low severity, as is
    /// one that is overridden for every login role.
    ///
    /// ## Why it matters
    /// One such line exempts exactly those from the audit log who could set it, and `SHOW pgaudit.log` in anybody else's session
    /// shows nothing of it. The values are applied at login without a trace in the log.
    ///
    /// ## How to fix it
    /// Take the setting away: `ALTER ROLE etl RESET pgaudit.log;`. Where a job would flood the log, keep `ddl` and `role` for it and
    /// write down who accepted that, as a waiver.
    ///
    /// ## References
    /// - PostgreSQL 16 documentation, chapter 20.1.3, Parameter Interaction via SQL; SQL command ALTER ROLE
    pub AuditOverrides {
        id: "LOG-03",
        name: "audit-overrides",
        title: "No role or database is exempt from the audit log",
        severity: Severity::High,
        criteria: &[Criterion::Cc7_2, Criterion::Cc7_3],
        area: Area::AuditLogging,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for AuditOverrides {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let Some(baseline) = AuditBaseline::of(context)? else {
            return Ok(Verdict::NotApplicable(
                "pgaudit is not loaded: there is no audit log to be exempt from".to_owned(),
            ));
        };
        let roles = context.facts.roles.here()?;
        let rows = context.facts.role_settings.here()?;
        let logins: Vec<Oid> = roles
            .iter()
            .filter(|role| role.can_login)
            .map(|role| role.oid)
            .collect();
        let databases: Vec<Oid> = context
            .connectable()?
            .into_iter()
            .map(|database| database.oid)
            .collect();

        let overrides = Overrides::new(rows.value, &baseline);
        let required = required(context.policy);
        let mut observations: BTreeSet<ObservationId> = baseline.seen_in().into_iter().collect();
        observations.insert(rows.from.clone());
        observations.insert(roles.from.clone());
        let shown = Shown {
            roles: roles.value,
            databases: context.facts.databases.here()?.value,
            observations: observations.into_iter().collect(),
        };

        let mut findings = Vec::new();
        let mut not_seen = Vec::new();
        for row in overrides.rows.values() {
            if row.withheld {
                let why = format!("the value of `{}` was withheld", shown.subject(row));
                not_seen.push(Missing::because(why).seen_in(rows.from.clone()));
                continue;
            }
            let at_work = overrides
                .effect(row, &logins, &databases, &required)
                .map(|loss| (loss, Severity::High));
            let waiting = || {
                overrides
                    .alone(row, &required)
                    .map(|loss| (loss, Severity::Low))
            };
            let Some((loss, severity)) = at_work.or_else(waiting) else {
                continue;
            };
            findings.push(shown.finding(row, &loss, severity));
        }
        for name in event_triggers::SILENCING {
            let (affected, unseen) = event_triggers::affected(context, name);
            let exempting = event_triggers::exempting(name, rows.value, &logins, &affected);
            let is_set = |row: &RoleSetting| row.name.eq_ignore_ascii_case(name);
            if rows.value.iter().any(is_set) {
                not_seen.extend(unseen);
            }
            findings.extend(
                exempting
                    .into_iter()
                    .map(|(row, is_used)| shown.without_names(row, is_used)),
            );
        }
        let population = Population {
            count: logins.len() * databases.len(),
            of: "pairs of login role and database",
        };
        Ok(Verdict::Assessed {
            population,
            findings,
            not_seen,
        })
    }
}

/// The rows that matter here, to be looked up as the server looks them up.
struct Overrides<'a> {
    rows: BTreeMap<(Oid, Oid, &'static str), &'a RoleSetting>,
    baseline: SessionAudit<'a>,
}

impl<'a> Overrides<'a> {
    /// Settings for all roles in all databases are part of the baseline, not here.
    fn new(rows: &'a [RoleSetting], baseline: &AuditBaseline<'a>) -> Self {
        let rows = rows
            .iter()
            .filter(|row| row.role != 0 || row.database != 0)
            .filter_map(|row| {
                let name = DECIDING
                    .into_iter()
                    .find(|name| row.name.eq_ignore_ascii_case(name))?;
                Some(((row.role, row.database, name), row))
            })
            .collect();
        Self {
            rows,
            baseline: baseline.session(),
        }
    }

    /// What this row loses in some session. `None` when no session starts with it or nothing is lost.
    fn effect(
        &self,
        row: &RoleSetting,
        logins: &[Oid],
        databases: &[Oid],
        required: &BTreeSet<&'static str>,
    ) -> Option<Loss> {
        let of = |wanted: Oid, all: &[Oid]| -> Vec<Oid> {
            all.iter()
                .copied()
                .filter(|oid| wanted == 0 || wanted == *oid)
                .collect()
        };
        let databases = of(row.database, databases);
        of(row.role, logins)
            .into_iter()
            .flat_map(|role| databases.iter().map(move |database| (role, *database)))
            .find_map(|(role, database)| {
                let losses = self.session(role, database).losses(required);
                losses.into_iter().find(|loss| {
                    self.to_blame(role, database, loss, required)
                        .into_iter()
                        .any(|blamed| std::ptr::eq(blamed, row))
                })
            })
    }

    /// The rows that bring a loss about in one session: those without which it would not be there, or, when no single one
    /// undoes it, all that set something it depends on.
    fn to_blame(
        &self,
        role: Oid,
        database: Oid,
        loss: &Loss,
        required: &BTreeSet<&'static str>,
    ) -> Vec<&'a RoleSetting> {
        let rows: Vec<&RoleSetting> = loss
            .settings()
            .iter()
            .filter_map(|name| self.winner(role, database, name))
            .collect();
        let without = |left_out: &RoleSetting| {
            self.winners(role, database)
                .filter(|row| !std::ptr::eq(*row, left_out))
                .fold(self.baseline, overridden)
                .losses(required)
        };
        let decisive: Vec<&RoleSetting> = rows
            .iter()
            .copied()
            .filter(|row| !without(row).contains(loss))
            .collect();
        if decisive.is_empty() { rows } else { decisive }
    }

    /// What this row would lose in a session that nothing else overrides.
    fn alone(&self, row: &'a RoleSetting, required: &BTreeSet<&'static str>) -> Option<Loss> {
        let before = self.baseline.losses(required);
        let after = overridden(self.baseline, row).losses(required);
        after.into_iter().find(|loss| {
            !before.contains(loss)
                && loss
                    .settings()
                    .iter()
                    .any(|name| row.name.eq_ignore_ascii_case(name))
        })
    }

    fn winner(&self, role: Oid, database: Oid, name: &'static str) -> Option<&'a RoleSetting> {
        [(role, database), (role, 0), (0, database)]
            .into_iter()
            .find_map(|(role, database)| self.rows.get(&(role, database, name)).copied())
    }

    fn winners(&self, role: Oid, database: Oid) -> impl Iterator<Item = &'a RoleSetting> {
        DECIDING
            .into_iter()
            .filter_map(move |name| self.winner(role, database, name))
    }

    fn session(&self, role: Oid, database: Oid) -> SessionAudit<'a> {
        self.winners(role, database).fold(self.baseline, overridden)
    }
}

/// The session with one setting replaced.
fn overridden<'a>(session: SessionAudit<'a>, row: &'a RoleSetting) -> SessionAudit<'a> {
    let value = row.value.as_str();
    match row.name.to_ascii_lowercase().as_str() {
        "pgaudit.log" => SessionAudit {
            log: value,
            ..session
        },
        "pgaudit.log_client" => SessionAudit {
            log_client: value,
            ..session
        },
        "pgaudit.log_level" => SessionAudit {
            log_level: value,
            ..session
        },
        "log_min_messages" => SessionAudit {
            log_min_messages: value,
            ..session
        },
        _ => session,
    }
}

/// What a finding is written with.
struct Shown<'a> {
    roles: &'a [Role],
    databases: &'a [Database],
    observations: Vec<ObservationId>,
}

impl Shown<'_> {
    fn subject(&self, row: &RoleSetting) -> String {
        format!(
            "{} SET {}",
            row.statement(self.roles, self.databases),
            row.name
        )
    }

    fn finding(&self, row: &RoleSetting, loss: &Loss, severity: Severity) -> Finding {
        let statement = row.statement(self.roles, self.databases);
        let set = format!("{} = {}", row.name, quote_literal(&row.value));
        let (cause, lost) = match loss {
            Loss::Classes(classes) => (
                "an override leaves required classes unrecorded",
                format!("{} not recorded", are(classes)),
            ),
            Loss::NotUnderstood => (
                "an override of pgaudit.log that no known pgaudit understands",
                "what is recorded is not known".to_owned(),
            ),
            Loss::Level => (
                "an override keeps audit records out of the log",
                "no audit record reaches the log".to_owned(),
            ),
        };
        let when = if severity == Severity::Low {
            UNUSED
        } else {
            ""
        };
        Finding {
            cause: cause.to_owned(),
            detail: format!("{statement} SET {set}: {lost}{when}"),
            severity,
            observations: self.observations.clone(),
            remediation: format!("{statement} RESET {};", row.name),
            subject: Subject::cluster(SubjectKind::Setting, self.subject(row)),
        }
    }

    /// Sessions that fire no event triggers.
    fn without_names(&self, row: &RoleSetting, is_used: bool) -> Finding {
        let statement = row.statement(self.roles, self.databases);
        let (severity, when) = if is_used {
            (Severity::Medium, "")
        } else {
            (Severity::Low, UNUSED)
        };
        Finding {
            cause: "an override keeps pgaudit's event triggers from firing".to_owned(),
            detail: format!(
                "{statement} SET {} = {}: DDL records name no object{when}",
                row.name,
                quote_literal(&row.value)
            ),
            severity,
            observations: self.observations.clone(),
            remediation: format!("{statement} RESET {};", row.name),
            subject: Subject::cluster(SubjectKind::Setting, self.subject(row)),
        }
    }
}

/// The end of a sentence about a setting that waits for somebody.
const UNUSED: &str = ", although no login role starts with it today";
