//! `pg_hba.conf` of one audit, with what every rule of it is reached by: computed once, judged by several checks.

use crate::context::Context;
use crate::transport::Listening;
use pgattest_access::RoleGraph;
use pgattest_access::hba::{Reach, Rule, Ruleset, Terms};
use pgattest_model::facts::{Database, HbaRule};
use pgattest_model::ident::visible;
use pgattest_model::{Finding, Missing, ObservationId, Population, Verdict};

/// The rules of the file and their reach.
pub struct Engine {
    ruleset: Ruleset,
    reaches: Vec<Reach>,
    /// Who can reach the server at all.
    pub listening: Listening,
    /// Every observation that the reach rests on.
    pub seen_in: Vec<ObservationId>,
    not_seen: Vec<Missing>,
}

impl Engine {
    /// Understands the rules and computes their reach.
    pub fn from_facts(context: &Context<'_>) -> Result<Self, Missing> {
        let rules = context.facts.hba_rules.here()?;
        if rules.value.is_empty() {
            let why = "pg_hba.conf shows no rule, although somebody could connect";
            return Err(Missing::because(why).seen_in(rules.from.clone()));
        }
        let (ssl, _) = context.setting("ssl")?;
        Self::as_if(context, rules.value, ssl.is_on())
    }

    /// As [`Self::from_facts`], if the file held these rules and the server offered TLS or not.
    pub(crate) fn as_if(
        context: &Context<'_>,
        rows: &[HbaRule],
        tls: bool,
    ) -> Result<Self, Missing> {
        let rules = context.facts.hba_rules.here()?;
        let graph = context.role_graph()?;
        let databases = context.facts.databases.here()?;
        let (_, settings) = context.setting("ssl")?;
        let terms = Terms {
            version: context.version()?,
            tls,
            // Whether the server was built with it, and has a keytab that works, cannot be seen.
            gss: true,
        };
        let mut engine = Self::new(rows, terms, graph, databases.value, Listening::of(context));
        engine.seen_in = vec![
            rules.from.clone(),
            context.facts.roles.here()?.from.clone(),
            context.facts.memberships.here()?.from.clone(),
            databases.from.clone(),
            settings.clone(),
        ];
        engine.not_seen = not_seen(&engine.ruleset, graph, rules.from);
        Ok(engine)
    }

    /// As [`Self::from_facts`], from the parts, without observations.
    pub(super) fn new(
        rows: &[HbaRule],
        terms: Terms,
        graph: &RoleGraph,
        databases: &[Database],
        listening: Listening,
    ) -> Self {
        let ruleset = Ruleset::new(rows, terms);
        let reachability = ruleset.reachability(graph, databases);
        let reaches = reachability
            .rules()
            .map(|(_, _, reach)| reach.clone())
            .collect();
        Self {
            ruleset,
            reaches,
            listening,
            seen_in: Vec::new(),
            not_seen: Vec::new(),
        }
    }

    /// Every rule with what it is reached by, in the order of the file.
    pub fn rules(&self) -> impl Iterator<Item = (&Rule, &Reach)> {
        self.ruleset.rules().iter().zip(&self.reaches)
    }

    /// The rules, to ask for single attempts.
    pub const fn ruleset(&self) -> &Ruleset {
        &self.ruleset
    }

    /// The rule at a position.
    pub(super) fn rule(&self, at: usize) -> Option<&Rule> {
        self.ruleset.rule(at)
    }

    /// What keeps any verdict on the rules from being a pass.
    pub fn not_seen(&self) -> &[Missing] {
        &self.not_seen
    }

    /// Every observation that the reach rests on.
    pub fn seen_in(&self) -> &[ObservationId] {
        &self.seen_in
    }

    /// Whether the server offers TLS.
    pub(super) const fn offers_tls(&self) -> bool {
        self.ruleset.terms().tls
    }

    /// The verdict on all rules.
    pub(super) fn verdict(&self, findings: Vec<Finding>) -> Verdict {
        Verdict::Assessed {
            population: Population {
                count: self.ruleset.rules().len() + idle(&self.ruleset).count(),
                of: "pg_hba rules",
            },
            findings,
            not_seen: self.not_seen.clone(),
        }
    }

    /// The verdict on all rules when something else that it takes was missing too.
    pub(super) fn verdict_without(&self, findings: Vec<Finding>, missing: Missing) -> Verdict {
        match self.verdict(findings) {
            Verdict::Assessed {
                population,
                findings,
                mut not_seen,
            } => {
                not_seen.push(missing);
                Verdict::Assessed {
                    population,
                    findings,
                    not_seen,
                }
            }
            other => other,
        }
    }
}

/// Where a rule stands, for a person: `pg_hba.conf:12`.
pub fn place(rule: &HbaRule) -> String {
    visible(&rule.place())
}

/// Lines that the server reads, and reports only because they can match nobody: `hostssl` while `ssl` is off, `hostgssenc`
/// without GSSAPI. They keep no file from being loaded. A line that it cannot read has nothing but its error.
fn idle(ruleset: &Ruleset) -> impl Iterator<Item = &HbaRule> {
    ruleset
        .invalid()
        .iter()
        .filter(|line| !line.method.is_empty())
}

fn not_seen(ruleset: &Ruleset, graph: &RoleGraph, from: &ObservationId) -> Vec<Missing> {
    let mut whys = Vec::new();
    let unreadable: Vec<_> = ruleset
        .invalid()
        .iter()
        .filter(|line| line.method.is_empty())
        .collect();
    if let Some((first, more)) = unreadable.split_first() {
        let lines = match more.len() {
            0 => format!("{} has an error", place(first)),
            1 => format!("{} and another line have errors", place(first)),
            more => format!("{} and {more} more lines have errors", place(first)),
        };
        whys.push(format!(
            "{lines}; what the server enforces is not what the file says"
        ));
    }
    let unclear = ruleset.rules().iter().filter(|rule| !rule.is_understood());
    whys.extend(unclear.map(|rule| {
        format!(
            "{} is not understood by this version of pgattest",
            place(rule.source())
        )
    }));
    if !graph.unknown().is_empty() {
        whys.push("memberships name roles that are not among the roles read".to_owned());
    }
    whys.into_iter()
        .map(|why| Missing::because(why).seen_in(from.clone()))
        .collect()
}
