//! Policy expressions that say the same about every row.

/// Whether an expression, as the server writes it, is true for every row without looking at it: `true`, `(NOT false)`,
/// `'t'::boolean`. Conditions that only turn out to be true (`1 = 1`) are not meant.
pub(super) fn is_constant_true(expression: &str) -> bool {
    constant(expression) == Some(true)
}

fn constant(expression: &str) -> Option<bool> {
    let mut rest = expression.trim();
    let mut negated = false;
    let mut cast = false;
    loop {
        if let Some(inside) = unwrapped(rest) {
            rest = inside;
        } else if let Some(operand) = rest.strip_suffix("::boolean") {
            cast = true;
            rest = operand;
        } else if let Some(operand) = rest.strip_prefix("NOT ") {
            negated = !negated;
            rest = operand;
        } else {
            break;
        }
        rest = rest.trim();
    }
    // A bare `t` is a column; a quoted one is a string until it is cast.
    let value = match rest {
        "true" => true,
        "false" => false,
        "'t'" | "'true'" | "'yes'" | "'y'" | "'on'" | "'1'" | "1" if cast => true,
        "'f'" | "'false'" | "'no'" | "'n'" | "'off'" | "'0'" | "0" if cast => false,
        _ => return None,
    };
    Some(value != negated)
}

/// What is inside parentheses that belong together and span the whole text.
fn unwrapped(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_usize;
    for c in inside.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::is_constant_true;

    #[test]
    fn constants_are_seen_through_parentheses_casts_and_not() {
        for expression in [
            "true",
            "(true)",
            "((true))",
            "(NOT false)",
            "(NOT (NOT true))",
            "'t'::boolean",
            "('true'::boolean)",
            "(1)::boolean",
        ] {
            assert!(is_constant_true(expression), "{expression}");
        }
    }

    #[test]
    fn anything_that_looks_at_the_row_or_the_session_is_no_constant() {
        for expression in [
            "",
            "false",
            "(NOT true)",
            "(1 = 1)",
            "(true) OR (false)",
            "(a) = (b)",
            "(tenant_id = 1)",
            "t",
            "(t)::boolean",
            "\"true\"",
            "1",
            "is_true",
            "(NOT hidden)",
            "'true'",
            "true AND (tenant_id = 1)",
        ] {
            assert!(!is_constant_true(expression), "{expression}");
        }
    }
}
