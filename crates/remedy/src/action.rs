//! One action, done at once: no journal, no guard. For tests and tools that own the server; [`crate::apply`] is for everybody else.

use crate::error::ApplyError;
use crate::session::{open, reload, run};
use crate::setting::alter_system;
use crate::steps::sha256;
use crate::through_server;
use pgattest_model::plan::Action;
use pgattest_wire::ConnectOptions;

/// What an action needs besides a connection.
pub trait Hands {
    /// Restarts the server and returns when it accepts connections again.
    fn restart(&mut self) -> Result<(), ApplyError>;
}

/// Does one action. A reload follows what a reload puts in force; returns when the server has read the files again.
pub async fn perform(
    options: &ConnectOptions,
    action: &Action,
    hands: &mut dyn Hands,
) -> Result<(), ApplyError> {
    match action {
        Action::Sql {
            database,
            statements,
        } => {
            let connection = open(options, database.as_deref()).await?;
            let script = format!("BEGIN;\n{}\nCOMMIT;", statements.join("\n"));
            run(&connection, &script).await
        }
        Action::SqlAlone {
            database,
            before,
            statement,
        } => {
            let connection = open(options, Some(database)).await?;
            if let Some(before) = before {
                run(&connection, before).await?;
            }
            run(&connection, statement).await
        }
        Action::Setting { name, value } => {
            let connection = open(options, None).await?;
            run(&connection, &alter_system(name, value.as_ref())).await?;
            reload(&connection).await
        }
        Action::File {
            path,
            before_sha256,
            text,
            ..
        } => {
            let connection = open(options, None).await?;
            let now = through_server::read(&connection, path).await?;
            if sha256(&now) != *before_sha256 {
                return Err(ApplyError::FileMoved { path: path.clone() });
            }
            through_server::write(&connection, path, text.as_bytes()).await?;
            reload(&connection).await
        }
        Action::Certificate { .. } => Err(ApplyError::NotFromHere(
            "a certificate can be made only where the server's files are".to_owned(),
        )),
        Action::Restart => hands.restart(),
        Action::ByHand(what) => Err(ApplyError::NotFromHere(what.clone())),
    }
}
