//! What a check is.

use crate::context::Context;
use pgattest_model::{Meta, Missing, Verdict};

/// A rule, as a pure function of facts and policy.
pub trait Check: Sync {
    /// What is fixed about it.
    fn meta(&self) -> &'static Meta;

    /// Applies the rule. A fact group that is missing ends it with `?`: the verdict is then `not assessed`.
    fn assess(&self, context: &Context<'_>) -> Result<Verdict, Missing>;
}

/// Declares a check's type and metadata; the doc comment becomes its page.
macro_rules! declare_check {
    ($(#[doc = $doc:literal])+ pub $name:ident { $($field:ident: $value:expr),+ $(,)? }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl $name {
            /// Identifier, title, severity, criteria and documentation.
            pub const META: pgattest_model::Meta = pgattest_model::Meta {
                docs: concat!($($doc, "\n"),+),
                $($field: $value),+
            };
        }
    };
}

pub(crate) use declare_check;
