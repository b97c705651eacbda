//! pgaudit's role for auditing classified columns: that it exists, is nobody's, and is granted what is to be audited.

use super::alter::alter;
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::logging::object_audit::{Uncovered, not_audited};
use pgattest_checks::logging::variants::variants;
use pgattest_model::facts::{Acl, AclClass, Oid};
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Action, Impact, ImpactKind, Need, SettingValue, Stage};
use pgattest_model::{Missing, ObservationId, SubjectKind};
use std::collections::BTreeMap;

/// `CREATE ROLE .. NOLOGIN`, `pgaudit.role`, and grants that nobody uses.
#[derive(Clone, Copy, Debug)]
pub struct ObjectAudit;

const NAME: &str = "pgaudit.role";

/// What the role is called when nobody has named one.
const ROLE: &str = "pgaudit_objects";

impl Kind for ObjectAudit {
    fn name(&self) -> &'static str {
        "object-audit"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["LOG-05"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let auditors = Auditors::of(planning)?;
        let mut drafts = Vec::new();
        let fresh = if auditors.cluster.is_empty() {
            let draft = alter(planning, NAME, SettingValue::One(auditors.fresh.clone()))?;
            if let Action::ByHand(what) = draft.action {
                return Ok(vec![first(planning, &auditors.fresh, &what)]);
            }
            Some(draft)
        } else {
            None
        };
        // Every role that something is to be granted to, and whether it has to be made.
        let mut makes: BTreeMap<&str, Vec<Problem<'_>>> = BTreeMap::new();
        for uncovered in not_audited(&planning.context)? {
            let Some(problem) = planning.open("LOG-05").find(|problem| {
                let subject = &problem.finding.subject;
                subject.kind == SubjectKind::Relation
                    && subject.database.as_deref() == Some(uncovered.database.name.as_str())
                    && subject.name == uncovered.relation.sql_name()
            }) else {
                continue;
            };
            let role = auditors.in_database(uncovered.database.oid);
            makes.entry(role).or_default().push(problem);
            drafts.push(granted(planning, &uncovered, role)?.closing([problem.closes()]));
        }
        for problem in planning.open("LOG-05") {
            let subject = &problem.finding.subject;
            match subject.kind {
                // A role that is named and does not exist, whether a table waits for it or not.
                SubjectKind::Setting if subject.name == NAME => {
                    for role in auditors.named() {
                        makes.entry(role).or_default().push(problem);
                    }
                }
                SubjectKind::Role => drafts.extend(powerless(planning, &problem)?),
                SubjectKind::Setting => drafts.push(Draft::by_hand(
                    format!("take away {}", visible(&subject.name)),
                    Stage::Powers,
                    problem.finding.remediation.clone(),
                    vec![problem.closes()],
                )),
                _ => {}
            }
        }
        let graph = planning.context.role_graph()?;
        for (role, problems) in makes {
            if graph.named(role).is_none() {
                drafts.push(made(role).closing(problems.iter().map(Problem::closes)));
            }
            if let Some(draft) = fresh.as_ref().filter(|_| role == auditors.fresh) {
                let draft = draft.clone().approval();
                drafts.push(draft.closing(problems.iter().map(Problem::closes)));
            }
        }
        Ok(drafts)
    }
}

/// What a person does where pgattest cannot set `pgaudit.role`: nothing else helps before that.
fn first(planning: &Planning<'_>, role: &str, what: &str) -> Draft {
    let name = quote_ident(role);
    Draft::by_hand(
        format!("tell pgaudit to audit what is granted to role {name}"),
        Stage::Settings,
        format!(
            "CREATE ROLE {name} NOLOGIN; then {what}; then make a new plan, which grants what is to be audited"
        ),
        planning
            .open("LOG-05")
            .map(|problem| problem.closes())
            .collect(),
    )
}

/// Which role tells pgaudit what to audit, where, once the plan is done.
struct Auditors<'a> {
    /// Empty: none is set.
    cluster: &'a str,
    /// Of databases that say so themselves.
    databases: BTreeMap<Oid, &'a str>,
    /// A name that no role has.
    fresh: String,
}

impl<'a> Auditors<'a> {
    fn of(planning: &Planning<'a>) -> Result<Self, Missing> {
        let found = variants(&planning.context, NAME)?.unwrap_or_default();
        let cluster = found.first().map_or("", |variant| variant.value);
        let rows = planning.context.facts.role_settings.here()?;
        let graph = planning.context.role_graph()?;
        let fresh = (1_u32..=u32::MAX)
            .map(|number| match number {
                1 => ROLE.to_owned(),
                more => format!("{ROLE}_{more}"),
            })
            .find(|name| graph.named(name).is_none())
            .unwrap_or_default();
        Ok(Self {
            cluster,
            databases: rows
                .value
                .iter()
                .filter(|row| {
                    row.role == 0 && row.database != 0 && row.name.eq_ignore_ascii_case(NAME)
                })
                .map(|row| (row.database, row.value.as_str()))
                .collect(),
            fresh,
        })
    }

    /// A database that sets it to nothing means that; it is told so by hand in [`granted`].
    fn in_database(&self, database: Oid) -> &str {
        match self.databases.get(&database) {
            Some(own) => own,
            None if self.cluster.is_empty() => &self.fresh,
            None => self.cluster,
        }
    }

    fn named(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.cluster)
            .chain(self.databases.values().copied())
            .filter(|name| !name.is_empty())
    }
}

fn made(role: &str) -> Draft {
    let name = quote_ident(role);
    Draft::sql(
        format!(
            "create role {}, whose grants tell pgaudit what to audit",
            visible(&name)
        ),
        Stage::Roles,
        None,
        vec![format!("CREATE ROLE {name} NOLOGIN;")],
        vec![format!("DROP ROLE {name};")],
    )
    .approval()
    .note("grant this role to nobody: its privileges are a list for pgaudit, and real for a member")
}

/// The privileges on one relation whose use is then recorded.
fn granted(
    planning: &Planning<'_>,
    uncovered: &Uncovered<'_>,
    role: &str,
) -> Result<Draft, Missing> {
    let relation = uncovered.relation;
    let table = relation.sql_name();
    let commands: Vec<&str> = uncovered.commands.iter().copied().collect();
    let title = format!(
        "audit {} on {} in {}",
        commands.join(", "),
        visible(&table),
        visible(&quote_ident(&uncovered.database.name))
    );
    if role.is_empty() {
        return Ok(Draft::by_hand(
            title,
            Stage::Grants,
            format!(
                "database {} sets {NAME} to nothing: ALTER DATABASE {0} RESET {NAME}; and make a new plan",
                visible(&quote_ident(&uncovered.database.name))
            ),
            Vec::new(),
        ));
    }
    let name = quote_ident(role);
    let list = commands.join(", ");
    let acls = uncovered.database.acls.here()?;
    let grantee = planning
        .context
        .role_graph()?
        .named(role)
        .map(|role| role.oid);
    let mut undo = vec![format!("REVOKE {list} ON {table} FROM {name};")];
    // Revoking from a table revokes from its columns, too: what was granted on them comes back.
    let columns = acls.iter().filter(|acl| {
        acl.class == AclClass::Column
            && acl.object == relation.oid
            && Some(acl.grantee) == grantee
            && acl.grantor == relation.owner
    });
    for acl in columns {
        undo.extend(column_grants(uncovered, acl, &commands, &table, &name)?);
    }
    Ok(Draft::sql(
        title,
        Stage::Grants,
        Some(&uncovered.database.name),
        vec![format!("GRANT {list} ON {table} TO {name};")],
        undo,
    )
    .approval()
    .needing(Need::Lock {
        mode: "ACCESS SHARE".to_owned(),
        on: table.clone(),
    })
    .affecting([logged(planning, &table, &list, acls.from)]))
}

/// `GRANT SELECT (mail) ON ..`, for what one grant on a column holds of these commands.
fn column_grants(
    uncovered: &Uncovered<'_>,
    acl: &Acl,
    commands: &[&str],
    table: &str,
    role: &str,
) -> Result<Vec<String>, Missing> {
    let columns = uncovered.database.columns.here()?;
    let Some(column) = columns
        .iter()
        .find(|column| column.relation == acl.object && column.number == acl.column)
    else {
        return Ok(Vec::new());
    };
    let column = quote_ident(&column.name);
    Ok(acl
        .privileges
        .iter()
        .filter(|given| commands.contains(&given.name.as_str()))
        .map(|given| {
            let option = if given.grantable {
                " WITH GRANT OPTION"
            } else {
                ""
            };
            format!(
                "GRANT {} ({column}) ON {table} TO {role}{option};",
                given.name
            )
        })
        .collect())
}

fn logged(planning: &Planning<'_>, table: &str, commands: &str, from: &ObservationId) -> Impact {
    let detail = match &planning.context.facts.sessions {
        pgattest_model::Collected::Here { value, .. } => {
            let open = value
                .iter()
                .filter(|session| session.is_client() && !session.own)
                .count();
            format!("{open} client sessions are open now")
        }
        pgattest_model::Collected::Missing(_) => "open sessions were not seen".to_owned(),
    };
    Impact {
        kind: ImpactKind::MoreLogged,
        subject: table.to_owned(),
        detail: format!("one record for every {commands} on {table}, by whomever; {detail}"),
        observations: vec![from.clone()],
    }
}

/// A role that can log in, or that somebody is a member of.
fn powerless(planning: &Planning<'_>, problem: &Problem<'_>) -> Result<Vec<Draft>, Missing> {
    let roles = planning.context.facts.roles.here()?;
    let Some(role) = roles
        .iter()
        .find(|role| quote_ident(&role.name) == problem.finding.subject.name)
    else {
        return Ok(Vec::new());
    };
    let name = quote_ident(&role.name);
    if problem.finding.cause != "pgaudit.role can log in" {
        return Ok(vec![Draft::by_hand(
            format!("take role {} from its members", visible(&name)),
            Stage::Powers,
            problem.finding.remediation.clone(),
            vec![problem.closes()],
        )]);
    }
    let draft = Draft::sql(
        format!("let nobody log in as role {}", visible(&name)),
        Stage::Powers,
        None,
        vec![format!("ALTER ROLE {name} NOLOGIN;")],
        vec![format!("ALTER ROLE {name} LOGIN;")],
    )
    .approval()
    .closing([problem.closes()])
    .needing(Need::NewSessions)
    .affecting([Impact {
        kind: ImpactKind::LoginRefused,
        subject: name.clone(),
        detail: format!("role {name} can no longer log in; sessions that are open stay"),
        observations: vec![roles.from.clone()],
    }]);
    Ok(vec![draft])
}
