//! `pgattest explain`.

use crate::args::ExplainArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;
use pgattest_checks::crosswalk::crosswalk;
use pgattest_checks::{CHECKS, registry};
use pgattest_model::ident::visible;
use pgattest_report::{Screen, explain};
use std::fmt::Write as _;

pub(crate) fn run(arguments: &ExplainArgs, printer: &Printer) -> Result<u8, Failure> {
    let Some(wanted) = &arguments.check else {
        printer.result(&list())?;
        return Ok(crate::CLEAN);
    };
    let Some(check) = registry::find(wanted) else {
        return Err(fail(format!("there is no check `{}`", visible(wanted)))
            .hint("`pgattest explain` lists them all"));
    };
    let screen = Screen {
        width: Printer::width(),
        colour: printer.stdout_has_color(),
    };
    printer.result(&explain::render(check.meta(), crosswalk(), screen))?;
    Ok(crate::CLEAN)
}

fn list() -> String {
    let mut text = String::new();
    for check in CHECKS {
        let meta = check.meta();
        let _ = writeln!(text, "{}  {:<8}  {}", meta.id, meta.severity, meta.title);
    }
    text
}
