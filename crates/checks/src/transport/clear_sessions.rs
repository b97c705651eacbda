//! Sessions in clear at the moment of the audit.

use super::is_loopback;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{BETTER_THAN_A_GRANT, Database, Oid, Role, Session};
use pgattest_model::ident::{quote_ident, quote_literal};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// Every client session from another machine, replication included, is encrypted with TLS or GSSAPI at the moment of the
    /// audit (`pg_stat_ssl`, `pg_stat_gssapi`). The auditor's own session is left out: it says nothing about the others. Sessions
    /// of one role, database, application and address are one finding with their number.
    ///
    /// Sessions over a Unix socket or the loopback do not leave the machine and are not in the population; a pooler or proxy on
    /// the same machine comes from there, and how its clients reach *it* is not seen from here. A session that has not finished
    /// logging in is not counted. One moment proves nothing about the moments before: sample over the period.
    ///
    /// ## Why it matters
    /// The configuration says what is allowed; this is what happens. A service whose driver falls back to clear text shows here
    /// and nowhere else, as long as a rule lets it in.
    ///
    /// ## How to fix it
    /// Set `sslmode=verify-full` in the client's connection string (with the certificate authority in `sslrootcert`), and refuse
    /// clear text on the server: `hostssl` in the place of `host` (see HBA-07). Sessions that are open stay as they are until they
    /// reconnect.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 28.2, The Cumulative Statistics System (`pg_stat_ssl`, `pg_stat_gssapi`)
    pub ClearSessions {
        id: "TLS-08",
        name: "clear-sessions",
        title: "Every session from another machine is encrypted",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ClearSessions {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let sessions = context.facts.sessions.here()?;
        let roles = context.facts.roles.here()?;
        let databases = context.facts.databases.here()?;
        let names = Names {
            roles: roles.iter().map(|role| (role.oid, role)).collect(),
            databases: databases.iter().map(|row| (row.oid, row)).collect(),
        };
        let seen_in = [sessions.from, roles.from, databases.from];
        let census = Census::take(sessions.value);
        let hidden = census.hidden.then(|| not_visible(context, sessions.from));
        let without_address = census.without_address.then(|| {
            Missing::because("where some sessions come from is not known")
                .seen_in(sessions.from.clone())
        });
        let not_seen: Vec<Missing> = hidden.into_iter().chain(without_address).collect();
        if census.remote.is_empty() && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(census.nobody()));
        }
        Ok(Verdict::Assessed {
            population: Population {
                count: census.remote.len(),
                of: "client sessions from other machines",
            },
            findings: findings(&census, &names, &seen_in),
            not_seen,
        })
    }
}

/// The sessions of others, by where they come from.
#[derive(Default)]
struct Census<'a> {
    remote: Vec<&'a Session>,
    /// Over the loopback, and how many of them in clear.
    loopback: usize,
    loopback_in_clear: usize,
    without_address: bool,
    hidden: bool,
}

impl<'a> Census<'a> {
    fn take(sessions: &'a [Session]) -> Self {
        let mut census = Self::default();
        // Without a role it is a process of the server's own, or a client that has not logged in: the second is not known to be
        // encrypted until the handshake is over.
        for session in sessions.iter().filter(|one| !one.own && one.role != 0) {
            if !session.visible {
                census.hidden = true;
            } else if !session.is_client() || session.unix_socket {
                // Stays on the machine.
            } else if session.client_address.is_empty() {
                census.without_address = true;
            } else if is_loopback(&session.client_address) {
                census.loopback += 1;
                census.loopback_in_clear += usize::from(in_clear(session));
            } else {
                census.remote.push(session);
            }
        }
        census
    }

    fn nobody(&self) -> String {
        let nobody = "no other client session from another machine at that moment";
        match self.loopback {
            0 => nobody.to_owned(),
            loopback => format!(
                "{nobody} ({loopback} over the loopback, {} of them in clear)",
                self.loopback_in_clear
            ),
        }
    }
}

fn in_clear(session: &Session) -> bool {
    !session.tls && !session.gss_encrypted
}

struct Names<'a> {
    roles: BTreeMap<Oid, &'a Role>,
    databases: BTreeMap<Oid, &'a Database>,
}

impl Names<'_> {
    fn role(&self, oid: Oid) -> String {
        self.roles
            .get(&oid)
            .map_or_else(|| format!("role {oid}"), |role| quote_ident(&role.name))
    }

    fn database(&self, oid: Oid) -> String {
        self.databases
            .get(&oid)
            .map_or_else(|| format!("database {oid}"), |row| quote_ident(&row.name))
    }
}

/// One finding for the sessions that a person takes for one client.
fn findings(census: &Census<'_>, names: &Names<'_>, seen_in: &[&ObservationId]) -> Vec<Finding> {
    let mut clients: BTreeMap<_, Vec<&Session>> = BTreeMap::new();
    for session in census.remote.iter().filter(|session| in_clear(session)) {
        let client = (
            session.role,
            session.database,
            &session.application_name,
            &session.client_address,
            session.backend_type == "walsender",
        );
        clients.entry(client).or_default().push(session);
    }
    clients
        .into_iter()
        .map(|((role, database, application, address, replicates), sessions)| {
            let role = names.role(role);
            let to = match (replicates, database) {
                (true, 0) => "the write-ahead log".to_owned(),
                (_, 0) => "no database".to_owned(),
                (_, oid) => names.database(oid),
            };
            let count = match sessions.len() {
                1 => "1 session".to_owned(),
                many => format!("{many} sessions"),
            };
            let (cause, severity) = if replicates {
                (
                    "replication in clear from another machine",
                    Severity::Critical,
                )
            } else {
                ("session in clear from another machine", Severity::High)
            };
            let application = if application.is_empty() {
                String::new()
            } else {
                format!(" as {}", quote_literal(application).trim_start())
            };
            Finding {
                cause: cause.to_owned(),
                detail: format!(
                    "{count} of {role} on {to} from {address}{application} without TLS or GSSAPI encryption"
                ),
                severity,
                observations: seen_in.iter().map(|id| (*id).clone()).collect(),
                remediation: "Set sslmode=verify-full in the client's connection string, then write hostssl in the \
                    pg_hba.conf rule that let it in"
                    .to_owned(),
                subject: Subject::cluster(
                    SubjectKind::Session,
                    format!("{role} on {to} from {address}{application}"),
                ),
            }
        })
        .collect()
}

fn not_visible(context: &Context<'_>, from: &ObservationId) -> Missing {
    let why = "sessions of other roles are not visible";
    let missing = match context.facts.own_session.here() {
        Ok(own) => Missing::because(format!("{why} to role `{}`", own.role)).opened_by(format!(
            "{BETTER_THAN_A_GRANT} GRANT pg_read_all_stats TO {};",
            quote_ident(&own.role)
        )),
        Err(_) => Missing::because(why),
    };
    missing.seen_in(from.clone())
}
