//! TCP logins without encryption.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Arrival, Connection, Origin, Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// No role can log in from another machine without TLS or GSSAPI encryption. Every rule of `pg_hba.conf` is tried as the
    /// server tries it: a `hostssl` rule does not refuse a client without TLS, it only does not match it, and a later `host` or
    /// `hostnossl` rule may let the same client in. While `ssl` is off no `hostssl` rule matches anybody and every TCP login is
    /// in clear. A finding says who gets in, from where, through which line, and which `hostssl` rule it undoes.
    ///
    /// Clear text that stays on the machine is no finding: Unix sockets, `127.0.0.0/8`, `::1`, `samehost`, a host called
    /// `localhost`. A pooler or a tunnel that ends on the machine comes from there; its other leg is not seen here. The server
    /// shows the file as it is now, which is what is enforced only after the next reload.
    ///
    /// While the server listens on the loopback only, or nowhere (`listen_addresses`), what could only come from further away is
    /// one step less severe, and the finding says so: one line and a restart change that.
    ///
    /// ## Why it matters
    /// Whoever sits on the way reads every row and every statement, and can change them. Encryption that the client may leave
    /// out is left out by the first client that is misconfigured, or talked down by an attacker: only the server's refusal
    /// counts.
    ///
    /// ## How to fix it
    /// Turn `ssl` on, see in `pg_stat_ssl` that the clients use it, then write `hostssl` in the place of `host` and reload:
    /// `SELECT pg_reload_conf();`. The lines `hostnossl all all all reject` and `hostnossl replication all all reject` at the top
    /// refuse whatever comes without TLS, on the loopback too (`all` does not mean replication: it takes both). On Amazon RDS,
    /// set `rds.force_ssl = 1`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File
    /// - PostgreSQL documentation, chapter 19.9, Secure TCP/IP Connections with SSL
    pub ReachableInClear {
        id: "HBA-07",
        name: "reachable-in-clear",
        title: "Nobody can log in from another machine without encryption",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7, Criterion::Cc6_6],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ReachableInClear {
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
        .filter(|(rule, _)| !rule.rejects())
        .filter_map(|(rule, reach)| finding(rule, reach, engine, graph))
        .collect()
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine, graph: &RoleGraph) -> Option<Finding> {
    let way = Way::through(rule, reach, |connection, origin| {
        connection == Connection::Clear && origin == Origin::Remote
    })?;
    let line = place(rule.source());
    let mut detail = way.sentence("without encryption", graph);
    if let Some(rule) = undone(&way, engine) {
        detail = format!(
            "{detail}, although {} asks the same clients for TLS",
            place(rule.source())
        );
    }
    detail += way.held_back(engine.listening);
    let (cause, first) = if engine.offers_tls() {
        ("login from another machine without encryption", "")
    } else {
        (
            "login from another machine without encryption, which the server does not offer",
            "turn ssl on and ",
        )
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail,
        severity: way.severity(Severity::High, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!(
            "Once the clients that use it connect with TLS, {first}write hostssl in {line}; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

/// The first rule that takes some of the same roles to some of the same databases from some of the same addresses, if they use
/// TLS and only then.
fn undone<'a>(way: &Way<'_>, engine: &'a Engine) -> Option<&'a Rule> {
    let addresses = way.addresses();
    let (roles, destinations) = (way.oids(), way.destinations());
    engine.rules().find_map(|(rule, reach)| {
        let same = |arrival: &Arrival| {
            arrival.connection == Connection::Tls
                && !arrival.addresses.intersection(&addresses).is_empty()
                && arrival
                    .destinations
                    .iter()
                    .any(|to| destinations.contains(to))
                && arrival.roles.iter().any(|role| roles.contains(role))
        };
        let undone = rule.source().connection_type == "hostssl"
            && !rule.rejects()
            && reach.arrivals().iter().any(same);
        undone.then_some(rule)
    })
}
