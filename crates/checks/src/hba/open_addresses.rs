//! Rules that say too little about where connections come from.

use super::engine::{Engine, place};
use super::way::{Way, in_words};
use super::width::{Width, networks, next_door, private, v4, v6};
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::hba::{AddressSet, ClientCertificate, Origin, Reach, Rule};
use pgattest_model::policy::Transport;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, Responsibility, Severity, Subject, SubjectKind,
    Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// No rule of `pg_hba.conf` that lets anybody in admits more addresses than a site has. What counts is what the rule decides
    /// after the rules before it, without the networks in `transport.trusted_networks` of `pgattest.toml`:
    ///
    /// - every address of a family (`all`, `0.0.0.0/0`, `::/0`) or public networks wider than an IPv4 `/16` or an IPv6 `/48`: high;
    /// - private networks (RFC 1918, RFC 6598, `fc00::/7`) wider than that: medium;
    /// - `samenet`, which follows the server's interfaces and not the file: medium;
    /// - an IPv6 rule that admits more than the rule for IPv4 with the same type, databases and users: medium, from a `/48` against
    ///   an IPv4 `/24` upwards.
    ///
    /// A rule that asks for a client certificate that names the role is low in each case. Rules that refuse, that are never
    /// reached, or that admit the loopback and link-local addresses only are no finding, and neither is a host name: it is one
    /// host, or one domain, and as trustworthy as its resolver. The server shows the file as it is now, which is what is
    /// enforced only after the next reload.
    ///
    /// While the server listens on the loopback only, or nowhere (`listen_addresses`), what could only come from further away is
    /// one step less severe, and the finding says so: one line and a restart change that.
    ///
    /// ## Why it matters
    /// A password is then all that stands between the database and everybody who can send it a packet: guessing, credential
    /// stuffing, and every weakness of the login itself. Firewalls in front are changed by others. Often only one family was
    /// thought of: the IPv4 rule was narrowed and the IPv6 rule beside it was not.
    ///
    /// ## How to fix it
    /// Write the networks that the clients are in, one rule each, in both families, and reload: `SELECT pg_reload_conf();`. A wide
    /// network that is yours and meant goes into `transport.trusted_networks`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.1, The `pg_hba.conf` File
    pub OpenAddresses {
        id: "HBA-08",
        name: "open-addresses",
        title: "Rules admit known networks, not everybody",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_6],
        area: Area::Boundary,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for OpenAddresses {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let findings = findings(engine, &context.policy.transport);
        Ok(engine.verdict(findings))
    }
}

pub(super) fn findings(engine: &Engine, policy: &Transport) -> Vec<Finding> {
    let expected = networks(policy.trusted_networks.iter().map(String::as_str)).union(&next_door());
    let admitting: Vec<Admitting<'_>> = engine
        .rules()
        .filter_map(|(rule, reach)| Admitting::new(rule, reach, &expected))
        .collect();
    let mut twins: BTreeMap<_, Vec<&Admitting<'_>>> = BTreeMap::new();
    for one in &admitting {
        twins.entry(one.family_name()).or_default().push(one);
    }
    admitting
        .iter()
        .filter_map(|one| {
            let twins = twins.get(&one.family_name()).map_or(&[][..], Vec::as_slice);
            one.finding(twins, engine)
        })
        .collect()
}

/// A rule through which somebody gets in from another machine.
struct Admitting<'a> {
    way: Way<'a>,
    /// What it admits.
    addresses: AddressSet,
    /// Those that nobody said to expect.
    unexpected: AddressSet,
}

impl<'a> Admitting<'a> {
    fn new(rule: &'a Rule, reach: &'a Reach, expected: &AddressSet) -> Option<Self> {
        let way = Way::through(rule, reach, |_, origin| origin != Origin::Socket)
            .filter(|way| !rule.rejects() && way.farthest() == Origin::Remote)?;
        let addresses = way.addresses();
        let unexpected = addresses.difference(expected);
        Some(Self {
            way,
            addresses,
            unexpected,
        })
    }

    fn finding(&self, twins: &[&Self], engine: &Engine) -> Option<Finding> {
        let extent = self.way.rule.extent();
        let line = place(self.way.rule.source());
        let width = Width::of(&self.unexpected);
        let public = Width::of(&self.unexpected.difference(&private()));
        let twin = self.narrower(twins);
        let (cause, severity) = if extent.is_same_net {
            (
                "admits whatever networks the server is in",
                Severity::Medium,
            )
        } else if self.is_by_name() {
            return None;
        } else if public == Width::Everything {
            ("admits every address", Severity::High)
        } else if public == Width::Wide {
            (
                "admits more public addresses than a site has",
                Severity::High,
            )
        } else if width >= Width::Wide {
            (
                "admits more private addresses than a site has",
                Severity::Medium,
            )
        } else if twin.is_some() {
            ("admits more over IPv6 than over IPv4", Severity::Medium)
        } else {
            return None;
        };
        let mut detail = format!("{line} admits {}", self.words());
        if let Some(twin) = twin {
            detail = format!(
                "{detail}, while {}, the same rule for IPv4, admits {}",
                place(twin.way.rule.source()),
                in_words(&v4(&twin.addresses))
            );
        }
        detail += self.way.held_back(engine.listening);
        let severity = if self.way.rule.client_certificate() == ClientCertificate::NamesRole {
            Severity::Low
        } else {
            severity
        };
        Some(Finding {
            cause: cause.to_owned(),
            detail,
            severity: self.way.severity(severity, engine.listening),
            observations: engine.seen_in.clone(),
            remediation: format!(
                "In {line}, write the networks that the clients are in; then SELECT pg_reload_conf();"
            ),
            subject: Subject::cluster(SubjectKind::HbaRule, line),
        })
    }

    fn words(&self) -> String {
        if self.way.rule.extent().is_same_net {
            "samenet, every network that the server has an address in".to_owned()
        } else {
            in_words(&self.addresses)
        }
    }

    /// What twins have in common: their type, databases and users.
    fn family_name(&self) -> (&'a str, &'a [String], &'a [String]) {
        let source = self.way.rule.source();
        (&source.connection_type, &source.databases, &source.users)
    }

    /// The widest of the rules for IPv4, when this is an IPv6 rule that admits more than any of them.
    fn narrower<'t>(&self, twins: &[&'t Self]) -> Option<&'t Self> {
        let here = Width::of(&v6(&self.unexpected));
        let widest = twins
            .iter()
            .filter(|twin| !v4(&twin.addresses).is_empty() && !twin.is_by_name())
            .max_by_key(|twin| Width::of(&v4(&twin.addresses)))?;
        (Width::of(&v4(&widest.addresses)) < here).then_some(*widest)
    }

    /// Whether the rule is a host name: which addresses that is, only a resolver knows.
    fn is_by_name(&self) -> bool {
        let (extent, source) = (self.way.rule.extent(), self.way.rule.source());
        extent.is_approximate && !extent.is_same_net && source.netmask.is_empty()
    }
}
