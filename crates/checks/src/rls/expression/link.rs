//! What an expression asks: who says who the tenant is, and what cannot be known.

use super::scenario::Sources;
use super::tree::Expr;
use std::collections::BTreeSet;

/// Adds the settings and functions that are compared with the tenant column.
pub(super) fn link(expr: &Expr, table: &str, tenant_column: &str, sources: &mut Sources) {
    let is_tenant = |side: &Expr| {
        let column = match side {
            Expr::Call(_, arguments) => arguments.first().map(uncast),
            other => Some(uncast(other)),
        };
        matches!(column, Some(Expr::Column(parts)) if match parts.as_slice() {
            [name] => name == tenant_column,
            [of, name] => of == table && name == tenant_column,
            _ => false,
        })
    };
    let sides = match expr {
        Expr::Binary(_, left, right) | Expr::IsDistinct(left, right) => Some((left, right)),
        Expr::Quantified { left, array, .. } => Some((left, array)),
        _ => None,
    };
    if let Some((left, right)) = sides {
        for (one, other) in [(left, right), (right, left)] {
            if is_tenant(one) {
                add(other, sources);
            }
        }
    }
    for child in expr.children() {
        link(child, table, tenant_column, sources);
    }
}

/// Adds what a side of a comparison with the tenant column takes its value from.
fn add(side: &Expr, sources: &mut Sources) {
    if let Some(name) = setting(side) {
        sources.settings.insert(name);
        return;
    }
    if let Expr::Call(function, arguments) = side {
        let of_session = arguments
            .iter()
            .all(|argument| argument.children().is_empty());
        if let Some(body) = sources.bodies.get(function) {
            let mut read = BTreeSet::new();
            settings(&body.0, &Sources::default(), &mut read);
            sources.settings.extend(read);
        } else if of_session && is_somebodys(function) {
            sources.functions.insert(function.clone());
        }
    }
    // What a query of another table looks rows up by is not the tenant.
    if matches!(side, Expr::Exists(query) | Expr::In(_, query) | Expr::Scalar(query) if query.reads)
    {
        return;
    }
    for child in side.children() {
        add(child, sources);
    }
}

/// Calls and queries whose results are not known, as written.
pub(super) fn unknown_parts(expr: &Expr, sources: &Sources) -> Vec<String> {
    let mut found = Vec::new();
    collect(expr, sources, &mut found);
    found.dedup();
    found
}

fn collect(expr: &Expr, sources: &Sources, found: &mut Vec<String>) {
    match expr {
        Expr::Opaque(what) => found.push(what.clone()),
        Expr::Call(function, _)
            if is_somebodys(function) && !sources.bodies.contains_key(function) =>
        {
            found.push(format!("{function}()"));
        }
        Expr::Exists(query) | Expr::In(_, query) | Expr::Scalar(query) if query.reads => {
            found.push("a query of another table".to_owned());
        }
        _ => {}
    }
    for child in expr.children() {
        collect(child, sources, found);
    }
}

/// Adds the application's own settings that are read.
pub(super) fn settings(expr: &Expr, sources: &Sources, found: &mut BTreeSet<String>) {
    found.extend(setting(expr));
    if let Expr::Call(function, _) = expr
        && let Some(body) = sources.bodies.get(function)
    {
        // A body is a read of settings and calls no other function.
        settings(&body.0, &Sources::default(), found);
    }
    for child in expr.children() {
        settings(child, sources, found);
    }
}

/// The application's own setting that a call of `current_setting` reads, in lower case.
fn setting(expr: &Expr) -> Option<String> {
    let Expr::Call(function, arguments) = expr else {
        return None;
    };
    if !matches!(
        function.as_str(),
        "current_setting" | "pg_catalog.current_setting"
    ) {
        return None;
    }
    match uncast(arguments.first()?) {
        Expr::Text(name) if name.contains('.') => Some(name.to_ascii_lowercase()),
        _ => None,
    }
}

/// Whether a function is not the server's: the deparser writes the schema of everything that is not in `pg_catalog`.
fn is_somebodys(function: &str) -> bool {
    function.contains('.') && !function.starts_with("pg_catalog.")
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(of, _) => uncast(of),
        other => other,
    }
}
