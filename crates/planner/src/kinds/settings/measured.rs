//! Whom a change of a setting affects, counted from the facts.

use crate::planning::Planning;
use pgattest_model::Collected;
use pgattest_model::ObservationId;
use pgattest_model::facts::Session;
use pgattest_model::ident::{quote_ident, visible};
use pgattest_model::plan::{Impact, ImpactKind};

/// Who works here: databases, login roles, open sessions.
pub(super) struct Measured<'p, 'a> {
    planning: &'p Planning<'a>,
}

impl<'p, 'a> Measured<'p, 'a> {
    pub(super) const fn of(planning: &'p Planning<'a>) -> Self {
        Self { planning }
    }

    /// More is written to the log. `what`: a sentence that says of what, without a period.
    pub(super) fn more_logged(&self, what: &str) -> Impact {
        let (people, observations) = self.people();
        Impact {
            kind: ImpactKind::MoreLogged,
            subject: "every database".to_owned(),
            detail: format!("{what}; {people}"),
            observations,
        }
    }

    /// Everything stops for a moment.
    pub(super) fn restarted(&self) -> Impact {
        let (people, observations) = self.people();
        Impact {
            kind: ImpactKind::Slowed,
            subject: "every session".to_owned(),
            detail: format!(
                "every session ends, and nobody connects until the server is up again; {people}"
            ),
            observations,
        }
    }

    /// Sessions that are open now and could not be opened again. `why` says it of one, without a period.
    pub(super) fn refused(
        &self,
        is_refused: impl Fn(&Session) -> bool,
        why: impl Fn(&Session) -> String,
    ) -> Vec<Impact> {
        let Collected::Here { value, from } = &self.planning.context.facts.sessions else {
            return vec![Impact {
                kind: ImpactKind::Unknown,
                subject: "open sessions".to_owned(),
                detail: "which versions and ciphers sessions use could not be seen".to_owned(),
                observations: Vec::new(),
            }];
        };
        let mut impacts: Vec<Impact> = value
            .iter()
            .filter(|session| session.tls && is_refused(session))
            .map(|session| Impact {
                kind: ImpactKind::LoginRefused,
                subject: format!(
                    "{}@{}",
                    self.planning.context.role_name(session.role),
                    visible(&session.client_address)
                ),
                detail: why(session),
                observations: vec![from.clone()],
            })
            .collect();
        impacts.dedup();
        if value.iter().any(|session| !session.visible) {
            impacts.push(Impact {
                kind: ImpactKind::Unknown,
                subject: "open sessions".to_owned(),
                detail: "some sessions are not visible to the role that looked".to_owned(),
                observations: vec![from.clone()],
            });
        }
        impacts
    }

    /// Databases, login roles and sessions, as far as they were read.
    fn people(&self) -> (String, Vec<ObservationId>) {
        let facts = self.planning.context.facts;
        let mut words = Vec::new();
        let mut observations = Vec::new();
        if let Collected::Here { value, from } = &facts.databases {
            let open: Vec<String> = value
                .iter()
                .filter(|database| database.allows_connections && !database.is_template)
                .map(|database| visible(&quote_ident(&database.name)))
                .collect();
            words.push(match open.as_slice() {
                few @ ([_] | [_, _] | [_, _, _]) => few.join(", "),
                many => format!("{} databases", many.len()),
            });
            observations.push(from.clone());
        }
        if let Collected::Here { value, from } = &facts.roles {
            let logins = value.iter().filter(|role| role.can_login).count();
            words.push(format!("{logins} login roles"));
            observations.push(from.clone());
        }
        match &facts.sessions {
            Collected::Here { value, from } => {
                let open = value
                    .iter()
                    .filter(|session| session.is_client() && !session.own)
                    .count();
                words.push(format!("{open} client sessions open now"));
                observations.push(from.clone());
            }
            Collected::Missing(_) => words.push("open sessions not seen".to_owned()),
        }
        (words.join(", "), observations)
    }
}
