//! `pgattest trail sinks`.

use crate::args::TrailSinksArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailSinksArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail sinks` is not here yet"))
}
