//! Publications: what leaves by logical replication.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{DatabaseFacts, Publication, Slot};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};

declare_check! {
    /// ## What it checks
    /// Every publication is one that `egress.publications` in `pgattest.toml` names, as `name` or `database.name`, quoted as SQL
    /// would. Without that list, nobody said what may leave: a publication `FOR ALL TABLES` (high) or, from 15, `FOR TABLES IN
    /// SCHEMA` (medium) is found, because it takes every future table along, and any other is named and not assessed. And, of medium
    /// severity, approved or not: a publication whose owner is a login role that is no superuser and not among
    /// `access.schema_owners`; the owner adds tables to it without asking anybody. Findings say how many logical replication slots of
    /// the database somebody reads from at this moment.
    ///
    /// Rows that a publication sends past row-level security are RLS-21's subject. Not seen: logical decoding without a publication
    /// (other output plugins), and which slot reads which publication.
    ///
    /// ## Why it matters
    /// A publication sends every change of its tables, in clear, to whoever may connect for replication. Nothing at this end records
    /// what was sent, and the copy is under other rules than this database.
    ///
    /// ## How to fix it
    /// `DROP PUBLICATION p;` where nobody reads it; otherwise name its tables (`ALTER PUBLICATION p SET TABLE ..`) with a column list
    /// and a row filter, `ALTER PUBLICATION p OWNER TO` a role without login, and name it in `egress.publications`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 31.1, Publication, and 31.9, Security (numbers of version 15); CREATE PUBLICATION
    pub Publications {
        id: "EGR-06",
        name: "publications",
        title: "Every publication is approved and under an administrator's control",
        severity: Severity::Medium,
        criteria: &[Criterion::Cc6_7, Criterion::C1_1],
        area: Area::Boundary,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for Publications {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (databases, mut not_seen) = context.in_databases(|db| &db.publications)?;
        let count: usize = databases.iter().map(|here| here.rows.len()).sum();
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable("no publication exists".to_owned()));
        }
        let mut findings = Vec::new();
        if count > 0 {
            let roles = context.facts.roles.here()?;
            let slots = context.facts.slots.here()?;
            for here in databases {
                let at = Place {
                    context,
                    database: here.database,
                    readers: active(slots.value, here.database),
                    observations: vec![
                        here.rows.from.clone(),
                        roles.from.clone(),
                        slots.from.clone(),
                    ],
                };
                for publication in here.rows.iter() {
                    findings.extend(at.owner(publication));
                    match at.approval(publication) {
                        Ok(found) => findings.extend(found),
                        Err(missing) => not_seen.push(missing.seen_in(here.rows.from.clone())),
                    }
                }
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "publications",
            },
            findings,
            not_seen,
        })
    }
}

/// Logical slots of the database that somebody reads from.
fn active(slots: &[Slot], database: &DatabaseFacts) -> usize {
    slots
        .iter()
        .filter(|slot| slot.kind == "logical" && slot.database == database.oid && slot.active)
        .count()
}

struct Place<'a, 'b> {
    context: &'b Context<'a>,
    database: &'a DatabaseFacts,
    readers: usize,
    observations: Vec<ObservationId>,
}

impl Place<'_, '_> {
    fn approval(&self, publication: &Publication) -> Result<Option<Finding>, Missing> {
        let name = quote_ident(&publication.name);
        let whole = format!("{}.{name}", quote_ident(&self.database.name));
        let approved = &self.context.policy.egress.publications;
        if let Some(approved) = approved
            && (approved.contains(&name) || approved.contains(&whole))
        {
            return Ok(None);
        }
        let (what, severity) = if publication.all_tables {
            ("sends every table of the database", Severity::High)
        } else if publication.schemas.is_empty() {
            ("sends tables", Severity::Medium)
        } else {
            ("sends every table of whole schemas", Severity::Medium)
        };
        let sends_future = publication.all_tables || !publication.schemas.is_empty();
        let (cause, how) = match (approved, sends_future) {
            (Some(_), _) => ("a publication is not approved", " and is not approved"),
            (None, true) => (
                "a publication takes future tables along",
                ", future ones among them",
            ),
            (None, false) => {
                return Err(Missing::because(format!(
                    "whether publication {name} of database `{}` is wanted is not known; declare egress.publications",
                    self.database.name
                )));
            }
        };
        Ok(Some(self.finding(
            publication,
            cause,
            format!("publication {name} {what}{how}; {}", self.readers()),
            severity,
            format!(
                "DROP PUBLICATION {name}; -- or name its tables, and it in egress.publications"
            ),
        )))
    }

    fn owner(&self, publication: &Publication) -> Option<Finding> {
        let owner = self.context.role(publication.owner)?;
        let approved = &self.context.policy.access.schema_owners;
        let is_approved = approved
            .as_ref()
            .is_some_and(|approved| approved.contains(&owner.name));
        if !owner.can_login || owner.superuser || is_approved {
            return None;
        }
        let name = quote_ident(&publication.name);
        let role = quote_ident(&owner.name);
        Some(self.finding(
            publication,
            "a login role owns a publication",
            format!("publication {name} is owned by login role {role}, which may add its tables to it; {}", self.readers()),
            Severity::Medium,
            format!("ALTER PUBLICATION {name} OWNER TO ..; -- a role without login"),
        ))
    }

    fn finding(
        &self,
        publication: &Publication,
        cause: &str,
        detail: String,
        severity: Severity,
        remediation: String,
    ) -> Finding {
        Finding {
            subject: Subject::in_database(
                SubjectKind::Database,
                &self.database.name,
                quote_ident(&publication.name),
            ),
            cause: cause.to_owned(),
            detail,
            severity,
            observations: self.observations.clone(),
            remediation,
        }
    }

    fn readers(&self) -> String {
        match self.readers {
            0 => "nobody reads a logical slot of the database at this moment".to_owned(),
            1 => "1 logical slot of the database is being read".to_owned(),
            count => format!("{count} logical slots of the database are being read"),
        }
    }
}
