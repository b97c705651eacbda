//! `pgattest trail completeness`.

use crate::args::TrailCompletenessArgs;
use crate::failure::{Failure, fail};
use crate::printer::Printer;

pub(crate) fn run(arguments: &TrailCompletenessArgs, printer: &Printer) -> Result<u8, Failure> {
    let _ = (arguments, printer);
    Err(fail("`trail completeness` is not here yet"))
}
