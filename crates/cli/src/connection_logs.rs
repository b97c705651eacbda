//! Logins that the server logged, from files that the user names.

use crate::failure::{Doing, Failure, OrHint, fail};
use crate::printer::Printer;
use pgattest_model::ident::visible;
use pgattest_parse::connection_log;
use pgattest_planner::Login;
use std::path::PathBuf;

/// Every login in the files; says what of them could not be read.
pub(crate) fn read(files: &[PathBuf], printer: &Printer) -> Result<Vec<Login>, Failure> {
    let mut logins = Vec::new();
    for file in files {
        let name = visible(&file.display().to_string());
        let bytes = std::fs::read(file)
            .doing(|| format!("the log {name} could not be read"))
            .or_hint(
                "--connection-log takes a file that the server wrote with log_connections on",
            )?;
        let log = connection_log::read(&bytes);
        if log.read == 0 && !bytes.is_empty() {
            return Err(fail(format!("{name} holds no login")).hint(
                "it takes a log of a server with log_connections on, in CSV, JSON or plain lines, in English",
            ));
        }
        for (count, what) in [
            (log.unreadable, "could not be understood"),
            (
                log.without_address,
                "are from addresses that the log does not give",
            ),
        ] {
            if count > 0 {
                printer.warning(&format!(
                    "{name}: {count} of its logins {what}: nobody can say whether they would still be let in"
                ));
            }
        }
        logins.extend(log.logins.into_iter().map(|login| Login {
            role: login.role,
            database: login.database,
            address: login.address,
            tls: login.tls,
            replication: login.replication,
            last_seen: login.last_seen,
            count: login.count,
        }));
    }
    Ok(logins)
}
