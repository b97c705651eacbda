//! Passwords that are sent as they are.

use super::engine::{Engine, place};
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Connection, Origin, Reach, Rule};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// No rule of `pg_hba.conf` that a login role can reach (first match decides) makes the client send its password as it is:
    /// the method `password` anywhere, and `ldap`, `pam`, `bsd` and `radius`, which ask the client for the password in the same
    /// way, where another machine can connect without encryption. The same holds for the token of `oauth` (PostgreSQL 18).
    ///
    /// How bad it is depends on the way. From another machine without encryption it is critical; inside TLS or GSSAPI encryption
    /// `password` is medium, because the server still learns the password and a client that does not verify the certificate
    /// gives it to anybody; where nothing leaves the machine it is low. `ldap`, `pam`, `bsd`, `radius` and `oauth` inside an
    /// encrypted connection are no finding: these methods have no other way.
    ///
    /// While the server listens on the loopback only, or nowhere (`listen_addresses`), what could only come from further away is
    /// one step less severe, and the finding says so: one line and a restart change that.
    ///
    /// ## Why it matters
    /// One packet capture on the way is the password itself, for as long as nobody changes it. For `ldap`, `pam` and `radius`
    /// it is the person's password for everything else too. `scram-sha-256` proves that the client knows the password without
    /// sending it, and proves the server to the client as well.
    ///
    /// ## How to fix it
    /// Put `scram-sha-256` in the place of `password` (it works at once for roles whose stored verifier is SCRAM; the others need
    /// their password set again). Where the password must travel, write `hostssl` in the place of `host`. Then reload:
    /// `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.5, Password Authentication
    /// - PostgreSQL documentation, chapter 21.10, LDAP Authentication
    pub PasswordInClear {
        id: "HBA-02",
        name: "password-in-clear",
        title: "No client has to send its password as it is",
        severity: Severity::Critical,
        criteria: &[Criterion::Cc6_7, Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

/// Methods that hand the client's secret on to somebody else, and need it as it is.
const DELEGATING: [&str; 5] = ["ldap", "pam", "bsd", "radius", "oauth"];

impl Check for PasswordInClear {
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
        .filter_map(|(rule, reach)| finding(rule, reach, engine, graph))
        .collect()
}

fn finding(rule: &Rule, reach: &Reach, engine: &Engine, graph: &RoleGraph) -> Option<Finding> {
    let is_password = rule.method() == "password";
    if !is_password && !DELEGATING.contains(&rule.method()) {
        return None;
    }
    let line = place(rule.source());
    let in_clear = Way::through(rule, reach, |connection, origin| {
        connection == Connection::Clear && origin == Origin::Remote
    });
    let (way, trouble) = match in_clear {
        Some(way) => (way, Trouble::on_the_network(rule, &line)),
        None if is_password => {
            let way = Way::through(rule, reach, |_, _| true)?;
            let trouble = Trouble::on_the_server(way.farthest(), &line);
            (way, trouble)
        }
        None => return None,
    };
    Some(Finding {
        cause: trouble.cause,
        detail: way.sentence(&trouble.how, graph) + way.held_back(engine.listening),
        severity: way.severity(trouble.severity, engine.listening),
        observations: engine.seen_in.clone(),
        remediation: format!("{}; then SELECT pg_reload_conf();", trouble.remedy),
        subject: Subject::cluster(SubjectKind::HbaRule, line),
    })
}

/// Who learns the secret.
struct Trouble {
    cause: String,
    how: String,
    severity: Severity,
    remedy: String,
}

impl Trouble {
    /// Whoever sits on the way.
    fn on_the_network(rule: &Rule, line: &str) -> Self {
        let method = rule.method();
        let secret = if method == "oauth" {
            "token"
        } else {
            "password"
        };
        let remedy = if method == "password" {
            "write hostssl and scram-sha-256"
        } else {
            "write hostssl"
        };
        Self {
            cause: format!("a {secret} crosses the network in clear"),
            how: format!("with a {secret} sent in clear (method {method})"),
            severity: Severity::Critical,
            remedy: format!("In {line}, {remedy}"),
        }
    }

    /// The server, or whoever poses as it.
    fn on_the_server(farthest: Origin, line: &str) -> Self {
        let severity = match farthest {
            Origin::Remote => Severity::Medium,
            Origin::Loopback | Origin::Socket => Severity::Low,
        };
        Self {
            cause: "the server is given the password itself".to_owned(),
            how: "with a password that the server is given as it is".to_owned(),
            severity,
            remedy: format!("In {line}, put scram-sha-256 in the place of password"),
        }
    }
}
