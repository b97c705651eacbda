//! What a policy would say of a cluster as it is: the first draft of `pgattest.toml`.
//!
//! Nothing here approves an accident. A role that is a superuser today is named as one that somebody has to decide about, not as
//! an approved superuser; what is inferred is what the cluster itself says about who its programs are, how its tenants are told
//! apart and which columns hold what.

mod classes;
mod services;
mod tenancy;

pub use services::InferredService;

use crate::planning::Login;
use pgattest_checks::Context;
use pgattest_model::facts::Role;
use pgattest_model::{Collected, Facts, Policy};
use std::collections::BTreeMap;

/// What was inferred. Lists are sorted; an empty one says that nothing was seen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Inferred {
    /// The superuser that `initdb` made.
    pub superusers: Vec<String>,
    /// Other superusers, about whom somebody has to decide, each with what is known of it.
    pub undecided_superusers: Vec<(String, String)>,
    /// Roles with BYPASSRLS that are no superusers, likewise.
    pub undecided_bypass_rls: Vec<(String, String)>,
    /// Roles with REPLICATION that were seen replicating.
    pub replication: Vec<String>,
    /// Programs that log in.
    pub services: Vec<InferredService>,
    /// Login roles that were not seen and hold nothing.
    pub idle_logins: Vec<String>,
    /// The setting that policies ask for the tenant.
    pub tenant_setting: Option<String>,
    /// The column that tells tenants apart, when there is exactly one.
    pub tenant_column: Option<String>,
    /// Its types.
    pub tenant_types: Vec<String>,
    /// Tables that carry it, as `database.schema.name`.
    pub tenant_tables: Vec<String>,
    /// Columns by class.
    pub classification: BTreeMap<&'static str, Vec<String>>,
    /// `TLSv1.3` when the server already refuses everything below.
    pub minimum_tls: Option<String>,
    /// Databases or groups that could not be seen, in words.
    pub not_seen: Vec<String>,
}

/// Infers, from facts and from logins that were seen (those in the facts are taken without being told).
pub fn infer(facts: &Facts, logins: &[Login]) -> Inferred {
    let nothing = Policy::default();
    let context = Context::new(facts, &nothing);
    let mut inferred = Inferred {
        minimum_tls: minimum_tls(&context),
        ..Inferred::default()
    };
    roles(&context, &mut inferred);
    services::infer(&context, logins, &mut inferred);
    tenancy::infer(&context, &mut inferred);
    classes::infer(facts, &mut inferred);
    for missing in facts
        .inside
        .iter()
        .filter_map(|database| database.relations.here().err())
    {
        inferred.not_seen.push(missing.why);
    }
    inferred
}

fn roles(context: &Context<'_>, inferred: &mut Inferred) {
    let Collected::Here { value: roles, .. } = &context.facts.roles else {
        inferred.not_seen.push("roles could not be read".to_owned());
        return;
    };
    let says = |role: &Role| {
        let sessions = live_sessions(context, role);
        match (role.can_login, sessions) {
            (false, _) => "cannot log in".to_owned(),
            (true, 0) => "can log in; no session now".to_owned(),
            (true, 1) => "can log in; 1 session now".to_owned(),
            (true, several) => format!("can log in; {several} sessions now"),
        }
    };
    for role in roles {
        if role.oid == Role::BOOTSTRAP {
            inferred.superusers.push(role.name.clone());
        } else if role.superuser {
            let what = (role.name.clone(), says(role));
            inferred.undecided_superusers.push(what);
        } else if role.bypass_rls && !role.is_predefined() {
            let what = (role.name.clone(), says(role));
            inferred.undecided_bypass_rls.push(what);
        }
        if role.replication && role.oid != Role::BOOTSTRAP && replicates(context, role) {
            inferred.replication.push(role.name.clone());
        }
    }
    inferred.undecided_superusers.sort();
    inferred.undecided_bypass_rls.sort();
    inferred.replication.sort();
}

fn live_sessions(context: &Context<'_>, role: &Role) -> usize {
    context.facts.sessions.here().map_or(0, |sessions| {
        sessions
            .iter()
            .filter(|session| session.is_client() && session.role == role.oid && !session.own)
            .count()
    })
}

fn replicates(context: &Context<'_>, role: &Role) -> bool {
    context.facts.sessions.here().is_ok_and(|sessions| {
        sessions
            .iter()
            .any(|session| session.backend_type == "walsender" && session.role == role.oid)
    })
}

fn minimum_tls(context: &Context<'_>) -> Option<String> {
    let (setting, _) = context.setting("ssl_min_protocol_version").ok()?;
    (setting.value == "TLSv1.3").then(|| setting.value.clone())
}
