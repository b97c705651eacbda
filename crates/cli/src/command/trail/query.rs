//! `pgattest trail query`.

use crate::args::TrailQueryArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailQueryArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail query` is not here yet"))
}
