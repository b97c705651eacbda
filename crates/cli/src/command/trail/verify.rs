//! `pgattest trail verify`.

use crate::args::TrailVerifyArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailVerifyArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail verify` is not here yet"))
}
