//! One rule, understood.

use super::attempt::{Attempt, Connection, Destination};
use super::extent::Extent;
use super::matching::{Matching, any};
use super::names::{DatabaseName, Kinship, UserName, kinship};
use super::peer::Peer;
use crate::RoleGraph;
use pgattest_model::ServerVersion;
use pgattest_model::facts::HbaRule;

/// One rule that is in force.
#[derive(Clone, Debug)]
pub struct Rule {
    source: HbaRule,
    pub(super) databases: Vec<DatabaseName>,
    pub(super) users: Vec<UserName>,
    pub(super) peer: Peer,
}

/// What a rule asks of the client's TLS certificate, besides its method.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ClientCertificate {
    /// Nothing.
    NotAsked,
    /// One that an authority of the server's issued, for anybody.
    FromAuthority,
    /// One that names the role.
    NamesRole,
}

impl Rule {
    pub(super) fn new(source: &HbaRule, version: ServerVersion) -> Self {
        let quoted = source.quoted.as_ref();
        let is_quoted = |list: Option<&Vec<bool>>, at: usize| {
            list.and_then(|list| list.get(at)).copied().unwrap_or(false)
        };
        let databases = quoted.map(|quoted| &quoted.databases);
        let users = quoted.map(|quoted| &quoted.users);
        Self {
            databases: source
                .databases
                .iter()
                .enumerate()
                .map(|(at, name)| DatabaseName::new(name, is_quoted(databases, at), version))
                .collect(),
            users: source
                .users
                .iter()
                .enumerate()
                .map(|(at, name)| UserName::new(name, is_quoted(users, at), version))
                .collect(),
            peer: Peer::new(source),
            source: source.clone(),
        }
    }

    /// The row it was read from.
    pub const fn source(&self) -> &HbaRule {
        &self.source
    }

    /// The authentication method.
    pub fn method(&self) -> &str {
        &self.source.method
    }

    /// Whether it refuses what reaches it.
    pub fn rejects(&self) -> bool {
        self.method() == "reject"
    }

    /// Whether it lets everybody who reaches it be whom they say: `trust` without a client certificate.
    pub fn asks_nothing(&self) -> bool {
        self.method() == "trust" && self.client_certificate() == ClientCertificate::NotAsked
    }

    /// What it asks of the client's certificate. The method `cert` asks for one that names the role.
    pub fn client_certificate(&self) -> ClientCertificate {
        match (self.method(), self.source.option("clientcert")) {
            ("cert", _) | (_, Some("verify-full")) => ClientCertificate::NamesRole,
            // Up to 13, `1` is the old way to write `verify-ca`.
            (_, Some("verify-ca" | "1")) => ClientCertificate::FromAuthority,
            _ => ClientCertificate::NotAsked,
        }
    }

    /// How wide its address is, before any other rule is considered.
    pub fn extent(&self) -> Extent {
        Extent::of(&self.peer)
    }

    /// Whether its kind (`host`, `hostssl`, ..) takes this kind of connection. A kind that is not known may take any.
    pub fn takes(&self, connection: Connection) -> bool {
        use Connection::{Clear, Gss, Socket, Tls};
        match self.source.connection_type.as_str() {
            "local" => connection == Socket,
            "host" => connection != Socket,
            "hostssl" => connection == Tls,
            // GSSAPI encryption is no TLS, and TLS is no GSSAPI encryption.
            "hostnossl" => matches!(connection, Clear | Gss),
            "hostgssenc" => connection == Gss,
            "hostnogssenc" => matches!(connection, Clear | Tls),
            _ => true,
        }
    }

    /// Whether everything about it was understood. One that was not may match anything its known parts do not exclude.
    pub fn is_understood(&self) -> bool {
        self.peer != Peer::Unclear && self.knows_connection()
    }

    pub(super) fn knows_connection(&self) -> bool {
        const KINDS: [&str; 6] = [
            "local",
            "host",
            "hostssl",
            "hostnossl",
            "hostgssenc",
            "hostnogssenc",
        ];
        KINDS.contains(&self.source.connection_type.as_str())
    }

    pub(super) fn matches(&self, attempt: &Attempt, graph: Option<&RoleGraph>) -> Matching {
        if !self.takes(attempt.connection) {
            return Matching::No;
        }
        let peer = match attempt.connection {
            Connection::Socket if self.peer == Peer::Socket => Matching::Yes,
            Connection::Socket => Matching::Maybe,
            Connection::Clear | Connection::Tls | Connection::Gss => {
                self.peer.matches(attempt.address)
            }
        };
        let kin = || kinship(&attempt.role, &attempt.destination, graph);
        let kin = if self.needs_kinship() {
            kin()
        } else {
            Kinship::None
        };
        let user = any(self
            .users
            .iter()
            .map(|user| user.matches(&attempt.role, graph)));
        let known = if self.knows_connection() {
            Matching::Yes
        } else {
            Matching::Maybe
        };
        known
            .min(peer)
            .min(self.database(&attempt.destination, kin))
            .min(user)
    }

    pub(super) fn database(&self, destination: &Destination, kinship: Kinship) -> Matching {
        any(self
            .databases
            .iter()
            .map(|name| name.matches(destination, kinship)))
    }

    pub(super) fn needs_kinship(&self) -> bool {
        self.databases.iter().any(DatabaseName::needs_kinship)
    }
}
