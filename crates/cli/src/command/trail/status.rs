//! `pgattest trail status`.

use crate::args::TrailStatusArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailStatusArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail status` is not here yet"))
}
