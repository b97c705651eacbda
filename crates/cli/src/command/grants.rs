//! `pgattest grants`: the SQL of the role that audits. Prints, and executes nothing.

use crate::args::GrantsArgs;
use crate::failure::{Doing, Failure, fail};
use crate::looking::{explained, resolve};
use crate::printer::Printer;
use pgattest_catalog::auditor::{Plan, grant, revoke};
use pgattest_collect::{Limits, Survey, survey};
use pgattest_model::ServerVersion;
use pgattest_model::ident::is_invisible;

pub(crate) fn run(arguments: &GrantsArgs, printer: &Printer) -> Result<u8, Failure> {
    let script = if let Some(major) = arguments.postgres {
        let plan = Plan {
            role: &arguments.role,
            version: ServerVersion(major * 10_000),
            home: None,
            others: Vec::new(),
            unnameable: Vec::new(),
        };
        print(arguments, &plan)
    } else {
        let survey = look(arguments, printer)?;
        print(arguments, &plan(arguments, &survey)?)
    };
    let acts = |c: char| is_invisible(c) && c != '\n';
    if Printer::stdout_is_terminal() && script.contains(acts) {
        return Err(
            fail("a name in it holds characters that would act on this terminal")
                .hint("write it to a file: pgattest grants .. > auditor.sql"),
        );
    }
    Printer::verbatim(&script)?;
    Ok(crate::CLEAN)
}

fn print(arguments: &GrantsArgs, plan: &Plan<'_>) -> String {
    if arguments.revoke {
        revoke(plan)
    } else {
        grant(plan)
    }
}

fn look(arguments: &GrantsArgs, printer: &Printer) -> Result<Survey, Failure> {
    let options = resolve(arguments.connection.as_deref(), printer)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .doing(|| "the runtime could not be started".to_owned())?;
    runtime
        .block_on(survey(&options, &Limits::default()))
        .map_err(explained)
}

fn plan<'a>(arguments: &'a GrantsArgs, survey: &'a Survey) -> Result<Plan<'a>, Failure> {
    let version = survey.version;
    if !version.is_supported() {
        return Err(fail(format!(
            "PostgreSQL {} is not known to this version of pgattest",
            version.major()
        ))
        .hint("PostgreSQL 13 to 18 are"));
    }
    let (nameable, unnameable): (Vec<&str>, Vec<&str>) = survey
        .databases
        .iter()
        .filter(|database| database.allows_connections && database.name != survey.database)
        .map(|database| database.name.as_str())
        .partition(|name| !name.contains(char::REPLACEMENT_CHARACTER));
    Ok(Plan {
        role: &arguments.role,
        version,
        home: Some(&survey.database),
        others: nameable,
        unnameable,
    })
}
