//! Names in the policy that nothing in the cluster has.

use super::known::{Known, Names};
use super::nearest::{did_you_mean, nearest};
use pgattest_model::policy::{Named, NamedKind};
use pgattest_model::{Diagnostic, DiagnosticLevel, Policy};
use std::collections::BTreeMap;

/// A remark for each, where it can be said for certain: a name that may merely be hidden is left alone.
pub(super) fn unknown(policy: &Policy, known: &Known<'_>) -> Vec<Diagnostic> {
    let mut by_kind: BTreeMap<NamedKind, Names> = BTreeMap::new();
    policy
        .names
        .iter()
        .filter_map(|named| {
            let names = by_kind
                .entry(named.kind)
                .or_insert_with(|| known.named(named.kind));
            let is_absent = names.is_complete && !names.all.contains(&named.name);
            is_absent.then(|| diagnostic(named, names))
        })
        .collect()
}

fn diagnostic(named: &Named, names: &Names) -> Diagnostic {
    let Named {
        kind,
        key,
        name,
        place,
    } = named;
    let message = match kind {
        NamedKind::Extension => format!("no database has the extension `{name}`"),
        NamedKind::ColumnName => format!("no relation has a column `{name}`"),
        _ => format!("no {} is called `{name}`", kind.as_str()),
    };
    let help = nearest(&named.name, names.all.iter().map(String::as_str))
        .map_or_else(|| format!("remove it from `{key}`"), did_you_mean);
    Diagnostic {
        level: DiagnosticLevel::Warning,
        place: *place,
        message,
        help: Some(help),
    }
}
