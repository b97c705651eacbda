//! Whether services still work: each is logged in as, through TLS, and runs what it declared.

use pgattest_model::policy::Service;
use pgattest_wire::{ConnectOptions, Host, connect};
use std::time::Duration;

/// The longest that one statement of a service may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One service in one database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tried {
    /// The login role.
    pub role: String,
    /// The database.
    pub database: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of trying.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It logged in, and every statement worked.
    Worked {
        /// How many statements.
        statements: usize,
        /// Whether the connection was encrypted.
        tls: bool,
    },
    /// It could not do what it declares.
    Failed {
        /// The statement; `None` when it could not log in.
        statement: Option<String>,
        /// Why; one line.
        why: String,
    },
    /// It was not tried, for this reason.
    NotTried(String),
}

impl Outcome {
    /// Whether the service was seen not to work.
    pub const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// Tries every declared service in each of its databases. Statements run one after the other in a transaction that is rolled
/// back. Passwords come from the password file only: a service without one there is not tried, and nobody learns it from us.
///
/// Over TCP the connection has to be encrypted; over a Unix socket there is nothing to encrypt.
pub async fn try_services(options: &ConnectOptions, services: &[Service]) -> Vec<Tried> {
    let mut tried = Vec::new();
    for service in services {
        for database in &service.databases {
            tried.push(Tried {
                role: service.role.clone(),
                database: database.clone(),
                outcome: try_one(options, service, database).await,
            });
        }
    }
    tried
}

async fn try_one(options: &ConnectOptions, service: &Service, database: &str) -> Outcome {
    let mut options = options.as_user(&service.role).with_database(database);
    if !options.has_password() {
        return Outcome::NotTried(format!(
            "the password file has no password of {} for database {database}",
            service.role
        ));
    }
    let over_tcp = options
        .hosts()
        .iter()
        .any(|host| !matches!(host.host, Host::Directory(_)));
    if over_tcp {
        options = options.requiring_tls();
    }
    let connection = match connect(&options).await {
        Ok(connection) => connection,
        Err(error) => {
            return Outcome::Failed {
                statement: None,
                why: error.to_string(),
            };
        }
    };
    let tls = connection.peer().tls.is_some();
    for statement in std::iter::once("BEGIN").chain(service.statements.iter().map(String::as_str)) {
        let answer =
            tokio::time::timeout(PATIENCE, connection.client().batch_execute(statement)).await;
        let why = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error
                .as_db_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned()),
            Err(_) => format!("it took more than {} seconds", PATIENCE.as_secs()),
        };
        return Outcome::Failed {
            statement: Some(statement.to_owned()),
            why,
        };
    }
    // Whether or not this arrives, nothing was committed.
    let _ = connection.client().batch_execute("ROLLBACK").await;
    let _ = connection.close().await;
    Outcome::Worked {
        statements: service.statements.len(),
        tls,
    }
}
