//! Everything that the role lacks, found before anything begins.

use crate::error::ApplyError;
use crate::request::{Request, ServerFiles};
use crate::session::{one, open, patience, run};
use crate::steps::{Edit, Step, Work};
use crate::{certify, local};
use pgattest_model::ident::{quote_ident, quote_parameter, visible};
use pgattest_wire::Connection;
use std::collections::BTreeSet;

/// Refuses when something is missing, naming all of it.
///
/// A superuser has every right inside the server. For anybody else the rights on settings and files are asked for, and the
/// statements are rehearsed: each transaction is done and rolled back, and what the server refuses for want of a right is listed.
/// What a rehearsal cannot tell, because an earlier step makes it possible, is found when it is done; then everything so far can
/// be taken back.
pub(crate) async fn check(
    request: &Request<'_>,
    control: &Connection,
    steps: &[Step],
) -> Result<(), ApplyError> {
    let superuser: bool = one(
        control,
        "SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user",
        &[],
    )
    .await?;
    let mut missing = Vec::new();
    let mut add = |text: String| {
        if !missing.contains(&text) {
            missing.push(text);
        }
    };
    for problem in places(request, steps).await? {
        add(problem);
    }
    for step in steps {
        match &step.work {
            Work::Files(edits) => {
                if request.files == ServerFiles::Local {
                    for problem in edits.iter().filter_map(cannot_replace) {
                        add(problem);
                    }
                }
                if !superuser {
                    for problem in functions(control, FOR_FILES).await? {
                        add(problem);
                    }
                }
            }
            Work::Certificate(action) => {
                for problem in certify::problems(request, control, action).await? {
                    add(problem);
                }
            }
            Work::Settings(assignments) if !superuser => {
                for assignment in assignments {
                    if let Some(problem) = cannot_set(control, &assignment.name).await? {
                        add(problem);
                    }
                }
                for problem in functions(control, FOR_SETTINGS).await? {
                    add(problem);
                }
            }
            Work::Transaction {
                database,
                statements,
            } if !superuser => {
                for problem in rehearse(request, database.as_deref(), statements).await? {
                    add(problem);
                }
            }
            _ => {}
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Rights {
        role: request.options.user().to_owned(),
        missing,
    })
}

/// What files take: signature, and what it is for.
const FOR_FILES: &[&str] = &[
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
    "pg_catalog.lo_export(oid, text)",
    "pg_catalog.pg_hba_file_rules()",
    "pg_catalog.pg_reload_conf()",
];

const FOR_SETTINGS: &[&str] = &[
    "pg_catalog.pg_show_all_file_settings()",
    "pg_catalog.pg_reload_conf()",
];

async fn functions(control: &Connection, signatures: &[&str]) -> Result<Vec<String>, ApplyError> {
    let mut missing = Vec::new();
    for signature in signatures {
        let may: bool = one(
            control,
            "SELECT coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure($1::text)::oid, 'EXECUTE'), false)",
            &[signature],
        )
        .await?;
        if !may {
            missing.push(format!("EXECUTE on function {signature}"));
        }
    }
    Ok(missing)
}

async fn cannot_set(control: &Connection, name: &str) -> Result<Option<String>, ApplyError> {
    let version: i32 = one(
        control,
        "SELECT pg_catalog.current_setting('server_version_num')::int",
        &[],
    )
    .await?;
    if version < 150_000 {
        return Ok(Some(
            "superuser: before PostgreSQL 15 only a superuser may use ALTER SYSTEM".to_owned(),
        ));
    }
    let may: bool = one(
        control,
        "SELECT pg_catalog.has_parameter_privilege($1::text, 'ALTER SYSTEM')",
        &[&name],
    )
    .await?;
    Ok((!may).then(|| format!("ALTER SYSTEM on parameter {}", quote_parameter(name))))
}

fn cannot_replace(edit: &Edit) -> Option<String> {
    local::can_replace(&edit.path).err().map(|error| {
        let why = std::error::Error::source(&error)
            .map_or_else(String::new, |source| format!(": {source}"));
        format!("{error}{why}")
    })
}

/// Databases that cannot be connected to.
async fn places(request: &Request<'_>, steps: &[Step]) -> Result<Vec<String>, ApplyError> {
    let databases: BTreeSet<&str> = steps
        .iter()
        .filter_map(|step| match &step.work {
            Work::Transaction { database, .. } => database.as_deref(),
            Work::Alone { database, .. } => Some(database),
            _ => None,
        })
        .collect();
    let mut missing = Vec::new();
    for database in databases {
        match open(request.options, Some(database)).await {
            Ok(connection) => {
                let _ = connection.close().await;
            }
            Err(ApplyError::Connect(error)) => {
                missing.push(format!(
                    "a connection to database {}: {error}",
                    quote_ident(database)
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(missing)
}

/// Does statements, and takes everything back: what is refused for want of a right.
async fn rehearse(
    request: &Request<'_>,
    database: Option<&str>,
    statements: &[(String, String)],
) -> Result<Vec<String>, ApplyError> {
    let connection = match open(request.options, database).await {
        Ok(connection) => connection,
        // Listed already.
        Err(ApplyError::Connect(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let patience = patience(&connection, request.lock_timeout).await?;
    let begin = format!("BEGIN READ WRITE; SET LOCAL lock_timeout = {patience};");
    run(&connection, &begin).await?;
    let mut missing = Vec::new();
    for (_, statement) in statements {
        run(&connection, "SAVEPOINT pgattest_rehearsal;").await?;
        connection.take_notices();
        match run(&connection, statement).await {
            Ok(()) => {
                let notices = connection.take_notices();
                for notice in &notices.messages {
                    if ["01007", "01006"].contains(&notice.sqlstate()) {
                        missing.push(format!(
                            "what `{}` takes: {}",
                            visible(statement),
                            notice.message()
                        ));
                    }
                }
            }
            Err(error) if error.is_cut() => return Err(error),
            Err(error) => {
                if error.sqlstate() == Some("42501") {
                    missing.push(format!("what `{}` takes: {error}", visible(statement)));
                }
                run(&connection, "ROLLBACK TO SAVEPOINT pgattest_rehearsal;").await?;
            }
        }
    }
    run(&connection, "ROLLBACK;").await?;
    let _ = connection.close().await;
    Ok(missing)
}
