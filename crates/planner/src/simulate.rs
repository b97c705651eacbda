//! Who would be refused by another `pg_hba.conf`: each login that was seen, tried against the new rules.
//!
//! What is not known (whether a client has the password it never had to give, what a directory or a certificate says) is said to be
//! unknown, and never taken for "gets in".

use crate::planning::Login;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Attempt, ClientCertificate, Connection, Destination, Rule, Ruleset};
use pgattest_model::facts::{HbaRule, Oid, VerifierKind};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::ImpactKind;
use pgattest_parse::connection_log::LoggedLogin;
use std::collections::HashMap;

/// What becomes of one attempt to log in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It gets in, with its right password where one is asked for.
    Admitted,
    /// It does not, for this reason; no period.
    Refused(String),
    /// The facts do not tell, for this reason; no period.
    Unknown(String),
}

/// One set of rules, with what decides besides.
#[derive(Clone, Copy, Debug)]
pub struct Simulation<'a> {
    rules: &'a Ruleset,
    graph: &'a RoleGraph,
    passwords: Option<&'a HashMap<Oid, VerifierKind>>,
}

impl<'a> Simulation<'a> {
    /// `passwords`: how each role's password is stored; `None` when that could not be seen.
    pub const fn new(
        rules: &'a Ruleset,
        graph: &'a RoleGraph,
        passwords: Option<&'a HashMap<Oid, VerifierKind>>,
    ) -> Self {
        Self {
            rules,
            graph,
            passwords,
        }
    }

    /// What becomes of an attempt. Whether the database exists and the role may connect to it is another question.
    pub fn fate(&self, attempt: &Attempt) -> Fate {
        let found = self.rules.first_match(attempt, self.graph);
        let mut fates = found
            .candidates()
            .filter_map(|at| self.rules.rule(at))
            .map(|rule| self.through(rule, attempt))
            .collect::<Vec<_>>();
        if found.rule.is_none() {
            fates.push(self.unmatched(attempt));
        }
        let mut fates = fates.into_iter();
        let Some(first) = fates.next() else {
            return Fate::Unknown("nothing was found that decides".to_owned());
        };
        let kind = |fate: &Fate| std::mem::discriminant(fate);
        if fates.all(|fate| kind(&fate) == kind(&first)) {
            return first;
        }
        Fate::Unknown(
            "which line decides hangs on a host name, the server's interfaces or a regular expression"
                .to_owned(),
        )
    }

    /// The rule that certainly decides an attempt.
    pub fn decides(&self, attempt: &Attempt) -> Option<&'a Rule> {
        let found = self.rules.first_match(attempt, self.graph);
        found
            .is_certain()
            .then(|| found.rule.and_then(|at| self.rules.rule(at)))
            .flatten()
    }

    /// Whether the same rules decide an attempt, wherever they stand now.
    pub(crate) fn decided_as(&self, other: &Self, attempt: &Attempt) -> bool {
        let (ours, theirs) = (self.candidates(attempt), other.candidates(attempt));
        ours.len() == theirs.len() && ours.iter().zip(&theirs).all(|(a, b)| same(a, b))
    }

    /// How a login that was seen fares under other rules: `None` when nothing changes for it.
    pub fn against(&self, after: &Self, login: &Login) -> Option<(ImpactKind, String)> {
        let attempt = attempt(login);
        match (self.fate(&attempt), after.fate(&attempt)) {
            // Already refused: whoever it is got in some other way, or before the file was changed.
            (Fate::Refused(_), Fate::Refused(_)) => None,
            (_, Fate::Refused(why)) => Some((ImpactKind::LoginRefused, why)),
            (Fate::Unknown(_), Fate::Unknown(_)) if self.decided_as(after, &attempt) => None,
            (_, Fate::Unknown(why)) => Some((ImpactKind::Unknown, why)),
            (_, Fate::Admitted) => {
                let asks = |simulation: &Self| {
                    simulation
                        .decides(&attempt)
                        .is_some_and(|rule| !rule.asks_nothing())
                };
                (!asks(self) && asks(after)).then(|| {
                    (
                        ImpactKind::Unknown,
                        "it is let in without a password now and must give one then; whether its client has one the \
                         server cannot tell"
                            .to_owned(),
                    )
                })
            }
        }
    }

    fn candidates(&self, attempt: &Attempt) -> Vec<&'a Rule> {
        let found = self.rules.first_match(attempt, self.graph);
        let rules = found.candidates();
        rules.filter_map(|at| self.rules.rule(at)).collect()
    }

    fn through(&self, rule: &Rule, attempt: &Attempt) -> Fate {
        let line = place(rule);
        let Some(role) = self.graph.named(&attempt.role) else {
            return if rule.rejects() {
                Fate::Refused(format!("{line} rejects it"))
            } else {
                Fate::Unknown("the role is not among the roles read".to_owned())
            };
        };
        if rule.rejects() {
            return Fate::Refused(format!("{line} rejects it"));
        }
        let method = rule.method();
        let by_password = matches!(method, "scram-sha-256" | "md5" | "password");
        if by_password {
            let Some(kind) = self.passwords.and_then(|kinds| kinds.get(&role.oid)) else {
                return Fate::Unknown(format!(
                    "{line} asks for a password, and how the role's is stored could not be seen"
                ));
            };
            let refused = match kind {
                VerifierKind::None => Some("the role has no password"),
                VerifierKind::Other => {
                    Some("the role's stored password is none that a login could match")
                }
                VerifierKind::Md5 if method == "scram-sha-256" => {
                    Some("the role's password is stored as MD5 and must be set again first")
                }
                VerifierKind::Md5 | VerifierKind::ScramSha256 if role.expired => {
                    Some("the role's password has expired")
                }
                VerifierKind::Md5 | VerifierKind::ScramSha256 => None,
            };
            if let Some(why) = refused {
                return Fate::Refused(format!("{line} asks for {method}, and {why}"));
            }
        }
        if rule.client_certificate() != ClientCertificate::NotAsked {
            return Fate::Unknown(format!(
                "{line} asks for a client certificate, and whether it has one was not seen"
            ));
        }
        if by_password || method == "trust" {
            Fate::Admitted
        } else {
            Fate::Unknown(format!(
                "{line} says {}, which others than the server decide",
                visible(method)
            ))
        }
    }

    fn unmatched(&self, attempt: &Attempt) -> Fate {
        if attempt.connection == Connection::Clear {
            let encrypted = Attempt {
                connection: Connection::Tls,
                ..attempt.clone()
            };
            if let Some(rule) = self.decides(&encrypted).filter(|rule| !rule.rejects()) {
                return Fate::Refused(format!(
                    "it connects in clear text, and {} takes TLS only",
                    place(rule)
                ));
            }
        }
        Fate::Refused("no line matches it any more".to_owned())
    }
}

impl From<LoggedLogin> for Login {
    fn from(logged: LoggedLogin) -> Self {
        Self {
            role: logged.role,
            database: logged.database,
            address: logged.address,
            tls: logged.tls,
            replication: logged.replication,
            last_seen: logged.last_seen,
            count: logged.count,
        }
    }
}

/// The attempt that a login was.
pub fn attempt(login: &Login) -> Attempt {
    Attempt {
        connection: match (login.address, login.tls) {
            (None, _) => Connection::Socket,
            (Some(_), true) => Connection::Tls,
            (Some(_), false) => Connection::Clear,
        },
        address: login.address.map(|address| address.to_canonical()),
        destination: if login.replication && login.database.is_empty() {
            Destination::Replication
        } else {
            Destination::Database(login.database.clone())
        },
        role: login.role.clone(),
    }
}

/// `app@10.0.0.7/shop`, for a person.
pub fn words(login: &Login) -> String {
    let address = login
        .address
        .map_or_else(|| "local".to_owned(), |address| address.to_string());
    let database = if login.database.is_empty() {
        "replication".to_owned()
    } else {
        visible(&quote_ident(&login.database))
    };
    format!(
        "{}@{address}/{database}",
        visible(&quote_ident(&login.role))
    )
}

/// Whether two rules are the same but for the line they stand in.
fn same(a: &Rule, b: &Rule) -> bool {
    let (a, b) = (a.source(), b.source());
    let names = |row: &HbaRule| (row.databases.clone(), row.users.clone(), row.quoted.clone());
    let words = |row: &HbaRule| {
        [
            &row.file,
            &row.connection_type,
            &row.address,
            &row.netmask,
            &row.method,
        ]
        .map(Clone::clone)
    };
    words(a) == words(b) && names(a) == names(b) && a.options == b.options
}

fn place(rule: &Rule) -> String {
    format!("{} of the new file", visible(&rule.source().place()))
}
