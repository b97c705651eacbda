//! Role attributes that nobody approved are taken away.

use super::foresight::Foresight;
use super::people::{at_work, is_own, replicates, role_called};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::{Planning, Problem};
use pgattest_checks::roles::belongs_to_provider;
use pgattest_model::facts::Role;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};
use pgattest_model::{Missing, ObservationId};

/// `ALTER ROLE .. NOCREATEDB` and its like.
#[derive(Clone, Copy, Debug)]
pub struct Attributes;

/// One attribute: the check that finds it, and whether taking it away is expected to hurt an application.
struct Attribute {
    check: &'static str,
    keyword: &'static str,
    safe: bool,
    lost: ImpactKind,
    /// What the role no longer does.
    loses: &'static str,
}

const ATTRIBUTES: [Attribute; 5] = [
    Attribute {
        check: "ROL-04",
        keyword: "CREATEROLE",
        safe: false,
        lost: ImpactKind::RightLost,
        loses: "makes no roles, changes no passwords and grants no memberships any more",
    },
    Attribute {
        check: "ROL-05",
        keyword: "CREATEROLE",
        safe: false,
        lost: ImpactKind::RightLost,
        loses: "makes no roles and changes no passwords any more; the memberships that it may grant stay",
    },
    Attribute {
        check: "ROL-06",
        keyword: "BYPASSRLS",
        safe: false,
        lost: ImpactKind::RowsHidden,
        loses: "sees only the rows that policies let it see; pg_dump as this role fails on tables with policies",
    },
    Attribute {
        check: "ROL-08",
        keyword: "REPLICATION",
        safe: false,
        lost: ImpactKind::LoginRefused,
        loses: "makes no replication connection any more, and reads no replication slot; one that is open stays open",
    },
    Attribute {
        check: "ROL-09",
        keyword: "CREATEDB",
        safe: true,
        lost: ImpactKind::RightLost,
        loses: "makes no databases any more",
    },
];

impl Kind for Attributes {
    fn name(&self) -> &'static str {
        "role-attributes"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["ROL-04", "ROL-05", "ROL-06", "ROL-08", "ROL-09"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let roles = planning.context.facts.roles.here()?;
        let mut drafts = Vec::new();
        for attribute in &ATTRIBUTES {
            for problem in planning.open(attribute.check) {
                let Some(role) = role_called(roles.value, &problem.finding.subject.name) else {
                    continue;
                };
                if attribute.check == "ROL-05" && is_approved_maker(planning, role) {
                    drafts.extend(narrowed(planning, &problem, role));
                    continue;
                }
                if let Some(why) = hindrance(planning, attribute, role) {
                    drafts.push(by_hand(attribute, &problem, role, &why));
                    continue;
                }
                drafts.push(draft(planning, attribute, &problem, role, roles.from));
            }
        }
        Ok(drafts)
    }
}

fn draft(
    planning: &Planning<'_>,
    attribute: &Attribute,
    problem: &Problem<'_>,
    role: &Role,
    from: &ObservationId,
) -> Draft {
    let name = quote_ident(&role.name);
    let keyword = attribute.keyword;
    let draft = Draft::sql(
        format!("take {keyword} from role {}", visible(&name)),
        Stage::Powers,
        None,
        vec![format!("ALTER ROLE {name} NO{keyword};")],
        vec![format!("ALTER ROLE {name} {keyword};")],
    )
    .closing([problem.closes()])
    .affecting([Impact {
        kind: attribute.lost,
        subject: name.clone(),
        detail: format!(
            "role {name} {}; the catalogs do not say when it last did",
            attribute.loses
        ),
        observations: vec![from.clone()],
    }])
    .affecting(at_work(planning, role, attribute.lost));
    if attribute.safe {
        draft
    } else {
        draft.approval()
    }
}

/// Why the attribute is not pgattest's to take.
fn hindrance(planning: &Planning<'_>, attribute: &Attribute, role: &Role) -> Option<String> {
    if belongs_to_provider(&planning.context, role) {
        return Some("the role is the provider's".to_owned());
    }
    if is_own(planning, role) {
        return Some("the plan is made with this login, which could not take it back".to_owned());
    }
    (attribute.check == "ROL-08" && replicates(planning, role)).then(|| {
        "it replicates now: move the standby or the backup to a login that exists for it".to_owned()
    })
}

fn by_hand(attribute: &Attribute, problem: &Problem<'_>, role: &Role, why: &str) -> Draft {
    let name = quote_ident(&role.name);
    Draft::by_hand(
        format!("take {} from role {}", attribute.keyword, visible(&name)),
        Stage::Powers,
        format!(
            "take {} from role {name} as another superuser: {why}",
            attribute.keyword
        ),
        vec![problem.closes()],
    )
}

/// ROL-05 has something to say of roles that are approved to make roles, too.
fn is_approved_maker(planning: &Planning<'_>, role: &Role) -> bool {
    let approved = planning.context.policy.access.create_role.as_ref();
    approved.is_some_and(|names| names.contains(&role.name))
}

/// An approved maker of roles: it stops inheriting what it makes, where that is what is wrong.
fn narrowed(planning: &Planning<'_>, problem: &Problem<'_>, role: &Role) -> Option<Draft> {
    const NAME: &str = "createrole_self_grant";
    let name = quote_ident(&role.name);
    let stored = planning.context.facts.role_settings.here().ok()?;
    let own = stored.value.iter().find(|row| {
        row.role == role.oid && row.database == 0 && row.name.eq_ignore_ascii_case(NAME)
    });
    let mut foresight = Foresight::new(planning);
    for row in foresight.role_settings() {
        if row.role == role.oid && row.database == 0 && row.name.eq_ignore_ascii_case(NAME) {
            row.value = String::new();
        }
    }
    let closed = own.is_some_and(|own| !own.withheld)
        && !foresight.reports(problem.check, &problem.finding.subject.name);
    let Some(own) = own.filter(|_| closed) else {
        return Some(Draft::by_hand(
            format!("narrow what role {} makes and grants", visible(&name)),
            Stage::Powers,
            problem.finding.remediation.trim_end_matches(';'),
            vec![problem.closes()],
        ));
    };
    Some(
        Draft::sql(
            format!("role {} inherits no role that it makes", visible(&name)),
            Stage::Powers,
            None,
            vec![format!("ALTER ROLE {name} SET {NAME} = '';")],
            vec![format!(
                "ALTER ROLE {name} SET {NAME} = {};",
                pgattest_model::ident::quote_literal(&own.value)
            )],
        )
        .closing([problem.closes()])
        .needing(Need::NewSessions)
        .affecting([Impact {
            kind: ImpactKind::RightLost,
            subject: name.clone(),
            detail: format!(
                "role {name} is not made a member of the roles that it makes; it may still grant them to itself"
            ),
            observations: vec![stored.from.clone()],
        }])
        .approval(),
    )
}
