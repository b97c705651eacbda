//! Who may copy the whole cluster over the network.

use super::engine::{Engine, place};
use super::way::{Way, in_words};
use super::width::{Width, networks, next_door};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{AddressSet, Connection, Destination, Origin, Reach, Rule};
use pgattest_model::facts::Oid;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::policy::Transport;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};
use std::collections::BTreeSet;

declare_check! {
    /// ## What it checks
    /// Every rule of `pg_hba.conf` through which physical replication can be started from another machine encrypts it and
    /// admits no more than one subnet (an IPv4 `/24`, an IPv6 `/64`; networks in `transport.trusted_networks` of `pgattest.toml`
    /// are not counted). A rule that lets a replication connection in without encryption is high, one that admits more addresses is
    /// medium. The finding names the roles: those with REPLICATION, and superusers, that the rule's user list matches. Rules with
    /// the method `trust` are HBA-01's business, whoever they let in.
    ///
    /// ## Why it matters
    /// A replication connection receives every change to every table of every database, and a base backup receives all of it:
    /// no privilege and no policy is asked. Its servers are few and known, so the rule can name them.
    ///
    /// ## How to fix it
    /// One `hostssl replication ROLE ADDRESS/32 scram-sha-256` for each standby and backup host, with a role that has REPLICATION
    /// and nothing else; then `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File (numbers of version 15)
    /// - PostgreSQL documentation, chapter 27.2.5.1, Authentication
    pub ReplicationAccess {
        id: "HBA-11",
        name: "replication-access",
        title: "Replication comes encrypted and from known hosts",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_6, Criterion::C1_1],
        area: Area::Boundary,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for ReplicationAccess {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = findings(engine, context.role_graph()?, &context.policy.transport);
        Ok(engine.verdict(findings))
    }
}

pub(super) fn findings(engine: &Engine, graph: &RoleGraph, policy: &Transport) -> Vec<Finding> {
    let expected = networks(policy.trusted_networks.iter().map(String::as_str)).union(&next_door());
    engine
        .rules()
        .filter(|(rule, _)| !rule.rejects())
        .flat_map(|(rule, reach)| {
            let in_clear =
                Replicating::through(reach, |connection| connection == Connection::Clear);
            let wide = Replicating::through(reach, |_| true)
                .filter(|who| Width::of(&who.addresses.difference(&expected)) > Width::Subnet);
            [
                in_clear.map(|who| (who, &IN_CLEAR)),
                wide.map(|who| (who, &WIDE)),
            ]
            .into_iter()
            .flatten()
            .filter_map(|(who, trouble)| who.finding(trouble, rule, reach, engine, graph))
            .collect::<Vec<_>>()
        })
        .collect()
}

/// What is wrong with a rule.
struct Trouble {
    cause: &'static str,
    how: &'static str,
    severity: Severity,
    remedy: &'static str,
}

const IN_CLEAR: Trouble = Trouble {
    cause: "replication without encryption",
    how: "without encryption",
    severity: Severity::High,
    remedy: "write hostssl",
};

const WIDE: Trouble = Trouble {
    cause: "replication from more addresses than a subnet has",
    how: "more addresses than a subnet has",
    severity: Severity::Medium,
    remedy: "write the addresses of the hosts that replicate",
};

/// Replication that arrives at one rule from other machines.
struct Replicating {
    roles: BTreeSet<Oid>,
    addresses: AddressSet,
}

impl Replicating {
    fn through(reach: &Reach, takes: impl Fn(Connection) -> bool) -> Option<Self> {
        let arrivals: Vec<_> = reach
            .arrivals()
            .iter()
            .filter(|arrival| {
                arrival.origin == Origin::Remote
                    && takes(arrival.connection)
                    && arrival.destinations.contains(&Destination::Replication)
            })
            .collect();
        (!arrivals.is_empty()).then(|| Self {
            roles: arrivals
                .iter()
                .flat_map(|arrival| arrival.roles.iter().copied())
                .collect(),
            addresses: arrivals.iter().fold(AddressSet::none(), |all, arrival| {
                all.union(&arrival.addresses)
            }),
        })
    }

    fn finding(
        &self,
        trouble: &Trouble,
        rule: &Rule,
        reach: &Reach,
        engine: &Engine,
        graph: &RoleGraph,
    ) -> Option<Finding> {
        let way = Way::through(rule, reach, |_, origin| origin == Origin::Remote)?;
        let line = place(rule.source());
        Some(Finding {
            cause: trouble.cause.to_owned(),
            detail: format!(
                "{line} lets {} replicate the cluster from {}, {}{}",
                self.who(graph),
                in_words(&self.addresses),
                trouble.how,
                way.held_back(engine.listening)
            ),
            severity: way.severity(trouble.severity, engine.listening),
            observations: engine.seen_in.clone(),
            remediation: format!(
                "In {line}, {}; then SELECT pg_reload_conf();",
                trouble.remedy
            ),
            subject: Subject::cluster(SubjectKind::HbaRule, line),
        })
    }

    /// Those who may replicate: roles arrive at the rule for databases too.
    fn who(&self, graph: &RoleGraph) -> String {
        let mut names: Vec<String> = self
            .roles
            .iter()
            .filter_map(|&oid| graph.role(oid))
            .filter(|role| role.replication || role.superuser)
            .map(|role| visible(&quote_ident(&role.name)))
            .collect();
        names.sort();
        match names.as_slice() {
            [] => "a role".to_owned(),
            [only] => format!("role {only}"),
            [first, rest @ ..] => format!("role {first} and {} more", rest.len()),
        }
    }
}
