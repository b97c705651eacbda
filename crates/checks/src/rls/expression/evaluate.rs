//! Evaluating an expression in a scenario.

use super::outcomes::Outcomes;
use super::scenario::{Scenario, State, Tenant};
use super::tree::{Expr, Query};
use super::value::{Unknown, Value};

/// What an expression can come out as, as a condition.
pub(super) fn condition(expr: &Expr, scenario: &Scenario<'_>) -> Outcomes {
    value(expr, scenario).truth()
}

fn value(expr: &Expr, scenario: &Scenario<'_>) -> Value {
    let truth_of = |expr: &Expr| condition(expr, scenario);
    match expr {
        Expr::Null => Value::Null,
        Expr::Bool(true) => Value::Truth(Outcomes::YES),
        Expr::Bool(false) => Value::Truth(Outcomes::NO),
        Expr::Text(text) => Value::Text(text.clone()),
        Expr::Number(number) => number.parse().map_or(Value::SOME, Value::Number),
        Expr::Column(parts) => column(parts, scenario),
        Expr::OfSession => Value::SOME,
        Expr::Array(items) => {
            let items: Vec<Value> = items.iter().map(|item| value(item, scenario)).collect();
            if items.contains(&Value::Fails) {
                Value::Fails
            } else {
                Value::Array(items)
            }
        }
        Expr::Cast(of, to) => cast(value(of, scenario), to),
        Expr::Call(function, arguments) => call(function, arguments, scenario),
        Expr::Not(of) => Value::Truth(truth_of(of).negated()),
        Expr::And(items) => Value::Truth(
            items
                .iter()
                .map(truth_of)
                .fold(Outcomes::YES, Outcomes::and),
        ),
        Expr::Or(items) => {
            Value::Truth(items.iter().map(truth_of).fold(Outcomes::NO, Outcomes::or))
        }
        Expr::Binary(operator, left, right) => binary(operator, left, right, scenario),
        Expr::Quantified {
            operator,
            left,
            array,
            all,
        } => quantified(
            operator,
            &value(left, scenario),
            &value(array, scenario),
            *all,
        ),
        Expr::IsNull(of) => Value::Truth(value(of, scenario).is_null()),
        Expr::Is(of, truth) => Value::Truth(is(truth_of(of), *truth)),
        Expr::IsDistinct(left, right) => {
            Value::Truth(distinct(&value(left, scenario), &value(right, scenario)))
        }
        Expr::Case {
            operand,
            branches,
            otherwise,
        } => case(operand.as_deref(), branches, otherwise, scenario),
        Expr::Exists(query) => Value::Truth(exists(query, scenario)),
        Expr::In(left, query) => Value::Truth(is_in(&value(left, scenario), query, scenario)),
        Expr::Scalar(query) => scalar(query, scenario),
        Expr::Opaque(_) => Value::OPAQUE,
    }
}

fn column(parts: &[String], scenario: &Scenario<'_>) -> Value {
    let name = match parts {
        [name] => name,
        [table, name] if table == scenario.table => name,
        // A column of another table: what that holds is not known.
        _ => return Value::OPAQUE,
    };
    if scenario.tenant_column == Some(name) {
        return Value::Tenant(scenario.row);
    }
    Value::Unknown(Unknown {
        null: !scenario.not_null.contains(name),
        fails: false,
        opaque: false,
    })
}

/// Types whose input does not take an empty string.
const NEVER_EMPTY: [&str; 22] = [
    "integer",
    "int",
    "int4",
    "bigint",
    "int8",
    "smallint",
    "int2",
    "uuid",
    "numeric",
    "decimal",
    "real",
    "double precision",
    "boolean",
    "bool",
    "json",
    "jsonb",
    "date",
    "timestamp",
    "inet",
    "cidr",
    "oid",
    "timestamptz",
];

const TEXTUAL: [&str; 4] = ["text", "character varying", "varchar", "name"];
const WHOLE: [&str; 7] = [
    "integer", "int", "int4", "bigint", "int8", "smallint", "int2",
];

fn cast(of: Value, to: &str) -> Value {
    let may_fail = |value: &Value| {
        let doubts = value.doubts();
        Value::Unknown(Unknown {
            fails: true,
            ..doubts
        })
    };
    match of {
        // What the application stored is taken to be of the type it is used as.
        Value::Null | Value::Fails | Value::Tenant(_) | Value::Truth(_) | Value::Unknown(_) => of,
        Value::Text(text) if TEXTUAL.contains(&to) => Value::Text(text),
        Value::Text(text) if matches!(to, "boolean" | "bool") => boolean(&text),
        Value::Text(text)
            if text.is_empty() && (NEVER_EMPTY.contains(&to) || to.ends_with("[]")) =>
        {
            Value::Fails
        }
        Value::Text(text) if WHOLE.contains(&to) => text
            .trim()
            .parse()
            .map_or(may_fail(&Value::SOME), Value::Number),
        Value::Text(text) if to.ends_with("[]") => array(&text).unwrap_or(may_fail(&Value::SOME)),
        Value::Text(_) => may_fail(&Value::SOME),
        Value::Number(number) if matches!(to, "boolean" | "bool") => Value::Truth(if number == 0 {
            Outcomes::NO
        } else {
            Outcomes::YES
        }),
        Value::Number(number) if WHOLE.contains(&to) => Value::Number(number),
        Value::Number(number) if TEXTUAL.contains(&to) => Value::Text(number.to_string()),
        Value::Number(_) => Value::SOME,
        Value::Array(items) => match to.strip_suffix("[]") {
            Some(of_items) => {
                let items: Vec<Value> =
                    items.into_iter().map(|item| cast(item, of_items)).collect();
                if items.contains(&Value::Fails) {
                    Value::Fails
                } else {
                    Value::Array(items)
                }
            }
            None => Value::OPAQUE,
        },
    }
}

/// `{}` and `{a,b}`: array literals without quotes.
fn array(text: &str) -> Option<Value> {
    let inside = text.strip_prefix('{')?.strip_suffix('}')?;
    if inside.is_empty() {
        return Some(Value::Array(Vec::new()));
    }
    let is_plain = |item: &str| {
        !item.is_empty()
            && item
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    };
    let items: Vec<&str> = inside.split(',').collect();
    (items
        .iter()
        .all(|item| is_plain(item) && !item.eq_ignore_ascii_case("null")))
    .then(|| {
        Value::Array(
            items
                .into_iter()
                .map(|item| Value::Text(item.to_owned()))
                .collect(),
        )
    })
}

fn boolean(text: &str) -> Value {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => {
            Value::Truth(Outcomes::YES)
        }
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => {
            Value::Truth(Outcomes::NO)
        }
        _ => Value::Fails,
    }
}

fn call(function: &str, arguments: &[Expr], scenario: &Scenario<'_>) -> Value {
    let plain = function.strip_prefix("pg_catalog.").unwrap_or(function);
    let known = plain.to_ascii_lowercase();
    if known == "coalesce" {
        return coalesce(arguments, scenario);
    }
    if let ([], Some(body)) = (arguments, scenario.sources.bodies.get(function)) {
        return value(&body.0, scenario);
    }
    let values: Vec<Value> = arguments
        .iter()
        .map(|argument| value(argument, scenario))
        .collect();
    match (known.as_str(), values.as_slice()) {
        ("current_setting", [Value::Text(name)]) => setting(name, false, scenario),
        ("current_setting", [Value::Text(name), Value::Truth(missing_ok)]) => {
            setting(name, *missing_ok == Outcomes::YES, scenario)
        }
        ("nullif", [left, right]) => null_if(left, right),
        ("lower" | "upper" | "btrim" | "ltrim" | "rtrim", [of]) => folded(&known, of),
        ("length" | "char_length" | "character_length" | "octet_length", [Value::Text(text)])
            if text.is_ascii() =>
        {
            i64::try_from(text.len()).map_or(Value::SOME, Value::Number)
        }
        ("string_to_array", [Value::Text(text), Value::Text(_)]) if text.is_empty() => {
            Value::Array(Vec::new())
        }
        // A list of the session's own tenants.
        ("string_to_array", [Value::Tenant(tenant), Value::Text(_)]) => Value::Tenant(*tenant),
        ("string_to_array", [of, Value::Text(_)]) => {
            Value::of_strict(std::slice::from_ref(of), false, false)
        }
        (
            "replace" | "split_part" | "translate" | "md5" | "left" | "right" | "substr" | "-"
            | "length" | "char_length" | "character_length" | "octet_length",
            _,
        ) => Value::of_strict(&values, false, false),
        ("concat", items) => {
            items
                .iter()
                .fold(Value::Text(String::new()), |sum, item| match item {
                    Value::Null => sum,
                    item => concatenated(&sum, item),
                })
        }
        _ => of_unknown_function(function, arguments, scenario),
    }
}

/// A function that nothing is known about, but perhaps that it says who the tenant is.
fn of_unknown_function(function: &str, arguments: &[Expr], scenario: &Scenario<'_>) -> Value {
    let says_tenant = scenario.sources.functions.contains(function)
        && arguments
            .iter()
            .all(|argument| argument.children().is_empty());
    match scenario.session.tenant {
        State::Is(tenant) if says_tenant => Value::Tenant(tenant),
        _ => Value::OPAQUE,
    }
}

fn setting(name: &str, missing_ok: bool, scenario: &Scenario<'_>) -> Value {
    let name = name.to_ascii_lowercase();
    // The server's own settings always have a value.
    if !name.contains('.') {
        return Value::SOME;
    }
    let tells_tenant = scenario.sources.settings.contains(&name);
    let state = if tells_tenant {
        scenario.session.tenant
    } else {
        scenario.session.others
    };
    match state {
        // The session has the configured tenant then.
        State::Unset if scenario.sources.configured.contains(&name) => {
            if tells_tenant {
                Value::Tenant(Tenant::Own)
            } else {
                Value::SOME
            }
        }
        State::Unset if missing_ok => Value::Null,
        State::Unset => Value::Fails,
        State::Empty => Value::Text(String::new()),
        State::Is(tenant) => Value::Tenant(tenant),
        State::Anything => Value::Unknown(Unknown {
            null: missing_ok,
            fails: !missing_ok,
            opaque: true,
        }),
    }
}

fn coalesce(arguments: &[Expr], scenario: &Scenario<'_>) -> Value {
    let Some((first, rest)) = arguments.split_first() else {
        return Value::Null;
    };
    let value = value(first, scenario);
    match value {
        Value::Null => coalesce(rest, scenario),
        Value::Truth(outcomes) if outcomes.null => {
            let rest = coalesce(rest, scenario);
            let given = Outcomes {
                null: false,
                ..outcomes
            };
            if given == Outcomes::none() {
                rest
            } else {
                Value::Truth(given).either(rest)
            }
        }
        Value::Unknown(unknown) if unknown.null => Value::Unknown(Unknown {
            null: false,
            ..unknown
        })
        .either(coalesce(rest, scenario)),
        other => other,
    }
}

fn null_if(left: &Value, right: &Value) -> Value {
    let same = compared("=", left, right);
    if same == Outcomes::YES {
        Value::Null
    } else if same == Outcomes::FAILS {
        Value::Fails
    } else if !same.yes && !same.fails {
        left.clone()
    } else {
        left.clone().either(Value::Null)
    }
}

/// Folding keeps tenants apart: no two tenants are told apart by the case of a letter or a blank at the end.
fn folded(function: &str, of: &Value) -> Value {
    match of {
        Value::Text(text) if text.is_ascii() => Value::Text(match function {
            "lower" => text.to_ascii_lowercase(),
            "upper" => text.to_ascii_uppercase(),
            "ltrim" => text.trim_start_matches(' ').to_owned(),
            "rtrim" => text.trim_end_matches(' ').to_owned(),
            _ => text.trim_matches(' ').to_owned(),
        }),
        Value::Tenant(tenant) => Value::Tenant(*tenant),
        other => Value::of_strict(std::slice::from_ref(other), false, false),
    }
}

fn binary(operator: &str, left: &Expr, right: &Expr, scenario: &Scenario<'_>) -> Value {
    let (a, b) = (value(left, scenario), value(right, scenario));
    if is_of_row(left) && left == right && COMPARISONS.contains(&operator) {
        let doubts = a.doubts();
        let allows_equal = matches!(operator, "=" | "<=" | ">=");
        return Value::Truth(Outcomes {
            yes: allows_equal,
            no: !allows_equal,
            null: doubts.null,
            fails: false,
            opaque: false,
        });
    }
    match operator {
        "||" => concatenated(&a, &b),
        "~~" | "~~*" => Value::Truth(like(&a, &b)),
        "!~~" | "!~~*" => Value::Truth(like(&a, &b).negated()),
        _ if COMPARISONS.contains(&operator) => Value::Truth(compared(operator, &a, &b)),
        // The tenant, taken out of the claims that the setting holds.
        "->" | "->>" | "#>" | "#>>" => match a {
            Value::Tenant(tenant) => Value::Tenant(tenant),
            _ => Value::of_strict(&[a, b], true, false),
        },
        _ => Value::of_strict(&[a, b], true, false),
    }
}

const COMPARISONS: [&str; 6] = ["=", "<>", "<", ">", "<=", ">="];

/// Whether it is a column, cast or not: twice the same is the same value.
fn is_of_row(expr: &Expr) -> bool {
    match expr {
        Expr::Column(_) => true,
        Expr::Cast(of, _) => is_of_row(of),
        _ => false,
    }
}

fn compared(operator: &str, left: &Value, right: &Value) -> Outcomes {
    let known = |is_equal: bool| match operator {
        "=" => Some(is_equal),
        "<>" => Some(!is_equal),
        "<=" | ">=" if is_equal => Some(true),
        "<" | ">" if is_equal => Some(false),
        _ => None,
    };
    let decided = match (left, right) {
        (Value::Tenant(a), Value::Tenant(b)) => known(a == b),
        (Value::Text(a), Value::Text(b)) => known(a == b),
        (Value::Number(a), Value::Number(b)) => Some(match operator {
            "<" => a < b,
            ">" => a > b,
            "<=" => a <= b,
            ">=" => a >= b,
            "<>" => a != b,
            _ => a == b,
        }),
        (Value::Tenant(_), Value::Text(text)) | (Value::Text(text), Value::Tenant(_))
            if text.is_empty() =>
        {
            known(false)
        }
        (Value::Truth(a), Value::Truth(b)) if operator == "=" || operator == "<>" => {
            let equal = a.and(*b).or(a.negated().and(b.negated()));
            return if operator == "=" {
                equal
            } else {
                equal.negated()
            };
        }
        _ => None,
    };
    match decided {
        Some(true) => Outcomes::YES,
        Some(false) => Outcomes::NO,
        None => Value::of_strict(&[left.clone(), right.clone()], false, false).truth(),
    }
}

fn distinct(left: &Value, right: &Value) -> Outcomes {
    match (left, right) {
        (Value::Fails, _) | (_, Value::Fails) => Outcomes::FAILS,
        (Value::Null, other) | (other, Value::Null) => other.is_null().negated(),
        _ => {
            let same = compared("=", left, right);
            let (a, b) = (left.doubts(), right.doubts());
            Outcomes {
                // Both NULL is not distinct; one NULL is.
                yes: same.no || a.null || b.null,
                no: same.yes || (a.null && b.null),
                null: false,
                fails: same.fails,
                opaque: same.opaque,
            }
        }
    }
}

fn like(text: &Value, pattern: &Value) -> Outcomes {
    let strict = Value::of_strict(&[text.clone(), pattern.clone()], false, false).truth();
    let Value::Text(pattern) = pattern else {
        return strict;
    };
    let matches_all = !pattern.is_empty() && pattern.chars().all(|c| c == '%');
    match text {
        Value::Null | Value::Fails => strict,
        _ if matches_all => Outcomes {
            no: false,
            opaque: strict.opaque && (strict.null || strict.fails),
            ..strict
        },
        Value::Tenant(_) if pattern.is_empty() => Outcomes::NO,
        Value::Text(text) if !pattern.contains(['%', '_', '\\']) && text == pattern => {
            Outcomes::YES
        }
        _ => strict,
    }
}

fn concatenated(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => Value::Text(format!("{a}{b}")),
        (Value::Text(empty), other) | (other, Value::Text(empty)) if empty.is_empty() => {
            other.clone()
        }
        // A name that a tenant's is part of: like the other tenant's or not.
        (Value::Tenant(_), _) | (_, Value::Tenant(_)) => {
            let strict = Value::of_strict(&[left.clone(), right.clone()], false, false);
            match strict {
                Value::Unknown(unknown) => Value::Unknown(Unknown {
                    opaque: true,
                    ..unknown
                }),
                other => other,
            }
        }
        _ => Value::of_strict(&[left.clone(), right.clone()], false, false),
    }
}

fn quantified(operator: &str, left: &Value, array: &Value, all: bool) -> Value {
    let strict =
        || Value::Truth(Value::of_strict(&[left.clone(), array.clone()], true, false).truth());
    let own = [array.clone()];
    let items = match array {
        Value::Array(items) => items.as_slice(),
        Value::Tenant(_) => &own,
        _ => return strict(),
    };
    let each = |item: &Value| match operator {
        "~~" | "~~*" => Some(like(left, item)),
        _ if COMPARISONS.contains(&operator) => Some(compared(operator, left, item)),
        _ => None,
    };
    let Some(each) = items.iter().map(each).collect::<Option<Vec<Outcomes>>>() else {
        return strict();
    };
    if *left == Value::Fails {
        return Value::Fails;
    }
    Value::Truth(if all {
        each.into_iter().fold(Outcomes::YES, Outcomes::and)
    } else {
        each.into_iter().fold(Outcomes::NO, Outcomes::or)
    })
}

fn is(of: Outcomes, truth: Option<bool>) -> Outcomes {
    let (yes, no) = match truth {
        Some(true) => (of.yes, of.no || of.null),
        Some(false) => (of.no, of.yes || of.null),
        None => (of.null, of.yes || of.no),
    };
    Outcomes {
        yes,
        no,
        null: false,
        fails: of.fails,
        opaque: of.opaque && (yes && no || of.fails),
    }
}

fn case(
    operand: Option<&Expr>,
    branches: &[(Expr, Expr)],
    otherwise: &Expr,
    scenario: &Scenario<'_>,
) -> Value {
    let operand = operand.map(|operand| value(operand, scenario));
    let mut possible: Option<Value> = None;
    let mut add = |more: Value| {
        possible = Some(match possible.take() {
            Some(so_far) => so_far.either(more),
            None => more,
        });
    };
    let mut opaque = false;
    for (when, then) in branches {
        let taken = match &operand {
            Some(operand) => compared("=", operand, &value(when, scenario)),
            None => condition(when, scenario),
        };
        opaque |= taken.opaque;
        if taken.fails {
            add(Value::Fails);
        }
        if taken.yes {
            add(value(then, scenario));
        }
        if !taken.no && !taken.null {
            return clouded(possible, opaque);
        }
    }
    add(value(otherwise, scenario));
    clouded(possible, opaque)
}

/// A choice by something that is not understood is not understood itself, unless all that could be chosen is the same.
fn clouded(value: Option<Value>, opaque: bool) -> Value {
    match value {
        Some(Value::Truth(outcomes)) => Value::Truth(
            Outcomes {
                opaque: outcomes.opaque || opaque,
                ..outcomes
            }
            .and(Outcomes::YES),
        ),
        Some(Value::Unknown(unknown)) => Value::Unknown(Unknown {
            opaque: unknown.opaque || opaque,
            ..unknown
        }),
        Some(other) => other,
        None => Value::OPAQUE,
    }
}

/// What a query's WHERE lets through: of rows whose number and contents are not known.
fn rows(query: &Query, scenario: &Scenario<'_>) -> Outcomes {
    query
        .condition
        .as_ref()
        .map_or(Outcomes::YES, |filter| condition(filter, scenario))
}

fn exists(query: &Query, scenario: &Scenario<'_>) -> Outcomes {
    let rows = rows(query, scenario);
    if !query.reads {
        return Outcomes {
            yes: rows.yes,
            no: rows.no || rows.null,
            null: false,
            ..rows
        };
    }
    Outcomes {
        yes: rows.yes,
        no: true,
        null: false,
        fails: rows.fails,
        opaque: rows.yes || rows.fails,
    }
}

fn is_in(left: &Value, query: &Query, scenario: &Scenario<'_>) -> Outcomes {
    let rows = rows(query, scenario);
    let doubts = left.doubts();
    Outcomes {
        yes: rows.yes,
        no: true,
        null: rows.yes,
        fails: rows.fails || doubts.fails,
        opaque: rows.yes || rows.fails || doubts.fails,
    }
}

fn scalar(query: &Query, scenario: &Scenario<'_>) -> Value {
    let rows = rows(query, scenario);
    let item = value(&query.item, scenario);
    if !query.reads {
        return if rows.is_certain() {
            item
        } else if !rows.yes && !rows.fails {
            Value::Null
        } else {
            item.either(Value::Null).either(Value::OPAQUE)
        };
    }
    // Without a row a column is NULL; an aggregate is not, so anything with a call in it is not judged.
    if matches!(query.item, Expr::Column(_)) && !rows.yes {
        return if rows.fails {
            Value::Unknown(Unknown {
                null: true,
                fails: true,
                opaque: true,
            })
        } else {
            Value::Null
        };
    }
    Value::Unknown(Unknown {
        null: true,
        fails: rows.fails,
        opaque: true,
    })
}
