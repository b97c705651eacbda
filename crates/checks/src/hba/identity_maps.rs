//! Maps from names outside PostgreSQL to roles.

use super::engine::Engine;
use super::way::Way;
use crate::check::{Check, declare_check};
use crate::context::Context;
use pgattest_access::RoleGraph;
use pgattest_access::ident::{IdentMaps, Inside, Opening, Outside};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::{
    Area, Criterion, Finding, Meta, Missing, ObservationId, Population, Responsibility, Severity,
    Subject, SubjectKind, Verdict,
};
use std::collections::BTreeMap;

declare_check! {
    /// ## What it checks
    /// The maps of `pg_ident.conf` that rules of `pg_hba.conf` use (`map=..`, with `peer`, `ident`, `cert`, `gss` and others) let
    /// nobody choose a role. Of each line of a map that somebody can arrive at:
    ///
    /// - a pattern that matches every name outside and gives a superuser: critical, or high where only accounts of the machine
    ///   itself come (`peer`);
    /// - a name outside that may be any role (`all`, from PostgreSQL 16, or a group with a superuser in it): high;
    /// - a pattern that matches every name outside and gives one fixed role: medium;
    /// - a pattern that is not anchored at both ends: medium. It matches every longer name that has a match in it:
    ///   `/@example\\.com` also takes `eve@example.com.attacker.net`.
    ///
    /// A pattern that gives the name itself (`/^(.*)$ \1`) is the same as no map and no finding, and neither is a line that gives
    /// one named account one named role. Maps are visible from PostgreSQL 15 on.
    ///
    /// ## Why it matters
    /// A map is where a proven identity becomes a role. One generous line makes every proof before it worthless.
    ///
    /// ## How to fix it
    /// Name the accounts one by one, anchor patterns with `^` and `$`, and never map a pattern to a superuser; then
    /// `SELECT pg_reload_conf();`.
    ///
    /// ## References
    /// - PostgreSQL documentation, chapter 21.2, User Name Maps (numbers of version 15)
    pub IdentityMaps {
        id: "HBA-04",
        name: "identity-maps",
        title: "No map of pg_ident.conf lets a name choose its role",
        severity: Severity::High,
        criteria: &[Criterion::Cc6_1],
        area: Area::Authentication,
        responsibility: Responsibility::Shared,
        since: "0.1.0",
    }
}

impl Check for IdentityMaps {
    fn meta(&self) -> &'static Meta {
        &Self::META
    }

    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing> {
        let engine = context.hba()?;
        let graph = context.role_graph()?;
        let used = used(engine);
        if used.is_empty() && engine.not_seen().is_empty() {
            return Ok(Verdict::NotApplicable(
                "no rule that somebody arrives at uses a map".to_owned(),
            ));
        }
        let mut not_seen = engine.not_seen().to_vec();
        let (mut findings, mut count) = (Vec::new(), 0);
        if !used.is_empty() {
            if context.version()?.major() < 15 {
                not_seen.push(Missing::because(
                    "before PostgreSQL 15 the server does not show the maps of pg_ident.conf",
                ));
            } else {
                let maps = context.facts.ident_maps.here()?;
                let mut observations = engine.seen_in.clone();
                observations.push(maps.from.clone());
                let maps = IdentMaps::new(maps.value, context.version()?);
                for (map, &only_accounts_here) in &used {
                    for opening in maps.openings(map) {
                        count += 1;
                        findings.extend(finding(
                            &opening,
                            only_accounts_here,
                            graph,
                            &observations,
                        ));
                    }
                }
            }
        }
        Ok(Verdict::Assessed {
            population: Population {
                count,
                of: "lines of pg_ident.conf in use",
            },
            findings,
            not_seen,
        })
    }
}

/// The maps that somebody can arrive at, each with whether only accounts of the machine itself do.
fn used(engine: &Engine) -> BTreeMap<&str, bool> {
    let mut used = BTreeMap::new();
    for (rule, reach) in engine.rules().filter(|(rule, _)| !rule.rejects()) {
        let Some(map) = rule.source().option("map").filter(|map| !map.is_empty()) else {
            continue;
        };
        if Way::through(rule, reach, |_, _| true).is_some() {
            *used.entry(map).or_insert(true) &= rule.method() == "peer";
        }
    }
    used
}

fn finding(
    opening: &Opening<'_>,
    only_accounts_here: bool,
    graph: &RoleGraph,
    observations: &[ObservationId],
) -> Option<Finding> {
    let line = opening.line;
    let place = format!("pg_ident.conf:{}", line.line);
    let pattern = Pattern::of(opening);
    let given = Given::of(opening, graph);
    let outside = visible(&line.system_user);
    let (cause, severity, detail) = match (&pattern, &given) {
        (Pattern::Everybody, Given::Superuser(role)) => (
            "every name outside becomes a superuser",
            if only_accounts_here {
                Severity::High
            } else {
                Severity::Critical
            },
            format!("{place} gives superuser {role} to every name ({outside})"),
        ),
        (_, Given::Superusers(what)) => (
            "a name outside may choose a superuser",
            if pattern == Pattern::Everybody && !only_accounts_here {
                Severity::Critical
            } else {
                Severity::High
            },
            format!("{place} lets {outside} be {what}, superusers among them"),
        ),
        (Pattern::Everybody, Given::Role(role)) => (
            "every name outside becomes one role",
            Severity::Medium,
            format!("{place} gives role {role} to every name ({outside})"),
        ),
        (Pattern::Loose, _) => (
            "pattern is not anchored",
            Severity::Medium,
            format!(
                "{place} has a pattern that is not anchored at both ends ({outside}): it matches every longer name that has a match in it"
            ),
        ),
        _ => return None,
    };
    Some(Finding {
        cause: cause.to_owned(),
        detail,
        severity,
        observations: observations.to_vec(),
        remediation: format!(
            "In {place}, name the accounts one by one, or anchor the pattern with ^ and $; then SELECT pg_reload_conf();"
        ),
        subject: Subject::cluster(SubjectKind::HbaRule, place),
    })
}

/// Which names outside a line is for.
#[derive(Debug, Eq, PartialEq)]
enum Pattern {
    /// One name, or a pattern that bounds it at both ends.
    Bounded,
    /// A pattern that may match in the middle of a longer name.
    Loose,
    /// A pattern that matches every name.
    Everybody,
}

impl Pattern {
    fn of(opening: &Opening<'_>) -> Self {
        match opening.outside {
            Outside::Name(_) => Self::Bounded,
            Outside::AnyName => Self::Everybody,
            Outside::Pattern(_) | Outside::Broken => {
                let text = opening.line.system_user.as_str();
                Self::of_text(text.strip_prefix('/').unwrap_or(text))
            }
        }
    }

    /// An expression that is not known to match the empty name as well: every name has a character.
    fn of_text(pattern: &str) -> Self {
        let begins = pattern.starts_with('^');
        let ends = pattern.ends_with('$') && !pattern.ends_with("\\$");
        let core: String = pattern
            .trim_start_matches('^')
            .trim_end_matches('$')
            .chars()
            .filter(|c| !matches!(c, '(' | ')'))
            .collect();
        let is_everything = matches!(core.as_str(), ".*" | ".+" | ".*?" | ".+?")
            // Nothing but the ends is asked for, or not both of them.
            || (!begins && !ends && matches!(core.as_str(), "." | ".?"));
        if is_everything {
            Self::Everybody
        } else if begins && ends {
            Self::Bounded
        } else {
            Self::Loose
        }
    }
}

/// What a line gives.
enum Given {
    /// The part of the name that the pattern matched: no other role than the name says.
    Same,
    Role(String),
    Superuser(String),
    /// A choice of roles with a superuser in it, in words.
    Superusers(String),
    /// A choice of roles without.
    Choice,
}

impl Given {
    fn of(opening: &Opening<'_>, graph: &RoleGraph) -> Self {
        match opening.inside {
            Inside::FromName(_) => Self::Same,
            Inside::AnyRole => Self::Superusers("any role".to_owned()),
            Inside::MembersOf(group) => Self::members_of(group, graph),
            // The server's view does not say whether it was quoted: the wider reading counts.
            Inside::Keyword(text) => text.strip_prefix('+').map_or_else(
                || Self::Superusers("any role".to_owned()),
                |group| Self::members_of(group, graph),
            ),
            // Which roles a pattern takes is not decided here: the worst is assumed.
            Inside::Pattern(_) | Inside::Broken => Self::Superusers(format!(
                "any role that matches {}",
                visible(&opening.line.role)
            )),
            Inside::Role(role) => {
                let name = visible(&quote_ident(role));
                if graph.named(role).is_some_and(|role| role.superuser) {
                    Self::Superuser(name)
                } else {
                    Self::Role(name)
                }
            }
        }
    }

    fn members_of(group: &str, graph: &RoleGraph) -> Self {
        let has_superuser = graph.named(group).is_some_and(|group| {
            graph
                .logins()
                .any(|login| login.superuser && graph.member_of(login.oid).contains(group.oid))
        });
        if has_superuser {
            Self::Superusers(format!("any member of {}", visible(&quote_ident(group))))
        } else {
            Self::Choice
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pattern, finding};
    use pgattest_access::RoleGraph;
    use pgattest_access::ident::IdentMaps;
    use pgattest_model::facts::{IdentMap, Membership, Role};
    use pgattest_model::{ServerVersion, Severity};

    fn line(system_user: &str, role: &str) -> IdentMap {
        IdentMap {
            line: 1,
            map: "m".to_owned(),
            system_user: system_user.to_owned(),
            role: role.to_owned(),
            error: String::new(),
            is_regex: system_user.starts_with('/'),
            role_quoted: None,
        }
    }

    /// `postgres`, and `deploy` in the group `ops`, are superusers; `app` in the group `apps` is not.
    fn graph(version: u32) -> RoleGraph {
        let role = |(name, oid, superuser): (&str, u32, bool)| Role {
            oid,
            name: name.to_owned(),
            superuser,
            inherit: true,
            create_role: false,
            create_db: false,
            can_login: true,
            replication: false,
            bypass_rls: false,
            connection_limit: -1,
            valid_until: String::new(),
            expired: false,
        };
        let roles = [
            ("postgres", 10, true),
            ("deploy", 20_001, true),
            ("ops", 20_002, false),
            ("app", 20_003, false),
            ("apps", 20_004, false),
        ]
        .map(role);
        let membership = |(role, member)| Membership {
            role,
            member,
            grantor: 10,
            admin_option: false,
            inherit_option: true,
            set_option: true,
        };
        let memberships = [(20_002, 20_001), (20_004, 20_003)].map(membership);
        RoleGraph::new(&roles, &memberships, ServerVersion(version))
    }

    #[test]
    fn from_16_on_a_line_may_give_a_choice_of_roles() {
        let severity = |system_user: &str, role: &str, version| {
            let maps = IdentMaps::new(&[line(system_user, role)], ServerVersion(version));
            let opening = maps.openings("m").next().unwrap();
            finding(&opening, false, &graph(version), &[]).map(|finding| finding.severity)
        };
        for (system_user, role, expected) in [
            ("deploy", "all", Some(Severity::High)),
            ("/.*", "all", Some(Severity::Critical)),
            ("deploy", "+ops", Some(Severity::High)),
            ("deploy", "+apps", None),
            ("deploy", "/^app", Some(Severity::High)),
            ("deploy", "app", None),
            ("deploy", "postgres", None),
        ] {
            assert_eq!(
                severity(system_user, role, 160_000),
                expected,
                "{system_user} {role}"
            );
        }
        // Before 16 `all` is a role called so.
        assert_eq!(severity("deploy", "all", 150_000), None);
    }

    #[test]
    fn patterns_are_bounded_or_not() {
        for (system_user, expected) in [
            ("deploy", Pattern::Bounded),
            ("/^(.*)$", Pattern::Everybody),
            ("/.*", Pattern::Everybody),
            ("/^", Pattern::Everybody),
            ("/^(.+)", Pattern::Everybody),
            ("/", Pattern::Everybody),
            ("/^(.*)@example\\.com$", Pattern::Bounded),
            ("/(.*)@example\\.com", Pattern::Loose),
            ("/^admin", Pattern::Loose),
            ("/^a\\$", Pattern::Loose),
            // Matches the empty name, and nobody has that.
            ("/^()$", Pattern::Bounded),
        ] {
            let maps = IdentMaps::new(&[line(system_user, "app")], ServerVersion(180_000));
            let opening = maps.openings("m").next().unwrap();
            assert_eq!(Pattern::of(&opening), expected, "{system_user}");
        }
    }
}
