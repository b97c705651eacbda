//! Sessions no longer start without triggers.

use crate::draft::Draft;
use crate::kind::Kind;
use crate::planning::Planning;
use pgattest_model::Missing;
use pgattest_model::facts::RoleSetting;
use pgattest_model::ident::{quote_literal, visible};
use pgattest_model::plan::{Impact, ImpactKind, Need, Stage};

/// `ALTER ROLE .. RESET session_replication_role`, and the same for databases. What the configuration says is a setting of the
/// server's, and left to a person.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaSessions;

impl Kind for ReplicaSessions {
    fn name(&self) -> &'static str {
        "replica-sessions"
    }

    fn closes(&self) -> &'static [&'static str] {
        &["FUN-09"]
    }

    fn propose(&self, planning: &Planning<'_>) -> Result<Vec<Draft>, Missing> {
        let facts = planning.context.facts;
        let mut drafts = Vec::new();
        for problem in planning.open("FUN-09") {
            let subject = &problem.finding.subject;
            if subject.database.is_some() {
                continue;
            }
            let (stored, roles, databases) = (
                facts.role_settings.here()?,
                facts.roles.here()?,
                facts.databases.here()?,
            );
            for row in stored.iter().filter(|row| {
                row.name.eq_ignore_ascii_case(NAME) && row.value.eq_ignore_ascii_case("replica")
            }) {
                let whose = RoleSetting::statement(row, roles.value, databases.value);
                // A role or database that is not among the facts has no name to be altered by.
                let is_known = (row.role == 0 || roles.iter().any(|role| role.oid == row.role))
                    && (row.database == 0
                        || databases
                            .iter()
                            .any(|database| database.oid == row.database));
                if subject.name != format!("{whose} SET {NAME}") || !is_known {
                    continue;
                }
                drafts.push(
                    Draft::sql(
                        format!("let sessions start with triggers: {}", visible(&whose)),
                        Stage::Powers,
                        None,
                        vec![format!("{whose} RESET {NAME};")],
                        vec![format!("{whose} SET {NAME} = {};", quote_literal(&row.value))],
                    )
                    .approval()
                    .closing([problem.closes()])
                    .needing(Need::NewSessions)
                    .affecting([Impact {
                        kind: ImpactKind::Unknown,
                        subject: whose,
                        detail: "what these sessions write runs into triggers and foreign keys from now on: a program that copies rows may do work twice, or be refused"
                            .to_owned(),
                        observations: vec![stored.from.clone()],
                    }]),
                );
            }
        }
        Ok(drafts)
    }
}

const NAME: &str = "session_replication_role";
