//! Logins without any proof of who it is.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{ClientCertificate, Origin, Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// No role can log in through a rule of `pg_hba.conf` with the method `trust`. The rules are tried as the server tries them:
    /// the first one that matches decides, for every login role, every database that accepts connections, every address of both
    /// families, and each kind of connection. A finding says who gets in, from where, and through which line. A rule that asks
    /// for a client certificate that names the role (`clientcert=verify-full`) is no finding; one that is content with anybody's
    /// certificate or Kerberos ticket is medium. From another machine it is critical; on the machine itself it is high where a
    /// superuser or replication is let in, and else medium.
    ///
    /// The method `ident` is reported as well, as high, where it lets somebody in from another machine: the server asks that
    /// machine who the client is, and whoever controls it answers. A map in `pg_ident.conf` limits which roles that can be, and is
    /// not judged here.
    ///
    /// A `trust` rule that is never reached (an earlier rule takes everything, nobody is in its user list, `hostssl` while
    /// `ssl` is off) lets nobody in and is no finding here. Two limits: the server shows the file as it is now, which is what is
    /// enforced only after the next reload; and it shows names without their quotes, so a database really called `all` looks
    /// like the keyword.
    ///
    /// While the server listens on the loopback only, or nowhere (`listen_addresses`), what could only come from further away is
    /// one step less severe, and the finding says so: one line and a restart change that.
    ///
    /// ## Why it matters
    /// `trust` takes the client's word for who it is. Everything that roles, grants and policies separate is then open to
    /// whoever can reach the port: another machine, any process on this one, any library that opens a socket. The audit log
    /// names a person who may never have been there.
    ///
    /// ## How to fix it
    /// Put `scram-sha-256` in the place of `trust` (`peer` on `local` lines where the role is called as the operating-system user),
    /// give every role that uses the line a password first, and reload: `SELECT pg_reload_conf();`. Keep one session open until
    /// a new login works.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File
    /// - PostgreSQL documentation, chapter 21.4, Trust Authentication, and 21.8, Ident Authentication
    pub ReachableTrust {
        id: "HBA-01",
        name: "reachable-trust",
        title: "Nobody can log in without proving who it is",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_1, Criterion::Cc6_6],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ReachableTrust {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = findings(engine, context.role_graph()?);
        Ok(engine.verdict(findings))
    }
}

pub(super) fn findings(engine: &Engine, graph: &RoleGraph) -> Vec<Finding> {
    engine
        .rules()
        .filter(|(rule, _)| rule.client_certificate() != ClientCertificate::NamesRole)
        .filter_map(|(rule, reach)| match rule.method() {
            "trust" => finding(rule, reach, engine, graph),
            "ident" => on_the_clients_word(rule, reach, engine, graph),
            _ => None,
        })
        .collect()
}

/// `ident` from another machine: that machine says who the client is.
fn on_the_clients_word(
    rule: &Rule,
    reach: &Reach,
    engine: &Engine,
    graph: &RoleGraph,
) -> Option<Finding> {
    let way = Way::through(rule, reach, |_, origin| origin == Origin::Remote)?;
    let line = place(rule.source());
    let severity = match rule.client_certificate() {
        ClientCertificate::NotAsked => Severity::High,
        ClientCertificate::FromAuthority | ClientCertificate::NamesRole => Severity::Medium,
    };
    Some(Finding {
        cause: "login on the word of the client's own machine".to_owned(),
        detail: way.sentence("on the word of the client's machine (ident)", graph)
            + way.held_back(engine.listening),
        severity: way.severity(severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!(
            "In {line}, put scram-sha-256 in the place of ident, once every role that needs the line has a password; \
             then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine, graph: &RoleGraph) -> Option<Finding> {
    let way = Way::through(rule, reach, |_, _| true)?;
    let (cause, how, severity) = if way.only_with_tickets() {
        (
            "login as any role with anybody's Kerberos ticket",
            "with a Kerberos ticket that need not name the role",
            Severity::Medium,
        )
    } else if !rule.asks_nothing() {
        (
            "login as any role with anybody's certificate",
            "with a certificate that need not name the role",
            Severity::Medium,
        )
    } else {
        let severity = match way.farthest() {
            Origin::Remote => Severity::Critical,
            // Whoever runs a process on the machine becomes the role.
            Origin::Loopback | Origin::Socket if way.gives_everything(graph) => Severity::High,
            Origin::Loopback | Origin::Socket => Severity::Medium,
        };
        (
            "login without any proof of who it is",
            "without a password",
            severity,
        )
    };
    let line = place(rule.source());
    Some(Finding {
        cause: cause.to_owned(),
        detail: way.sentence(how, graph) + way.held_back(engine.listening),
        severity: way.severity(severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: remedy(rule, &line),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

fn remedy(rule: &Rule, line: &str) -> String {
    let method = if rule.source().connection_type == "local" {
        "peer or scram-sha-256"
    } else if rule.asks_nothing() {
        "scram-sha-256"
    } else {
        "scram-sha-256 or cert"
    };
    format!(
        "In {line}, put {method} in the place of trust, once every role that needs the line can log in so; \
         then SELECT pg_reload_conf();"
    )
}
