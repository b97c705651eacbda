//! Policy expressions that say the same about every row.

/// Whether an expression, as the server writes it, is true for every row and session: `true`, `(NOT false)`, `(1 = 1)`,
/// `((tenant_id = 3) OR true)`, `(tenant_id = tenant_id)`.
///
/// What it does not understand it takes for a condition, so `false` says nothing.
pub(super) fn is_constant_true(expression: &str) -> bool {
    truth(expression, 0) == Some(true)
}

/// Deeper than this nobody writes by hand.
const DEEPEST: usize = 64;

/// The value that an expression has for every row; `None` when it depends on the row or session, or is not understood. SQL's
/// NULL counts as not true, which is what a policy makes of it, but only where it is not negated.
fn truth(expression: &str, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    let text = bare(expression);
    let inner = |text: &str| truth(text, depth + 1);
    let alternatives = split(text, " OR ");
    if alternatives.len() > 1 {
        return decide(alternatives.into_iter().map(inner), true);
    }
    let conditions = split(text, " AND ");
    if conditions.len() > 1 {
        return decide(conditions.into_iter().map(inner), false);
    }
    if let Some(operand) = text.strip_prefix("NOT ") {
        return inner(operand).map(|value| !value);
    }
    for (test, wanted, negated) in [
        (" IS NOT TRUE", true, true),
        (" IS NOT FALSE", false, true),
        (" IS TRUE", true, false),
        (" IS FALSE", false, false),
    ] {
        if let Some(operand) = text.strip_suffix(test) {
            return inner(operand).map(|value| (value == wanted) != negated);
        }
    }
    if let Some(operand) = text.strip_suffix(" IS NOT NULL") {
        return literal(operand).map(|_| true);
    }
    if let Some(value) = boolean(text) {
        return Some(value);
    }
    call(text, "COALESCE")
        .and_then(|arguments| split(arguments, ", ").first().copied())
        .and_then(inner)
        .or_else(|| comparison(text))
        .or_else(|| subquery(text, depth))
}

/// Joined by OR (`by` is true) or AND: one value that decides is enough, else all have to be known.
fn decide(values: impl Iterator<Item = Option<bool>>, by: bool) -> Option<bool> {
    let mut all_known = true;
    for value in values {
        match value {
            Some(value) if value == by => return Some(by),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!by)
}

/// A subquery without a table: `( SELECT true)`, `(EXISTS ( SELECT 1))`.
fn subquery(text: &str, depth: usize) -> Option<bool> {
    let exists = text.strip_prefix("EXISTS ").map(bare);
    let list = exists.unwrap_or(text).strip_prefix("SELECT ")?;
    let plain = [" FROM ", " WHERE ", " LIMIT ", " HAVING "]
        .iter()
        .all(|clause| split(list, clause).len() == 1);
    if !plain {
        return None;
    }
    match exists {
        Some(_) => Some(true),
        None => truth(split(list, " AS ").first()?, depth + 1),
    }
}

/// Two literals, or twice the same column. A column compared with itself lets through every row that has a value.
fn comparison(text: &str) -> Option<bool> {
    let (operator, left, right) =
        ["<>", ">=", "<=", "=", ">", "<"]
            .iter()
            .find_map(
                |operator| match split(text, &format!(" {operator} ")).as_slice() {
                    [left, right] => Some((*operator, *left, *right)),
                    _ => None,
                },
            )?;
    let allows_equal = matches!(operator, "=" | ">=" | "<=");
    if is_column(left) && left == right {
        return Some(allows_equal);
    }
    if let Some(list) = bare(right)
        .strip_prefix("ANY (ARRAY[")
        .and_then(|list| list.strip_suffix("])"))
    {
        let found = split(list, ", ")
            .iter()
            .any(|item| literal(item).is_some() && literal(item) == literal(left));
        return (operator == "=" && found).then_some(true);
    }
    let (left, right) = (literal(left)?, literal(right)?);
    if left == right {
        return Some(allows_equal);
    }
    let (Ok(a), Ok(b)) = (left.parse::<i64>(), right.parse::<i64>()) else {
        // Different spellings may be equal in a type that we do not know.
        return None;
    };
    Some(match operator {
        "<>" => a != b,
        ">=" => a >= b,
        "<=" => a <= b,
        ">" => a > b,
        "<" => a < b,
        _ => a == b,
    })
}

/// A literal's text, without parentheses and casts.
fn literal(text: &str) -> Option<&str> {
    let mut rest = bare(text);
    while let [before, .., last] = split(rest, "::").as_slice() {
        // Only a cast that is the last thing of the text: `'a'::text`, `('t'::text)::boolean`.
        let is_type = last
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | ' ' | '"' | '(' | ')' | ',' | '.'));
        if !is_type {
            return None;
        }
        rest = bare(before);
    }
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_string = rest.len() >= 2
        && rest
            .strip_prefix('\'')
            .and_then(|rest| rest.strip_suffix('\''))
            .is_some_and(|inside| !inside.replace("''", "").contains('\''));
    (is_number || is_string || matches!(rest, "true" | "false")).then_some(rest)
}

/// A boolean literal. A bare `t` is a column; a quoted one is a string until it is cast.
fn boolean(text: &str) -> Option<bool> {
    let cast = text.ends_with("::boolean");
    match literal(text)? {
        "true" => Some(true),
        "false" => Some(false),
        "'t'" | "'true'" | "'yes'" | "'y'" | "'on'" | "'1'" | "1" if cast => Some(true),
        "'f'" | "'false'" | "'no'" | "'n'" | "'off'" | "'0'" | "0" if cast => Some(false),
        _ => None,
    }
}

/// A name and nothing else: of a column, since functions have parentheses and keywords are spelt in upper case.
fn is_column(text: &str) -> bool {
    let quoted = text.len() > 2
        && text
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .is_some_and(|inside| !inside.replace("\"\"", "").contains('"'));
    let plain = text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
        && text != text.to_uppercase();
    (quoted || plain) && !matches!(text, "true" | "false")
}

/// The arguments of a call that is the whole text.
fn call<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    let arguments = text.strip_prefix(function)?;
    (bare(arguments) != arguments).then(|| bare(arguments))
}

/// The text without the parentheses and blanks around the whole of it.
fn bare(text: &str) -> &str {
    let mut text = text.trim();
    for _ in 0..DEEPEST {
        let inside = text
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
            .filter(|inside| is_balanced(inside));
        let Some(inside) = inside else { break };
        text = inside.trim();
    }
    text
}

fn is_balanced(text: &str) -> bool {
    let mut walk = Walk::default();
    text.chars().all(|c| {
        walk.step(c);
        walk.depth >= 0
    }) && walk.depth == 0
        && walk.quote.is_none()
}

/// The pieces between the separators that stand outside parentheses, brackets and quotes.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut walk = Walk::default();
    for (at, c) in text.char_indices() {
        let outside = walk.depth == 0 && walk.quote.is_none() && at >= from;
        if outside
            && text
                .get(at..)
                .is_some_and(|rest| rest.starts_with(separator))
        {
            pieces.extend(text.get(from..at));
            from = at + separator.len();
        }
        walk.step(c);
    }
    pieces.extend(text.get(from..));
    pieces
}

/// Where a walk over an expression stands.
#[derive(Default)]
struct Walk {
    depth: i32,
    /// The quote that is open. Two in a row close and open again, which comes to the same.
    quote: Option<char>,
}

impl Walk {
    const fn step(&mut self, c: char) {
        match (self.quote, c) {
            (None, '\'' | '"') => self.quote = Some(c),
            (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
            (None, '(' | '[') => self.depth = self.depth.saturating_add(1),
            (None, ')' | ']') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_constant_true;

    #[test]
    fn constants_are_seen_through_parentheses_casts_and_operators() {
        for expression in [
            "true",
            "(true)",
            "((true))",
            "(NOT false)",
            "(NOT (NOT true))",
            "'t'::boolean",
            "('true'::boolean)",
            "(1)::boolean",
            "(1 = 1)",
            "(2 > 1)",
            "(1 <> 2)",
            "((1 >= 0) AND (1 <= 2))",
            "('a'::text = 'a'::text)",
            "(true IS TRUE)",
            "(NOT (false IS TRUE))",
            "(1 IS NOT NULL)",
            "(true = true)",
            "(1 = ANY (ARRAY[1, 2]))",
            "COALESCE(true)",
            "COALESCE(true, false)",
            "( SELECT true)",
            "( SELECT true AS bool)",
            "(EXISTS ( SELECT 1))",
            "((true)::text)::boolean",
            "((tenant_id = (current_setting('app.t'::text))::integer) OR true)",
            "((a = 'x) OR (y'::text) OR ((1 = 1) AND (NOT false)))",
            "(tenant_id = tenant_id)",
            "(\"Tenant Id\" >= \"Tenant Id\")",
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
            "(1 = 2)",
            "(1 <> 1)",
            "('a'::text = 'b'::text)",
            "(a) = (b)",
            "(tenant_id = 1)",
            "(tenant_id = \"Tenant_id\")",
            "(tenant_id <> tenant_id)",
            "(CURRENT_USER = CURRENT_USER)",
            "(random() = random())",
            "t",
            "(t)::boolean",
            "\"true\"",
            "1",
            "is_true",
            "(NOT hidden)",
            "(NOT NULL::boolean)",
            "(NULL::boolean IS NOT TRUE)",
            "'true'",
            "true AND (tenant_id = 1)",
            "(note = 'x OR true'::text)",
            "(note = ' OR (1 = 1'::text)",
            "(\"a OR true\" = 1)",
            "((tenant_id = 1) OR false)",
            "COALESCE(is_open, true)",
            "(EXISTS ( SELECT 1 FROM m WHERE (m.id = 1)))",
            "(EXISTS ( SELECT 1 WHERE false))",
            "( SELECT true FROM m)",
            "(1 = ANY (ARRAY[2, 3]))",
            "(true)) OR ((false)",
            "((((((((",
            "'",
        ] {
            assert!(!is_constant_true(expression), "{expression}");
        }
    }

    #[test]
    fn a_deep_expression_ends() {
        let deep = format!("{}true{}", "NOT (".repeat(100_000), ")".repeat(100_000));
        assert!(!is_constant_true(&deep));
    }
}
