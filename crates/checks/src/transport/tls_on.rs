//! Whether the server offers TLS.

use super::Listening;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};

declare_check! {
    /// ## What it checks
    /// The setting `ssl` is on, in the configuration in force. On a server that accepts no TCP connections (`listen_addresses` is
    /// empty) there is nothing to encrypt. On one that listens on the loopback only the finding is medium: what it sends does not
    /// leave the machine, unless a pooler or a tunnel carries it on.
    ///
    /// The setting says that the server means to offer TLS. After a reload with a certificate it cannot read the server goes on
    /// with what it had, which may be no TLS: only a handshake proves the rest. Offering TLS is not demanding it: that is
    /// HBA-07.
    ///
    /// ## Why it matters
    /// While `ssl` is off every password and every row crosses the network as it is, whatever the client asked for short of
    /// refusing to connect; and no `hostssl` rule of `pg_hba.conf` matches anybody.
    ///
    /// ## How to fix it
    /// Put a certificate that your clients can verify and its key where `ssl_cert_file` and `ssl_key_file` say (the key readable
    /// by the server's account only), then `ALTER SYSTEM SET ssl = on;` and `SELECT pg_reload_conf();`: no restart is needed.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 19.9, Secure TCP/IP Connections with SSL
    /// - PostgreSQL documentation, chapter 20.3.3, SSL
    pub TlsOn {
        id: "TLS-01",
        name: "tls-on",
        title: "The server offers TLS",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_7],
        area: Area::Transport,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for TlsOn {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (ssl, from) = context.setting("ssl")?;
        let listening = Listening::of(context);
        if listening == Listening::Nowhere {
            return Ok(Verdict::NotApplicable(super::NO_TCP.to_owned()));
        }
        let findings = if ssl.is_on() {
            Vec::new()
        } else {
            vec![Finding {
                cause: "ssl is off".to_owned(),
                detail: format!("ssl is off: {}", listening.consequence()),
                severity: listening.severity(),
                observations: vec![from.clone()],
                remediation:
                    "ALTER SYSTEM SET ssl = on; -- once ssl_cert_file and ssl_key_file are in place"
                        .to_owned(),
                subject: Subject::cluster(SubjectKind::Setting, "ssl"),
            }]
        };
        Ok(Verdict::assessed(1, "settings", findings))
    }
}

impl Listening {
    /// What having no TLS means for connections.
    const fn consequence(self) -> &'static str {
        match self {
            Self::Nowhere | Self::Loopback => {
                "connections over the loopback, the only TCP the server accepts now, have no TLS"
            }
            Self::Network => "no connection from another machine can have TLS",
        }
    }

    /// How bad it is to have no TLS.
    pub(super) const fn severity(self) -> Severity {
        match self {
            Self::Nowhere | Self::Loopback => Severity::Medium,
            Self::Network => Severity::High,
        }
    }
}
