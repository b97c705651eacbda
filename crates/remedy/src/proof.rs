//! Whether new rules let in whom they must, and refuse whom they must.

use crate::error::ApplyError;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Attempt, Connection, Destination, Rule, Ruleset, Terms};
use pgattest_collect::{Limits, collect};
use pgattest_model::Facts;
use pgattest_wire::{ConnectError, ConnectOptions, SslMode, connect};
use std::net::IpAddr;
use std::time::Duration;

/// What the rules in the files, loaded or not, say of whoever applies them.
pub(crate) struct Expected {
    /// Lines that the server cannot read.
    pub(crate) bad_lines: Vec<String>,
    /// Why our own next login would certainly be refused.
    pub(crate) shut_out: Option<String>,
    /// Whether the same login in clear text must be refused.
    pub(crate) refused_in_clear: bool,
}

/// Asks the server to read its files, without loading them, and finds out what will happen to us.
pub(crate) async fn expect(
    options: &ConnectOptions,
    limits: &Limits,
    address: Option<IpAddr>,
    tls: bool,
) -> Result<Expected, ApplyError> {
    let limits = Limits {
        databases: Some(Vec::new()),
        probe: false,
        ..limits.clone()
    };
    let collection = collect(options, limits, |_| {}).await?;
    let facts = pgattest_catalog::decode(&collection.observations);
    let mut expected = Expected {
        bad_lines: bad_lines(&facts),
        shut_out: None,
        refused_in_clear: false,
    };
    let Some((rules, graph)) = engine(&facts) else {
        return Ok(expected);
    };
    let way = match (address, tls) {
        (None, _) => Connection::Socket,
        (Some(_), true) => Connection::Tls,
        (Some(_), false) => Connection::Clear,
    };
    let refused = |connection| {
        let attempt = Attempt {
            connection,
            address,
            destination: Destination::Database(options.database().to_owned()),
            role: options.user().to_owned(),
        };
        let found = rules.first_match(&attempt, &graph);
        let mut candidates = found.candidates().peekable();
        let nobody = candidates.peek().is_none();
        let rejected = !nobody
            && found.rule.is_some()
            && candidates.all(|at| rules.rule(at).is_some_and(Rule::rejects));
        (nobody || rejected).then(|| format!("{attempt} would be refused by the new rules"))
    };
    expected.shut_out = refused(way);
    expected.refused_in_clear = way == Connection::Tls
        && options.ssl_mode() != SslMode::Disable
        && refused(Connection::Clear).is_some();
    Ok(expected)
}

/// Lines of `pg_hba.conf` and `pg_ident.conf` that the server cannot read.
pub(crate) fn bad_lines(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    if let Ok(rules) = facts.hba_rules.here() {
        for rule in rules.iter().filter(|rule| !rule.is_valid()) {
            let why = if rule.error.is_empty() {
                "its options are not understood"
            } else {
                &rule.error
            };
            lines.push(format!("{}: {why}", rule.place()));
        }
    }
    if let Ok(maps) = facts.ident_maps.here() {
        for map in maps.iter().filter(|map| !map.error.is_empty()) {
            lines.push(format!("pg_ident.conf:{}: {}", map.line, map.error));
        }
    }
    lines
}

/// Logs in anew until it works or the time is over, then shows that clear text is refused, if it must be. Says what was seen.
pub(crate) async fn prove(
    options: &ConnectOptions,
    within: Duration,
    refused_in_clear: bool,
) -> Result<String, String> {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        let why = match tokio::time::timeout_at(deadline, connect(options)).await {
            Ok(Ok(connection)) => {
                let _ = connection.close().await;
                break;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        if tokio::time::Instant::now() + Duration::from_millis(200) > deadline {
            return Err(format!(
                "under the new rules {} could not log in within {} seconds: {why}",
                options.user(),
                within.as_secs()
            ));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seen = format!("{} logged in under the new rules", options.user());
    if !refused_in_clear {
        return Ok(seen);
    }
    let clear = options.without_tls();
    match tokio::time::timeout_at(deadline, connect(&clear)).await {
        Ok(Err(ConnectError::HbaRejected { .. })) => {
            Ok(format!("{seen}; the same login without TLS was refused"))
        }
        Ok(Ok(_)) => Err("under the new rules a login without TLS was let in".to_owned()),
        Ok(Err(error)) => Err(format!(
            "under the new rules a login without TLS was not refused by pg_hba.conf but failed otherwise: {error}"
        )),
        Err(_) => Err("a login without TLS was not answered".to_owned()),
    }
}

fn engine(facts: &Facts) -> Option<(Ruleset, RoleGraph)> {
    let rows = facts.hba_rules.here().ok()?;
    let version = facts.version().ok()?;
    let roles = facts.roles.here().ok()?;
    let memberships = facts.memberships.here().ok()?;
    let terms = Terms {
        version,
        tls: true,
        gss: true,
    };
    Some((
        Ruleset::new(rows.value, terms),
        RoleGraph::new(roles.value, memberships.value, version),
    ))
}
