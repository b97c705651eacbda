//! `pgattest trail run`.

use crate::args::TrailRunArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailRunArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail run` is not here yet"))
}
