//! Applications that own what they use.

use super::approval::{Provider, is_ordinary};
use super::owners::{How, Owners};
use super::property::{Property, by_owner};
use super::reach;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::Path;
use pgattest_model::facts::{Oid, Role};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// No login role owns tables, schemas, views or functions, and none inherits a role that does, unless the login role is on an
    /// approved list (`access.schema_owners`, or `access.superusers`, in `pgattest.toml`). One finding a login role counts what it
    /// owns in all databases that were seen. What an extension made is left out, and so is what superusers own: who reaches those
    /// is ROL-02's subject.
    ///
    /// A login role that has to type `SET ROLE` to act as the owner is held to be the one that runs migrations, until
    /// `access.schema_owners` says who that is: then it counts as well, as medium. Views and functions alone are medium.
    ///
    /// ## Why it matters
    /// An owner needs no grant, and no revoke keeps it out: it drops and alters its tables, takes row-level security and triggers off
    /// them, and grants on them. An application that connects as the owner of its tables changes its own schema, or somebody does
    /// through it, without the change process that the auditor was shown. By default the owner is also exempt from policies.
    ///
    /// ## How to fix it
    /// Make a role without `LOGIN`, hand everything over in each database (`REASSIGN OWNED BY app TO shop_owner;`), then grant the
    /// application what it uses. Migrations log in as a role of their own that is a member of the owner without inheriting it, and
    /// begin with `SET ROLE shop_owner;`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 5.7, Privileges, and 5.8, Row Security Policies (numbers of version 15)
    /// - PostgreSQL documentation, chapter 22.4, Dropping Roles (`REASSIGN OWNED`)
    pub OwningLogins {
        id: "ROL-15",
        name: "owning-logins",
        title: "No application's login role owns tables, schemas or code",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::Cc8_1],
        area: Area::LeastPrivilege,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl OwningLogins {
    /// The cause of a finding on a login role that owns something itself, and does not merely become or inherit an owner.
    pub const ITSELF: &'static str = "a login role owns objects";
}

impl Check for OwningLogins {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let graph = context.role_graph()?;
        let (owned, unseen) = by_owner(context)?;
        let mut not_seen = reach::not_seen(graph);
        let provider = Provider::of(context);
        let logins = graph
            .logins()
            .filter(|login| is_ordinary(login, provider))
            .count();
        if logins == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable(
                "every login role is a superuser".to_owned(),
            ));
        }
        not_seen.extend(unseen);
        let roles = reach::observations(context)?;
        let findings = acts(&Owners::new(context)?, &owned)
            .into_values()
            .flatten()
            .map(|act| act.finding(context, &roles))
            .collect();
        Ok(Verdict::Assessed {
            population: Population {
                count: logins,
                of: "login roles that are not superusers",
            },
            findings,
            not_seen,
        })
    }
}

/// One login role's acting as owners, in one way.
struct Act<'a> {
    login: &'a Role,
    way: Way,
    /// The first owner and the way to it; the path is `None` for the login role itself.
    path: Option<Path>,
    owners: usize,
    property: Property,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Way {
    Itself,
    Inherits,
    Becomes,
}

fn acts<'a>(
    owners: &Owners<'a, '_>,
    owned: &BTreeMap<Oid, Property>,
) -> BTreeMap<String, Vec<Act<'a>>> {
    let mut acts: BTreeMap<String, Vec<Act<'a>>> = BTreeMap::new();
    for (owner, property) in owned {
        for acting in owners.acting(*owner) {
            let (way, path) = match acting.how {
                How::Itself => (Way::Itself, None),
                How::Inherits(path) => (Way::Inherits, Some(path)),
                How::Becomes(path) => (Way::Becomes, Some(path)),
            };
            let of_login = acts.entry(acting.login.name.clone()).or_default();
            if let Some(act) = of_login.iter_mut().find(|act| act.way == way) {
                act.owners += 1;
                act.property.absorb(property);
            } else {
                let mut act = Act {
                    login: acting.login,
                    way,
                    path,
                    owners: 1,
                    property: Property::default(),
                };
                act.property.absorb(property);
                of_login.push(act);
            }
        }
    }
    acts
}

impl Act<'_> {
    fn finding(&self, context: &Context<'_>, roles: &[ObservationId]) -> Finding {
        let name = quote_ident(&self.login.name);
        let what = self.property.words();
        let via = self
            .path
            .as_ref()
            .map(|path| match self.owners {
                1 => format!(": {path}"),
                many => format!(": {path}, and {} more owners", many - 1),
            })
            .unwrap_or_default();
        let (cause, detail) = match self.way {
            Way::Itself => (
                OwningLogins::ITSELF,
                format!("role {name} can log in and owns {what}"),
            ),
            Way::Inherits => (
                "a login role inherits the rights of an owner",
                format!("role {name} inherits the owner of {what}{via}"),
            ),
            Way::Becomes => (
                "a login role that is not declared becomes an owner",
                format!("role {name} can become the owner of {what}{via}"),
            ),
        };
        let remediation = self
            .path
            .as_ref()
            .and_then(|path| {
                let graph = context.role_graph().ok()?;
                Some(reach::revoke_last(context, graph, path))
            })
            .unwrap_or_else(|| {
                format!(
                    "In each database, REASSIGN OWNED BY {name} TO a role without LOGIN, then grant {name} what it uses"
                )
            });
        Finding {
            cause: cause.to_owned(),
            detail,
            severity: match self.way {
                Way::Itself | Way::Inherits if self.property.has_data() => Severity::High,
                _ => Severity::Medium,
            },
            observations: roles
                .iter()
                .chain(&self.property.observations)
                .cloned()
                .collect(),
            remediation,
            subject: Subject::cluster(SubjectKind::Role, name),
        }
    }
}
