//! Values that have to be of some form.

use super::PolicyError;
use std::ops::Range;
use toml::Spanned;

pub(super) fn require(
    value: Spanned<String>,
    accepts: fn(&str) -> bool,
    rule: &str,
    example: &str,
) -> Result<Spanned<String>, PolicyError> {
    if accepts(value.get_ref()) {
        return Ok(value);
    }
    Err(wrong(value.span(), rule, format!("like `{example}`")))
}

pub(super) fn wrong(
    span: Range<usize>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> PolicyError {
    PolicyError {
        message: message.into(),
        span,
        help: Some(help.into()),
    }
}
