//! Role attributes that only approved roles may have.

use super::approval::{Names, Provider, is_named, is_ordinary};
use super::holders::Holders;
use super::reach;
use crate::context::Context;
use pgattest_model::facts::Role;
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Finding, Missing, ObservationId, Population, Severity, Subject, SubjectKind, Verdict,
};

/// One attribute, and who may have it.
pub(super) struct Attribute<'p> {
    /// As SQL writes it: `CREATEDB`. `NO` before it takes it away.
    pub(super) keyword: &'static str,
    /// What whoever has it does, after the role's name.
    pub(super) gives: &'static str,
    /// Whether a role has it.
    pub(super) held: fn(&Role) -> bool,
    /// The lists of approved roles.
    pub(super) approved: &'p [&'p Names],
    /// How bad it is in the hands of a login role.
    pub(super) worst: Severity,
}

/// What is judged: every role that is no superuser and was made neither by the server nor by a provider.
pub(super) struct Subjects<'a> {
    pub(super) holders: Holders<'a>,
    pub(super) observations: Vec<ObservationId>,
    pub(super) not_seen: Vec<Missing>,
    pub(super) count: usize,
}

impl<'a> Subjects<'a> {
    /// From roles and memberships.
    pub(super) fn new(context: &'a Context<'_>) -> Result<Self, Missing> {
        let holders = Holders::new(context)?;
        let provider = Provider::of(context);
        Ok(Self {
            observations: reach::observations(context)?,
            not_seen: reach::not_seen(holders.graph),
            count: holders
                .graph
                .roles()
                .filter(|role| is_ordinary(role, provider))
                .count(),
            holders,
        })
    }

    /// The roles with the attribute, by name, that no list approves.
    pub(super) fn unapproved(
        &self,
        context: &Context<'_>,
        attribute: &Attribute<'_>,
    ) -> Vec<&Role> {
        let provider = Provider::of(context);
        self.holders
            .graph
            .roles()
            .filter(|role| {
                is_ordinary(role, provider)
                    && (attribute.held)(role)
                    && !is_named(role, attribute.approved)
            })
            .collect()
    }

    /// What is to say about one of them.
    pub(super) fn finding(&self, attribute: &Attribute<'_>, role: &Role) -> Finding {
        let name = quote_ident(&role.name);
        let used = self.holders.of(role);
        Finding {
            cause: format!("{} without approval", attribute.keyword),
            detail: format!(
                "role {name} {}, {}, and is not approved",
                attribute.gives, used.words
            ),
            severity: used.severity(attribute.worst),
            observations: self.observations.clone(),
            remediation: format!("ALTER ROLE {name} NO{};", attribute.keyword),
            subject: Subject::cluster(SubjectKind::Role, name),
        }
    }

    /// The verdict on all of them.
    pub(super) fn verdict(self, findings: Vec<Finding>) -> Verdict {
        if self.count == 0 && self.not_seen.is_empty() {
            return Verdict::NotApplicable("every role is a superuser or predefined".to_owned());
        }
        Verdict::Assessed {
            population: Population {
                count: self.count,
                of: "roles that are not superusers",
            },
            findings,
            not_seen: self.not_seen,
        }
    }
}

impl Attribute<'_> {
    /// Every role that has it without approval is a finding.
    pub(super) fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let subjects = Subjects::new(context)?;
        let findings = subjects
            .unapproved(context, self)
            .into_iter()
            .map(|role| subjects.finding(self, role))
            .collect();
        Ok(subjects.verdict(findings))
    }
}
