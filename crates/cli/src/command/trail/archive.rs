//! `pgattest trail archive`.

use crate::args::TrailArchiveArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailArchiveArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail archive` is not here yet"))
}
