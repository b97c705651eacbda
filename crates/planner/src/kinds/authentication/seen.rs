//! Logins that were seen: sessions that are open, logins out of logs, and whoever makes the plan.

use crate::planning::{Login, Planning};
use pgattest_model::ObservationId;
use pgattest_model::facts::Session;

/// Everybody who was seen to come in.
pub(super) struct Seen {
    /// Open sessions, each way in once, and logins out of logs.
    pub(super) logins: Vec<(Login, Option<ObservationId>)>,
    /// How whoever makes the plan came in.
    pub(super) own: Option<Login>,
    /// Sessions whose details nobody showed.
    pub(super) hidden: usize,
}

impl Seen {
    pub(super) fn of(planning: &Planning<'_>) -> Self {
        let mut seen = Self {
            logins: Vec::new(),
            own: planning.options.own_login.clone(),
            hidden: 0,
        };
        if let Ok(sessions) = planning.context.facts.sessions.here() {
            for session in sessions.iter().filter(|session| session.is_client()) {
                match login(session, planning) {
                    Some(login) if session.own => {
                        seen.own.get_or_insert(login);
                    }
                    Some(login) => seen.add(login, Some(sessions.from.clone())),
                    None => seen.hidden += 1,
                }
            }
            let unseen = sessions.iter().filter(|session| !session.visible);
            seen.hidden += unseen
                .filter(|session| session.backend_type.is_empty())
                .count();
        }
        for login in &planning.options.logins {
            seen.add(login.clone(), None);
        }
        seen
    }

    /// Everybody, whoever makes the plan among them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Login> {
        self.logins.iter().map(|(login, _)| login).chain(&self.own)
    }

    fn add(&mut self, login: Login, from: Option<ObservationId>) {
        let same = |known: &Login| {
            (&known.role, &known.database, known.address, known.tls)
                == (&login.role, &login.database, login.address, login.tls)
                && known.replication == login.replication
        };
        match self.logins.iter_mut().find(|(known, _)| same(known)) {
            Some((known, seen_in)) => {
                known.count = known.count.saturating_add(login.count);
                if known.last_seen < login.last_seen && seen_in.is_none() {
                    known.last_seen = login.last_seen;
                }
                if seen_in.is_none() {
                    *seen_in = from;
                }
            }
            None => self.logins.push((login, from)),
        }
    }
}

/// A session as a login; `None` when it is not shown whose it is or where it comes from.
fn login(session: &Session, planning: &Planning<'_>) -> Option<Login> {
    let role = planning.context.role(session.role)?;
    let address = if session.unix_socket {
        None
    } else {
        // A link-local address is shown with its interface.
        let address = session.client_address.split('%').next()?;
        Some(address.parse().ok()?)
    };
    let databases = planning.context.facts.databases.here().ok()?;
    let database = databases
        .iter()
        .find(|database| database.oid == session.database)
        .map(|database| database.name.clone());
    let replication = session.backend_type == "walsender";
    if database.is_none() && !replication {
        return None;
    }
    Some(Login {
        role: role.name.clone(),
        database: database.unwrap_or_default(),
        address,
        tls: session.tls,
        replication,
        last_seen: String::new(),
        count: 1,
    })
}
