//! Passwords in user mappings, and mappings that need none.

use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_model::facts::{
    DatabaseFacts, MarkedOptions, Oid, OptionClass, OptionMark, PUBLIC, UserMapping,
};
use pgattest_model::ident::quote_ident;
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::HashMap;

declare_check! {
    /// ## What it checks
    /// The user mappings of every database. Of high severity: a mapping for PUBLIC with a password, which lends one login at the
    /// other server to everybody who may use the foreign server; and `password_required = false` for a role that is no superuser,
    /// or for PUBLIC. Of medium severity: a password in the mapping of one role. The values stay in the server; only what the
    /// options are is read.
    ///
    /// Options of other roles' mappings are shown to superusers only. Asked by another role, the verdict says how many it could not
    /// look at.
    ///
    /// ## Why it matters
    /// The password is stored in clear in `pg_user_mapping`, and in every dump and base backup. Without a required password the
    /// server logs in elsewhere as itself: by its account's `.pgpass`, or by a rule at the other end that trusts its address; often
    /// the other end is the same server, and the login a superuser's.
    ///
    /// ## How to fix it
    /// A mapping for each role that needs one, to a login at the other end with few rights; a client certificate
    /// (`sslcert`, `sslkey`), GSSAPI or, from 18, `use_scram_passthrough` in place of the password; and
    /// `ALTER USER MAPPING FOR app SERVER s OPTIONS (SET password_required 'true');`.
    ///
    /// ## References
    /// - PostgreSQL documentation, appendix F.38.1.1, Connection Options, and F.38.1.3, of `postgres_fdw`; CREATE USER MAPPING (numbers of
    ///   version 15)
    pub UserMappings {
        id: "SEC-10",
        name: "user-mappings",
        title: "No user mapping holds a password or lends the server's own identity",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1, Criterion::C1_1],
        area: Area::KeyCustody,
        responsibility: Responsibility::Yours,
        since: "0.1.0",
    }
}

impl Check for UserMappings {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let (mappings, mut not_seen) = context.in_databases(|db| &db.user_mappings)?;
        let count: usize = mappings.iter().map(|here| here.rows.len()).sum();
        if count == 0 && not_seen.is_empty() {
            return Ok(Verdict::NotApplicable("no user mapping exists".to_owned()));
        }
        let roles = context.facts.roles.here()?;
        let mut findings = Vec::new();
        for here in mappings.iter().filter(|here| !here.rows.is_empty()) {
            match seen(here.database, here.rows.from) {
                Ok(seen) => {
                    // Both were asked by the same role, and yet one may have been asked through a function and the other not.
                    let is_visible = |row: &&UserMapping| {
                        row.options_visible
                            && seen
                                .marks
                                .get(&row.oid)
                                .is_some_and(|marked| marked.visible)
                    };
                    let hidden = here.rows.len() - here.rows.iter().filter(is_visible).count();
                    if hidden > 0 {
                        not_seen.push(
                            Missing::because(format!(
                                "the options of {hidden} user mappings in database `{}` are shown to superusers only; audit as one to see what they hold",
                                here.database.name
                            ))
                            .seen_in(here.rows.from.clone()),
                        );
                    }
                    let observations =
                        [&seen.observations[..], std::slice::from_ref(roles.from)].concat();
                    for row in here.rows.iter().filter(is_visible) {
                        let marked = seen.marks.get(&row.oid).copied();
                        findings.extend(judge(
                            context,
                            here.database,
                            row,
                            marked,
                            &seen.servers,
                            &observations,
                        ));
                    }
                }
                Err(missing) => not_seen.push(missing),
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "user mappings",
            },
            findings,
            not_seen,
        })
    }
}

/// What judging the mappings of one database takes.
struct SeenOptions<'a> {
    marks: HashMap<Oid, &'a MarkedOptions>,
    servers: HashMap<Oid, &'a str>,
    observations: Vec<ObservationId>,
}

fn seen<'a>(
    database: &'a DatabaseFacts,
    mappings: &ObservationId,
) -> Result<SeenOptions<'a>, Missing> {
    let options = database.option_marks.here()?;
    let servers = database.foreign_servers.here()?;
    Ok(SeenOptions {
        marks: options
            .value
            .iter()
            .filter(|row| row.class == OptionClass::UserMapping)
            .map(|row| (row.object, row))
            .collect(),
        servers: servers
            .value
            .iter()
            .map(|server| (server.oid, server.name.as_str()))
            .collect(),
        observations: vec![mappings.clone(), options.from.clone(), servers.from.clone()],
    })
}

fn judge(
    context: &Context<'_>,
    database: &DatabaseFacts,
    row: &UserMapping,
    marked: Option<&MarkedOptions>,
    servers: &HashMap<Oid, &str>,
    observations: &[ObservationId],
) -> Vec<Finding> {
    let Some(marked) = marked else {
        return Vec::new();
    };
    let role = context.role_name(row.role);
    let server = servers.get(&row.server).map_or_else(
        || format!("server {}", row.server),
        |name| quote_ident(name),
    );
    let mapping = format!("FOR {role} SERVER {server}");
    let is_superuser = context.role(row.role).is_some_and(|role| role.superuser);
    let finding = |cause: &str, detail: String, severity, remediation: String| Finding {
        subject: Subject::in_database(SubjectKind::Role, &database.name, mapping.clone()),
        cause: cause.to_owned(),
        detail,
        severity,
        observations: observations.to_vec(),
        remediation,
    };
    let mut findings = Vec::new();
    let holds_password =
        marked.has(OptionMark::Password) || marked.has(OptionMark::ConnectionWithPassword);
    if holds_password && row.role == PUBLIC {
        findings.push(finding(
            "a password in a user mapping for everybody",
            format!("the user mapping {mapping} lends a stored password to everybody who may use the server"),
            Severity::High,
            format!("DROP USER MAPPING {mapping}; -- and make one for each role that needs it"),
        ));
    } else if holds_password {
        findings.push(finding(
            "a password in a user mapping",
            format!("the user mapping {mapping} stores a password in clear"),
            Severity::Medium,
            "log in at the other end with a client certificate, GSSAPI or, from 18, use_scram_passthrough".to_owned(),
        ));
    }
    if marked.has(OptionMark::PasswordNotRequired) && !is_superuser {
        findings.push(finding(
            "a user mapping that needs no password",
            format!("the user mapping {mapping} lets a role that is no superuser log in elsewhere as the server itself"),
            Severity::High,
            format!("ALTER USER MAPPING {mapping} OPTIONS (SET password_required 'true');"),
        ));
    }
    findings
}
