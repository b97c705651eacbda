//! `pg_hba.conf` as the server uses it: the first rule that matches decides, and nothing after it counts.
//!
//! [`Ruleset::first_match`] answers for one attempt. [`Ruleset::reachability`] answers for all of them: which rules can be
//! reached at all, by which roles, for which databases, over what, from which addresses. Both answer from the file's rules
//! alone: whether the role then has CONNECT on the database is another question.

mod attempt;
mod extent;
mod matching;
mod names;
mod pattern;
mod peer;
mod population;
mod range;
mod reach;
mod rule;
mod shadow;
#[cfg(test)]
mod tests;
mod walk;

pub use attempt::{Attempt, Connection, Destination, Match};
pub use extent::Extent;
pub use range::{AddressSet, IpRange};
pub use reach::{Arrival, Origin, Reach, Reachability, Unreachable};
pub use rule::{ClientCertificate, Rule};
pub use shadow::Shadowed;
pub use walk::{Course, Step};

use crate::RoleGraph;
use matching::Matching;
use pgattest_model::ServerVersion;
use pgattest_model::facts::{Database, HbaRule};

/// What decides, besides the file, how its rules are used.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The server's version.
    pub version: ServerVersion,
    /// Whether the server offers TLS (`ssl`): without it no `hostssl` rule ever matches.
    pub tls: bool,
    /// Whether the server may offer GSSAPI encryption. When in doubt, true.
    pub gss: bool,
}

impl Terms {
    /// Whether a client can connect this way at all.
    pub const fn offers(&self, connection: Connection) -> bool {
        match connection {
            Connection::Socket | Connection::Clear => true,
            Connection::Tls => self.tls,
            Connection::Gss => self.gss,
        }
    }
}

/// The rules of one file, in the order in which the server tries them.
#[derive(Clone, Debug)]
pub struct Ruleset {
    rules: Vec<Rule>,
    invalid: Vec<HbaRule>,
    terms: Terms,
}

impl Ruleset {
    /// Understands the rules. Lines with an error are set aside: see [`Self::invalid`].
    pub fn new(rows: &[HbaRule], terms: Terms) -> Self {
        let (mut valid, invalid): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_valid());
        if valid.iter().all(|row| row.number != 0) {
            valid.sort_by_key(|row| row.number);
        }
        Self {
            rules: valid
                .into_iter()
                .map(|row| Rule::new(row, terms.version))
                .collect(),
            invalid: invalid.into_iter().cloned().collect(),
            terms,
        }
    }

    /// The rules, in order. Everything else names a rule by its position here.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule at a position.
    pub fn rule(&self, at: usize) -> Option<&Rule> {
        self.rules.get(at)
    }

    /// Lines that the server cannot read. While there is one the server refuses to load the file and goes on with the rules
    /// it had: answers are then about a file that is not in force.
    pub fn invalid(&self) -> &[HbaRule] {
        &self.invalid
    }

    /// What the rules are used under.
    pub const fn terms(&self) -> Terms {
        self.terms
    }

    /// The rule that decides an attempt, as far as the facts tell.
    pub fn first_match(&self, attempt: &Attempt, graph: &RoleGraph) -> Match {
        self.find(attempt, Some(graph))
    }

    /// The same when nobody knows the roles, as with nothing but the file: `+group` and `samerole` may match anybody.
    pub fn first_match_without_roles(&self, attempt: &Attempt) -> Match {
        self.find(attempt, None)
    }

    fn find(&self, attempt: &Attempt, graph: Option<&RoleGraph>) -> Match {
        let mut maybe = Vec::new();
        if self.terms.offers(attempt.connection) {
            for (at, rule) in self.rules.iter().enumerate() {
                match rule.matches(attempt, graph) {
                    Matching::Yes => {
                        return Match {
                            maybe,
                            rule: Some(at),
                        };
                    }
                    Matching::Maybe => maybe.push(at),
                    Matching::No => {}
                }
            }
        }
        Match { maybe, rule: None }
    }

    /// For one role and destination over one kind of connection: which addresses each rule decides.
    pub fn course(
        &self,
        role: &str,
        destination: &Destination,
        connection: Connection,
        graph: &RoleGraph,
    ) -> Course {
        let kinship = names::kinship(role, destination, Some(graph));
        let matching = self.rules.iter().map(|rule| {
            let user = matching::any(
                rule.users
                    .iter()
                    .map(|user| user.matches(role, Some(graph))),
            );
            user.min(rule.database(destination, kinship))
        });
        walk::Walker::new(self).walk(connection, matching.enumerate())
    }

    /// What every rule is reached by: all roles that can log in, all databases that allow connections, and physical
    /// replication by the roles that may.
    pub fn reachability(&self, graph: &RoleGraph, databases: &[Database]) -> Reachability<'_> {
        Reachability::compute(self, graph, databases)
    }
}
