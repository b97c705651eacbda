//! Why a plan, or a change of it, could not be applied or taken back.

use crate::certificate::CertificateError;
use crate::journal::JournalError;
use pgattest_collect::CollectError;
use pgattest_model::ident::visible;
use pgattest_wire::ConnectError;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Why a change could not be made or taken back. `Display` says what happened and where, [`ApplyError::hint`] what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The facts could not be collected again.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// The journal, or what is kept beside it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The server refused a statement.
    #[error("the server refused `{}`{}", visible(.statement), said(.source))]
    Refused {
        /// The statement.
        statement: String,
        /// Why.
        source: tokio_postgres::Error,
    },
    /// The server did a statement in part only, and said so with a warning.
    #[error("`{}` did not do all it says: {}", visible(.statement), visible(.warning))]
    InPart {
        /// The statement.
        statement: String,
        /// The server's words.
        warning: String,
    },
    /// One step was not done. Everything before it is.
    #[error("step {index} of {total} (`{}`) was not done", visible(.title))]
    Step {
        /// Counted from 1.
        index: usize,
        /// How many there are.
        total: usize,
        /// What it does.
        title: String,
        /// Why not.
        source: Box<ApplyError>,
    },
    /// A transaction was committed or was not, and nobody can say which.
    #[error(
        "the connection was lost while transaction {xid} was committed, and the server could not be asked yet what became of it"
    )]
    Undecided {
        /// Its identifier.
        xid: String,
    },
    /// A file does not hold what the plan was made from.
    #[error("{} does not hold what the plan was made from any more; make a new plan", visible(.path))]
    FileMoved {
        /// Its path on the server.
        path: String,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", visible(.path))]
    File {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file was written and holds something else.
    #[error("{} does not hold what was written to it", visible(.path))]
    NotWritten {
        /// Its path on the server.
        path: String,
    },
    /// The server's own parser found mistakes in the files that decide who may come in.
    #[error("the server cannot read {}", list(.lines))]
    BadLines {
        /// `pg_hba.conf:12: invalid authentication method`.
        lines: Vec<String>,
    },
    /// The new rules would shut out, or did shut out, whoever applies them; or let in whom they must not.
    #[error("{why}; the file that was there before {}", if *.restored { "is in force again" } else { "could not be put back by this session" })]
    NotProved {
        /// What happened.
        why: String,
        /// Whether the old file is back.
        restored: bool,
        /// Seconds until the server puts it back by itself, when nobody else did.
        guard_within: u64,
    },
    /// A guard could not be set.
    #[error(
        "the server cannot be told to put the old file back by itself, should this process be killed"
    )]
    NoGuard {
        /// Why.
        source: Box<ApplyError>,
    },
    /// The server did not read its files again.
    #[error("the server did not read its configuration again within 30 seconds")]
    NotReloaded,
    /// A parameter was set and is not in force.
    #[error("{} was set and is not in force: {why}", visible(.name))]
    NotInForce {
        /// The parameter.
        name: String,
        /// What overrides it.
        why: String,
    },
    /// The server was not seen to restart.
    #[error("{why}")]
    NotRestarted {
        /// What was waited for.
        why: String,
    },
    /// It is another cluster than the plan's.
    #[error("the plan is for the cluster {}, and this is {}", named(.planned), named(.found))]
    OtherCluster {
        /// The plan's system identifier.
        planned: String,
        /// The server's.
        found: String,
    },
    /// It is another major version than the plan's.
    #[error("the plan is for PostgreSQL {planned}, and this is {found}")]
    OtherVersion {
        /// The plan's.
        planned: String,
        /// The server's.
        found: String,
    },
    /// A standby changes nothing.
    #[error("the server is a read-only standby")]
    Standby,
    /// Something between us and the server hands out sessions.
    #[error("a pooler stands between pgattest and the server")]
    Pooler,
    /// Another apply is running.
    #[error("another session applies a plan to this cluster: {}", visible(.who))]
    Busy {
        /// Process id, role and address.
        who: String,
    },
    /// The facts are not those of the plan.
    #[error("the cluster is not what the plan was made from any more: {}", list(.moved))]
    FactsMoved {
        /// `relations in database shop`.
        moved: Vec<String>,
    },
    /// Rights are missing. Nothing was begun.
    #[error("{} lacks what the plan needs:{}", visible(.role), lines(.missing))]
    Rights {
        /// The role that applies.
        role: String,
        /// What is missing, one a line.
        missing: Vec<String>,
    },
    /// `ALTER SYSTEM` is switched off.
    #[error("`allow_alter_system` is off, and the plan changes settings")]
    NoAlterSystem,
    /// Logins that were seen would be refused, and nobody accepted that.
    #[error("these logins would be refused:{}", lines(.subjects))]
    NotAccepted {
        /// Subject and detail, one a line.
        subjects: Vec<String>,
    },
    /// The journal says that this cannot be done now.
    #[error("{why}")]
    WrongState {
        /// What the journal says.
        why: String,
        /// What to do instead.
        hint: &'static str,
    },
    /// The journal is of another plan.
    #[error("the journal in `{}` is of another plan", .folder.display())]
    OtherPlan {
        /// The folder.
        folder: PathBuf,
    },
    /// A certificate could not be made, or not put in its place.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The server's files have to be on this machine, and nobody said that they are.
    #[error("`{}` takes the server's own machine: a private key is never sent through a connection", visible(.title))]
    NotLocal {
        /// The change.
        title: String,
    },
    /// It cannot be done from here.
    #[error("{0}")]
    NotFromHere(String),
    /// A test stopped here.
    #[error("stopped at {point}")]
    Fault {
        /// Where.
        point: String,
        /// What the test said.
        source: std::io::Error,
    },
}

impl ApplyError {
    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Connect(error) => return error.hint(),
            Self::Step { source, .. } => {
                let rest = "what is done so far is in the journal: `pgattest apply --resume` goes on, `pgattest undo` takes it back";
                return Some(match source.hint() {
                    Some(hint) => format!("{hint}\n{rest}"),
                    None => rest.to_owned(),
                });
            }
            Self::Undecided { .. } => {
                "when the server answers again, `pgattest apply --resume` or `pgattest undo` asks it".to_owned()
            }
            Self::FileMoved { .. } | Self::FactsMoved { .. } => {
                "somebody changed it since; make a new plan, and make it as the role that applies it".to_owned()
            }
            Self::BadLines { .. } => "correct the lines first: with them the server would not start".to_owned(),
            Self::NotProved { restored, guard_within, .. } => {
                if *restored {
                    return None;
                }
                format!("the server puts it back by itself within {guard_within} seconds; a copy is beside it and in the journal's folder")
            }
            Self::NotInForce { .. } => {
                "set it where the deployment is described: Patroni's configuration, the container's arguments, the service's unit".to_owned()
            }
            Self::NotRestarted { .. } => {
                "if the server does not come up, its log says why; the lines that were added are at the end of `postgresql.auto.conf`".to_owned()
            }
            Self::Standby => "apply the plan to the primary; a standby follows".to_owned(),
            Self::Pooler => "connect to the server itself: locks, guards and timeouts belong to a session".to_owned(),
            Self::NoAlterSystem => {
                "the server's configuration is managed elsewhere; set the values there".to_owned()
            }
            Self::NotAccepted { .. } => "change those clients first, or accept each with `--accept`".to_owned(),
            Self::Rights { .. } => "grant what is missing, or apply the plan as a superuser; nothing was begun".to_owned(),
            Self::NoGuard { .. } => {
                "the role must be superuser, or may execute lo_export(oid, text); the language plpgsql must exist".to_owned()
            }
            Self::WrongState { hint, .. } => (*hint).to_owned(),
            Self::Busy { .. } => "wait until it has finished; if it is gone and its session is not, end that session with pg_terminate_backend".to_owned(),
            Self::NotLocal { .. } => {
                "run this on the server's machine with `--host`; or install a certificate of your CA and make a new plan. Nothing was begun".to_owned()
            }
            Self::Certificate(CertificateError::NotAName(_) | CertificateError::NoName | CertificateError::Days(_)) => {
                "correct the [transport] section of the policy, and make a new plan".to_owned()
            }
            Self::InPart { .. } => "somebody else granted it, or the role may not; make a new plan".to_owned(),
            _ => return None,
        })
    }

    /// Whether trying again may help: somebody else held a lock, or two transactions crossed.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.sqlstate(), Some("55P03" | "40P01" | "40001"))
    }

    /// The server's code, if it was the server that refused.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused { source, .. } => {
                source.code().map(tokio_postgres::error::SqlState::code)
            }
            _ => None,
        }
    }

    /// Whether the session is gone, so that it is not known whether the server did what it was told.
    pub(crate) fn is_cut(&self) -> bool {
        match self {
            // A server that says something of the statement has heard it; one that ends the session has not finished it.
            Self::Refused { source, .. } => {
                source.as_db_error().is_none()
                    || self.sqlstate().is_some_and(|code| code.starts_with("57P"))
            }
            _ => false,
        }
    }
}

fn said(source: &tokio_postgres::Error) -> String {
    match source.as_db_error() {
        Some(error) => format!(": {} [{}]", visible(error.message()), error.code().code()),
        None => String::new(),
    }
}

fn named(identifier: &str) -> String {
    if identifier.is_empty() {
        "one that does not say its system identifier".to_owned()
    } else {
        visible(identifier)
    }
}

fn list(items: &[String]) -> String {
    visible(&items.join("; "))
}

fn lines(items: &[String]) -> String {
    items.iter().fold(String::new(), |mut text, item| {
        let _ = write!(text, "\n  {}", visible(item));
        text
    })
}
