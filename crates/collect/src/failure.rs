//! Errors as outcomes of observations.

use pgattest_catalog::Group;
use pgattest_model::Outcome;
use pgattest_wire::ConnectError;
use std::error::Error;
use tokio_postgres::error::SqlState;

/// Why a query brought nothing: the server's code and words, and what would open it when it is a matter of privilege.
pub(crate) fn of_query(error: &tokio_postgres::Error, group: &Group, role: &str) -> Outcome {
    let Some(server) = error.as_db_error() else {
        return lost(&with_causes(error));
    };
    let opens = if *server.code() == SqlState::INSUFFICIENT_PRIVILEGE {
        group.opens_for(role)
    } else {
        None
    };
    Outcome::Failed {
        sqlstate: server.code().code().to_owned(),
        message: server.message().to_owned(),
        opens,
    }
}

/// Why a database could not be entered.
pub(crate) fn of_connection(error: &ConnectError) -> Outcome {
    let sqlstate = error
        .server()
        .map(|server| server.sqlstate().to_owned())
        .unwrap_or_default();
    Outcome::Failed {
        sqlstate,
        message: with_causes(error),
        opens: None,
    }
}

/// Why nothing more can be asked on a connection.
pub(crate) fn lost(why: &str) -> Outcome {
    ours(format!("the connection was lost: {why}"))
}

/// A reason that is the collector's own.
pub(crate) fn ours(message: impl Into<String>) -> Outcome {
    Outcome::Failed {
        sqlstate: String::new(),
        message: message.into(),
        opens: None,
    }
}

/// An error with what caused it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some libraries repeat the cause in their own words.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
