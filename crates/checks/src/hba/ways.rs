//! The ways of each login role through the rules, as far as other areas ask.

use super::engine::{Engine, place};
use pgattest_model::facts::Oid;
use std::collections::HashMap;

/// What each role that can log in meets.
pub(crate) struct Ways {
    by_role: HashMap<Oid, Way>,
}

#[derive(Default)]
struct Way {
    /// The first rule that asks for nothing, for a person.
    without_proof: Option<String>,
    with_password: bool,
    otherwise: bool,
}

impl Ways {
    /// Collects the ways: one pass over the rules and the roles that arrive at each.
    pub(crate) fn of(engine: &Engine) -> Self {
        let mut by_role: HashMap<Oid, Way> = HashMap::new();
        for (rule, reach) in engine.rules().filter(|(rule, _)| !rule.rejects()) {
            let asks_for_password = matches!(rule.method(), "password" | "md5" | "scram-sha-256");
            for &role in reach.arrivals().iter().flat_map(|arrival| &arrival.roles) {
                let way = by_role.entry(role).or_default();
                if rule.asks_nothing() {
                    way.without_proof
                        .get_or_insert_with(|| place(rule.source()));
                } else if asks_for_password {
                    way.with_password = true;
                } else {
                    way.otherwise = true;
                }
            }
        }
        Self { by_role }
    }

    /// The first rule that lets the role in without any proof: `pg_hba.conf:3`.
    pub(crate) fn without_proof(&self, role: Oid) -> Option<&str> {
        self.by_role.get(&role)?.without_proof.as_deref()
    }

    /// Whether the role arrives somewhere, and every rule that it arrives at asks for its password.
    pub(crate) fn only_with_password(&self, role: Oid) -> bool {
        self.by_role
            .get(&role)
            .is_some_and(|way| way.with_password && !way.otherwise && way.without_proof.is_none())
    }
}
