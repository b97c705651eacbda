//! `pgattest trail proof`.

use crate::args::TrailProofArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailProofArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail proof` is not here yet"))
}
