//! Login attempts in clear, and what `pg_hba.conf` says should come of them.

use crate::args::TransportArgs;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Attempt, Connection, Destination, Ruleset, Terms};
use pgattest_model::Facts;
use pgattest_model::ident::visible;
use pgattest_wire::ConnectOptions;
use pgattest_wire::probe::{ClearLogin, Target, clear_login};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// How many roles are tried when nobody names any.
const MOST_ROLES: usize = 50;

/// What was tried, and who was left out.
pub(super) struct Logins {
    pub(super) tried: Vec<Tried>,
    /// Login roles that were not tried because there are too many.
    pub(super) left_out: usize,
}

/// One attempt beside what was expected of it.
pub(super) struct Tried {
    pub(super) login: ClearLogin,
    pub(super) expected: Expected,
}

/// What `pg_hba.conf` says about an attempt.
pub(super) struct Expected {
    /// Whether the attempt is admitted; `None` when it cannot be told.
    pub(super) admitted: Option<bool>,
    /// The rule, or why it cannot be told.
    pub(super) why: String,
}

/// Tries one role after another.
pub(super) async fn attempt(
    arguments: &TransportArgs,
    options: &ConnectOptions,
    facts: &Facts,
    target: &Target,
    database: &str,
) -> Logins {
    let (users, left_out) = users(arguments, options, facts);
    let engine = Engine::new(facts);
    let mut tried = Vec::with_capacity(users.len());
    for user in users {
        let login = clear_login(target, &user, database).await;
        let expected = engine.as_ref().map_or_else(
            |why| unknown(why),
            |engine| engine.expect(&user, database, login.from),
        );
        tried.push(Tried { login, expected });
    }
    Logins { tried, left_out }
}

fn users(
    arguments: &TransportArgs,
    options: &ConnectOptions,
    facts: &Facts,
) -> (Vec<String>, usize) {
    if !arguments.users.is_empty() {
        return (arguments.users.clone(), 0);
    }
    let mut roles: BTreeSet<String> = BTreeSet::new();
    if let Ok(seen) = facts.roles.here() {
        let can = seen.value.iter().filter(|role| role.can_login);
        // A name that is no UTF-8 cannot be sent as it is.
        let named = can.filter(|role| !role.name.contains(char::REPLACEMENT_CHARACTER));
        roles.extend(named.map(|role| role.name.clone()));
    }
    let own = options.user().to_owned();
    roles.remove(&own);
    let left_out = roles.len().saturating_sub(MOST_ROLES.saturating_sub(1));
    let others = roles.into_iter().take(MOST_ROLES.saturating_sub(1));
    (std::iter::once(own).chain(others).collect(), left_out)
}

struct Engine {
    rules: Ruleset,
    graph: RoleGraph,
}

impl Engine {
    fn new(facts: &Facts) -> Result<Self, String> {
        let build = || {
            let rows = facts.hba_rules.here()?;
            let version = facts.version()?;
            let roles = facts.roles.here()?;
            let memberships = facts.memberships.here()?;
            let terms = Terms {
                version,
                // Nothing of an attempt in clear depends on these.
                tls: true,
                gss: true,
            };
            Ok::<_, pgattest_model::Missing>((
                Ruleset::new(rows.value, terms),
                RoleGraph::new(roles.value, memberships.value, version),
            ))
        };
        let (rules, graph) = build().map_err(|missing| missing.why)?;
        if !rules.invalid().is_empty() {
            return Err(
                "pg_hba.conf has lines with errors, so the rules in force are older ones"
                    .to_owned(),
            );
        }
        Ok(Self { rules, graph })
    }

    fn expect(&self, user: &str, database: &str, from: Option<IpAddr>) -> Expected {
        let attempt = Attempt {
            connection: Connection::Clear,
            address: from,
            destination: Destination::Database(database.to_owned()),
            role: user.to_owned(),
        };
        let found = self.rules.first_match(&attempt, &self.graph);
        if !found.is_certain() {
            return unknown("a rule with a host name or a pattern may match first");
        }
        match found.rule.and_then(|at| self.rules.rule(at)) {
            None => Expected {
                admitted: Some(false),
                why: "no rule admits it".to_owned(),
            },
            Some(rule) => Expected {
                admitted: Some(!rule.rejects()),
                why: format!(
                    "line {} says {}",
                    rule.source().line,
                    visible(rule.method())
                ),
            },
        }
    }
}

fn unknown(why: &str) -> Expected {
    Expected {
        admitted: None,
        why: why.to_owned(),
    }
}

impl Tried {
    /// Whether what happened is not what the file says. `None` when one of them is not known.
    pub(super) fn disagrees(&self) -> Option<bool> {
        Some(self.login.admitted()? != self.expected.admitted?)
    }
}
