//! `pgattest trail proof`.

use super::place::Place;
use crate::args::TrailProofArgs;
use crate::failure::{Doing, Failure, fail};
use crate::printer::Printer;
use pgattest_trail::proof;

pub(crate) fn run(arguments: &TrailProofArgs, printer: &Printer) -> Result<u8, Failure> {
    let reader = Place::of(&arguments.config)?.reader(arguments.journal.as_deref())?;
    let Some(text) = proof::prove(&reader, arguments.record)? else {
        let records = reader.next_record()?;
        return Err(
            fail(format!("the journal has no record {}", arguments.record))
                .hint(format!("it has {records}, counted from 0")),
        );
    };
    match &arguments.out {
        None => Printer::verbatim(&text)?,
        Some(path) => {
            std::fs::write(path, &text)
                .doing(|| format!("{} could not be written", path.display()))?;
            printer.note(&format!(
                "The proof of record {} is in {}. Whoever has the trail's public key checks it with `pgattest trail verify --proof {} --key KEY`",
                arguments.record,
                path.display(),
                path.display()
            ));
        }
    }
    Ok(crate::CLEAN)
}
