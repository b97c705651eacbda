//! `pgattest undo`: takes back what a plan changed.

use crate::args::UndoArgs;
use crate::changing::{self, PlanFile, Teller, confirm};
use crate::failure::{Doing, Failure, fail};
use crate::home::Home;
use crate::looking::resolve;
use crate::printer::Printer;
use pgattest_model::ident::visible;
use pgattest_remedy::{Phase, Undone};

pub(crate) fn run(arguments: &UndoArgs, printer: &Printer) -> Result<u8, Failure> {
    let file = PlanFile::read(&arguments.plan)?;
    let options = resolve(arguments.change.connection.as_deref(), printer)?;
    let home = Home::at(&arguments.change.home)?;
    let folder = file.folder(&home);
    let state = pgattest_remedy::status(&folder)
        .doing(|| "the journal of this plan cannot be read".to_owned())?;
    let Some(state) = state else {
        return Err(
            fail("nothing of this plan was applied from here: there is no journal of it")
                .hint("use the --home it was applied with"),
        );
    };
    if state.phase == Phase::Undone {
        printer.note("This plan is taken back already; nothing was changed.");
        return Ok(crate::CLEAN);
    }
    let question = format!(
        "Take back {} changes on {}?",
        state.done.len() + state.open.len(),
        visible(&file.plan.target.name)
    );
    confirm(&question, arguments.yes, printer)?;
    let request = changing::request(&file, &options, &folder, &arguments.change, &[]);
    let mut teller = Teller::new(&file.digest, &file.plan.target.name, &home, printer)?;
    let undone = changing::run(
        pgattest_remedy::undo(&request, &mut teller),
        &arguments.plan,
    )?;
    tell(&undone, printer);
    let code = if undone.left.is_empty() {
        crate::CLEAN
    } else {
        crate::FOUND
    };
    teller.finish().1.map(|()| code)
}

/// What was taken back, and what was not.
pub(super) fn tell(undone: &Undone, printer: &Printer) {
    printer.note(&format!("{} changes taken back", undone.taken_back.len()));
    for left in &undone.left {
        printer.warning(&format!("stays: {}: {}", left.title, left.why));
    }
    if !undone.needs_restart.is_empty() {
        printer.warning(&format!(
            "restart the server: {} come back only then",
            undone.needs_restart.join(", ")
        ));
    }
}
